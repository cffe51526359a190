/* consensus/directory_shards.c: who has which shard. Each command is a CAS on the entry's cv, and checks again, here
 * where all is in order, what its proposer had found (replication.md R1, R2, R40 to R47, R50). */
#include <inttypes.h>

#include "consensus/directory_parts.h"
#include "core/base/mutation.h"

/* Copies the entry that the command is about, if it is still the one that its proposer saw. */
static enum directory_code begin(struct directory *d, uint32_t id, uint64_t cv, struct cluster_shard *out)
{
    const struct cluster_shard *shard = cluster_rows_shard(&d->rows, id);
    *out = (struct cluster_shard){.shard = id};
    if (id >= cluster_rows_info(&d->rows)->next_shard) {
        return directory_refuse(d, DIRECTORY_NO_SHARD, "there is no shard %u", id);
    }
    if (shard == NULL) {
        return DIRECTORY_EMPTY;
    }
    if (shard->cv != cv && !MUTATION(102)) {
        return directory_refuse(d, DIRECTORY_CV, "the entry of shard %u is at cv %" PRIu64 ", not %" PRIu64, id,
                                shard->cv, cv);
    }
    *out = *shard;
    return DIRECTORY_DONE;
}

static enum directory_code finish(struct directory *d, struct cluster_shard *shard)
{
    shard->cv++;
    directory_put(d, &(struct entry){.kind = ROW_SHARD, .shard = *shard});
    return DIRECTORY_DONE;
}

static void drop_copy(struct cluster_shard *shard, uint64_t rid)
{
    copies_drop(&shard->isr, rid);
    ids_drop(&shard->lost, rid);
}

static enum directory_code refuse_min_isr(struct directory *d, const struct cluster_shard *shard)
{
    return directory_refuse(d, DIRECTORY_MIN_ISR, "%u copies are in sync, and min_isr is %u: add one first",
                            shard->isr.count, shard->min_isr);
}

static enum directory_code check_alive(struct directory *d, uint64_t node)
{
    enum directory_code code = DIRECTORY_DONE;
    const struct cluster_member *member = directory_living(d, node, &code);
    return member != NULL && member->state != MEMBER_UP ? DIRECTORY_NOT_ALIVE : code;
}

static enum directory_code check_targets(struct directory *d, const struct ids *targets)
{
    enum directory_code code = DIRECTORY_DONE;
    if (targets->count == 0) {
        return directory_refuse(d, DIRECTORY_BAD_VALUE, "a shard has targets");
    }
    for (uint32_t i = 0; i < targets->count && code == DIRECTORY_DONE; i++) {
        for (uint32_t other = 0; other < i; other++) {
            if (targets->at[other] == targets->at[i]) {
                return directory_refuse(d, DIRECTORY_BAD_VALUE, "a node is a target twice");
            }
        }
        directory_living(d, targets->at[i], &code);
    }
    return code;
}

/* The beginning. */

static enum directory_code check_first_copies(struct directory *d, const struct copies *isr)
{
    enum directory_code code = DIRECTORY_DONE;
    for (uint32_t i = 0; i < isr->count && code == DIRECTORY_DONE; i++) {
        for (uint32_t other = 0; other < i; other++) {
            if (isr->at[other].node == isr->at[i].node || isr->at[other].rid == isr->at[i].rid) {
                return directory_refuse(d, DIRECTORY_BAD_VALUE, "two copies have the same node, or the same name");
            }
        }
        if (isr->at[i].rid == 0) {
            return directory_refuse(d, DIRECTORY_BAD_VALUE, "a copy has no name");
        }
        directory_living(d, isr->at[i].node, &code);
    }
    return code;
}

