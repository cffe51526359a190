/* tests/simulation/sim_net_faults.c: what goes wrong on the simulated network. */
#include "core/base/mem.h"
#include "tests/simulation/sim_net_parts.h"

#define EASY_NS NS_PER_MS
#define EASY_CHUNK 1460u
#define KEEPALIVE_NS_MAX (8 * NS_PER_S) /* until a peer's silent end is noticed */

static struct sim_connection *next_of(struct sim_net *net, struct list *node)
{
    return node == &net->connections ? NULL : LIST_ITEM(node, struct sim_connection, node);
}

#define EACH_CONNECTION(net, c)                                                                                        \
    for (struct sim_connection *c = next_of(net, (net)->connections.next), *after_;                                    \
         c != NULL && (after_ = next_of(net, c->node.next), true); c = after_)

void sim_net_cut(struct sim_net *net, uint32_t from, uint32_t to)
{
    net->links[from][to].cut = true;
    sim_note(net->sim, "net.cut", from, to);
}

static void go_on(struct sim_net *net)
{
    EACH_CONNECTION(net, c)
    {
        for (unsigned side = 0; side < 2; side++) {
            if (c->pipes[side].stalled) {
                pipe_go_on(&c->pipes[side]);
            }
        }
    }
}

void sim_net_heal(struct sim_net *net)
{
    sim_note(net->sim, "net.heal", 0, 0);
    for (uint32_t a = 0; a < net->host_count; a++) {
        for (uint32_t b = 0; b < net->host_count; b++) {
            net->links[a][b].cut = false;
        }
    }
    go_on(net);
}

/* Of a letter in chunks of 3 bytes one may well be late by 64 times the typical delay, and all that follows with it. */
void sim_net_ease(struct sim_net *net)
{
    sim_note(net->sim, "net.ease", 0, 0);
    for (uint32_t a = 0; a < SIM_HOSTS_MAX; a++) {
        for (uint32_t b = 0; b < SIM_HOSTS_MAX; b++) {
            struct sim_link *link = &net->links[a][b];
            link->typical_ns = link->typical_ns < EASY_NS ? link->typical_ns : EASY_NS;
        }
    }
    net->shape.chunk_max = net->shape.chunk_max > EASY_CHUNK ? net->shape.chunk_max : EASY_CHUNK;
    EACH_CONNECTION(net, c)
    {
        for (unsigned side = 0; side < 2; side++) {
            c->pipes[side].chunk_max = net->shape.chunk_max;
        }
    }
}

bool sim_net_reset(struct sim_net *net)
{
    uint32_t count = 0;
    EACH_CONNECTION(net, c)
    {
        count += c->ends[0].state == END_OPEN;
    }
    if (count == 0) {
        return false;
    }
    uint32_t chosen = (uint32_t)sim_draw(net->sim, count);
    EACH_CONNECTION(net, c)
    {
        if (c->ends[0].state == END_OPEN && chosen-- == 0) {
            sim_note(net->sim, "net.reset", c->id, 0);
            for (unsigned side = 0; side < 2; side++) {
                pipe_tear(&c->pipes[side]);
                pipe_signal(&c->pipes[side], CHUNK_RST);
            }
        }
    }
    return true;
}

void sim_net_reset_stream(struct stream *stream)
{
    struct end *end = (struct end *)stream;
    pipe_tear(end_out(end));
    pipe_signal(end_out(end), CHUNK_RST);
    end_break(end, "connection reset");
}

/* The other side of a machine that went without a word. */
static void noticed(struct sim_event *event)
{
    struct sim_connection *c = LIST_ITEM(event, struct sim_connection, keepalive);
    for (unsigned side = 0; side < 2; side++) {
        end_break(&c->ends[side], "connection timed out");
    }
    connection_settle(c);
}

static void vanish(struct sim_net *net, struct sim_connection *c, unsigned side)
{
    pipe_tear(&c->pipes[side]);
    c->pipes[side].ended = true;
    if (c->ends[1].state == END_CONNECTING) {
        c->ends[1].state = END_GONE; /* the knock is lost with it */
    }
    sim_cancel(net->sim, &c->keepalive); /* the other side's power went before */
    c->keepalive = (struct sim_event){.fire = noticed, .name = "net.keepalive", .subject = c->id};
    sim_after(net->sim, &c->keepalive, sim_draw(net->sim, KEEPALIVE_NS_MAX));
}

static void crash_end(struct sim_net *net, struct sim_connection *c, unsigned side, bool power)
{
    struct end *end = &c->ends[side];
    if (end->state == END_GONE || (end->state == END_CONNECTING && side == 1)) {
        return;
    }
    end->held = end->state != END_PENDING;
    end->state = END_GONE;
    sim_source_forget(&end->source);
    sim_cancel(net->sim, &end->linger);
    if (net->tap != NULL) {
        net->tap->closed(net->tap->user, c->id, side);
    }
    if (power) {
        vanish(net, c, side);
        return;
    }
    bool rude = c->pipes[1 - side].arrived.size > 0 || c->pipes[side].kept.size > 0;
    pipe_signal(&c->pipes[side], rude ? CHUNK_RST : CHUNK_FIN);
}

void sim_net_crash(struct sim_net *net, uint32_t host, bool power)
{
    for (struct list *node = net->listeners.next; node != &net->listeners; node = node->next) {
        struct sim_listener *l = LIST_ITEM(node, struct sim_listener, node);
        if (l->host == host) {
            l->dead = true;
            sim_source_forget(&l->source);
        }
    }
    EACH_CONNECTION(net, c)
    {
        for (unsigned side = 0; side < 2; side++) {
            if (c->hosts[side] == host) {
                crash_end(net, c, side, power);
            }
        }
        connection_settle(c);
    }
    net->hosts[host].off = power;
}

void sim_net_reap(struct sim_net *net, uint32_t host)
{
    EACH_CONNECTION(net, c)
    {
        for (unsigned side = 0; side < 2; side++) {
            c->ends[side].held = c->ends[side].held && c->hosts[side] != host;
        }
        connection_settle(c);
    }
    struct list *node = net->listeners.next;
    while (node != &net->listeners) {
        struct sim_listener *l = LIST_ITEM(node, struct sim_listener, node);
        node = node->next;
        if (l->host == host && l->dead) {
            list_remove(&l->node);
            mem_free(l->waiting);
            mem_free(l);
        }
    }
}

void sim_net_power_on(struct sim_net *net, uint32_t host)
{
    net->hosts[host].off = false;
    go_on(net);
}
