/* tests/directory/random_run.c: drives directory, twin and view with one source of chance. */
#include "tests/directory/random_run.h"

#include "core/cluster/view.h"
#include "tests/directory/checker.h"
#include "tests/directory/random_command.h"

struct run {
    struct random_source source;
    struct directory *directory, *twin;
    struct cluster_view view;
    struct checker checker;
    pdr_writer late; /* a page that is on its way */
    struct random_stats *stats;
};

static bool one_in(struct run *run, uint64_t n)
{
    return rng_below(&run->source.rng, n) == 0;
}

/* Snapshots. */

static const char *check_snapshot(struct run *run)
{
    pdr_writer ours = {0}, twins = {0}, again = {0};
    struct directory *restored = NULL;
    const char *fault = NULL, *why = NULL;
    directory_snapshot(run->directory, &ours);
    directory_snapshot(run->twin, &twins);
    if (!pdr_bytes_equal(pdr_written(&ours), pdr_written(&twins))) {
        fault = "the same commands gave different snapshots";
    } else if (directory_restore(pdr_written(&twins), &restored, &why) != PDR_OK) {
        fault = why;
    } else {
        directory_snapshot(restored, &again);
        if (!pdr_bytes_equal(pdr_written(&ours), pdr_written(&again))) {
            fault = "a snapshot of what was restored differs";
        }
        directory_free(run->twin);
        run->twin = restored;
        run->stats->restores++;
    }
    pdr_writer_release(&ours);
    pdr_writer_release(&twins);
    pdr_writer_release(&again);
    return fault;
}

/* The feed. */

/* R13: what the view says it knows, it knows. */
static const char *check_view(const struct run *run)
{
    const struct cluster_rows *rows = directory_rows(run->directory);
    for (uint32_t kind = 0; kind < ROW_KIND_COUNT; kind++) {
        for (uint32_t i = 0; i < rows->of[kind].count; i++) {
            const struct cluster_row *row = rows->of[kind].at[i];
            const struct cluster_row *known = cluster_rows_find(&run->view.rows, &row->entry);
            bool same = known != NULL && pdr_bytes_equal(cluster_row_bytes(row), cluster_row_bytes(known));
            if (row->entry.changed <= run->view.index && !same) {
                return "a node says that it knows a change, and does not (R13)";
            }
            if (known != NULL && !same && !entry_is_newer(&row->entry, &known->entry)) {
                return "a node has a row that there never was";
            }
        }
    }
    return NULL;
}

static const char *check_map(const struct run *run)
{
    struct cluster_map *map = cluster_map_new(&run->view, random_node_id(0), 4, false);
    const struct cluster_rows *rows = &run->view.rows;
    const struct cluster_member *self = cluster_rows_member(rows, random_node_id(0));
    const char *fault = NULL;
    for (uint32_t id = 0; id < map->owner_count; id++) {
        const struct entry probe = {.kind = ROW_SHARD, .shard = {.shard = id}};
        const struct cluster_row *row = cluster_rows_find(rows, &probe);
        const struct cluster_shard *shard = row == NULL ? NULL : &row->entry.shard;
        const struct cluster_owner *owner = cluster_map_owner(map, id);
        bool is_old = shard != NULL && self != NULL && shard->primary == self->node &&
                      shard->incarnation < self->incarnation;
        bool is_served = shard != NULL && shard->isr.count == 1 && !is_old; /* else it is on its way, or closed */
        if (owner->node != (is_served ? shard->primary : 0) || owner->cv != (row == NULL ? 0 : row->entry.changed)) {
            fault = "the map has another owner than the rows";
        }
    }
    for (uint32_t i = 0; i < rows->of[ROW_MEMBER].count; i++) {
        const struct cluster_member *member = &rows->of[ROW_MEMBER].at[i]->entry.member;
        const struct cluster_node *node = cluster_map_node(map, member->node);
        if ((node == NULL) != (member->state == MEMBER_REMOVED) ||
            (node != NULL && !pdr_bytes_equal(node->address, member->address))) {
            fault = "the map has another member than the rows";
        }
    }
    cluster_map_free(map);
    return fault;
}

static const char *deliver(struct run *run, const pdr_writer *page)
{
    struct fault fault;
    bool changed;
    if (cluster_view_take(&run->view, pdr_written(page), &changed, &fault) != PDR_OK) {
        return fault.what;
    }
    return check_view(run);
}

