/* actors/builtin/queue.c: queue/NAME: first in, first out, on disk (docs/concepts/queues.md).
 *
 * push [value] -> id; push_many [[value, ...]] -> [id, ...]
 * take [visible_ms = 30000] -> {id, value, attempts} or nil: it comes back after visible_ms, unless acknowledged
 * ack [id] -> whether it was there and is gone now; nack [id] -> whether it was taken and has come back
 * pop -> {id, value} or nil: removed at once    peek -> {id, value, attempts} or nil: what take would answer
 * size -> {ready, taken, dead, bytes}           limits [items, bytes, attempts] -> {items, bytes, attempts}
 * dead [after = 0, most = 100] -> [[id, value, attempts], ...]; redrive [id] -> how many have come back: nil: all
 * wake: for the queue's own reminder: what was taken and is due comes back */
#include "actors/builtin/queue_items.h"

#define VISIBLE_MS_DEFAULT 30000
#define VISIBLE_MS_MAX 86400000
#define BATCH_MAX 1000

static int reply_item(pdr_turn *turn, const struct item *item, bool with_attempts)
{
    pdr_writer reply;
    pdr_writer_init(&reply, NULL, 0, 0);
    pdr_write_map(&reply, with_attempts ? 3 : 2);
    pdr_write_cstr(&reply, "id");
    pdr_write_int(&reply, item->id);
    pdr_write_cstr(&reply, "value");
    pdr_write_value(&reply, item->value);
    if (with_attempts) {
        pdr_write_cstr(&reply, "attempts");
        pdr_write_int(&reply, item->state.attempts);
    }
    int status = pdr_reply(turn, pdr_written(&reply));
    pdr_writer_release(&reply);
    return status;
}

/* Push. */

static int append(pdr_turn *turn, struct queue *queue, pdr_value value)
{
    if (value.size > QUEUE_ITEM_BYTES_MAX) {
        return pdr_fail_status(turn, PDR_TOO_LARGE, "an item has at most %d bytes, not %zu (limit queue_item_bytes)",
                               QUEUE_ITEM_BYTES_MAX, value.size);
    }
    if (queue_items(queue) >= queue->items_max) {
        return pdr_fail_status(turn, PDR_OVERLOADED, "the queue keeps at most %lld items (limit queue_items)",
                               (long long)queue->items_max);
    }
    if (queue->bytes + (int64_t)value.size > queue->bytes_max) {
        return pdr_fail_status(turn, PDR_OVERLOADED, "the queue keeps at most %lld bytes (limit queue_bytes)",
                               (long long)queue->bytes_max);
    }
    struct row_key key = row_key(QUEUE_ITEM, queue->tail++);
    queue->bytes += (int64_t)value.size;
    return pdr_put(turn, row_bytes(&key), value);
}

/* Who finds the queue empty hears of the next item; while there are some nobody need wait. */
static int pushed(pdr_turn *turn, const struct queue *queue, bool was_empty, int64_t first)
{
    int status = was_empty && queue_ready(queue) > 0 ? queue_emit(turn, "pushed", first) : PDR_OK;
    return status == PDR_OK ? queue_write(turn, queue) : status;
}

static int push(pdr_turn *turn, const pdr_args *args)
{
    struct queue queue;
    if (pdr_arg_count(args) != 1) {
        return pdr_fail_status(turn, PDR_INVALID, "push takes one value");
    }
    int status = queue_read(turn, &queue);
    bool was_empty = status == PDR_OK && queue_ready(&queue) == 0;
    status = status == PDR_OK ? append(turn, &queue, pdr_arg(args, 0)) : status;
    status = status == PDR_OK ? pushed(turn, &queue, was_empty, queue.tail - 1) : status;
    return status == PDR_OK ? pdr_reply_int(turn, queue.tail - 1) : status;
}

