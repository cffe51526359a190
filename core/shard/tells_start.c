/* core/shard/tells_start.c: made and ended; and at start read: the numbers of the channels, what was sent and never
 * acknowledged, what was accepted and has not run. The rows of these tables lie side by side, a range a shard. */
#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/found.h"
#include "core/shard/mailbox.h"
#include "core/shard/tells_parts.h"
#include "core/store/keys.h"

#define AGAIN_MS 500u /* the store could not be read */

struct start {
    struct core_job job;
    struct found_rows rows;
    enum pdr_status status;
};

struct tells *tells_new(struct core *core)
{
    struct tells *tells = mem_new(sizeof *tells);
    tells->core = core;
    hash_init(&tells->queues);
    list_init(&tells->early);
    tells_out_init(tells);
    return tells;
}

bool tells_are_known(const struct core *core)
{
    return core->tells->known;
}

uint32_t tells_in_flight(const struct core *core)
{
    return core->tells->in_flight;
}

/* Reading, on the work pool. */

static void start_run(struct job *job)
{
    struct start *start = LIST_ITEM(job, struct start, job.job);
    struct core *core = start->job.core;
    struct store *store = core->world.store;
    struct store_cursor *cursor = store->ops->cursor_new(store);
    start->status = cursor == NULL ? PDR_OVERLOADED : PDR_OK;
    for (uint32_t id = 0; id < core->shard_count && start->status == PDR_OK; id++) {
        if (core->shards[id] != NULL) {
            start->status = found_read(&start->rows, store, cursor, core->shards[id], KEYS_OUTBOX, KEYS_PENDING);
        }
    }
    if (cursor != NULL) {
        store->ops->cursor_free(cursor);
    }
}

static void start_free(struct start *start)
{
    found_free(&start->rows);
    mem_free(start);
}

static void start_discard(struct core_job *job)
{
    start_free(LIST_ITEM(job, struct start, job));
}

/* Rows to calls. */

static struct call *make(struct core *core, uint32_t shard, struct pdr_bytes address, const struct tell_row *row)
{
    struct pdr_ref ref;
    if (pdr_ref_parse(address, &ref, NULL) != PDR_OK) {
        return NULL;
    }
    struct call *call = call_new(&core->calls, core, &ref, address, row->method, row->args, row->sender, NULL, 0, 0);
    CHECK(call != NULL); /* passing over it would be losing it */
    call->shard = shard;
    return call;
}

static bool install_outbox(struct core *core, struct shard *shard, struct pdr_bytes key, struct pdr_bytes value)
{
    uint32_t to;
    uint64_t n;
    struct tell_row row;
    if (!tell_outbox_parse(key, &to, &n) || to >= CORE_SHARDS_MAX) {
        return false;
    }
    struct tell_out *out = tell_out_of(core, shard, to);
    if (n == 0) {
        if (value.size == 8) {
            channel_out_found(&out->n, get_be64(value.data), true);
        }
        return value.size == 8;
    }
    struct call *call = tell_row_read(value, &row) == PDR_OK ? make(core, to, row.receiver, &row) : NULL;
    if (call == NULL) {
        return false;
    }
    channel_out_found(&out->n, n, false);
    tell_sent_again(out, call, n);
    return true;
}

static bool install_channel(struct shard *shard, struct pdr_bytes key, struct pdr_bytes value)
{
    if (key.size != 4 || value.size != 8 || get_be32(key.data) >= CORE_SHARDS_MAX) {
        return false;
    }
    uint32_t from = get_be32(key.data);
    tells_of(shard, from)->in[from] = (struct channel_in){.last = get_be64(value.data)};
    return true;
}

static bool install_pending(struct core *core, struct shard *shard, struct pdr_bytes key, struct pdr_bytes value)
{
    struct pdr_bytes address;
    uint64_t number;
    bool begun;
    struct tell_row row;
    if (!tell_pending_parse(key, &address, &number, &begun) || tell_row_read(value, &row) != PDR_OK) {
        return false;
    }
    struct call *call = make(core, shard->id, address, &row);
    if (call != NULL && MUTATION(33)) {
        call_free(&core->calls, call);
    } else if (call != NULL) {
        struct tell_queue *queue = tell_queue_of(core, address);
        tell_enlist(queue, call, number);
        call->tell.begun = begun;
        tell_insert(&queue->tells, call);
        tell_queue_hold(queue, 0); /* until turns may run */
    }
    return call != NULL;
}

void tells_install(struct core *core, struct shard *shard, struct pdr_bytes whole_key, struct pdr_bytes value)
{
    uint8_t table = *(const uint8_t *)whole_key.data;
    struct pdr_bytes key = pdr_bytes((const uint8_t *)whole_key.data + 1, whole_key.size - 1);
    bool is_sound = table == KEYS_OUTBOX    ? install_outbox(core, shard, key, value)
                    : table == KEYS_CHANNEL ? install_channel(shard, key, value)
                                            : install_pending(core, shard, key, value);
    if (!is_sound) {
        LOG_ERROR("tell.malformed", "shard=%u table=%u; this row is passed over; was it written by another version?",
                  shard->id, table);
    }
}

