/* tools/node/sys_ps.c: `_sys/node.ps`: actors in order of their addresses, a page at a time. Active ones from the cores
 * (a survey), passive ones from the store, by a job. */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/shard/activation.h"
#include "core/shard/shard.h"
#include "core/store/snapshot.h"
#include "tools/node/survey.h"
#include "tools/node/sys_node.h"

#define PS_BYTES_MAX (16u << 20) /* of one passive actor: counting stops there */

/* One row of `ps`. */
struct ps_row {
    char *address;
    bool active;
    uint32_t mailbox, turns;
    uint32_t shard; /* of a passive one */
    uint16_t gen;   /* ... and the generation of its rows */
    uint64_t bytes;
};

struct ps_rows {
    struct ps_row *rows;
    uint32_t count, capacity;
};

struct ps_survey {
    struct survey survey;
    struct pdr_bytes prefix, cursor; /* slices of the call */
    uint32_t limit;
    struct core_job job; /* the passive ones, from the store */
    struct ps_rows passive;
    enum pdr_status status;
    struct ps_rows active[]; /* by core */
};

static bool in_page(const struct ps_survey *survey, struct pdr_bytes address)
{
    if (address.size < survey->prefix.size ||
        (survey->prefix.size > 0 && memcmp(address.data, survey->prefix.data, survey->prefix.size) != 0)) {
        return false;
    }
    return survey->cursor.size == 0 || pdr_bytes_compare(address, survey->cursor) > 0;
}

static struct ps_row *next_row(struct ps_rows *rows)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity == 0 ? 64 : rows->capacity * 2;
        rows->rows = mem_grow(rows->rows, rows->capacity * sizeof *rows->rows);
    }
    return &rows->rows[rows->count++];
}

static struct ps_row *add_row(struct ps_rows *rows, struct pdr_bytes address)
{
    struct ps_row *row = next_row(rows);
    *row = (struct ps_row){.address = mem_new(address.size + 1)};
    memcpy(row->address, address.data, address.size);
    return row;
}

static void free_rows(struct ps_rows *rows)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        mem_free(rows->rows[i].address);
    }
    mem_free(rows->rows);
}

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const struct ps_row *)a)->address, ((const struct ps_row *)b)->address);
}

/* Keeps the first `limit` in order, so that a core with a million actors answers with a page. */
static void shrink(struct ps_rows *rows, uint32_t limit)
{
    if (rows->count > 0) {
        qsort(rows->rows, rows->count, sizeof *rows->rows, compare_rows);
    }
    while (rows->count > limit) {
        mem_free(rows->rows[--rows->count].address);
    }
}

/* On each core. */

struct walk {
    const struct ps_survey *survey;
    struct ps_rows *rows;
};

static bool note_activation(struct hash_node *node, void *user)
{
    const struct activation *a = LIST_ITEM(node, struct activation, by_address);
    struct walk *walk = user;
    if (in_page(walk->survey, activation_address(a))) {
        struct ps_row *row = add_row(walk->rows, activation_address(a));
        row->active = true;
        row->mailbox = a->mailbox_count;
        row->turns = a->turns;
        row->bytes = a->values.bytes;
        if (walk->rows->count > 4 * (walk->survey->limit + 64)) {
            shrink(walk->rows, walk->survey->limit + 1);
        }
    }
    return true;
}

static void ask(struct survey *survey, struct core *core, unsigned index)
{
    struct ps_survey *ps = LIST_ITEM(survey, struct ps_survey, survey);
    struct walk walk = {ps, &ps->active[index]};
    hash_each(&core->activations, note_activation, &walk);
    shrink(&ps->active[index], ps->limit + 1);
}

static void release(struct survey *survey)
{
    struct ps_survey *ps = LIST_ITEM(survey, struct ps_survey, survey);
    for (unsigned i = 0; i < survey->owner->world.cores; i++) {
        free_rows(&ps->active[i]);
    }
    free_rows(&ps->passive);
    mem_free(ps);
}

/* The page. */