/* Copies of a first assignment are taken to be empty. The founder's are not, if it had data. */
static enum directory_code check_home(struct directory *d, const struct command_assign *command)
{
    uint64_t home = cluster_rows_info(&d->rows)->home;
    const struct cluster_group *group = cluster_rows_group(&d->rows, pdr_str(DIRECTORY_DEFAULT_GROUP));
    bool is_old = home != 0 && group != NULL && command->shard - group->first < group->shards;
    if (is_old && (command->isr.count != 1 || command->primary != home)) {
        return directory_refuse(d, DIRECTORY_NOT_IN_SYNC, "node %016" PRIx64 " has the data of shard %u", home,
                                command->shard);
    }
    return DIRECTORY_DONE;
}

enum directory_code directory_apply_assign(struct directory *d, const struct command_assign *command)
{
    struct cluster_shard shard;
    enum directory_code code = begin(d, command->shard, command->cv, &shard);
    if (code == DIRECTORY_DONE || code == DIRECTORY_CV) {
        *d->result.text = 0;
        return DIRECTORY_ASSIGNED;
    }
    if (code == DIRECTORY_EMPTY && command->cv != 0) {
        code = directory_refuse(d, DIRECTORY_CV, "the entry of shard %u is at cv 0, not %" PRIu64, command->shard,
                                command->cv);
    }
    if (code != DIRECTORY_EMPTY) {
        return code;
    }
    if (command->min_isr == 0 || command->min_isr > command->isr.count) {
        return directory_refuse(d, DIRECTORY_MIN_ISR, "%u copies are in sync, and min_isr would be %u",
                                command->isr.count, command->min_isr);
    }
    if (!copies_have(&command->isr, command->primary)) {
        return DIRECTORY_NOT_IN_SYNC;
    }
    code = check_home(d, command);
    if (code == DIRECTORY_DONE) {
        code = check_first_copies(d, &command->isr);
    }
    if (code == DIRECTORY_DONE) {
        code = check_targets(d, &command->targets);
    }
    if (code == DIRECTORY_DONE) {
        code = check_alive(d, command->primary);
    }
    if (code != DIRECTORY_DONE) {
        return code;
    }
    shard = (struct cluster_shard){.shard = command->shard,
                                   .lineage = 1,
                                   .epoch = cluster_rows_info(&d->rows)->epochs + 1,
                                   .primary = command->primary,
                                   .incarnation = cluster_rows_member(&d->rows, command->primary)->incarnation,
                                   .min_isr = command->min_isr,
                                   .isr = command->isr,
                                   .targets = command->targets};
    return finish(d, &shard);
}

/* The primary. */

/* R40: a copy that may take over. */
static enum directory_code check_successor(struct directory *d, const struct cluster_shard *shard, uint64_t node)
{
    const struct copy *copy = copies_of(&shard->isr, node);
    if (copy == NULL && !MUTATION(100) && !MUTATION(162)) {
        return DIRECTORY_NOT_IN_SYNC;
    }
    if (copy != NULL && ids_have(&shard->lost, copy->rid) && !MUTATION(103)) {
        return DIRECTORY_COPY_LOST;
    }
    return check_alive(d, node);
}

/* R11, R12: the process that was promoted is gone, or has been without a lease since a time that it knows itself. */
static bool lease_is_over(const struct directory *d, const struct cluster_shard *shard)
{
    const struct cluster_member *old = cluster_rows_member(&d->rows, shard->primary);
    return old->state != MEMBER_UP || old->incarnation > shard->incarnation;
}

static enum directory_code check_lease(struct directory *d, const struct cluster_shard *shard)
{
    if (lease_is_over(d, shard) || MUTATION(105) || MUTATION(166)) {
        return DIRECTORY_DONE;
    }
    return directory_refuse(d, DIRECTORY_LEASE, "the lease of the primary, node %016" PRIx64 ", is not over",
                            shard->primary);
}

static void begin_epoch(const struct directory *d, struct cluster_shard *shard, uint64_t node)
{
    shard->epoch++;
    shard->primary = node;
    shard->incarnation = cluster_rows_member(&d->rows, node)->incarnation;
}

