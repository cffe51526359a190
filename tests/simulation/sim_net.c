/* tests/simulation/sim_net.c: hosts, listeners, connections, and the transports that reach them. */
#include "tests/simulation/sim_net.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "tests/simulation/sim_net_parts.h"

#define TYPICAL_NS (100 * NS_PER_US)
#define FIRST_PORT 50000u

static const struct transport_ops sim_transport_ops;

struct sim_net *sim_net_new(struct sim *sim)
{
    struct sim_net *net = mem_new(sizeof *net);
    net->sim = sim;
    net->next_port = FIRST_PORT;
    net->shape = (struct sim_net_shape){.window_max = 256u << 10, .chunk_max = 64u << 10};
    list_init(&net->connections);
    list_init(&net->listeners);
    for (uint32_t a = 0; a < SIM_HOSTS_MAX; a++) {
        for (uint32_t b = 0; b < SIM_HOSTS_MAX; b++) {
            net->links[a][b].typical_ns = TYPICAL_NS;
        }
    }
    return net;
}

uint32_t sim_net_host(struct sim_net *net, const char *name)
{
    CHECK(net->host_count < SIM_HOSTS_MAX);
    snprintf(net->hosts[net->host_count].name, sizeof net->hosts[0].name, "%s", name);
    return net->host_count++;
}

struct sim_link *sim_net_link(struct sim_net *net, uint32_t from, uint32_t to)
{
    return &net->links[from][to];
}

struct sim_net_shape *sim_net_shape(struct sim_net *net)
{
    return &net->shape;
}

void sim_net_tap(struct sim_net *net, const struct sim_tap *tap)
{
    net->tap = tap;
}

uint32_t sim_net_open_count(const struct sim_net *net)
{
    uint32_t count = 0;
    for (struct list *node = net->connections.next; node != &net->connections; node = node->next) {
        count++;
    }
    return count;
}

/* Addresses. */

static bool parse(const struct sim_net *net, uint32_t own, const char *address, uint32_t *host, uint16_t *port)
{
    const char *colon = strrchr(address, ':');
    char *end;
    if (colon == NULL || colon == address || colon[1] < '0' || colon[1] > '9') {
        return false;
    }
    unsigned long number = strtoul(colon + 1, &end, 10);
    if (*end != 0 || number > UINT16_MAX) {
        return false;
    }
    *port = (uint16_t)number;
    size_t size = (size_t)(colon - address);
    for (*host = 0; *host < net->host_count; ++*host) {
        const char *name = net->hosts[*host].name;
        if (strlen(name) == size && memcmp(name, address, size) == 0) {
            return true;
        }
    }
    bool is_local = (size == 9 && memcmp(address, "127.0.0.1", 9) == 0) ||
                    (size == 9 && memcmp(address, "localhost", 9) == 0) ||
                    (size == 7 && memcmp(address, "0.0.0.0", 7) == 0);
    *host = is_local ? own : SIM_HOSTS_MAX;
    return is_local;
}

/* Connections. */

static void end_init(struct end *end, struct sim_connection *connection, unsigned side);

static struct sim_connection *connection_new(struct sim_net *net, uint32_t from, uint32_t to, uint16_t port)
{
    struct sim_connection *c = mem_new(sizeof *c);
    c->net = net;
    c->id = ++net->next_id;
    c->hosts[0] = from;
    c->hosts[1] = to;
    c->ports[0] = net->next_port++;
    c->ports[1] = port;
    for (unsigned side = 0; side < 2; side++) {
        end_init(&c->ends[side], c, side);
        pipe_init(&c->pipes[side], c, side);
    }
    list_push_back(&net->connections, &c->node);
    return c;
}

static void connection_free(struct sim_connection *c)
{
    struct sim *sim = c->net->sim;
    list_remove(&c->node);
    sim_cancel(sim, &c->keepalive);
    for (unsigned side = 0; side < 2; side++) {
        sim_source_forget(&c->ends[side].source);
        sim_cancel(sim, &c->ends[side].linger);
        pipe_release(&c->pipes[side]);
    }
    mem_free(c);
}

