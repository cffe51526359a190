/* actors/builtin/queue_items.c: where the items of a queue are, and how they move. */
#include "actors/builtin/queue_items.h"

#define QUEUE_NUMBERS (sizeof(struct queue) / sizeof(int64_t))
#define STATE_NUMBERS (sizeof(struct item_state) / sizeof(int64_t))
_Static_assert(QUEUE_NUMBERS <= ROW_NUMBERS_MAX, "one row");

static const uint8_t nil[] = {0xc0};

int queue_read(pdr_turn *turn, struct queue *queue)
{
    *queue = (struct queue){
        .next = 1,
        .tail = 1,
        .due_from = QUEUE_NEVER,
        .wakes_at = QUEUE_NEVER,
        .items_max = QUEUE_ITEMS_MAX,
        .bytes_max = QUEUE_BYTES_MAX,
        .attempts_max = 16,
    };
    int status = row_get(turn, pdr_str("queue"), (int64_t *)queue, QUEUE_NUMBERS);
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

int queue_write(pdr_turn *turn, const struct queue *queue)
{
    return row_put(turn, pdr_str("queue"), (const int64_t *)queue, QUEUE_NUMBERS);
}

int64_t queue_ready(const struct queue *queue)
{
    return queue->tail - queue->next + queue->back;
}

int64_t queue_items(const struct queue *queue)
{
    return queue_ready(queue) + queue->taken + queue->dead;
}

int queue_emit(pdr_turn *turn, const char *what, int64_t id)
{
    uint8_t room[64];
    pdr_writer event;
    pdr_writer_init(&event, room, sizeof room, sizeof room);
    pdr_write_map(&event, 2);
    pdr_write_cstr(&event, "event");
    pdr_write_cstr(&event, what);
    pdr_write_cstr(&event, "id");
    pdr_write_int(&event, id);
    return pdr_emit(turn, pdr_written(&event));
}

int queue_item_state(pdr_turn *turn, int64_t id, struct item_state *state)
{
    struct row_key key = row_key(QUEUE_STATE, id);
    return row_get(turn, row_bytes(&key), (int64_t *)state, STATE_NUMBERS);
}

static int put_state(pdr_turn *turn, int64_t id, const struct item_state *state)
{
    struct row_key key = row_key(QUEUE_STATE, id);
    return row_put(turn, row_bytes(&key), (const int64_t *)state, STATE_NUMBERS);
}

static int delete_row(pdr_turn *turn, struct row_key key)
{
    return pdr_delete(turn, row_bytes(&key));
}

/* The first that is back; places whose item was acknowledged are passed over. */
static int first_back(pdr_turn *turn, const struct queue *queue, struct item *item)
{
    for (int64_t place = queue->back_head; place < queue->back_tail; place++) {
        struct row_key key = row_key(QUEUE_BACK, place);
        int status = row_get(turn, row_bytes(&key), &item->id, 1);
        status = status == PDR_OK ? queue_item_state(turn, item->id, &item->state) : status;
        if (status != PDR_OK && status != PDR_NOT_FOUND) {
            return status;
        }
        if (status == PDR_OK && item->state.where == ITEM_BACK && item->state.at == place) {
            return PDR_OK;
        }
    }
    return PDR_NOT_FOUND;
}

int queue_first(pdr_turn *turn, const struct queue *queue, struct item *item)
{
    int status = queue->back > 0 ? first_back(turn, queue, item) : PDR_NOT_FOUND;
    if (status == PDR_NOT_FOUND) {
        if (queue->next == queue->tail) {
            return PDR_NOT_FOUND;
        }
        *item = (struct item){.id = queue->next};
        status = PDR_OK;
    }
    struct row_key key = row_key(QUEUE_ITEM, item->id);
    status = status == PDR_OK ? pdr_get(turn, row_bytes(&key), &item->value) : status;
    if (status == PDR_NOT_FOUND) {
        return pdr_fail_status(turn, PDR_INTERNAL, "item %lld of the queue has no value", (long long)item->id);
    }
    item->state.size = (int64_t)item->value.size;
    return status;
}

int queue_advance(pdr_turn *turn, struct queue *queue, const struct item *first)
{
    int status = PDR_OK;
    if (first->state.attempts == 0 && first->id == queue->next) {
        queue->next++;
        return PDR_OK;
    }
    while (status == PDR_OK && queue->back_head <= first->state.at) {
        status = delete_row(turn, row_key(QUEUE_BACK, queue->back_head++));
    }
    queue->back--;
    return status;
}

int queue_remove(pdr_turn *turn, struct queue *queue, int64_t id, const struct item_state *state)
{
    int status = delete_row(turn, row_key(QUEUE_ITEM, id));
    status = status == PDR_OK ? delete_row(turn, row_key(QUEUE_STATE, id)) : status;
    queue->bytes -= state->size;
    if (state->where == ITEM_BACK) {
        queue->back--; /* its place stays, and means nothing now */
    } else if (state->where == ITEM_TAKEN) {
        queue->taken--;
        status = status == PDR_OK ? delete_row(turn, row_key2(QUEUE_DUE, state->at, id)) : status;
    } else {
        queue->dead--;
        status = status == PDR_OK ? delete_row(turn, row_key(QUEUE_DEAD, id)) : status;
    }
    return status;
}

/* Behind all that are back. */
static int put_back(pdr_turn *turn, struct queue *queue, int64_t id, const struct item_state *state, int64_t attempts)
{
    struct item_state back = {ITEM_BACK, attempts, queue->back_tail, state->size};
    struct row_key key = row_key(QUEUE_BACK, queue->back_tail++);
    bool was_empty = queue_ready(queue) == 0;
    queue->back++;
    int status = row_put(turn, row_bytes(&key), &id, 1);
    status = status == PDR_OK ? put_state(turn, id, &back) : status;
    return status == PDR_OK && was_empty ? queue_emit(turn, "returned", id) : status;
}

int queue_return(pdr_turn *turn, struct queue *queue, int64_t id, const struct item_state *state)
{
    int status = delete_row(turn, row_key2(QUEUE_DUE, state->at, id));
    queue->taken--;
    if (status != PDR_OK || state->attempts < queue->attempts_max) {
        return status == PDR_OK ? put_back(turn, queue, id, state, state->attempts) : status;
    }
    struct item_state dead = {ITEM_DEAD, state->attempts, 0, state->size};
    struct row_key key = row_key(QUEUE_DEAD, id);
    queue->dead++;
    status = pdr_put(turn, row_bytes(&key), pdr_bytes(nil, sizeof nil));
    status = status == PDR_OK ? put_state(turn, id, &dead) : status;
    return status == PDR_OK ? queue_emit(turn, "dead", id) : status;
}

int queue_redrive(pdr_turn *turn, struct queue *queue, int64_t id, const struct item_state *state)
{
    queue->dead--;
    int status = delete_row(turn, row_key(QUEUE_DEAD, id));
    return status == PDR_OK ? put_back(turn, queue, id, state, 0) : status;
}

int queue_return_due(pdr_turn *turn, struct queue *queue, int most)
{
    int64_t now = pdr_wall_ms(turn);
    if (queue->due_from > now) {
        return PDR_OK;
    }
    struct row_key from = row_key(QUEUE_DUE, queue->due_from);
    struct pdr_bytes end = pdr_bytes("v", 1), key, value;
    pdr_scan *scan = pdr_scan_open(turn, row_bytes(&from), end);
    int status = scan == NULL ? PDR_OVERLOADED : PDR_OK;
    queue->due_from = QUEUE_NEVER;
    while (status == PDR_OK && (status = pdr_scan_next(scan, &key, &value)) == PDR_OK) {
        struct item_state state;
        int64_t id = row_number(key, 1);
        if (row_number(key, 0) > now || most-- == 0) {
            queue->due_from = row_number(key, 0);
            break;
        }
        status = queue_item_state(turn, id, &state);
        status = status == PDR_OK ? queue_return(turn, queue, id, &state) : status;
    }
    return row_scanned(status);
}
