/* tests/directory/checker.c: shards, then members, then what holds for every command. */
#include "tests/directory/checker.h"

#include <stdio.h>

void checker_init(struct checker *checker)
{
    *checker = (struct checker){.hash = 0};
}

/* Nodes as they were. */

static const void *node_before(const struct checker *checker, uint64_t node, bool *alive, uint64_t *incarnation)
{
    for (uint32_t i = 0; i < checker->node_count; i++) {
        if (checker->nodes[i].node == node) {
            *alive = checker->nodes[i].alive;
            *incarnation = checker->nodes[i].incarnation;
            return &checker->nodes[i];
        }
    }
    return NULL;
}

/* A node whose lease may last: alive, and still the process that was promoted. */
static bool may_serve(const struct checker *checker, const struct cluster_shard *shard)
{
    bool alive;
    uint64_t incarnation;
    return node_before(checker, shard->primary, &alive, &incarnation) != NULL && alive &&
           incarnation == shard->incarnation;
}

/* Shards. */

static const char *check_entry(const struct cluster_shard *now)
{
    const struct copy *primary = copies_of(&now->isr, now->primary);
    if (now->min_isr == 0 || now->isr.count < now->min_isr) {
        return "fewer copies in sync than min_isr (R2)";
    }
    return primary == NULL ? "the primary is not in sync" : NULL;
}

static const char *check_new_epoch(const struct checker *checker, enum command_kind kind,
                                   const struct cluster_shard *was, const struct cluster_shard *now)
{
    const struct copy *chosen = copies_of(&was->isr, now->primary);
    bool alive;
    uint64_t incarnation;
    if (node_before(checker, now->primary, &alive, &incarnation) == NULL || !alive || incarnation != now->incarnation) {
        return "the new primary is not alive, or its incarnation is wrong (R40)";
    }
    if (kind != COMMAND_FORCE && chosen == NULL) {
        return "one was promoted that was not in sync (R40)";
    }
    if (chosen != NULL && kind != COMMAND_FORCE && ids_have(&was->lost, chosen->rid)) {
        return "a lost copy was promoted (R47)";
    }
    bool is_same = kind == COMMAND_FORCE && now->primary == was->primary;
    if (kind != COMMAND_TRANSFER && !is_same && may_serve(checker, was)) {
        return "fail-over while the old primary may have a lease (R40)";
    }
    return NULL;
}

static uint32_t count_of_missing(const struct copies *from, const struct copies *in)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        count += copies_find(in, from->at[i].rid) == NULL;
    }
    return count;
}

/* Who leaves isr, and who comes in. */
static const char *check_isr(enum command_kind kind, const struct cluster_shard *was, const struct cluster_shard *now)
{
    uint32_t left = count_of_missing(&was->isr, &now->isr), came = count_of_missing(&now->isr, &was->isr);
    switch (kind) {
    case COMMAND_ASSIGN:
    case COMMAND_FORCE:
        return NULL;
    case COMMAND_ADD:
        return came == 1 && left <= 1 && now->isr.count >= was->isr.count ? NULL : "ADD did more, or less";
    case COMMAND_REMOVE:
        return came == 0 && left == 1 ? NULL : "REMOVE did more, or less";
    case COMMAND_PROMOTE:
        return came == 0 && (left == 0 || (left == 1 && !copies_have(&now->isr, was->primary)))
                   ? NULL
                   : "PROMOTE took another than the old primary out of isr";
    default:
        return came == 0 && left == 0 ? NULL : "isr changed by a command that is not about it";
    }
}

static const char *check_change(const struct checker *checker, const struct command *command,
                                const struct cluster_shard *was, const struct cluster_shard *now)
{
    enum command_kind kind = command->kind;
    bool new_epoch = kind == COMMAND_PROMOTE || kind == COMMAND_TRANSFER || kind == COMMAND_FORCE;
    if (!command_is_cas(kind) && !(kind == COMMAND_REGISTER && command->register_.forgot)) {
        return "a shard changed by a command that is not about shards";
    }
    if (command_is_cas(kind) && (command->cas.shard != now->shard || command->cas.cv != was->cv)) {
        return "a command took effect that was about an older entry (R1)";
    }
    if (now->cv != was->cv + 1) {
        return "cv did not go up by one";
    }
    if (now->lineage != was->lineage + (kind == COMMAND_FORCE || kind == COMMAND_ASSIGN)) {
        return "the lineage is wrong";
    }
    if (now->epoch != was->epoch + (new_epoch || kind == COMMAND_ASSIGN)) {
        return "the epoch is wrong (I5)";
    }
    if (!new_epoch && kind != COMMAND_ASSIGN && now->primary != was->primary) {
        return "the primary changed without an epoch";
    }
    const char *fault = check_entry(now);
    fault = fault == NULL && new_epoch ? check_new_epoch(checker, kind, was, now) : fault;
    return fault == NULL ? check_isr(kind, was, now) : fault;
}