void connection_settle(struct sim_connection *c)
{
    const struct end *a = &c->ends[0], *b = &c->ends[1];
    if (a->state == END_GONE && b->state == END_GONE && !a->held && !b->held) {
        connection_free(c);
    }
}

static struct sim_connection *connection_find(struct sim_net *net, uint32_t id)
{
    for (struct list *node = net->connections.next; node != &net->connections; node = node->next) {
        struct sim_connection *c = LIST_ITEM(node, struct sim_connection, node);
        if (c->id == id) {
            return c;
        }
    }
    return NULL;
}

/* Ends. */

void end_ready(struct end *end)
{
    if (end->loop != NULL && end->state != END_GONE) {
        sim_loop_ready(end->loop, &end->source);
    }
}

void end_break(struct end *end, const char *why)
{
    if (end->state == END_GONE) {
        return;
    }
    if (end->broken == NULL) {
        end->broken = why;
    }
    pipe_signal(end_out(end), CHUNK_RST);
    if (end->state == END_CLOSING) {
        end->flushed = true;
    }
    if (end->loop == NULL) {
        return; /* who adopts it will be told */
    }
    end_ready(end);
}

void end_flushed(struct end *end)
{
    if (end->tell_drained || end->state == END_CLOSING) {
        end_ready(end);
    }
}

static struct sim_listener *listener_find(struct sim_net *net, uint32_t host, uint16_t port)
{
    for (struct list *node = net->listeners.next; node != &net->listeners; node = node->next) {
        struct sim_listener *l = LIST_ITEM(node, struct sim_listener, node);
        if (l->host == host && l->port == port && !l->dead) {
            return l;
        }
    }
    return NULL;
}

/* A connection comes in. */
static void welcome(struct end *end)
{
    struct sim_connection *c = end->connection;
    struct sim_listener *l = listener_find(c->net, c->hosts[1], c->ports[1]);
    if (l == NULL) {
        end->state = END_GONE;
        pipe_signal(end_out(end), CHUNK_RST);
        return;
    }
    end->state = END_PENDING;
    pipe_signal(end_out(end), CHUNK_SYN_ACK);
    if (l->waiting_count == l->waiting_capacity) {
        l->waiting_capacity = l->waiting_capacity == 0 ? 8 : l->waiting_capacity * 2;
        l->waiting = mem_grow(l->waiting, l->waiting_capacity * sizeof *l->waiting);
    }
    l->waiting[l->waiting_count++] = c->id;
    sim_loop_ready(l->loop, &l->source);
}

void end_signalled(struct end *end, enum chunk_kind kind)
{
    switch (kind) {
    case CHUNK_SYN:
        welcome(end);
        break;
    case CHUNK_SYN_ACK:
        sim_cancel(end->connection->net->sim, &end->linger);
        end->tell_opened = end->state == END_CONNECTING;
        end->state = end->tell_opened ? END_OPEN : end->state;
        end_ready(end);
        break;
    case CHUNK_FIN:
        end->finished = true;
        end_ready(end);
        break;
    case CHUNK_RST:
        end->deaf = sim_chance(end->connection->net->sim, 50);
        end_break(end, end->state == END_CONNECTING ? "connection refused" : "connection reset by peer");
        break;
    case CHUNK_DATA:
        break;
    }
}

static void tap_closed(const struct end *end)
{
    const struct sim_connection *c = end->connection;
    if (c->net->tap != NULL) {
        c->net->tap->closed(c->net->tap->user, c->id, end->side);
    }
}