/* Asks one of the two, which may answer with a small page. The page arrives, is lost, or is kept for later. */
static const char *follow(struct run *run)
{
    pdr_writer page = {0};
    struct directory_page about;
    const char *fault = NULL;
    const struct directory *asked = one_in(run, 2) ? run->twin : run->directory;
    if (directory_feed(asked, directory_index(asked) + 1, 100, &page, &about)) {
        fault = "a feed from the future";
    }
    if (!directory_feed(asked, run->view.cursor, rng_below(&run->source.rng, 900), &page, &about)) {
        fault = "no feed from what a page said";
    }
    run->stats->pages++;
    run->stats->whole_pages += about.complete;
    if (fault == NULL && !one_in(run, 8)) {
        fault = deliver(run, &page);
    }
    if (fault == NULL && run->late.size > 0 && one_in(run, 3)) {
        fault = deliver(run, &run->late);
    }
    if (one_in(run, 4)) {
        pdr_writer_clear(&run->late);
        pdr_write_raw(&run->late, page.data, page.size);
    }
    pdr_writer_release(&page);
    return fault != NULL ? fault : check_map(run);
}

static const char *ask_for_a_row(struct run *run)
{
    pdr_writer row = {0};
    struct fault fault;
    bool changed = false;
    const char *what = NULL;
    struct entry probe = {.kind = ROW_SHARD, .shard = {.shard = (uint32_t)rng_below(&run->source.rng, 5)}};
    if (directory_row(run->directory, &probe, &row) &&
        cluster_view_put(&run->view, pdr_written(&row), &changed, &fault) != PDR_OK) {
        what = fault.what;
    }
    pdr_writer_release(&row);
    return what != NULL ? what : check_view(run);
}

/* Commands. */

static const char *compare_twins(const struct run *run, const struct directory_result *a,
                                 const struct directory_result *b)
{
    uint64_t hash, twins;
    uint64_t index = directory_index(run->directory);
    if (a->code != b->code || strcmp(a->text, b->text) != 0 || a->dir_index != b->dir_index ||
        a->changed_count != b->changed_count) {
        return "the same command was answered differently";
    }
    if (directory_hash(run->directory) != directory_hash(run->twin) ||
        !directory_hash_at(run->directory, index, &hash) || hash != directory_hash(run->twin)) {
        return "the same commands gave different hashes";
    }
    if (index > 3 && directory_hash_at(run->twin, index - 3, &twins) &&
        (!directory_hash_at(run->directory, index - 3, &hash) || hash != twins)) {
        return "the same commands had different hashes before";
    }
    return NULL;
}

static const char *apply_one(struct run *run)
{
    pdr_writer bytes = {0}, again = {0};
    struct command command = random_command(&run->source, directory_rows(run->directory)), read;
    uint64_t index = directory_raft_index(run->directory) + rng_below(&run->source.rng, 2);
    uint32_t since;
    struct fault wrong;
    const char *fault = NULL;
    command_write(&bytes, &command);
    if (command_read(pdr_written(&bytes), 1, &read, &since, &wrong) == PDR_OK) {
        command_write(&again, &read);
        if (!pdr_bytes_equal(pdr_written(&bytes), pdr_written(&again))) {
            fault = "a command that was read is written differently";
        }
    }
    const struct directory_result *result = directory_apply(run->directory, index, pdr_written(&bytes));
    const struct directory_result *twins = directory_apply(run->twin, index, pdr_written(&bytes));
    run->stats->done[command.kind] += result->code == DIRECTORY_DONE;
    run->stats->codes[result->code]++;
    fault = fault == NULL ? compare_twins(run, result, twins) : fault;
    fault = fault == NULL ? checker_step(&run->checker, run->directory, &command, result) : fault;
    pdr_writer_release(&bytes);
    pdr_writer_release(&again);
    return fault;
}

const char *random_run(uint64_t seed, uint32_t steps, struct random_stats *stats, uint32_t *step)
{
    struct run run = {.directory = directory_new(), .twin = directory_new(), .stats = stats};
    const char *fault = NULL;
    random_source_init(&run.source, seed);
    cluster_view_init(&run.view);
    checker_init(&run.checker);
    for (*step = 0; *step < steps && fault == NULL; ++*step) {
        fault = apply_one(&run);
        fault = fault == NULL && one_in(&run, 20) ? check_snapshot(&run) : fault;
        fault = fault == NULL && one_in(&run, 6) ? follow(&run) : fault;
        fault = fault == NULL && one_in(&run, 30) ? ask_for_a_row(&run) : fault;
    }
    cluster_view_release(&run.view);
    random_source_release(&run.source);
    pdr_writer_release(&run.late);
    directory_free(run.directory);
    directory_free(run.twin);
    return fault;
}
