/* tests/simulation/replog/replog_links.c: core/env/peer.h between the nodes: lives that begin and end, frames in order
 * and at most once within one; in some seeds frames are lost, doubled and overtaken all the same. */
#include "core/base/mem.h"
#include "tests/simulation/replog/replog_world.h"

struct flying_frame {
    struct replog_later later;
    struct replog_conn *conn;
    int side; /* the receiver's */
    uint64_t life;
    bool counted;
    size_t size;
    uint8_t bytes[];
};

static struct replog_conn *conn_of(struct replog_world *world, uint32_t one, uint32_t other)
{
    return one < other ? &world->conns[one][other] : &world->conns[other][one];
}

static struct replog_node *node_at(struct replog_conn *conn, int side)
{
    return &conn->world->nodes[conn->places[side]];
}

/* Later. */

static void arrives(struct sim_event *event)
{
    struct replog_later *later = LIST_ITEM(event, struct replog_later, event);
    struct replog_world *world = later->world;
    struct replog_node *to = later->to;
    if (to != NULL && to->replog != NULL && replog_node_is_asleep(to) && to->incarnation == later->life) {
        sim_at(&world->sim, event, to->asleep_until_ns);
        return;
    }
    list_remove(&later->node);
    if (to == NULL || (to->replog != NULL && to->incarnation == later->life)) {
        later->arrive(later);
        if (to != NULL && to->replog != NULL) {
            replog_node_worked(to);
        } else if (to == NULL) {
            replog_judge_all(world);
        }
    }
    mem_free(later);
}

void replog_later(struct replog_world *world, struct replog_later *later, struct replog_node *to, uint64_t delay_ns)
{
    later->event =
        (struct sim_event){.fire = arrives, .name = "replog.later", .subject = to != NULL ? to->place : UINT32_MAX};
    later->world = world;
    later->to = to;
    later->life = to != NULL ? to->incarnation : 0;
    list_push_back(&world->flying, &later->node);
    sim_after(&world->sim, &later->event, delay_ns);
}

/* Frames. */

/* Once for each time that one was refused, when the sender can hear it. */
static void give_room(struct replog_conn *conn, int side)
{
    struct replog_node *sender = node_at(conn, !side);
    if (conn->is_up && conn->wants_room[side] && sender->replog != NULL && !replog_node_is_asleep(sender)) {
        conn->wants_room[side] = false;
        sender->handler->room(sender->handler_user, node_at(conn, side)->id, conn->lives[!side]);
        replog_node_worked(sender);
    }
}

static void frame_arrives(struct replog_later *later)
{
    struct flying_frame *frame = LIST_ITEM(later, struct flying_frame, later);
    struct replog_conn *conn = frame->conn;
    struct replog_node *node = later->to;
    if (!conn->is_up || conn->lives[frame->side] != frame->life) {
        return; /* lost with that life */
    }
    if (frame->counted) {
        conn->queued[frame->side] -= frame->size;
    }
    node->handler->received(node->handler_user, node_at(conn, !frame->side)->id, frame->life,
                            pdr_bytes(frame->bytes, frame->size));
    give_room(conn, frame->side);
}

static void fly(struct replog_conn *conn, int side, struct pdr_bytes bytes, bool counted)
{
    struct replog_world *world = conn->world;
    struct flying_frame *frame = mem_new(sizeof *frame + bytes.size);
    uint64_t at = world->sim.now_ns + sim_delay(&world->sim, world->delay_ns);
    frame->later.arrive = frame_arrives;
    frame->conn = conn;
    frame->side = side;
    frame->life = conn->lives[side];
    frame->size = bytes.size;
    frame->counted = counted;
    memcpy(frame->bytes, bytes.data, bytes.size);
    if (!sim_chance(&world->sim, world->overtake_percent)) {
        at = conn->newest_ns[side] = at > conn->newest_ns[side] ? at : conn->newest_ns[side] + 1;
    } else {
        at += sim_delay(&world->sim, 20 * world->delay_ns);
    }
    replog_later(world, &frame->later, node_at(conn, side), at - world->sim.now_ns);
}

static int side_of(const struct replog_conn *conn, const struct replog_node *node)
{
    return conn->places[1] == node->place;
}

static struct replog_conn *conn_to(const struct peers *peers, uint64_t node)
{
    const struct replog_node *self = (const struct replog_node *)peers;
    struct replog_node *other = replog_world_node(self->world, node);
    return other != NULL && other != self ? conn_of(self->world, self->place, other->place) : NULL;
}

