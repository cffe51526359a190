/* tests/simulation/sim_net_pipe.c: one direction of a simulated connection: bytes in chunks, late, in order. */
#include "core/base/check.h"
#include "core/base/mem.h"
#include "tests/simulation/sim_net_parts.h"

#define TIMEOUT_NS_MIN (2 * NS_PER_S) /* until a sender whose bytes are not acknowledged gives up */
#define TIMEOUT_NS_MAX (12 * NS_PER_S)

void fifo_put(struct fifo *fifo, struct pdr_bytes bytes)
{
    if (bytes.size == 0) {
        return;
    }
    if (fifo->begin > 0 && fifo->begin + fifo->size + bytes.size > fifo->capacity) {
        memmove(fifo->data, fifo->data + fifo->begin, fifo->size);
        fifo->begin = 0;
    }
    if (fifo->size + bytes.size > fifo->capacity) {
        fifo->capacity = (uint32_t)(fifo->size + bytes.size) * 2;
        fifo->data = mem_grow(fifo->data, fifo->capacity);
    }
    memcpy(fifo->data + fifo->begin + fifo->size, bytes.data, bytes.size);
    fifo->size += (uint32_t)bytes.size;
}

struct pdr_bytes fifo_front(const struct fifo *fifo, uint32_t size)
{
    CHECK(size <= fifo->size);
    return pdr_bytes(fifo->data + fifo->begin, size);
}

void fifo_drop(struct fifo *fifo, uint32_t size)
{
    CHECK(size <= fifo->size);
    fifo->size -= size;
    fifo->begin = fifo->size == 0 ? 0 : fifo->begin + size;
}

void fifo_release(struct fifo *fifo)
{
    mem_free(fifo->data);
    *fifo = (struct fifo){0};
}

static struct sim *sim_of(const struct pipe *pipe)
{
    return pipe->connection->net->sim;
}

static struct sim_link *link_of(const struct pipe *pipe)
{
    struct sim_connection *c = pipe->connection;
    return sim_net_link(c->net, c->hosts[pipe->from], c->hosts[1 - pipe->from]);
}

static bool is_cut(const struct pipe *pipe)
{
    const struct sim_connection *c = pipe->connection;
    return link_of(pipe)->cut || c->net->hosts[c->hosts[1 - pipe->from]].off;
}

static struct chunk *first_chunk(const struct pipe *pipe)
{
    return LIST_ITEM(pipe->chunks.next, struct chunk, node);
}

static void expect_first(struct pipe *pipe)
{
    if (list_empty(&pipe->chunks)) {
        sim_cancel(sim_of(pipe), &pipe->arrival);
    } else if (!sim_is_set(&pipe->arrival) && !pipe->stalled) {
        sim_at(sim_of(pipe), &pipe->arrival, first_chunk(pipe)->at_ns);
    }
}

static void send_chunk(struct pipe *pipe, enum chunk_kind kind, struct pdr_bytes data)
{
    struct sim *sim = sim_of(pipe);
    struct chunk *chunk = mem_new(sizeof *chunk + data.size);
    uint64_t at_ns = sim->now_ns + sim_delay(sim, link_of(pipe)->typical_ns);
    chunk->kind = kind;
    chunk->at_ns = at_ns < pipe->last_at_ns ? pipe->last_at_ns : at_ns;
    chunk->size = (uint32_t)data.size;
    if (data.size > 0) {
        memcpy(chunk->data, data.data, data.size);
    }
    pipe->last_at_ns = chunk->at_ns;
    pipe->under_way += chunk->size;
    list_push_back(&pipe->chunks, &chunk->node);
    expect_first(pipe);
}

/* Small chunks find bugs; thousands of them for one large value find nothing more. */
static uint32_t draw_chunk(struct pipe *pipe, uint32_t size)
{
    uint32_t drawn = 1 + (uint32_t)sim_draw(sim_of(pipe), pipe->chunk_max);
    drawn = drawn < size / 16 ? size / 16 : drawn;
    return drawn < size ? drawn : size;
}

void pipe_pump(struct pipe *pipe)
{
    while (!pipe->ended && pipe->kept.size > 0) {
        uint32_t used = pipe->under_way + pipe->arrived.size;
        if (used >= pipe->window) {
            return;
        }
        uint32_t room = pipe->window - used;
        uint32_t size = draw_chunk(pipe, pipe->kept.size < room ? pipe->kept.size : room);
        send_chunk(pipe, CHUNK_DATA, fifo_front(&pipe->kept, size));
        fifo_drop(&pipe->kept, size);
        if (pipe->kept.size == 0) {
            end_flushed(pipe_sender(pipe));
        }
    }
}

