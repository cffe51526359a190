/* core/shard/replicas.c: rows and entries to machines, and what their hooks noted to duties, gate and store. */
#include "core/shard/replicas.h"

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/cluster_map.h"
#include "core/shard/commit.h"
#include "core/shard/duty_parts.h"
#include "core/shard/lease.h"
#include "core/shard/replicas_parts.h"

#define PART_BYTES (256u << 10)  /* calls on the same link wait no longer than that takes */
#define TICK_NS (50 * NS_PER_MS) /* of the machines */

void copy_note(struct shard_copy *copy)
{
    if (list_alone(&copy->unsettled)) {
        list_push_back(&copy->core->replicas->unsettled, &copy->unsettled);
    }
}

/* What hooks noted. */

static void was_released(void *user, uint32_t shard, enum pdr_status status) {}

static void settle_pause(struct shard_copy *copy)
{
    struct shard *shard = copy->shard;
    bool is_given_up = copy->replica != NULL && replog_state(copy->replica).released;
    if (copy->is_paused && shard->state == DUTY_OPEN) {
        shard_release(copy->core, shard->id, was_released, NULL);
    } else if (!copy->is_paused && (shard->state == DUTY_RELEASING || shard->state == DUTY_RELEASED)) {
        shard_resume(copy->core, shard->id);
    }
    if (is_given_up && shard->state == DUTY_RELEASING) {
        duty_end_release(copy->core, shard); /* R45: what is not committed waits at the gate */
    }
}

static void settle(struct shard_copy *copy)
{
    struct core *core = copy->core;
    struct shard *shard = copy->shard;
    if (copy->stepped_down) {
        copy->stepped_down = copy->was_cut = false;
        copy->confirmed = 0;
        duty_give_up(core, shard);
    }
    if (copy->began) {
        copy->began = false;
        duty_begin(core, shard);
    }
    if (copy->committed) {
        copy->committed = false;
        commit_open_gate(shard);
    }
    if (copy->confirmed != 0) {
        uint64_t round = copy->confirmed;
        copy->confirmed = 0;
        lease_confirmed(core, shard, round);
    }
    tail_release(copy);
    settle_pause(copy);
    outgoing_consider(copy);
    incoming_step(copy);
}

void replicas_settle(struct core *core)
{
    struct replicas *r = core->replicas;
    struct list *node;
    if (r == NULL || r->is_settling || core->dead) {
        return; /* whoever settles goes on with what comes up meanwhile */
    }
    r->is_settling = true;
    while ((node = list_pop(&r->unsettled)) != NULL) {
        settle(LIST_ITEM(node, struct shard_copy, unsettled));
    }
    r->is_settling = false;
}

/* Copies. */

static struct shard_copy *copy_new(struct core *core, struct shard *shard)
{
    struct shard_copy *copy = mem_new(sizeof *copy);
    copy->core = core;
    copy->shard = shard;
    copy->led = true; /* whatever it promised it has led, before it had others */
    copy->released_seq = shard->applied_seq;
    list_init(&copy->unsettled);
    list_init(&copy->tail);
    list_init(&copy->outgoing);
    list_init(&copy->incoming.chunks);
    list_init(&copy->incoming.stale);
    session_table_init(&copy->side, shard->id, &core->replicas->names);
    shard->copy = copy;
    return copy;
}

void copy_free(struct shard_copy *copy)
{
    list_remove(&copy->unsettled);
    tail_cut(copy, 0);
    session_table_release(&copy->side);
    transfers_free(copy);
    mem_free(copy);
}

void replicas_recovered(struct core *core, struct shard *shard, const struct control *control)
{
    struct shard_copy *copy = copy_new(core, shard);
    copy->led = control->promised != control->cut_epoch;
    copy->is_named = true;
}

void replicas_recovered_entry(struct shard *shard, uint64_t epoch, uint64_t seq, uint64_t position,
                              struct pdr_bytes payload)
{
    tail_push(copy_of(shard), epoch, seq, position, payload);
}

void copy_write_name(struct shard_copy *copy, bool is_shared)
{
    const struct shard *shard = copy->shard;
    uint8_t payload[CONTROL_COPY_SIZE];
    control_copy_encode(shard->rid, is_shared, payload);
    struct record record = {RECORD_COPY, shard->id, shard->epoch, 0, pdr_bytes(payload, sizeof payload)};
    commit_record(copy->core, copy->shard, &record);
}

