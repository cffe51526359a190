/* net/conn/conn.c: stage 1 of 7 (frame after it). One connection: states, buffers, pause and resume. */
#include "net/conn/conn.h"

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/core.h"
#include "net/conn/watches.h"
#include "net/wire/buffer.h"
#include "net/wire/peer_frame.h"

#define LINGER_MS 2000u
#define SMALL_ANSWER 1024u
#define LOOK_MS 1000u
#define REFUSED_MAX 64u /* connections beyond the limit that are told so at a time */

static void look_for_slow(struct timer *timer);

void conns_init(struct conns *conns, struct core *core, struct router *router, struct transport *transport,
                const struct conn_limits *limits, const struct conn_identity *identity)
{
    *conns =
        (struct conns){.core = core, .router = router, .transport = transport, .limits = *limits, .identity = identity};
    list_init(&conns->all);
    list_init(&conns->dirty);
    timer_init(&conns->watch_timer, NULL);
    timer_init(&conns->slow, look_for_slow);
    timer_init(&conns->touch, conn_touch_sessions);
}

/* What the peer has not taken yet; called whenever that may have changed. */
static void note_held(struct conn *conn)
{
    struct conns *conns = conn->conns;
    uint64_t held = conn->stream != NULL ? conn->out.size + conns->transport->ops->unsent(conn->stream) : 0;
    if (conn->held == 0) {
        conn->taken_ns = core_now_ns(conns->core);
    }
    conns->held += held - conn->held;
    conn->held = held;
}

static void conn_free(struct conn *conn)
{
    struct conns *conns = conn->conns;
    conns->held -= conn->held;
    conn_leave_session(conn);
    list_remove(&conn->node);
    list_remove(&conn->dirty_node);
    pdr_writer_release(&conn->in);
    pdr_writer_release(&conn->out);
    mem_free(conn);
    conns->count--;
    conns->stats.closed++;
}

void conn_let_go(struct conn *conn)
{
    if (conn->state == CONN_GONE && conn->outstanding == 0 && conn->watch_count == 0) {
        conn_free(conn);
    }
}

/* Pause and resume: a peer that asks for more than it takes is not read. */

static void set_paused(struct conn *conn, bool paused)
{
    if (conn->state != CONN_OPEN || conn->paused == paused) {
        return;
    }
    conn->paused = paused;
    if (paused) {
        conn->conns->transport->ops->pause(conn->stream);
    } else {
        conn->conns->transport->ops->resume(conn->stream);
    }
}

static bool is_full(const struct conn *conn)
{
    const struct conns *conns = conn->conns;
    return conn->has_session == CONN_SESSION_ASKED || conn->outstanding >= conns->limits.outstanding_max ||
           conn->out.size + conns->transport->ops->unsent(conn->stream) >= conns->limits.unsent_max;
}

/* Half of each limit, so that it does not flap. */
static bool has_room(const struct conn *conn)
{
    const struct conns *conns = conn->conns;
    return conn->has_session != CONN_SESSION_ASKED && conn->outstanding <= conns->limits.outstanding_max / 2 &&
           conn->out.size + conns->transport->ops->unsent(conn->stream) <= conns->limits.unsent_max / 2;
}

/* Frames of `bytes`, until more bytes are needed, or the connection is full or ends. Returns how many were used. */
static size_t take_frames(struct conn *conn, struct pdr_bytes bytes)
{
    size_t done = 0;
    while (conn->state == CONN_OPEN && done < bytes.size) {
        struct frame frame;
        size_t used;
        const char *why;
        if (is_full(conn)) {
            set_paused(conn, true);
            break;
        }
        enum pdr_status status = frame_decode(
            &conn->scan, pdr_bytes((const uint8_t *)bytes.data + done, bytes.size - done), &frame, &used, &why);
        if (status != PDR_OK) {
            conn->conns->stats.garbage++;
            conn_end(conn, status, why);
            break;
        }
        if (used == 0) {
            break;
        }
        done += used;
        if (!conn_frame(conn, &frame)) {
            break;
        }
    }
    return done;
}

/* Another node's connection leaves us, with what it has said so far. False: it is a client's. */
static bool leave_to_peers(struct conn *conn, struct pdr_bytes first)
{
    struct conns *conns = conn->conns;
    conn->begun = true;
    if (*(const uint8_t *)first.data != PEER_MAGIC || conns->peers.enter == NULL) {
        return false;
    }
    intptr_t pending = conns->transport->ops->detach(conn->stream);
    if (pending == -1) {
        return false; /* garbage, then: the peer will try again, and there may be descriptors */
    }
    conns->stats.peers++;
    conns->streams--;
    conn->stream = NULL;
    conn_free(conn);
    conns->peers.enter(conns->peers.user, pending, first);
    return true;
}