void pipe_signal(struct pipe *pipe, enum chunk_kind kind)
{
    if (pipe->ended) {
        return;
    }
    send_chunk(pipe, kind, pdr_bytes(NULL, 0));
    if (kind == CHUNK_FIN || kind == CHUNK_RST) {
        pipe->ended = true;
        fifo_release(&pipe->kept);
    }
}

static void arrive(struct pipe *pipe, struct chunk *chunk)
{
    struct end *to = pipe_receiver(pipe);
    if (chunk->kind != CHUNK_DATA) {
        end_signalled(to, chunk->kind);
    } else if (to->state == END_GONE) {
        pipe_signal(end_out(to), CHUNK_RST); /* its system answers for it */
    } else {
        fifo_put(&pipe->arrived, pdr_bytes(chunk->data, chunk->size));
        end_ready(to);
    }
}

static void due(struct sim_event *event)
{
    struct pipe *pipe = LIST_ITEM(event, struct pipe, arrival);
    struct sim_connection *connection = pipe->connection;
    struct sim *sim = sim_of(pipe);
    if (is_cut(pipe)) {
        pipe->stalled = true;
        if (!sim_is_set(&pipe->timeout)) {
            sim_after(sim, &pipe->timeout, sim_between(sim, TIMEOUT_NS_MIN, TIMEOUT_NS_MAX));
        }
        return;
    }
    struct chunk *chunk = first_chunk(pipe);
    list_remove(&chunk->node);
    pipe->under_way -= chunk->size;
    sim_cancel(sim, &pipe->timeout);
    arrive(pipe, chunk);
    mem_free(chunk);
    expect_first(pipe);
    connection_settle(connection);
}

/* Nothing was acknowledged for long. */
static void timed_out(struct sim_event *event)
{
    struct pipe *pipe = LIST_ITEM(event, struct pipe, timeout);
    struct sim_connection *connection = pipe->connection;
    if (pipe->stalled) {
        end_break(pipe_sender(pipe), "connection timed out");
        connection_settle(connection);
    }
}

void pipe_go_on(struct pipe *pipe)
{
    pipe->stalled = false;
    expect_first(pipe);
}

void pipe_tear(struct pipe *pipe)
{
    struct sim *sim = sim_of(pipe);
    fifo_release(&pipe->kept);
    while (!list_empty(&pipe->chunks)) {
        struct chunk *last = LIST_ITEM(pipe->chunks.prev, struct chunk, node);
        if (sim_draw(sim, 3) == 0) {
            uint32_t lost = (uint32_t)sim_draw(sim, (uint64_t)last->size + 1);
            last->size -= lost;
            pipe->under_way -= lost;
            break;
        }
        pipe->under_way -= last->size;
        list_remove(&last->node);
        mem_free(last);
    }
    pipe->ended = false; /* a good-bye may have been lost too */
    sim_cancel(sim, &pipe->arrival);
    pipe->last_at_ns = sim->now_ns;
    for (struct list *node = pipe->chunks.next; node != &pipe->chunks; node = node->next) {
        pipe->last_at_ns = LIST_ITEM(node, struct chunk, node)->at_ns;
    }
    expect_first(pipe);
}

void pipe_init(struct pipe *pipe, struct sim_connection *connection, unsigned from)
{
    const struct sim_net_shape *shape = &connection->net->shape;
    *pipe = (struct pipe){.connection = connection, .from = from, .chunk_max = shape->chunk_max};
    pipe->window = shape->window_max / 4 + (uint32_t)sim_draw(sim_of(pipe), shape->window_max - shape->window_max / 4);
    pipe->window = pipe->window == 0 ? 1 : pipe->window;
    list_init(&pipe->chunks);
    pipe->arrival = (struct sim_event){.fire = due, .name = "net.arrive", .subject = connection->id};
    pipe->timeout = (struct sim_event){.fire = timed_out, .name = "net.timeout", .subject = connection->id};
}

void pipe_release(struct pipe *pipe)
{
    struct list *node;
    sim_cancel(sim_of(pipe), &pipe->arrival);
    sim_cancel(sim_of(pipe), &pipe->timeout);
    while ((node = list_pop(&pipe->chunks)) != NULL) {
        mem_free(LIST_ITEM(node, struct chunk, node));
    }
    fifo_release(&pipe->kept);
    fifo_release(&pipe->arrived);
}
