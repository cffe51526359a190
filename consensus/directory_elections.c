/* consensus/directory_elections.c: elections: who stands, in order of arrival, and who leads.
 *
 *     CAMPAIGN --> the queue's end        the first of the queue leads, under a token: the dir_index at which it became
 *     RESIGN, LAPSE --> out of the queue  the first, and so above every token that was ever given, of any name
 *
 * When the last one has gone the row's room is free for another name: names come and go, and rows are never deleted.
 * Whether a candidate's lease is over is not looked at here: that is counted by the directory's leader
 * (leader_elections.c), which says LAPSE. */
#include "consensus/directory_parts.h"
#include "core/base/mutation.h"

/* The row anew: without the candidate `drop`, with `add` behind the others, and with another value of `changed`. */
struct edit {
    uint64_t drop;                  /* order; 0: nobody goes */
    const struct candidate *add;    /* NULL: nobody comes */
    const struct candidate *change; /* NULL: nobody says another value */
};

static void write_candidates(const struct cluster_election *election, const struct edit *edit, pdr_writer *writer)
{
    struct pdr_bytes rest = candidates_items(election->candidates);
    struct candidate candidate;
    uint32_t count = candidates_count(election->candidates) + (edit->add != NULL) - (edit->drop != 0);
    candidates_begin(writer, count);
    while (candidates_next(&rest, &candidate)) {
        if (candidate.order != edit->drop) {
            bool is_other = edit->change != NULL && edit->change->order == candidate.order;
            candidates_put(writer, is_other ? edit->change : &candidate);
        }
    }
    if (edit->add != NULL) {
        candidates_put(writer, edit->add);
    }
}

static uint64_t order_of_first(struct candidates candidates)
{
    struct pdr_bytes rest = candidates_items(candidates);
    struct candidate first;
    return candidates_next(&rest, &first) ? first.order : 0;
}

static void put(struct directory *d, const struct cluster_election *election, const struct edit *edit)
{
    uint8_t room[1024];
    pdr_writer writer;
    struct entry entry = {.kind = ROW_ELECTION, .election = *election};
    uint64_t before = order_of_first(election->candidates);
    pdr_writer_init(&writer, room, sizeof room, 0);
    write_candidates(election, edit, &writer);
    entry.election.candidates.list = pdr_written(&writer);
    uint64_t first = order_of_first(entry.election.candidates);
    if (first == 0) {
        entry.election = (struct cluster_election){.slot = election->slot, .candidates = entry.election.candidates};
    } else if (first != before) {
        entry.election.token = MUTATION(210) ? first : d->index;
    }
    directory_put(d, &entry);
    pdr_writer_release(&writer);
}

/* The first room that nobody is in. */
static uint32_t free_slot(const struct directory *d)
{
    const struct row_list *list = &d->rows.of[ROW_ELECTION];
    uint32_t slot = d->rows.elections.count == list->count ? list->count : 0;
    while (slot < list->count && list->at[slot]->entry.election.name.size > 0) {
        slot++;
    }
    return slot;
}

static bool is_value(struct pdr_bytes value)
{
    return value.size > 0 && pdr_value_skip(value.data, value.size, PDR_VALUE_DEPTH_MAX) == (int64_t)value.size;
}

static enum directory_code check_room(struct directory *d, const struct cluster_election *election)
{
    if (election == NULL && d->rows.elections.count >= LIMIT_ELECTIONS_MAX) {
        return directory_refuse(d, DIRECTORY_LIMIT, "there are %d elections (limit elections_max)",
                                LIMIT_ELECTIONS_MAX);
    }
    if (election != NULL && candidates_count(election->candidates) >= LIMIT_CANDIDATES_MAX) {
        return directory_refuse(d, DIRECTORY_LIMIT, "%d candidates stand in this election (limit candidates_max)",
                                LIMIT_CANDIDATES_MAX);
    }
    if (d->rows.candidates >= LIMIT_CANDIDATES_ALL_MAX) {
        return directory_refuse(d, DIRECTORY_LIMIT, "%d candidates stand in all elections (limit candidates_all_max)",
                                LIMIT_CANDIDATES_ALL_MAX);
    }
    return DIRECTORY_DONE;
}

static enum directory_code say_again(struct directory *d, const struct cluster_election *election,
                                     const struct candidate *stands, struct pdr_bytes value)
{
    struct candidate changed = *stands;
    if (pdr_bytes_equal(stands->value, value)) {
        return DIRECTORY_ALREADY;
    }
    changed.value = value;
    put(d, election, &(struct edit){.change = &changed});
    return DIRECTORY_DONE;
}

enum directory_code directory_apply_campaign(struct directory *d, const struct command_campaign *command)
{
    const struct cluster_election *election = cluster_rows_election(&d->rows, command->name);
    struct candidate stands;
    uint32_t ahead;
    if (command->name.size == 0 || command->owner == 0 || !is_value(command->value) ||
        command->lease_ms < LIMIT_CAMPAIGN_LEASE_MS_MIN) {
        return DIRECTORY_BAD_VALUE;
    }
    if (election != NULL && candidates_find(election->candidates, command->owner, &stands, &ahead)) {
        return say_again(d, election, &stands, command->value);
    }
    enum directory_code code = check_room(d, election);
    if (code != DIRECTORY_DONE) {
        return code;
    }
    struct candidate comes = {command->owner, d->index, command->node, command->lease_ms, command->value};
    struct cluster_election fresh = {.slot = free_slot(d), .name = command->name};
    put(d, election != NULL ? election : &fresh, &(struct edit){.add = &comes});
    return DIRECTORY_DONE;
}

enum directory_code directory_apply_resign(struct directory *d, const struct command_resign *command)
{
    const struct cluster_election *election = cluster_rows_election(&d->rows, command->name);
    struct candidate stands;
    uint32_t ahead;
    if (election == NULL) {
        return directory_refuse(d, DIRECTORY_NOT_STANDING, "nobody stands in that election");
    }
    if (command->owner != 0 && !candidates_find(election->candidates, command->owner, &stands, &ahead)) {
        return DIRECTORY_NOT_STANDING;
    }
    if (command->owner == 0) {
        struct pdr_bytes rest = candidates_items(election->candidates);
        if (election->token != command->token || !candidates_next(&rest, &stands)) {
            return directory_refuse(d, DIRECTORY_NOT_STANDING, "nobody leads that election under token %llu",
                                    (unsigned long long)command->token);
        }
    }
    put(d, election, &(struct edit){.drop = stands.order});
    return DIRECTORY_DONE;
}

enum directory_code directory_apply_lapse(struct directory *d, const struct command_lapse *command)
{
    const struct entry probe = {.kind = ROW_ELECTION, .election = {.slot = command->slot}};
    const struct cluster_row *row = cluster_rows_find(&d->rows, &probe);
    struct candidate candidate;
    if (row == NULL) {
        return DIRECTORY_NOT_STANDING;
    }
    struct pdr_bytes rest = candidates_items(row->entry.election.candidates);
    while (candidates_next(&rest, &candidate)) {
        if (candidate.order == command->order) {
            put(d, &row->entry.election, &(struct edit){.drop = candidate.order});
            return DIRECTORY_DONE;
        }
    }
    return DIRECTORY_NOT_STANDING; /* it has resigned meanwhile */
}