enum directory_code directory_apply_promote(struct directory *d, const struct command_promote *command)
{
    struct cluster_shard shard;
    enum directory_code code = begin(d, command->shard, command->cv, &shard);
    if (code == DIRECTORY_DONE) {
        code = check_successor(d, &shard, command->node);
    }
    if (code == DIRECTORY_DONE) {
        code = check_lease(d, &shard);
    }
    if (code != DIRECTORY_DONE) {
        return code;
    }
    const struct copy *old = copies_of(&shard.isr, shard.primary);
    if (old != NULL && shard.primary != command->node && shard.isr.count > shard.min_isr) {
        drop_copy(&shard, old->rid); /* else it stays, and commits wait for it (R2) */
    }
    if (MUTATION(162) && !copies_have(&shard.isr, command->node)) {
        copies_add(&shard.isr, (struct copy){command->node, shard.cv});
    }
    begin_epoch(d, &shard, command->node);
    return finish(d, &shard);
}

enum directory_code directory_apply_transfer(struct directory *d, const struct command_transfer *command)
{
    struct cluster_shard shard;
    enum directory_code code = begin(d, command->shard, command->cv, &shard);
    if (code == DIRECTORY_DONE && command->node == shard.primary) {
        code = DIRECTORY_PRIMARY;
    }
    if (code == DIRECTORY_DONE) {
        code = check_successor(d, &shard, command->node);
    }
    if (code != DIRECTORY_DONE) {
        return code;
    }
    begin_epoch(d, &shard, command->node);
    return finish(d, &shard);
}

/* R46. The data may be older than what was acknowledged, so it is another lineage. Two that serve reads it is not. */
enum directory_code directory_apply_force(struct directory *d, const struct command_force *command)
{
    struct cluster_shard shard;
    enum directory_code code = begin(d, command->shard, command->cv, &shard);
    if (code == DIRECTORY_DONE && command->rid == 0) {
        code = directory_refuse(d, DIRECTORY_BAD_VALUE, "a copy has no name");
    }
    if (code == DIRECTORY_DONE && ids_have(&shard.lost, command->rid)) {
        code = DIRECTORY_COPY_LOST;
    }
    if (code == DIRECTORY_DONE) {
        const struct copy *copy = copies_find(&shard.isr, command->rid);
        code = copy != NULL && copy->node != command->node ? DIRECTORY_NOT_IN_SYNC : check_alive(d, command->node);
    }
    if (code == DIRECTORY_DONE && command->node != shard.primary) {
        code = check_lease(d, &shard);
    }
    if (code != DIRECTORY_DONE) {
        return code;
    }
    shard.isr = (struct copies){1, {{command->node, command->rid}}};
    shard.lost = (struct ids){0};
    shard.min_isr = 1;
    shard.lineage++;
    begin_epoch(d, &shard, command->node);
    return finish(d, &shard);
}

/* The others. */

enum directory_code directory_apply_add(struct directory *d, const struct command_add *command)
{
    struct cluster_shard shard;
    enum directory_code code = begin(d, command->shard, command->cv, &shard);
    if (code == DIRECTORY_DONE && (command->rid == 0 || copies_find(&shard.isr, command->rid) != NULL)) {
        code = DIRECTORY_IN_SYNC;
    }
    if (code == DIRECTORY_DONE && !ids_have(&shard.targets, command->node)) {
        code = DIRECTORY_NOT_TARGET;
    }
    if (code == DIRECTORY_DONE) {
        code = check_alive(d, command->node);
    }
    if (code != DIRECTORY_DONE) {
        return code;
    }
    const struct copy *old = copies_of(&shard.isr, command->node);
    if (old != NULL && (command->node == shard.primary || !ids_have(&shard.lost, old->rid))) {
        return DIRECTORY_IN_SYNC;
    }
    if (old != NULL) {
        drop_copy(&shard, old->rid); /* R46: a new copy of the node's in place of one that is lost */
    } else if (shard.isr.count == LIMIT_COPIES_MAX) {
        return directory_refuse(d, DIRECTORY_LIMIT, "the shard has as many copies as it may have (limit copies_max)");
    }
    copies_add(&shard.isr, (struct copy){command->node, command->rid});
    return finish(d, &shard);
}