/* Before anything else. */
static void write_name(struct shard_copy *copy, bool is_new)
{
    struct shard *shard = copy->shard;
    uint8_t payload[8];
    if (is_new) {
        put_le64(payload, shard->rid);
        struct record record = {RECORD_RID, shard->id, shard->epoch, 0, pdr_bytes(payload, sizeof payload)};
        commit_record(copy->core, shard, &record);
        shard->rid_known = true;
    }
    copy_write_name(copy, true);
}

/* R47: the name that the row has for this node's copy, if it may be taken: by one that is made now, and by one that
 * was alone until now and is what the row means, whatever it was called. */
static void take_name(struct shard_copy *copy, const struct cluster_shard *row)
{
    struct core *core = copy->core;
    struct shard *shard = copy->shard;
    const struct copy *own = copies_of(&row->isr, core->map->self);
    bool is_new = !shard->rid_known;
    if (copy->is_named) {
        return;
    }
    if (is_new || (own != NULL && row->isr.count == 1)) {
        shard->rid = own != NULL ? own->rid : shard->rid != 0 ? shard->rid : rng_next(&core->rng) | 1;
    }
    write_name(copy, is_new);
}

static bool tell_tail(struct shard_copy *copy)
{
    for (struct list *node = copy->tail.next; node != &copy->tail; node = node->next) {
        const struct tail_entry *entry = LIST_ITEM(node, struct tail_entry, node);
        replog_recovered(copy->replica, entry->epoch, entry->seq, pdr_bytes(entry->bytes, entry->size));
    }
    return true;
}

static void open_machine(struct shard_copy *copy, uint64_t committed)
{
    struct shard *shard = copy->shard;
    history_cut(&shard->history, shard->last_seq);
    struct replica_options options = {.shard = shard->id,
                                      .user = copy,
                                      .rid = shard->rid,
                                      .promised = shard->epoch,
                                      .led = copy->led && shard->epoch > 0,
                                      .last_seq = shard->last_seq,
                                      .applied_seq = committed,
                                      .history = shard->history.at,
                                      .history_count = shard->history.count};
    copy->replica = replog_open(copy->core->replicas->replog, &options);
    tell_tail(copy);
}

/* It serves, and goes on doing so. Until all that it made alone is durable, the machine knows of nobody else. */
static void attach(struct core *core, struct shard *shard, const struct cluster_shard *row)
{
    struct shard_copy *copy = copy_new(core, shard);
    struct cluster_shard alone = *row;
    copy->released_seq = copy->from_seq = shard->last_seq;
    take_name(copy, row);
    open_machine(copy, shard->commit_seq);
    alone.cv = row->cv - 1;
    alone.targets = (struct ids){1, {core->map->self}};
    copy->row = *row;
    replog_resume(copy->replica, &alone, shard->commit_seq);
    copy->row_waits = shard->durable_seq < shard->last_seq;
    if (!copy->row_waits) {
        replog_row(copy->replica, row);
    }
}

static bool has_others(const struct cluster_shard *row, uint64_t self)
{
    bool is_alone = row->isr.count == 1 && copies_have(&row->isr, self) &&
                    (row->targets.count == 0 || (row->targets.count == 1 && ids_have(&row->targets, self)));
    return !is_alone;
}

bool copy_row_is_alone(const struct shard_copy *copy)
{
    return copy->row.cv != 0 && !has_others(&copy->row, copy->core->map->self);
}

static enum replicas_row begin_copy(struct core *core, struct shard *shard, const struct cluster_shard *row)
{
    const struct replicas *r = core->replicas;
    struct shard_copy *copy = shard->copy;
    if (row == NULL || r->replog == NULL || (copy == NULL && !has_others(row, core->map->self))) {
        return copy == NULL ? REPLICAS_NO : REPLICAS_TAKEN; /* one that no row names: replicas_end.c */
    }
    if (core->refusing || shard->state == DUTY_OPENING || shard->state == DUTY_CLOSING ||
        shard->duty->install != NULL || (copy != NULL && copy->is_lost)) {
        return REPLICAS_LATER;
    }
    if (row->epoch < shard->epoch) {
        return REPLICAS_TAKEN; /* an old one */
    }
    if (shard_serves(shard) && row->epoch == shard->epoch && row->isr.count == 1) {
        if (shard->state != DUTY_OPEN) {
            return REPLICAS_LATER;
        }
        attach(core, shard, row);
        return REPLICAS_TAKEN;
    }
    if (shard->state != DUTY_CLOSED) {
        return REPLICAS_CLOSE;
    }
    copy = copy != NULL ? copy : copy_new(core, shard);
    take_name(copy, row);
    copy->row = *row;
    open_machine(copy, shard->applied_seq);
    replog_row(copy->replica, row);
    return REPLICAS_TAKEN;
}