/* Active and passive ones merged by address; an active one hides its row of the store. */
static void put_ps(pdr_writer *out, struct ps_survey *survey)
{
    struct ps_rows all = {0};
    for (unsigned i = 0; i <= survey->survey.owner->world.cores; i++) {
        struct ps_rows *from = i < survey->survey.owner->world.cores ? &survey->active[i] : &survey->passive;
        for (uint32_t k = 0; k < from->count; k++) {
            *next_row(&all) = from->rows[k];
        }
        from->count = 0;
    }
    if (all.count > 0) {
        qsort(all.rows, all.count, sizeof *all.rows, compare_rows);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < all.count; i++) {
        if (kept > 0 && strcmp(all.rows[kept - 1].address, all.rows[i].address) == 0) {
            struct ps_row *other = &all.rows[kept - 1], *row = &all.rows[i];
            other->bytes = row->bytes > other->bytes ? row->bytes : other->bytes;
            if (row->active) {
                other->active = true;
                other->mailbox = row->mailbox;
                other->turns = row->turns;
            }
            mem_free(row->address);
        } else {
            all.rows[kept++] = all.rows[i];
        }
    }
    all.count = kept;
    bool more = kept > survey->limit;
    uint32_t shown = more ? survey->limit : kept;
    pdr_write_map(out, 2);
    pdr_write_cstr(out, "actors");
    pdr_write_array(out, shown);
    for (uint32_t i = 0; i < shown; i++) {
        pdr_write_map(out, 5);
        put_str(out, "address", all.rows[i].address);
        put_str(out, "state", all.rows[i].active ? "active" : "passive");
        put_uint(out, "mailbox", all.rows[i].mailbox);
        put_uint(out, "turns", all.rows[i].turns);
        put_uint(out, "bytes", all.rows[i].bytes);
    }
    pdr_write_cstr(out, "next");
    if (more) {
        pdr_write_cstr(out, all.rows[shown - 1].address);
    } else {
        pdr_write_nil(out);
    }
    free_rows(&all);
}

/* The passive ones: one seek an actor, shard by shard, since the store is in order of shards. */

struct passive_walk {
    struct ps_survey *survey;
    struct pdr_bytes address;
    uint64_t bytes;
    uint8_t data[KEYS_ADDRESS_MAX];
    bool found;
};

static bool first_row(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct passive_walk *walk = user;
    struct keys_state_parts parts;
    walk->found = keys_state_parse(key, &parts);
    if (walk->found) {
        memcpy(walk->data, parts.address.data, parts.address.size);
        walk->address = pdr_bytes(walk->data, parts.address.size);
    }
    return false;
}

static bool add_bytes(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct passive_walk *walk = user;
    struct keys_state_parts parts;
    if (keys_state_parse(key, &parts)) {
        walk->bytes += parts.user_key.size + value.size;
    }
    return walk->bytes < PS_BYTES_MAX;
}

/* Only of those that are shown. */
static enum pdr_status measure(struct store *store, struct store_cursor *cursor, struct ps_row *row)
{
    uint8_t from[KEYS_STATE_SIZE_MAX], to[KEYS_STATE_SIZE_MAX];
    struct passive_walk walk = {.bytes = 0};
    struct pdr_bytes address = pdr_str(row->address);
    size_t from_size = keys_state_prefix(from, row->shard, row->gen, address),
           to_size = keys_state_end(to, row->shard, row->gen, address);
    enum pdr_status status =
        store->ops->cursor_scan(cursor, pdr_bytes(from, from_size), pdr_bytes(to, to_size), add_bytes, &walk);
    row->bytes = walk.bytes;
    return status;
}

/* Up to limit + 1 actors of a shard behind the cursor. */
static enum pdr_status walk_shard(struct ps_survey *survey, struct store *store, struct store_cursor *cursor,
                                  uint32_t shard)
{
    uint8_t from[KEYS_STATE_SIZE_MAX], to[KEYS_STATE_SIZE_MAX], end[KEYS_STATE_SIZE_MAX];
    struct passive_walk walk = {.survey = survey};
    uint16_t gen;
    enum pdr_status known = snapshot_generation(store, cursor, shard, &gen);
    if (known != PDR_OK) {
        return known;
    }
    struct pdr_bytes start = pdr_bytes_compare(survey->cursor, survey->prefix) > 0 ? survey->cursor : survey->prefix;
    size_t from_size = start.size == 0 ? keys_state_prefix(from, shard, gen, pdr_str("!")) - 2
                                       : keys_state_prefix(from, shard, gen, start) - 1;
    uint32_t found = 0;
    memset(to, 0xff, sizeof to);
    size_t to_size = keys_state_prefix(to, shard, gen, pdr_str("~")); /* behind every type's first letter */
    while (found <= survey->limit) {
        walk.found = false;
        enum pdr_status status =
            store->ops->cursor_scan(cursor, pdr_bytes(from, from_size), pdr_bytes(to, to_size), first_row, &walk);
        if (status != PDR_OK || !walk.found) {
            return status;
        }
        size_t end_size = keys_state_end(end, shard, gen, walk.address);
        if (in_page(survey, walk.address)) {
            struct ps_row *row = add_row(&survey->passive, walk.address);
            row->shard = shard;
            row->gen = gen;
            found++;
        } else if (pdr_bytes_compare(walk.address, survey->prefix) > 0 &&
                   (walk.address.size < survey->prefix.size ||
                    memcmp(walk.address.data, survey->prefix.data, survey->prefix.size) != 0)) {
            return PDR_OK; /* beyond the prefix */
        }
        memcpy(from, end, end_size);
        from_size = end_size;
    }
    return PDR_OK;
}