static enum pdr_status peers_send(struct peers *peers, uint64_t node, uint64_t life, enum peer_kind kind,
                                  struct pdr_bytes bytes)
{
    struct replog_node *self = (struct replog_node *)peers;
    struct replog_world *world = self->world;
    struct replog_conn *conn = conn_to(peers, node);
    if (conn == NULL || !conn->is_up || (life != 0 && life != conn->lives[side_of(conn, self)])) {
        return PDR_UNAVAILABLE;
    }
    int side = !side_of(conn, self);
    if (conn->queued[side] > 0 && conn->queued[side] + bytes.size > world->room_bytes) {
        conn->wants_room[side] = true;
        world->reached.replog_busy++;
        return PDR_OVERLOADED;
    }
    sim_fold(&world->sim, bytes);
    conn->queued[side] += bytes.size;
    if (sim_chance(&world->sim, world->loss_percent)) {
        conn->queued[side] -= bytes.size;
        return PDR_OK;
    }
    fly(conn, side, bytes, true);
    if (sim_chance(&world->sim, world->double_percent)) {
        fly(conn, side, bytes, false);
    }
    return PDR_OK;
}

static uint64_t peers_life(const struct peers *peers, uint64_t node)
{
    struct replog_conn *conn = conn_to(peers, node);
    return conn != NULL && conn->is_up ? conn->lives[side_of(conn, (const struct replog_node *)peers)] : 0;
}

static void peers_listen(struct peers *peers, enum peer_kind kind, const struct peer_handler *handler, void *user)
{
    struct replog_node *self = (struct replog_node *)peers;
    self->handler = handler;
    self->handler_user = user;
}

static void peers_hold(struct peers *peers, uint64_t node, uint64_t life, bool held) {}

static const struct peers_ops ops = {peers_listen, peers_life, peers_send, peers_hold};

/* Lives. */

static void end_side(struct replog_conn *conn, int side)
{
    struct replog_node *node = node_at(conn, side);
    if (node->replog != NULL) {
        node->handler->gone(node->handler_user, node_at(conn, !side)->id, conn->lives[side], "the link broke");
        replog_node_worked(node);
    }
}

static void end(struct replog_conn *conn)
{
    if (conn->is_up) {
        conn->is_up = false;
        conn->queued[0] = conn->queued[1] = 0;
        conn->wants_room[0] = conn->wants_room[1] = false;
        end_side(conn, 0);
        end_side(conn, 1);
    }
}

static void begin_side(struct replog_conn *conn, int side)
{
    struct replog_node *node = node_at(conn, side);
    node->handler->up(node->handler_user, node_at(conn, !side)->id, conn->lives[side]);
    replog_node_worked(node);
}

/* A link comes up when both can, and is looked at again and again. */
static void look(struct sim_event *event)
{
    struct replog_conn *conn = LIST_ITEM(event, struct replog_conn, event);
    struct replog_world *world = conn->world;
    struct replog_node *one = node_at(conn, 0), *other = node_at(conn, 1);
    bool can = !conn->is_cut && one->replog != NULL && other->replog != NULL && !replog_node_is_asleep(one) &&
               !replog_node_is_asleep(other);
    if (conn->is_up && (conn->is_cut || one->replog == NULL || other->replog == NULL)) {
        end(conn);
    } else if (!conn->is_up && can) {
        conn->is_up = true;
        conn->lives[0] = ++one->lives;
        conn->lives[1] = ++other->lives;
        begin_side(conn, 0);
        begin_side(conn, 1);
    }
    give_room(conn, 0);
    give_room(conn, 1);
    sim_after(&world->sim, event, sim_delay(&world->sim, 20 * NS_PER_MS));
}

void replog_links_cut(struct replog_world *world, uint32_t one, uint32_t other, bool cut)
{
    if (one != other) {
        conn_of(world, one, other)->is_cut = cut;
        sim_after(&world->sim, &conn_of(world, one, other)->event, sim_delay(&world->sim, world->delay_ns));
    }
}

void replog_links_break(struct replog_node *node)
{
    for (uint32_t i = 0; i < node->world->node_count; i++) {
        if (i != node->place) {
            end(conn_of(node->world, node->place, i));
        }
    }
}

void replog_links_init(struct replog_world *world)
{
    for (uint32_t low = 0; low < world->node_count; low++) {
        world->nodes[low].peers.ops = &ops;
        for (uint32_t high = low + 1; high < world->node_count; high++) {
            struct replog_conn *conn = &world->conns[low][high];
            *conn = (struct replog_conn){.world = world, .places = {low, high}};
            conn->event = (struct sim_event){.fire = look, .name = "replog.link", .subject = low * 16 + high};
            sim_after(&world->sim, &conn->event, sim_delay(&world->sim, world->delay_ns));
        }
    }
}

void replog_links_release(struct replog_world *world)
{
    struct list *node;
    while ((node = list_pop(&world->flying)) != NULL) {
        struct replog_later *later = LIST_ITEM(node, struct replog_later, node);
        sim_cancel(&world->sim, &later->event);
        mem_free(later);
    }
}