static void start_done(struct job *job)
{
    struct start *start = LIST_ITEM(job, struct start, job.job);
    struct core *core = start->job.core;
    list_remove(&start->job.node);
    if (start->status == PDR_OK) {
        for (const struct found *found = start->rows.first; found != NULL; found = found->next) {
            tells_install(core, core->shards[found->shard], found_key(found), found_value(found));
        }
        core->tells->known = true;
    } else {
        char why[128];
        core->world.store->ops->last_error(core->world.store, why, sizeof why);
        LOG_ERROR("store.read_failed", "tells of core=%u why=\"%s\"; trying again", core->index, why);
        timer_set(&core->wheel, &core->tells->start, core_now_ns(core) + AGAIN_MS * NS_PER_MS);
    }
    start_free(start);
}

static void start_again(struct timer *timer)
{
    tells_start(LIST_ITEM(timer, struct tells, start)->core);
}

void tells_start(struct core *core)
{
    if (core->is_member) { /* a shard's are read when it is opened */
        core->tells->known = true;
        return;
    }
    struct start *start = mem_new(sizeof *start);
    timer_init(&core->tells->start, start_again);
    start->job =
        (struct core_job){.job = {.run = start_run, .done = start_done}, .core = core, .discard = start_discard};
    list_push_back(&core->jobs, &start->job.node);
    work_submit(core->world.work, core->world.loop, &start->job.job);
}

/* Of one shard. */

static bool close_queue(struct hash_node *node, void *user)
{
    struct tell_queue *queue = LIST_ITEM(node, struct tell_queue, by_address);
    const struct core *core = user;
    bool is_gone = shard_serves(core->shards[queue->shard]);
    for (struct list *at = queue->tells.next, *next; !is_gone && at != &queue->tells; at = next) {
        struct call *call = LIST_ITEM(at, struct call, tell.node);
        next = at->next;
        if (call->state != CALL_RUNNING) { /* else tell_over drops it */
            is_gone = queue->count == 1;
            tell_drop(queue->core, call);
        }
    }
    return true;
}

void tells_close(struct core *core)
{
    hash_each(&core->tells->queues, close_queue, core);
}

void tells_pause(struct core *core, struct shard *shard)
{
    if (shard->tells != NULL) {
        list_remove(&shard->tells->node);
    }
}

void tells_resume(struct core *core, struct shard *shard)
{
    tells_out_resume(core, shard);
}

/* The end. */

static bool forget_queue(struct hash_node *node, void *user)
{
    struct tell_queue *queue = LIST_ITEM(node, struct tell_queue, by_address);
    struct core *core = user;
    struct list *at;
    timer_cancel(&core->wheel, &queue->timer);
    while ((at = list_pop(&queue->tells)) != NULL) {
        struct call *call = LIST_ITEM(at, struct call, tell.node);
        if (call->state == CALL_QUEUED) {
            mailbox_take_out(call->activation, call);
        }
        if (call->state != CALL_RUNNING) { /* else its turn has it */
            list_remove(&call->gate.node);
            core->tells->in_bytes -= tell_charge(call);
            tell_free(core, call);
        }
    }
    return true;
}

void tells_forget(struct core *core)
{
    if (core->tells == NULL) {
        return;
    }
    hash_each(&core->tells->queues, forget_queue, core);
    tells_open(core); /* if it never was: who waits is told that it is too late, or is freed */
    for (uint32_t id = 0; id < core->shard_count; id++) {
        struct shard_tells *tells = core->shards[id] != NULL ? core->shards[id]->tells : NULL;
        for (uint32_t to = 0; tells != NULL && to < tells->count; to++) {
            if (tells->out[to] != NULL) {
                tell_out_forget(tells->out[to]);
            }
        }
    }
}

static bool free_queue(struct hash_node *node, void *user)
{
    mem_free(LIST_ITEM(node, struct tell_queue, by_address));
    return true;
}

void tells_free(struct core *core)
{
    if (core->tells == NULL) {
        return;
    }
    hash_each(&core->tells->queues, free_queue, NULL);
    hash_release(&core->tells->queues);
    for (uint32_t id = 0; id < core->shard_count; id++) {
        struct shard_tells *tells = core->shards[id] != NULL ? core->shards[id]->tells : NULL;
        for (uint32_t to = 0; tells != NULL && to < tells->count; to++) {
            mem_free(tells->out[to]);
        }
        if (tells != NULL) {
            mem_free(tells->out);
            mem_free(tells->in);
            mem_free(tells);
        }
    }
    mem_free(core->tells);
}