enum directory_code directory_apply_remove(struct directory *d, const struct command_remove *command)
{
    struct cluster_shard shard;
    enum directory_code code = begin(d, command->shard, command->cv, &shard);
    if (code != DIRECTORY_DONE) {
        return code;
    }
    const struct copy *copy = copies_find(&shard.isr, command->rid);
    if (copy == NULL) {
        return DIRECTORY_NOT_IN_SYNC;
    }
    if (copy->node == shard.primary) {
        return directory_refuse(d, DIRECTORY_PRIMARY, "the copy is the primary's; transfer the shard first");
    }
    if (shard.isr.count <= shard.min_isr && !MUTATION(101)) {
        return refuse_min_isr(d, &shard);
    }
    drop_copy(&shard, command->rid);
    return finish(d, &shard);
}

enum directory_code directory_apply_touch(struct directory *d, const struct command_touch *command)
{
    struct cluster_shard shard;
    enum directory_code code = begin(d, command->shard, command->cv, &shard);
    return code == DIRECTORY_DONE ? finish(d, &shard) : code;
}

enum directory_code directory_apply_targets(struct directory *d, const struct command_targets *command)
{
    struct cluster_shard shard;
    enum directory_code code = begin(d, command->shard, command->cv, &shard);
    if (code == DIRECTORY_DONE) {
        code = check_targets(d, &command->targets);
    }
    if (code != DIRECTORY_DONE) {
        return code;
    }
    shard.targets = command->targets;
    return finish(d, &shard);
}

enum directory_code directory_apply_min_isr(struct directory *d, const struct command_min_isr *command)
{
    struct cluster_shard shard;
    enum directory_code code = begin(d, command->shard, command->cv, &shard);
    if (code != DIRECTORY_DONE) {
        return code;
    }
    if (command->min_isr == 0 || command->min_isr > shard.isr.count) {
        return directory_refuse(d, DIRECTORY_MIN_ISR, "min_isr is 1 to %u, the copies that are in sync",
                                shard.isr.count);
    }
    shard.min_isr = command->min_isr;
    return finish(d, &shard);
}

enum directory_code directory_apply_lost(struct directory *d, const struct command_lost *command)
{
    struct cluster_shard shard;
    enum directory_code code = begin(d, command->shard, command->cv, &shard);
    if (code != DIRECTORY_DONE) {
        return code;
    }
    if (copies_find(&shard.isr, command->rid) == NULL) {
        return DIRECTORY_NOT_IN_SYNC;
    }
    if (ids_have(&shard.lost, command->rid)) {
        return DIRECTORY_COPY_LOST;
    }
    ids_add(&shard.lost, command->rid);
    return finish(d, &shard);
}

/* All shards of a node. */

void directory_lose_all_copies(struct directory *d, uint64_t node)
{
    const struct row_list *shards = &d->rows.of[ROW_SHARD];
    for (uint32_t i = 0; i < shards->count; i++) {
        struct cluster_shard shard = shards->at[i]->entry.shard;
        const struct copy *copy = copies_of(&shard.isr, node);
        if (copy != NULL && !ids_have(&shard.lost, copy->rid)) {
            ids_add(&shard.lost, copy->rid);
            finish(d, &shard);
        }
    }
}

uint32_t directory_shards_with(const struct directory *d, uint64_t node)
{
    const struct row_list *shards = &d->rows.of[ROW_SHARD];
    uint32_t count = 0;
    for (uint32_t i = 0; i < shards->count; i++) {
        const struct cluster_shard *shard = &shards->at[i]->entry.shard;
        count += copies_have(&shard->isr, node) || ids_have(&shard->targets, node);
    }
    return count;
}