/* It is not wanted here any more: what there is of it follows nobody, until it is wanted again (R65). */
static void unwanted(struct shard_copy *copy)
{
    const struct cluster_owner *owner = cluster_map_owner(copy->core->map, copy->shard->id);
    struct cluster_shard *row = &copy->row;
    if (owner == NULL || (row->isr.count == 0 && row->epoch >= owner->epoch)) {
        return;
    }
    *row = (struct cluster_shard){.shard = row->shard,
                                  .lineage = row->lineage,
                                  .epoch = owner->epoch > row->epoch ? owner->epoch : row->epoch,
                                  .cv = row->cv + 1, /* at least so much */
                                  .primary = owner->node};
    replog_row(copy->replica, row);
}

enum replicas_row replicas_take_row(struct core *core, struct shard *shard, const struct cluster_shard *row)
{
    struct shard_copy *copy = shard->copy;
    if (core->replicas == NULL) {
        return REPLICAS_NO;
    }
    if (copy == NULL || copy->replica == NULL) {
        return begin_copy(core, shard, row);
    }
    if (row == NULL) {
        unwanted(copy);
    } else if (row->cv > copy->row.cv) {
        copy->row = *row;
        if (!copy->row_waits) {
            replog_row(copy->replica, row);
        }
    }
    return REPLICAS_TAKEN;
}

/* Entries. */

bool replicas_admit(const struct shard *shard)
{
    const struct shard_copy *copy = shard->copy;
    return copy->tail_bytes < copy->core->limits.uncommitted_bytes_max && copy->replica != NULL &&
           replog_is_primary(copy->replica) && !replog_state(copy->replica).released;
}

bool replicas_is_shared(const struct shard *shard, uint64_t seq)
{
    return seq > shard->copy->from_seq;
}

void replicas_made(struct shard *shard, uint64_t seq, struct pdr_bytes payload)
{
    struct shard_copy *copy = shard->copy;
    uint64_t made = replog_made(copy->replica, payload);
    CHECK(made == seq);
    tail_push(copy, shard->epoch, seq, UINT64_MAX, payload);
}

void replicas_durable(struct shard *shard, struct touched *touched, const struct submission *s)
{
    struct shard_copy *copy = shard->copy;
    uint64_t seq = touched->last_seq;
    copy->is_named = true;
    touched->last_seq = seq < copy->from_seq ? seq : copy->from_seq; /* what is applied with the submission */
    tail_durable(copy, seq, s, s->batch.begin);
    if (copy->replica == NULL) {
        return;
    }
    replog_durable(copy->replica, touched->epoch, seq);
    shard->durable_seq = replog_state(copy->replica).durable_seq;
    if (MUTATION(195)) {
        copy->committed = true;
        copy_note(copy);
    }
    if (copy->row_waits && shard->durable_seq >= copy->from_seq) {
        copy->row_waits = false;
        replog_row(copy->replica, &copy->row);
    }
}

/* No room. */

void replicas_refused(struct shard *shard)
{
    tail_refused(shard->copy);
    if (shard->copy->replica != NULL) {
        replog_no_space(shard->copy->replica);
    }
}

void replicas_no_space(struct core *core)
{
    for (uint32_t id = 0; core->replicas != NULL && id < core->shard_count; id++) {
        if (core->shards[id] != NULL && core->shards[id]->copy != NULL) {
            replicas_refused(core->shards[id]);
        }
    }
}

void replicas_space(struct core *core)
{
    for (uint32_t id = 0; core->replicas != NULL && id < core->shard_count; id++) {
        struct shard_copy *copy = core->shards[id] != NULL ? core->shards[id]->copy : NULL;
        if (copy == NULL || copy->replica == NULL) {
            continue;
        }
        if (!copy->is_named) {
            write_name(copy, copy->shard->synced_epoch == 0);
        }
        replog_space(copy->replica);
    }
}

uint64_t replicas_kept(const struct shard *shard)
{
    return shard->copy != NULL ? shard->last_seq : shard->commit_seq;
}

bool replicas_was_cut(struct shard *shard)
{
    bool was_cut = shard->copy->was_cut && shard_serves(shard);
    shard->copy->was_cut = false;
    return was_cut;
}