static void tell_too_many(struct conn *conn)
{
    conn->conns->stats.refused++;
    conn_end(conn, PDR_OVERLOADED, "the node has as many connections as it may (limit connections)");
}

static void received(void *user, struct pdr_bytes data)
{
    struct conn *conn = user;
    if (conn->state != CONN_OPEN || (!conn->begun && leave_to_peers(conn, data))) {
        return;
    }
    if (conn->is_surplus) {
        tell_too_many(conn);
        return;
    }
    if (conn->in.size > 0) {
        pdr_write_raw(&conn->in, data.data, data.size);
        data = pdr_written(&conn->in);
    }
    if (conn->in.failed) {
        conn_end(conn, PDR_OVERLOADED, "the machine has no memory for this frame");
        return;
    }
    wire_buffer_keep_rest(&conn->in, data, take_frames(conn, data));
}

static void go_on(struct conn *conn)
{
    conn_watches_go_on(conn);
    if (conn->state != CONN_OPEN || !conn->paused || !has_room(conn)) {
        return;
    }
    conn->paused = false;
    struct pdr_bytes rest = pdr_written(&conn->in);
    wire_buffer_keep_rest(&conn->in, rest, take_frames(conn, rest));
    if (!conn->paused && conn->state == CONN_OPEN) {
        conn->conns->transport->ops->resume(conn->stream);
    }
}

static void drained(void *user)
{
    note_held(user);
    go_on(user);
}

/* Slow readers. Reading them paused long ago; what they asked for lies here, and may lie here only while they take some
 * of it now and then. */

static bool is_stuck(struct conn *conn, uint64_t now)
{
    uint64_t taken = conn->written - conn->conns->transport->ops->unsent(conn->stream);
    if (taken != conn->taken || conn->held == 0) {
        conn->taken = taken;
        conn->taken_ns = now;
    }
    return now - conn->taken_ns >= conn->conns->limits.unread_ms * NS_PER_MS;
}

static void cut(struct conn *conn)
{
    struct conns *conns = conn->conns;
    char peer[64];
    conns->transport->ops->peer_name(conn->stream, peer, sizeof peer);
    LOG_WARN("conn.cut", "peer=%s bytes=%llu; it took none of them for %llu ms (limit unread)", peer,
             (unsigned long long)conn->held, (unsigned long long)conns->limits.unread_ms);
    conns->stats.cut++;
    conn->state = CONN_ENDING;
    conns->transport->ops->close(conn->stream, 0);
}

static void look_for_slow(struct timer *timer)
{
    struct conns *conns = LIST_ITEM(timer, struct conns, slow);
    uint64_t now = core_now_ns(conns->core);
    bool any_surplus = false;
    for (struct list *node = conns->all.next; node != &conns->all; node = node->next) {
        struct conn *conn = LIST_ITEM(node, struct conn, node);
        if (conn->stream == NULL || conn->state != CONN_OPEN) {
            continue;
        }
        if (conn->is_surplus) {
            any_surplus = true;
            if (now - conn->taken_ns >= LOOK_MS * NS_PER_MS) {
                tell_too_many(conn);
            }
            continue;
        }
        note_held(conn);
        if (is_stuck(conn, now)) {
            cut(conn);
        }
    }
    if (conns->held > 0 || any_surplus) {
        timer_set(&conns->core->wheel, timer, now + LOOK_MS * NS_PER_MS);
    }
}

static void closed(void *user, const char *why)
{
    struct conn *conn = user;
    if (conn->conns->core->dead) {
        return; /* conns_free */
    }
    struct conns *conns = conn->conns;
    conn->state = CONN_GONE;
    conn->stream = NULL;
    note_held(conn);
    conns->streams--;
    list_remove(&conn->dirty_node);
    conn_watches_end(conn);
    if (MUTATION(71)) {
        conn_leave_session(conn);
        conn->has_session = CONN_SESSION_REFUSED;
    }
    conn_let_go(conn);
    if (conns->closing && conns->streams == 0 && conns->closed != NULL) {
        void (*done)(void *) = conns->closed;
        conns->closed = NULL;
        done(conns->closed_user);
    }
}

static const struct stream_handler handler = {.received = received, .drained = drained, .closed = closed};