static int push_many(pdr_turn *turn, const pdr_args *args)
{
    struct queue queue;
    struct pdr_bytes rest = pdr_value_items(pdr_arg(args, 0));
    uint32_t count = pdr_value_count(pdr_arg(args, 0));
    pdr_writer ids;
    if (pdr_value_kind(pdr_arg(args, 0)) != PDR_KIND_ARRAY || count > BATCH_MAX) {
        return pdr_fail_status(turn, PDR_INVALID, "push_many takes an array of at most %d values", BATCH_MAX);
    }
    int status = queue_read(turn, &queue);
    int64_t first = queue.tail;
    bool was_empty = status == PDR_OK && queue_ready(&queue) == 0;
    pdr_writer_init(&ids, NULL, 0, 0);
    pdr_write_array(&ids, count);
    for (uint32_t i = 0; i < count && status == PDR_OK; i++) {
        pdr_write_int(&ids, queue.tail);
        status = append(turn, &queue, pdr_value_next(&rest));
    }
    status = status == PDR_OK ? pushed(turn, &queue, was_empty, first) : status;
    status = status == PDR_OK ? pdr_reply(turn, pdr_written(&ids)) : status;
    pdr_writer_release(&ids);
    return status;
}

/* Take. */

/* The reminder comes when the first of the taken is due; it is not moved when that one is acknowledged. */
static int wake_at_due(pdr_turn *turn, struct queue *queue)
{
    if (queue->due_from >= queue->wakes_at) {
        return PDR_OK;
    }
    queue->wakes_at = queue->due_from;
    return pdr_reminder_at(turn, "wake", queue->wakes_at, 0, "wake", pdr_bytes(NULL, 0));
}

static int mark_taken(pdr_turn *turn, struct queue *queue, struct item *item, int64_t visible_ms)
{
    static const uint8_t nil[] = {0xc0};
    struct item_state *state = &item->state;
    *state = (struct item_state){ITEM_TAKEN, state->attempts + 1, pdr_wall_ms(turn) + visible_ms, state->size};
    struct row_key due = row_key2(QUEUE_DUE, state->at, item->id), key = row_key(QUEUE_STATE, item->id);
    queue->taken++;
    queue->due_from = state->at < queue->due_from ? state->at : queue->due_from;
    int status = pdr_put(turn, row_bytes(&due), pdr_bytes(nil, sizeof nil));
    status = status == PDR_OK ? row_put(turn, row_bytes(&key), (int64_t *)state, sizeof *state / sizeof(int64_t))
                              : status;
    return status == PDR_OK ? wake_at_due(turn, queue) : status;
}

static int take(pdr_turn *turn, const pdr_args *args)
{
    struct queue queue;
    struct item item;
    int64_t visible_ms;
    int status = row_argument(turn, args, 0, "visible_ms", 1, VISIBLE_MS_MAX, VISIBLE_MS_DEFAULT, &visible_ms);
    status = status == PDR_OK ? queue_read(turn, &queue) : status;
    status = status == PDR_OK ? queue_return_due(turn, &queue, BATCH_MAX) : status;
    if (status != PDR_OK) {
        return status;
    }
    status = queue_first(turn, &queue, &item);
    if (status == PDR_NOT_FOUND) { /* what is due now may have died, all of it */
        status = queue_write(turn, &queue);
        return status == PDR_OK ? pdr_reply_nil(turn) : status;
    }
    status = status == PDR_OK ? queue_advance(turn, &queue, &item) : status;
    status = status == PDR_OK ? mark_taken(turn, &queue, &item, visible_ms) : status;
    status = status == PDR_OK ? queue_write(turn, &queue) : status;
    return status == PDR_OK ? reply_item(turn, &item, true) : status;
}

static int pop(pdr_turn *turn, const pdr_args *args)
{
    struct queue queue;
    struct item item;
    int status = queue_read(turn, &queue);
    status = status == PDR_OK ? queue_return_due(turn, &queue, BATCH_MAX) : status;
    if (status != PDR_OK) {
        return status;
    }
    status = queue_first(turn, &queue, &item);
    if (status == PDR_NOT_FOUND) {
        status = queue_write(turn, &queue);
        return status == PDR_OK ? pdr_reply_nil(turn) : status;
    }
    status = status == PDR_OK ? queue_advance(turn, &queue, &item) : status;
    struct row_key value = row_key(QUEUE_ITEM, item.id), state = row_key(QUEUE_STATE, item.id);
    queue.bytes -= item.state.size;
    status = status == PDR_OK ? pdr_delete(turn, row_bytes(&value)) : status;
    status = status == PDR_OK ? pdr_delete(turn, row_bytes(&state)) : status;
    status = status == PDR_OK ? queue_write(turn, &queue) : status;
    return status == PDR_OK ? reply_item(turn, &item, false) : status;
}