static bool same_list(const struct ids *a, const struct ids *b)
{
    return a->count == b->count && memcmp(a->at, b->at, a->count * sizeof *a->at) == 0;
}

static bool same_shard(const struct cluster_shard *a, const struct cluster_shard *b)
{
    return a->shard == b->shard && a->lineage == b->lineage && a->epoch == b->epoch && a->cv == b->cv &&
           a->primary == b->primary && a->incarnation == b->incarnation && a->min_isr == b->min_isr &&
           a->isr.count == b->isr.count && memcmp(a->isr.at, b->isr.at, a->isr.count * sizeof *a->isr.at) == 0 &&
           same_list(&a->targets, &b->targets) && same_list(&a->lost, &b->lost);
}

static const char *check_shards(struct checker *checker, const struct cluster_rows *rows, const struct command *command,
                                const struct directory_result *result)
{
    for (uint32_t id = 0; id < CHECKER_SHARDS; id++) {
        const struct cluster_shard *now = cluster_rows_shard(rows, id), empty = {.shard = id};
        struct cluster_shard *was = &checker->shards[id];
        now = now == NULL ? &empty : now;
        was->shard = id;
        if (result->has_shard && result->shard.shard == id && !same_shard(&result->shard, now)) {
            return "the answer is not the entry afterwards (R1)";
        }
        if (same_shard(was, now)) {
            if (result->code == DIRECTORY_DONE && command_is_cas(command->kind) && command->cas.shard == id) {
                return "a command that was done changed nothing";
            }
            continue;
        }
        const char *fault = check_change(checker, command, was, now);
        if (fault != NULL) {
            return fault;
        }
        *was = *now;
    }
    return NULL;
}

/* Members. */

static const char *check_members(const struct checker *checker, const struct cluster_rows *rows,
                                 const struct command *command)
{
    const struct row_list *members = &rows->of[ROW_MEMBER];
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *m = &members->at[i]->entry.member;
        for (uint32_t j = 0; j < i && m->state != MEMBER_REMOVED; j++) {
            const struct cluster_member *other = &members->at[j]->entry.member;
            if (other->state != MEMBER_REMOVED &&
                (pdr_bytes_equal(m->name, other->name) || pdr_bytes_equal(m->address, other->address))) {
                return "two living members have one name, or one address";
            }
        }
        bool alive;
        uint64_t incarnation = 0;
        bool known = node_before(checker, m->node, &alive, &incarnation) != NULL;
        if (m->incarnation != incarnation &&
            (m->incarnation < incarnation || command->kind != COMMAND_REGISTER || m->node != command->register_.node)) {
            return "an incarnation went down, or up by itself (R12)";
        }
        if (!known && m->state != MEMBER_UP) {
            return "a new member is not up";
        }
    }
    return NULL;
}

static const char *note_members(struct checker *checker, const struct cluster_rows *rows)
{
    const struct row_list *members = &rows->of[ROW_MEMBER];
    for (uint32_t i = 0; i < checker->node_count; i++) {
        const struct cluster_member *m = cluster_rows_member(rows, checker->nodes[i].node);
        if (m == NULL || (checker->nodes[i].removed && m->state != MEMBER_REMOVED)) {
            return "a tombstone is gone, or a removed node is back";
        }
    }
    checker->node_count = 0;
    for (uint32_t i = 0; i < members->count && i < CHECKER_NODES; i++, checker->node_count++) {
        const struct cluster_member *m = &members->at[i]->entry.member;
        checker->nodes[i].node = m->node;
        checker->nodes[i].incarnation = m->incarnation;
        checker->nodes[i].alive = m->state == MEMBER_UP;
        checker->nodes[i].removed = m->state == MEMBER_REMOVED;
    }
    return NULL;
}

/* Elections. */