/* The last callback. Of a stream closed at once, what nobody has read makes the system send a reset, not a good-bye. */
static void end_close(struct end *end, const char *why)
{
    struct sim *sim = end->connection->net->sim;
    bool rude = end->broken != NULL || (end->rude && end_in(end)->arrived.size > 0);
    pipe_signal(end_out(end), rude ? CHUNK_RST : CHUNK_FIN);
    end->state = END_GONE;
    sim_cancel(sim, &end->linger);
    sim_source_forget(&end->source);
    sim_note(sim, "net.closed", end->connection->id, end->side);
    tap_closed(end);
    if (end->handler->closed != NULL) {
        end->handler->closed(end->user, why);
    }
}

/* Pieces of drawn sizes: a frame begins and ends anywhere. */
static void deliver(struct end *end)
{
    struct pipe *in = end_in(end);
    const struct sim_connection *c = end->connection;
    while (end->state == END_OPEN && !end->paused && in->arrived.size > 0) {
        uint32_t size = 1 + (uint32_t)sim_draw(c->net->sim, in->arrived.size);
        size = size < in->arrived.size / 8 ? in->arrived.size : size;
        struct pdr_bytes data = fifo_front(&in->arrived, size);
        sim_fold(c->net->sim, data);
        if (c->net->tap != NULL) {
            c->net->tap->received(c->net->tap->user, c->id, end->side, data);
        }
        end->handler->received(end->user, data);
        fifo_drop(&in->arrived, size);
    }
    pipe_pump(in);
}

static void check_drained(struct end *end)
{
    if (end->tell_drained && end_out(end)->kept.size == 0) {
        end->tell_drained = false;
        if (end->handler->drained != NULL) {
            end->handler->drained(end->user);
        }
    }
}

/* A paused stream is not polled: it learns of its end when it is read or written again. */
static void handle_open(struct end *end)
{
    if (end->tell_opened) {
        end->tell_opened = false;
        end->handler->opened(end->user);
    }
    if (end->state == END_OPEN && !end->deaf) {
        deliver(end);
    }
    if (end->state == END_OPEN) {
        check_drained(end);
    }
    if (end->state == END_OPEN && !end->paused) {
        if (end->broken != NULL) {
            end_close(end, end->broken);
        } else if (end->finished && end_in(end)->arrived.size == 0) {
            end_close(end, "connection closed by peer");
        }
    }
}

static void handle_end(struct sim_source *source)
{
    struct end *end = LIST_ITEM(source, struct end, source);
    struct sim_connection *connection = end->connection;
    if (end->state == END_CONNECTING && end->broken != NULL) {
        end_close(end, end->broken);
    } else if (end->state == END_OPEN) {
        handle_open(end);
    }
    if (end->state == END_CLOSING) {
        end->flushed = end->flushed || end_out(end)->kept.size == 0;
        if (end->flushed) {
            end_close(end, "");
        }
    }
    connection_settle(connection);
}

/* Nobody waits for ever: for the answer to a connect, or for what a closed stream still had to send. */
static void lingered(struct sim_event *event)
{
    struct end *end = LIST_ITEM(event, struct end, linger);
    if (end->state == END_CONNECTING) {
        end_break(end, "connection timed out");
    } else if (end->state == END_CLOSING) {
        end->flushed = true;
        pipe_signal(end_out(end), CHUNK_RST);
        end_ready(end);
    }
}

static void end_init(struct end *end, struct sim_connection *connection, unsigned side)
{
    end->connection = connection;
    end->side = side;
    end->state = END_CONNECTING;
    sim_source_init(&end->source, handle_end);
    end->linger = (struct sim_event){.fire = lingered, .name = "net.linger", .subject = connection->id};
}

/* The transport's operations. */

static struct end *end_of(struct stream *stream)
{
    return (struct end *)stream;
}