static int peek(pdr_turn *turn, const pdr_args *args)
{
    struct queue queue;
    struct item item;
    int status = queue_read(turn, &queue);
    if (status != PDR_OK) {
        return status;
    }
    status = queue_first(turn, &queue, &item);
    if (status == PDR_NOT_FOUND) {
        return pdr_reply_nil(turn);
    }
    return status == PDR_OK ? reply_item(turn, &item, true) : status;
}

/* Ack, nack. */

/* PDR_NOT_FOUND: no such item, or it is new. */
static int find(pdr_turn *turn, const pdr_args *args, struct queue *queue, int64_t *id, struct item_state *state)
{
    if (!pdr_value_int(pdr_arg(args, 0), id) || *id < 1) {
        return pdr_fail_status(turn, PDR_INVALID, "the first argument is the id of an item");
    }
    int status = queue_read(turn, queue);
    return status == PDR_OK ? queue_item_state(turn, *id, state) : status;
}

static int ack(pdr_turn *turn, const pdr_args *args)
{
    struct queue queue;
    struct item_state state;
    int64_t id;
    int status = find(turn, args, &queue, &id, &state);
    if (status == PDR_NOT_FOUND) {
        return pdr_reply_bool(turn, false);
    }
    status = status == PDR_OK ? queue_remove(turn, &queue, id, &state) : status;
    status = status == PDR_OK ? queue_write(turn, &queue) : status;
    return status == PDR_OK ? pdr_reply_bool(turn, true) : status;
}

static int nack(pdr_turn *turn, const pdr_args *args)
{
    struct queue queue;
    struct item_state state;
    int64_t id;
    int status = find(turn, args, &queue, &id, &state);
    if (status == PDR_NOT_FOUND || (status == PDR_OK && state.where != ITEM_TAKEN)) {
        return pdr_reply_bool(turn, false);
    }
    status = status == PDR_OK ? queue_return(turn, &queue, id, &state) : status;
    status = status == PDR_OK ? queue_write(turn, &queue) : status;
    return status == PDR_OK ? pdr_reply_bool(turn, true) : status;
}

static int wake(pdr_turn *turn, const pdr_args *args)
{
    struct queue queue;
    int status = queue_read(turn, &queue);
    queue.wakes_at = QUEUE_NEVER;
    status = status == PDR_OK ? queue_return_due(turn, &queue, BATCH_MAX) : status;
    status = status == PDR_OK ? wake_at_due(turn, &queue) : status;
    return status == PDR_OK ? queue_write(turn, &queue) : status;
}

/* Dead letters. */

static pdr_scan *scan_dead(pdr_turn *turn, int64_t after)
{
    struct row_key from = row_key(QUEUE_DEAD, after + 1);
    return pdr_scan_open(turn, row_bytes(&from), pdr_bytes("e", 1));
}

static int write_dead(pdr_turn *turn, pdr_writer *rows, int64_t id)
{
    struct item_state state;
    pdr_value value;
    struct row_key key = row_key(QUEUE_ITEM, id);
    int status = queue_item_state(turn, id, &state);
    status = status == PDR_OK ? pdr_get(turn, row_bytes(&key), &value) : status;
    if (status == PDR_OK) {
        pdr_write_array(rows, 3);
        pdr_write_int(rows, id);
        pdr_write_value(rows, value);
        pdr_write_int(rows, state.attempts);
    }
    return status;
}

/* As many as an answer has room for; the rest is behind the last id. */
static int dead(pdr_turn *turn, const pdr_args *args)
{
    int64_t after, most;
    struct pdr_bytes key, value;
    pdr_writer rows, reply;
    uint32_t count = 0;
    int status = row_argument(turn, args, 0, "after", 0, INT64_MAX - 1, 0, &after);
    status = status == PDR_OK ? row_argument(turn, args, 1, "most", 1, BATCH_MAX, 100, &most) : status;
    pdr_scan *scan = status == PDR_OK ? scan_dead(turn, after) : NULL;
    if (scan == NULL) {
        return status != PDR_OK ? status : PDR_OVERLOADED;
    }
    pdr_writer_init(&rows, NULL, 0, 0);
    pdr_writer_init(&reply, NULL, 0, 0);
    while (status == PDR_OK && count < most && (status = pdr_scan_next(scan, &key, &value)) == PDR_OK) {
        size_t before = rows.size;
        status = write_dead(turn, &rows, row_number(key, 0));
        if (rows.size > QUEUE_ITEM_BYTES_MAX + 32) {
            rows.size = before;
            break;
        }
        count++;
    }
    pdr_write_array(&reply, count);
    pdr_write_raw(&reply, rows.data, rows.size);
    status = row_scanned(status);
    status = status == PDR_OK ? pdr_reply(turn, pdr_written(&reply)) : status;
    pdr_writer_release(&rows);
    pdr_writer_release(&reply);
    return status;
}