static void passive_run(struct job *job)
{
    struct ps_survey *survey = LIST_ITEM(job, struct ps_survey, job.job);
    struct store *store = survey->survey.owner->store;
    struct store_cursor *cursor = store->ops->cursor_new(store);
    if (cursor == NULL) {
        survey->status = PDR_OVERLOADED;
        return;
    }
    for (uint32_t shard = 0; shard < CLUSTER_SHARDS && survey->status == PDR_OK; shard++) {
        survey->status = walk_shard(survey, store, cursor, shard);
        shrink(&survey->passive, survey->limit + 1);
    }
    for (uint32_t i = 0; i < survey->passive.count && survey->status == PDR_OK; i++) {
        survey->status = measure(store, cursor, &survey->passive.rows[i]);
    }
    store->ops->cursor_free(cursor);
}

static void passive_done(struct job *job)
{
    struct ps_survey *ps = LIST_ITEM(job, struct ps_survey, job.job);
    struct node *node = ps->survey.owner;
    struct call *call = ps->survey.call;
    list_remove(&ps->job.node);
    if (ps->status != PDR_OK) {
        call_fail(call, ps->status, "the store could not be read");
    } else {
        put_ps(&call->reply, ps);
    }
    survey_finish(&ps->survey);
    node_job_over(node);
}

static void passive_discard(struct core_job *job) {} /* sys_node_free has the survey */

static void conclude(struct survey *survey)
{
    struct ps_survey *ps = LIST_ITEM(survey, struct ps_survey, survey);
    struct core *control = survey->owner->control;
    ps->job = (struct core_job){.job = {passive_run, passive_done, {0}}, .core = control, .discard = passive_discard};
    list_push_back(&control->jobs, &ps->job.node);
    work_submit(control->world.work, control->world.loop, &ps->job.job);
}

static const struct survey_kind ps_kind = {ask, conclude, release};

void sys_ps(struct node *node, struct call *call)
{
    if (survey_count(node, &ps_kind) >= LIMIT_PS_AT_ONCE) {
        call->retry_ms = 200;
        call_fail(call, PDR_OVERLOADED, "%d others list actors at this moment (limit ps_at_once)", LIMIT_PS_AT_ONCE);
        call_finish(call);
        return;
    }
    struct pdr_bytes items = pdr_value_items(call->args), prefix = {0}, cursor = {0};
    pdr_value first = pdr_value_next(&items), second = pdr_value_next(&items), third = pdr_value_next(&items);
    int64_t limit = 100;
    pdr_value_bytes(first, &prefix);
    pdr_value_bytes(second, &cursor);
    pdr_value_int(third, &limit);
    if (limit < 1 || limit > LIMIT_PS_ROWS_MAX || prefix.size > KEYS_ADDRESS_MAX || cursor.size > KEYS_ADDRESS_MAX) {
        call_fail(call, PDR_INVALID,
                  "ps takes a prefix, a cursor (the last page's \"next\") and a limit of 1 to %d (limit ps_rows_max)",
                  LIMIT_PS_ROWS_MAX);
        call_finish(call);
        return;
    }
    struct ps_survey *ps = mem_new(sizeof *ps + node->world.cores * sizeof ps->active[0]);
    ps->prefix = prefix;
    ps->cursor = cursor;
    ps->limit = (uint32_t)limit;
    survey_start(&ps->survey, &ps_kind, node, call);
}