static void stream_write(struct stream *stream, struct pdr_bytes data)
{
    struct end *end = end_of(stream);
    struct sim_connection *c = end->connection;
    CHECK(end->state != END_CONNECTING);
    if (end->state != END_OPEN || data.size == 0) {
        return;
    }
    if (end->broken != NULL) {
        end->paused = false; /* the write fails, and so the stream ends */
        end_ready(end);
        return;
    }
    sim_fold(c->net->sim, data);
    if (c->net->tap != NULL) {
        c->net->tap->written(c->net->tap->user, c->id, end->side, data);
    }
    struct pipe *out = end_out(end);
    if (out->ended) {
        return;
    }
    fifo_put(&out->kept, data);
    pipe_pump(out);
    end->tell_drained = end->tell_drained || out->kept.size > 0;
}

static uint64_t stream_unsent(const struct stream *stream)
{
    const struct end *end = (const struct end *)stream;
    return end->connection->pipes[end->side].kept.size;
}

static void stream_pause(struct stream *stream)
{
    end_of(stream)->paused = true;
}

static void stream_resume(struct stream *stream)
{
    struct end *end = end_of(stream);
    if (end->paused) {
        end->paused = false;
        end_ready(end);
    }
}

static void stream_close(struct stream *stream, uint64_t linger_ms)
{
    struct end *end = end_of(stream);
    if (end->state == END_CLOSING || end->state == END_GONE) {
        return;
    }
    if (end->state == END_CONNECTING) {
        linger_ms = 0;
    }
    end->state = END_CLOSING;
    end->flushed = end->broken != NULL;
    end->rude = linger_ms == 0;
    if (end_out(end)->kept.size > 0) {
        sim_after(end->connection->net->sim, &end->linger, linger_ms * NS_PER_MS);
    }
    end_ready(end);
}

static intptr_t stream_detach(struct stream *stream)
{
    struct end *end = end_of(stream);
    CHECK(end->state == END_OPEN && end->side == 1 && end_out(end)->kept.size == 0);
    sim_source_forget(&end->source);
    end->state = END_PENDING;
    end->paused = false;
    end->tell_drained = false;
    end->loop = NULL;
    return (intptr_t)end->connection->id;
}

static void stream_peer_name(const struct stream *stream, char *text, unsigned long size)
{
    const struct end *end = (const struct end *)stream;
    const struct sim_connection *c = end->connection;
    unsigned other = 1 - end->side;
    snprintf(text, size, "%s:%u", c->net->hosts[c->hosts[other]].name, c->ports[other]);
}

#define CONNECT_NS_MIN (3 * NS_PER_S)
#define CONNECT_NS_MAX (10 * NS_PER_S)

static struct stream *connect_to(struct transport *t, const char *address, const struct stream_handler *handler,
                                 void *user, const char **why)
{
    struct sim_transport *own = (struct sim_transport *)t;
    struct sim_net *net = own->net;
    uint32_t host;
    uint16_t port;
    if (!parse(net, own->host, address, &host, &port)) {
        snprintf(net->why, sizeof net->why, "\"%s\" is not the address of a simulated host: give HOST:PORT", address);
        *why = net->why;
        return NULL;
    }
    struct sim_connection *c = connection_new(net, own->host, host, port);
    struct end *end = &c->ends[0];
    end->stream.transport = t;
    end->loop = own->loop;
    end->handler = handler;
    end->user = user;
    pipe_signal(&c->pipes[0], CHUNK_SYN);
    sim_after(net->sim, &end->linger, sim_between(net->sim, CONNECT_NS_MIN, CONNECT_NS_MAX));
    sim_note(net->sim, "net.connect", c->id, own->host);
    return &end->stream;
}

static void handle_listener(struct sim_source *source)
{
    struct sim_listener *l = LIST_ITEM(source, struct sim_listener, source);
    while (l->waiting_count > 0 && !l->dead) {
        uint32_t id = l->waiting[0];
        memmove(l->waiting, l->waiting + 1, --l->waiting_count * sizeof *l->waiting);
        l->accepted(l->user, (intptr_t)id);
    }
}