static int redrive_all(pdr_turn *turn, struct queue *queue, int64_t *count)
{
    struct pdr_bytes key, value;
    pdr_scan *scan = scan_dead(turn, 0);
    int status = scan == NULL ? PDR_OVERLOADED : PDR_OK;
    while (status == PDR_OK && *count < BATCH_MAX && (status = pdr_scan_next(scan, &key, &value)) == PDR_OK) {
        struct item_state state;
        int64_t id = row_number(key, 0);
        status = queue_item_state(turn, id, &state);
        status = status == PDR_OK ? queue_redrive(turn, queue, id, &state) : status;
        *count += status == PDR_OK;
    }
    return row_scanned(status);
}

static int redrive(pdr_turn *turn, const pdr_args *args)
{
    struct queue queue;
    struct item_state state;
    int64_t id, count = 0;
    enum pdr_kind kind = pdr_value_kind(pdr_arg(args, 0));
    int status;
    if (kind == PDR_KIND_NONE || kind == PDR_KIND_NIL) {
        status = queue_read(turn, &queue);
        status = status == PDR_OK ? redrive_all(turn, &queue, &count) : status;
    } else {
        status = find(turn, args, &queue, &id, &state);
        if (status == PDR_NOT_FOUND || (status == PDR_OK && state.where != ITEM_DEAD)) {
            return pdr_reply_int(turn, 0);
        }
        status = status == PDR_OK ? queue_redrive(turn, &queue, id, &state) : status;
        count = 1;
    }
    status = status == PDR_OK ? queue_write(turn, &queue) : status;
    return status == PDR_OK ? pdr_reply_int(turn, count) : status;
}

/* Size, limits. */

static int reply_numbers(pdr_turn *turn, const char *const *names, const int64_t *numbers, uint32_t count)
{
    uint8_t room[128];
    pdr_writer reply;
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_map(&reply, count);
    for (uint32_t i = 0; i < count; i++) {
        pdr_write_cstr(&reply, names[i]);
        pdr_write_int(&reply, numbers[i]);
    }
    return pdr_reply(turn, pdr_written(&reply));
}

static int size(pdr_turn *turn, const pdr_args *args)
{
    static const char *const names[] = {"ready", "taken", "dead", "bytes"};
    struct queue queue;
    int status = queue_read(turn, &queue);
    int64_t numbers[] = {queue_ready(&queue), queue.taken, queue.dead, queue.bytes};
    return status == PDR_OK ? reply_numbers(turn, names, numbers, 4) : status;
}

static int limits(pdr_turn *turn, const pdr_args *args)
{
    static const char *const names[] = {"items", "bytes", "attempts"};
    struct queue q;
    int status = queue_read(turn, &q);
    status = status == PDR_OK ? row_argument(turn, args, 0, names[0], 1, QUEUE_ITEMS_MAX, q.items_max, &q.items_max)
                              : status;
    status = status == PDR_OK ? row_argument(turn, args, 1, names[1], 1, QUEUE_BYTES_MAX, q.bytes_max, &q.bytes_max)
                              : status;
    status = status == PDR_OK
                 ? row_argument(turn, args, 2, names[2], 1, QUEUE_ATTEMPTS_MAX, q.attempts_max, &q.attempts_max)
                 : status;
    status = status == PDR_OK && pdr_arg_count(args) > 0 ? queue_write(turn, &q) : status;
    int64_t numbers[] = {q.items_max, q.bytes_max, q.attempts_max};
    return status == PDR_OK ? reply_numbers(turn, names, numbers, 3) : status;
}

PDR_ACTOR(queue, PDR_METHOD("push", push), PDR_METHOD("push_many", push_many), PDR_METHOD("take", take),
          PDR_METHOD("ack", ack), PDR_METHOD("nack", nack), PDR_METHOD("pop", pop), PDR_READER("peek", peek),
          PDR_READER("size", size), PDR_METHOD("limits", limits), PDR_READER("dead", dead),
          PDR_METHOD("redrive", redrive), PDR_METHOD("wake", wake))