void conns_adopt(struct conns *conns, intptr_t pending)
{
    const struct transport_ops *ops = conns->transport->ops;
    bool is_full = conns->count >= conns->limits.connections_max;
    if (conns->closing || conns->count >= conns->limits.connections_max + REFUSED_MAX) {
        conns->stats.refused += is_full;
        ops->discard(conns->transport, pending);
        return;
    }
    struct conn *conn = mem_new(sizeof *conn);
    conn->conns = conns;
    conn->deadline_ms = LIMIT_DEADLINE_MS_DEFAULT;
    list_init(&conn->node);
    list_init(&conn->watches);
    list_init(&conn->dirty_node);
    pdr_writer_init(&conn->in, NULL, 0, 0);
    pdr_writer_init(&conn->out, NULL, 0, 0);
    conn->stream = ops->adopt(conns->transport, pending, &handler, conn);
    if (conn->stream == NULL) {
        mem_free(conn);
        return;
    }
    list_push_back(&conns->all, &conn->node);
    conns->count++;
    conns->streams++;
    conns->stats.opened++;
    if (is_full && conns->peers.enter == NULL) {
        tell_too_many(conn);
    } else if (is_full) { /* clients must not keep nodes out: it has a moment to say which it is */
        conn->is_surplus = true;
        conn->taken_ns = core_now_ns(conns->core);
        if (!timer_is_set(&conns->slow)) {
            timer_set(&conns->core->wheel, &conns->slow, conn->taken_ns + LOOK_MS * NS_PER_MS);
        }
    }
}

pdr_writer *conn_begin_write(struct conn *conn)
{
    if (conn->state == CONN_GONE) {
        return NULL;
    }
    if (list_alone(&conn->dirty_node)) {
        list_push_back(&conn->conns->dirty, &conn->dirty_node);
    }
    return &conn->out;
}

const char *conn_flooded(const struct conn *conn, size_t size)
{
    const struct conns *conns = conn->conns;
    if (size <= SMALL_ANSWER) {
        return NULL;
    }
    uint64_t held = conn->out.size + conns->transport->ops->unsent(conn->stream) + size;
    uint64_t all = conns->held - conn->held + held;
    if (held > LIMIT_UNREAD_BYTES_MAX) {
        return "unread_bytes_max";
    }
    return all > conns->limits.unread_max && held > conns->limits.unread_max / conns->streams ? "unread_core_bytes_max"
                                                                                              : NULL;
}

void conn_call_ended(struct conn *conn)
{
    CHECK(conn->outstanding > 0);
    conn->outstanding--;
    if (conn->state == CONN_GONE) {
        conn_let_go(conn);
    } else if (conn->paused && conn->state == CONN_OPEN) {
        conn_begin_write(conn); /* an answered notification writes nothing, but may let the flush go on reading */
    }
}

static void flush_one(struct conn *conn)
{
    const struct transport_ops *ops = conn->conns->transport->ops;
    if (conn->out.failed) {
        LOG_WARN("conn.no_memory", "answers for a connection did not fit memory; closing it");
        pdr_writer_clear(&conn->out);
        conn->state = CONN_ENDING;
    }
    if (conn->out.size > 0) {
        conn->written += conn->out.size;
        ops->write(conn->stream, pdr_written(&conn->out));
        pdr_writer_clear(&conn->out);
    }
    wire_buffer_give_back(&conn->out);
    note_held(conn);
    if (conn->held > 0 && !timer_is_set(&conn->conns->slow) && !conn->conns->closing) {
        timer_set(&conn->conns->core->wheel, &conn->conns->slow, core_now_ns(conn->conns->core) + LOOK_MS * NS_PER_MS);
    }
    if (conn->state == CONN_ENDING) {
        ops->close(conn->stream, LINGER_MS);
    } else {
        go_on(conn);
    }
}

void conns_flush(void *user)
{
    struct conns *conns = user;
    struct list *node;
    while ((node = list_pop(&conns->dirty)) != NULL) {
        flush_one(LIST_ITEM(node, struct conn, dirty_node));
    }
}

void conns_close(struct conns *conns, void (*closed_cb)(void *user), void *user)
{
    conns->closing = true;
    timer_cancel(&conns->core->wheel, &conns->slow);
    timer_cancel(&conns->core->wheel, &conns->touch);
    conns->closed = closed_cb;
    conns->closed_user = user;
    if (conns->streams == 0) {
        conns->closed = NULL;
        closed_cb(user);
        return;
    }
    conns_flush(conns);
    for (struct list *node = conns->all.next; node != &conns->all; node = node->next) {
        struct conn *conn = LIST_ITEM(node, struct conn, node);
        if (conn->state == CONN_OPEN) {
            conn->state = CONN_ENDING;
            conns->transport->ops->close(conn->stream, LINGER_MS);
        }
    }
}

void conns_free(struct conns *conns)
{
    conns->closed = NULL;
    while (!list_empty(&conns->all)) {
        struct conn *conn = LIST_ITEM(conns->all.next, struct conn, node);
        conn->stream = NULL;
        conn_watches_free(conn);
        conn_free(conn);
    }
}