static enum pdr_status listen_at(struct transport *t, const char *address,
                                 void (*accepted)(void *user, intptr_t pending), void *user, struct listener **out,
                                 const char **why)
{
    struct sim_transport *own = (struct sim_transport *)t;
    struct sim_net *net = own->net;
    uint32_t host;
    uint16_t port;
    *why = net->why;
    if (!parse(net, own->host, address, &host, &port) || host != own->host) {
        snprintf(net->why, sizeof net->why, "can't listen on \"%s\": give HOST:PORT of this host", address);
        return PDR_INVALID;
    }
    if (port != 0 && listener_find(net, host, port) != NULL) {
        snprintf(net->why, sizeof net->why, "can't listen on %s: the address is in use", address);
        return PDR_UNAVAILABLE;
    }
    struct sim_listener *l = mem_new(sizeof *l);
    l->listener.transport = t;
    l->loop = own->loop;
    l->host = host;
    l->port = port != 0 ? port : net->next_port++;
    l->accepted = accepted;
    l->user = user;
    sim_source_init(&l->source, handle_listener);
    list_push_back(&net->listeners, &l->node);
    *out = &l->listener;
    return PDR_OK;
}

static void refuse(struct sim_net *net, uint32_t id)
{
    struct sim_connection *c = connection_find(net, id);
    if (c != NULL && c->ends[1].state == END_PENDING) {
        c->ends[1].state = END_GONE;
        pipe_signal(&c->pipes[1], CHUNK_RST);
        connection_settle(c);
    }
}

static void unlisten(struct listener *listener)
{
    struct sim_listener *l = (struct sim_listener *)listener;
    struct sim_net *net = ((struct sim_transport *)listener->transport)->net;
    for (uint32_t i = 0; i < l->waiting_count; i++) {
        refuse(net, l->waiting[i]);
    }
    sim_source_forget(&l->source);
    list_remove(&l->node);
    mem_free(l->waiting);
    mem_free(l);
}

static uint16_t listener_port(struct listener *listener)
{
    return ((struct sim_listener *)listener)->port;
}

static struct stream *adopt(struct transport *t, intptr_t pending, const struct stream_handler *handler, void *user)
{
    struct sim_transport *own = (struct sim_transport *)t;
    struct sim_connection *c = connection_find(own->net, (uint32_t)pending);
    if (c == NULL || c->ends[1].state != END_PENDING || c->hosts[1] != own->host) {
        return NULL;
    }
    struct end *end = &c->ends[1];
    end->stream.transport = t;
    end->loop = own->loop;
    end->handler = handler;
    end->user = user;
    end->state = END_OPEN;
    end_ready(end);
    return &end->stream;
}

static void discard(struct transport *t, intptr_t pending)
{
    refuse(((struct sim_transport *)t)->net, (uint32_t)pending);
}

static void transport_free(struct transport *t)
{
    mem_free(t);
}

static const struct transport_ops sim_transport_ops = {
    .listen = listen_at,
    .unlisten = unlisten,
    .listener_port = listener_port,
    .adopt = adopt,
    .detach = stream_detach,
    .discard = discard,
    .connect = connect_to,
    .write = stream_write,
    .unsent = stream_unsent,
    .pause = stream_pause,
    .resume = stream_resume,
    .close = stream_close,
    .peer_name = stream_peer_name,
    .free = transport_free,
};

struct transport *sim_net_transport(struct sim_net *net, struct sim_loop *loop, uint32_t host)
{
    struct sim_transport *t = mem_new(sizeof *t);
    t->transport.ops = &sim_transport_ops;
    t->net = net;
    t->loop = loop;
    t->host = host;
    return &t->transport;
}

void sim_net_free(struct sim_net *net)
{
    while (!list_empty(&net->connections)) {
        connection_free(LIST_ITEM(net->connections.next, struct sim_connection, node));
    }
    while (!list_empty(&net->listeners)) {
        struct sim_listener *l = LIST_ITEM(net->listeners.next, struct sim_listener, node);
        list_remove(&l->node);
        sim_source_forget(&l->source);
        mem_free(l->waiting);
        mem_free(l);
    }
    mem_free(net);
}