static struct checker_election election_now(const struct cluster_rows *rows, uint32_t number)
{
    struct checker_election now = {.count = 0};
    struct candidate candidate;
    char name[16];
    snprintf(name, sizeof name, "e%u", number);
    const struct cluster_election *election = cluster_rows_election(rows, pdr_str(name));
    struct pdr_bytes rest = candidates_items(election != NULL ? election->candidates : (struct candidates){{NULL, 0}});
    now.token = election != NULL ? election->token : 0;
    while (candidates_next(&rest, &candidate)) {
        now.orders[now.count] = candidate.order;
        now.owners[now.count++] = candidate.owner;
    }
    return now;
}

/* One comes, at the end, or one goes, and the others keep their order. */
static const char *check_queue(const struct checker_election *was, const struct checker_election *now,
                               const struct command *command, uint64_t index)
{
    bool came = now->count == was->count + 1, went = now->count + 1 == was->count;
    uint32_t gone = 0;
    if (!came && !went && now->count != was->count) {
        return "more than one candidate came or went";
    }
    while (gone < now->count && gone < was->count && was->orders[gone] == now->orders[gone]) {
        gone++;
    }
    for (uint32_t i = gone; went && i < now->count; i++) {
        if (was->orders[i + 1] != now->orders[i] || was->owners[i + 1] != now->owners[i]) {
            return "a queue is in another order";
        }
    }
    if (!went && gone < was->count) {
        return "a queue is in another order";
    }
    if (came && (command->kind != COMMAND_CAMPAIGN || now->orders[was->count] != index ||
                 now->owners[was->count] != command->campaign.owner)) {
        return "one stands who did not come";
    }
    bool is_end = command->kind == COMMAND_RESIGN || command->kind == COMMAND_LAPSE;
    return went && !is_end ? "one stands no more who did not go" : NULL;
}

static const char *check_elections(struct checker *checker, const struct cluster_rows *rows,
                                   const struct command *command, uint64_t index)
{
    for (uint32_t i = 0; i < CHECKER_ELECTIONS; i++) {
        struct checker_election now = election_now(rows, i), *was = &checker->elections[i];
        uint64_t was_first = was->count > 0 ? was->orders[0] : 0, first = now.count > 0 ? now.orders[0] : 0;
        const char *fault = check_queue(was, &now, command, index);
        if (fault != NULL) {
            return fault;
        }
        if (first == was_first && now.token != was->token) {
            return "a token changed without its leader";
        }
        if (first != was_first && first != 0 && now.token <= checker->newest_token) {
            return "a new leader's token is not above all before it";
        }
        checker->newest_token = now.token > checker->newest_token ? now.token : checker->newest_token;
        *was = now;
    }
    return NULL;
}

/* All. */

static const char *check_changed_rows(const struct directory *directory, const struct directory_result *result)
{
    for (uint32_t i = 0; i < result->changed_count; i++) {
        const struct cluster_row *row = result->changed[i];
        if (row->entry.changed != directory_index(directory) ||
            cluster_rows_find(directory_rows(directory), &row->entry) != row) {
            return "a row is said to have changed, and has not";
        }
        if (i > 0 && entry_compare(&result->changed[i - 1]->entry, &row->entry) >= 0) {
            return "changed rows are out of order";
        }
    }
    return NULL;
}

const char *checker_step(struct checker *checker, const struct directory *directory, const struct command *command,
                         const struct directory_result *result)
{
    const struct cluster_rows *rows = directory_rows(directory);
    const struct cluster_info *info = cluster_rows_info(rows);
    bool same = directory_hash(directory) == checker->hash;
    if (same != (result->changed_count == 0) || (result->code != DIRECTORY_DONE && !same)) {
        return "the hash moved without a change, or did not move with one";
    }
    if (info != NULL && info->next_shard < checker->next_shard) {
        return "there are fewer shards than before";
    }
    const char *fault = check_changed_rows(directory, result);
    fault = fault == NULL ? check_shards(checker, rows, command, result) : fault;
    fault = fault == NULL ? check_members(checker, rows, command) : fault;
    fault = fault == NULL ? note_members(checker, rows) : fault;
    fault = fault == NULL ? check_elections(checker, rows, command, directory_index(directory)) : fault;
    checker->next_shard = info == NULL ? 0 : info->next_shard;
    checker->hash = directory_hash(directory);
    return fault == NULL ? directory_fault(directory) : fault;
}
