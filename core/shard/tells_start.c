/* core/shard/tells_start.c: made and ended; and at start read: the numbers of the channels, what was sent and never
 * acknowledged, what was accepted and has not run. The rows of these tables lie side by side, a range a shard. */
#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/mailbox.h"
#include "core/shard/tells_parts.h"
#include "core/store/keys.h"

#define AGAIN_MS 500u /* the store could not be read */

struct found {
    struct found *next;
    uint32_t shard, key_size, value_size;
    uint8_t data[]; /* table u8, key, value */
};

struct start {
    struct core_job job;
    struct found *first, **last;
    uint32_t shard; /* at which the reading is */
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

static bool collect(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct start *start = user;
    struct found *found = mem_try(sizeof *found + key.size + value.size);
    if (found == NULL) {
        start->status = PDR_OVERLOADED;
        return false;
    }
    *found = (struct found){
        .shard = start->shard, .key_size = (uint32_t)key.size - KEYS_HEAD_SIZE + 1, .value_size = (uint32_t)value.size};
    memcpy(found->data, (const uint8_t *)key.data + KEYS_HEAD_SIZE - 1, found->key_size); /* from the table's byte on */
    memcpy(found->data + found->key_size, value.data, value.size);
    *start->last = found;
    start->last = &found->next;
    return true;
}

static void start_run(struct job *job)
{
    struct start *start = LIST_ITEM(job, struct start, job.job);
    struct core *core = start->job.core;
    struct store *store = core->world.store;
    struct store_cursor *cursor = store->ops->cursor_new(store);
    start->status = cursor == NULL ? PDR_OVERLOADED : PDR_OK;
    for (uint32_t id = 0; id < core->shard_count && start->status == PDR_OK; id++) {
        uint8_t from[KEYS_HEAD_SIZE], to[KEYS_HEAD_SIZE], unused[KEYS_HEAD_SIZE];
        if (core->shards[id] == NULL) {
            continue;
        }
        start->shard = id;
        keys_table_range(from, unused, id, core->shards[id]->gen, KEYS_OUTBOX);
        keys_table_range(unused, to, id, core->shards[id]->gen, KEYS_PENDING);
        enum pdr_status status =
            store->ops->cursor_scan(cursor, pdr_bytes(from, sizeof from), pdr_bytes(to, sizeof to), collect, start);
        start->status = status != PDR_OK ? status : start->status;
    }
    if (cursor != NULL) {
        store->ops->cursor_free(cursor);
    }
}

static void start_free(struct start *start)
{
    while (start->first != NULL) {
        struct found *found = start->first;
        start->first = found->next;
        mem_free(found);
    }
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
    if (!tell_outbox_parse(key, &to, &n) || to >= core->shard_count) {
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

static bool install_channel(struct core *core, struct shard *shard, struct pdr_bytes key, struct pdr_bytes value)
{
    if (key.size != 4 || value.size != 8 || get_be32(key.data) >= core->shard_count) {
        return false;
    }
    tells_of(core, shard)->in[get_be32(key.data)] = (struct channel_in){.last = get_be64(value.data)};
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

static void install(struct core *core, const struct found *found)
{
    struct shard *shard = core->shards[found->shard];
    struct pdr_bytes key = pdr_bytes(found->data + 1, found->key_size - 1);
    struct pdr_bytes value = pdr_bytes(found->data + found->key_size, found->value_size);
    bool is_sound = found->data[0] == KEYS_OUTBOX    ? install_outbox(core, shard, key, value)
                    : found->data[0] == KEYS_CHANNEL ? install_channel(core, shard, key, value)
                                                     : install_pending(core, shard, key, value);
    if (!is_sound) {
        LOG_ERROR("tell.malformed", "shard=%u table=%u; this row is passed over; was it written by another version?",
                  found->shard, found->data[0]);
    }
}

static void start_done(struct job *job)
{
    struct start *start = LIST_ITEM(job, struct start, job.job);
    struct core *core = start->job.core;
    list_remove(&start->job.node);
    if (start->status == PDR_OK) {
        for (const struct found *found = start->first; found != NULL; found = found->next) {
            install(core, found);
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
    struct start *start = mem_new(sizeof *start);
    timer_init(&core->tells->start, start_again);
    start->job =
        (struct core_job){.job = {.run = start_run, .done = start_done}, .core = core, .discard = start_discard};
    start->last = &start->first;
    list_push_back(&core->jobs, &start->job.node);
    work_submit(core->world.work, core->world.loop, &start->job.job);
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
        for (uint32_t to = 0; tells != NULL && to < core->shard_count; to++) {
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
        for (uint32_t to = 0; tells != NULL && to < core->shard_count; to++) {
            mem_free(tells->out[to]);
        }
        if (tells != NULL) {
            mem_free(tells->out);
            mem_free(tells);
        }
    }
    mem_free(core->tells);
}