/* Duties. */

bool replicas_is_ready(const struct shard *shard)
{
    return shard->copy->replica != NULL && replog_may_read(shard->copy->replica);
}

uint64_t replicas_confirm(struct shard *shard)
{
    struct shard_copy *copy = shard->copy;
    return copy != NULL && copy->replica != NULL ? replog_confirm(copy->replica) : 0;
}

void replicas_opened(struct shard *shard)
{
    CHECK(list_empty(&shard->copy->tail));
    side_drop(shard->copy);
    copy_note(shard->copy); /* it may be paused already */
}

void replicas_closed(struct shard *shard)
{
    copy_note(shard->copy);
}

void replicas_became(struct shard *shard)
{
    struct shard_copy *copy = shard->copy;
    tail_cut(copy, 0);
    side_drop(copy);
    copy->released_seq = shard->applied_seq;
    copy->from_seq = 0;
}

void replicas_proposed(struct core *core, uint32_t id, uint64_t number, bool done)
{
    struct shard_copy *copy = id < core->shard_count && core->shards[id] != NULL ? core->shards[id]->copy : NULL;
    if (copy != NULL && copy->replica != NULL && !core->dead) {
        replog_proposed(copy->replica, number, done);
        replicas_settle(core);
    }
}

bool replicas_stop(struct core *core)
{
    bool has_any = false;
    for (uint32_t id = 0; core->replicas != NULL && id < core->shard_count; id++) {
        struct shard *shard = core->shards[id];
        if (shard != NULL && !list_empty(&shard->gate)) {
            has_any = true;
            commit_abandon(shard);
        }
    }
    return !has_any;
}

/* Time. */

static void look(struct core *core)
{
    for (uint32_t id = 0; id < core->shard_count; id++) {
        struct shard_copy *copy = core->shards[id] != NULL ? core->shards[id]->copy : NULL;
        if (copy != NULL && copy->replica != NULL) {
            copy_note(copy);
        }
    }
}

static void consider_ends(struct core *core)
{
    for (uint32_t id = 0; id < core->shard_count; id++) {
        if (core->shards[id] != NULL && core->shards[id]->copy != NULL) {
            copy_consider_drop(core->shards[id]->copy);
        }
        if (core->shards[id] != NULL && core->shards[id]->copy != NULL) {
            copy_consider_alone(core->shards[id]->copy);
        }
    }
}

static void tick(struct timer *timer)
{
    struct replicas *r = LIST_ITEM(timer, struct replicas, timer);
    struct core *core = r->core;
    if (!core->frozen) {
        replog_tick(r->replog, core_now_ns(core));
        look(core);
        replicas_settle(core);
        consider_ends(core);
        replicas_settle(core);
        timer_set(&core->wheel, timer, core_now_ns(core) + TICK_NS);
    }
}

void replicas_flush(struct core *core)
{
    if (core->replicas != NULL && core->replicas->replog != NULL) {
        replicas_settle(core);
        replog_flush(core->replicas->replog);
    }
}

/* Life. */

void replicas_new(struct core *core)
{
    struct replicas *r = mem_new(sizeof *r);
    r->core = core;
    list_init(&r->unsettled);
    session_names_init(&r->names);
    core->replicas = r;
}

void replicas_start(struct core *core, const struct replicas_options *options)
{
    struct replicas *r = core->replicas;
    r->options = *options;
    r->options.part_bytes = options->part_bytes != 0 ? options->part_bytes : PART_BYTES;
    shim_init(r);
    const struct replog_options machines = {
        .node = core->map->self, .incarnation = options->incarnation, .snapshot_window = 8, .peers = &r->shim};
    r->replog = replog_new(&machines, &replicas_hooks, core_now_ns(core));
    timer_init(&r->timer, tick);
    timer_set(&core->wheel, &r->timer, core_now_ns(core) + TICK_NS);
}

void replicas_free(struct core *core)
{
    struct replicas *r = core->replicas;
    if (r == NULL) {
        return;
    }
    if (r->replog != NULL) {
        replog_free(r->replog);
    }
    for (uint32_t id = 0; id < core->shard_count; id++) {
        struct shard_copy *copy = core->shards[id] != NULL ? core->shards[id]->copy : NULL;
        if (copy != NULL) {
            copy_free(copy);
            core->shards[id]->copy = NULL;
        }
    }
    session_names_release(&r->names);
    mem_free(r);
    core->replicas = NULL;
}
