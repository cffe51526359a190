/* net/peer/peer_conn.c: one connection between nodes. */
#include "net/peer/peer_conn.h"

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "net/peer/peer_conn_parts.h"

#define LINGER_MS 1000u
#define NO_BATCH SIZE_MAX

static uint64_t now_of(const struct peer_conn *conn)
{
    return loop_now_ns(conn->peers->world.loop);
}

/* Beginning and end. */

static void patience_over(struct timer *timer);

static struct peer_conn *conn_new(struct peers_net *peers, enum peer_conn_state state)
{
    struct peer_conn *conn = mem_new(sizeof *conn);
    conn->peers = peers;
    conn->state = state;
    conn->received_ns = now_of(conn);
    conn->batch = NO_BATCH;
    list_init(&conn->dirty_node);
    pdr_writer_init(&conn->in, NULL, 0, 0);
    pdr_writer_init(&conn->out, NULL, 0, 0);
    timer_init(&conn->patience, patience_over);
    timer_set(peers->world.wheel, &conn->patience, conn->received_ns + peers->limits.handshake_ms * NS_PER_MS);
    list_push_back(&peers->conns, &conn->node);
    return conn;
}

/* What a connection needs no longer once it is UP, or ENDING. */
void peer_conn_end_handshake(struct peer_conn *conn)
{
    timer_cancel(conn->peers->world.wheel, &conn->patience);
    handshake_release(&conn->shake);
}

void peer_conn_leave_strangers(struct peer_conn *conn)
{
    conn->peers->strangers -= conn->is_stranger;
    conn->is_stranger = false;
}

void peer_conn_free(struct peer_conn *conn)
{
    peer_conn_end_handshake(conn);
    peer_conn_leave_strangers(conn);
    list_remove(&conn->node);
    list_remove(&conn->dirty_node);
    seal_free(conn->sends);
    seal_free(conn->receives);
    pdr_writer_release(&conn->in);
    pdr_writer_release(&conn->out);
    mem_free(conn);
}

/* What is said in a tick becomes one batch, or some if it is much. */

static void end_batch(struct peer_conn *conn)
{
    pdr_writer *out = &conn->out;
    if (conn->batch == NO_BATCH) {
        return;
    }
    peer_batch_end(out, conn->batch);
    if (!out->failed) {
        uint8_t tag[PEER_TAG_SIZE];
        seal_next(conn->sends, pdr_bytes(out->data + conn->batch, out->size - conn->batch), tag);
        pdr_write_raw(out, tag, sizeof tag);
    }
    conn->batch = NO_BATCH;
}

static void say(struct peer_conn *conn, unsigned kind, struct pdr_bytes payload)
{
    if (conn->sends == NULL) {
        peer_frame_encode(&conn->out, kind, payload);
        return;
    }
    if (conn->batch == NO_BATCH) {
        conn->batch = peer_batch_begin(&conn->out);
    }
    peer_batch_add(&conn->out, kind, payload);
    if (conn->out.size - conn->batch >= BATCH_BYTES) {
        end_batch(conn);
    }
}

static void write_out(struct peer_conn *conn)
{
    pdr_writer *out = &conn->out;
    end_batch(conn);
    if (out->size > 0) {
        conn->written += out->size;
        conn->peers->stats.bytes_sent += out->size;
        ops_of(conn)->write(conn->stream, pdr_written(out));
        pdr_writer_clear(out);
    }
    wire_buffer_give_back(out);
}

static void end(struct peer_conn *conn, uint64_t linger_ms)
{
    peer_conn_end_handshake(conn);
    conn->state = PEER_CONN_ENDING;
    conn->link = NULL;
    list_remove(&conn->dirty_node);
    ops_of(conn)->close(conn->stream, linger_ms);
}

void peer_conn_cut(struct peer_conn *conn)
{
    if (conn->state != PEER_CONN_ENDING) {
        end(conn, 0);
    }
}

void peer_conn_refuse(struct peer_conn *conn, enum peer_refusal refusal, const char *sentence)
{
    uint8_t room[LIMIT_PEER_HELLO_BYTES_MAX];
    pdr_writer payload;
    if (conn->state == PEER_CONN_ENDING) {
        return;
    }
    if (conn->state == PEER_CONN_CONNECTING || conn->out.failed) {
        end(conn, 0);
        return;
    }
    pdr_writer_init(&payload, room, sizeof room, sizeof room);
    peer_refusal_encode(&payload, refusal, sentence);
    say(conn, PEER_FRAME_REFUSE, pdr_written(&payload));
    pdr_writer_release(&payload);
    write_out(conn);
    end(conn, LINGER_MS);
}

void peer_conn_give_up(struct peer_conn *conn, enum peer_refusal refusal, const char *why)
{
    struct peer_link *link = conn->link;
    char name[64];
    ops_of(conn)->peer_name(conn->stream, name, sizeof name);
    LOG_WARN("peer.refused", "peer=%s code=%s; %s", name, peer_refusal_code(refusal), why);
    conn->peers->stats.refused++;
    peer_conn_refuse(conn, refusal, why);
    if (link != NULL) {
        peer_link_lost(link, why);
    }
}

static void patience_over(struct timer *timer)
{
    struct peer_conn *conn = LIST_ITEM(timer, struct peer_conn, patience);
    struct peer_link *link = conn->link;
    if (conn->state == PEER_CONN_SHAKING) {
        peer_conn_give_up(conn, PEER_REFUSAL_SILENT, "it did not prove that it belongs to the cluster in time");
        return;
    }
    peer_conn_cut(conn);
    peer_link_lost(link, "it could not be connected to in time");
}

/* What the stream tells. */

static void opened(void *user)
{
    struct peer_conn *conn = user;
    if (conn->state == PEER_CONN_CONNECTING) {
        conn->state = PEER_CONN_SHAKING;
        peer_conn_mark_dirty(conn);
    }
}

static void received(void *user, struct pdr_bytes data)
{
    struct peer_conn *conn = user;
    if (conn->state == PEER_CONN_ENDING) {
        return;
    }
    conn->received_ns = now_of(conn);
    conn->peers->stats.bytes_received += data.size;
    peer_conn_take(conn, data);
}

static void drained(void *user)
{
    struct peer_conn *conn = user;
    if (conn->link != NULL && conn->state == PEER_CONN_UP) {
        peer_link_drained(conn->link);
    }
}

static void closed(void *user, const char *why)
{
    struct peer_conn *conn = user;
    struct peers_net *peers = conn->peers;
    struct peer_link *link = conn->link;
    peer_conn_free(conn);
    if (link != NULL) {
        peer_link_lost(link, why);
    }
    if (peers->closing && list_empty(&peers->conns) && peers->closed != NULL) {
        void (*done)(void *) = peers->closed;
        peers->closed = NULL;
        done(peers->closed_user);
    }
}

static const struct stream_handler handler = {opened, received, drained, closed};

static void draw_nonce(const struct peers_net *peers, uint8_t nonce[PEER_NONCE_SIZE])
{
    peers->world.entropy(peers->world.entropy_user, nonce, PEER_NONCE_SIZE);
}

struct peer_conn *peer_conn_dial(struct peer_link *link, const char **why)
{
    struct peers_net *peers = link->peer->peers;
    struct transport *transport = peers->world.transport;
    uint8_t nonce[PEER_NONCE_SIZE];
    struct peer_conn *conn = conn_new(peers, PEER_CONN_CONNECTING);
    conn->link = link;
    conn->stream = transport->ops->connect(transport, link->peer->address, &handler, conn, why);
    if (conn->stream == NULL) {
        peer_conn_free(conn);
        return NULL;
    }
    draw_nonce(peers, nonce);
    handshake_dial(&conn->shake, &peers->self, link->peer->id, link->core, link->peer->knocks, nonce, &conn->out);
    return conn;
}

/* So that strangers who say nothing cannot keep nodes out: whoever has had the most time makes room. */
static void make_room(struct peers_net *peers)
{
    for (struct list *node = peers->conns.next; node != &peers->conns; node = node->next) {
        struct peer_conn *conn = LIST_ITEM(node, struct peer_conn, node);
        if (conn->is_stranger && conn->state == PEER_CONN_SHAKING) {
            peers->stats.refused++;
            peer_conn_cut(conn);
            return;
        }
    }
}

void peer_conn_adopt(struct peers_net *peers, intptr_t pending, struct pdr_bytes first)
{
    struct transport *transport = peers->world.transport;
    uint8_t nonce[PEER_NONCE_SIZE];
    if (peers->strangers >= LIMIT_PEER_STRANGERS_MAX * 2) { /* the others are being told why they are refused */
        transport->ops->discard(transport, pending);
        peers->stats.refused++;
        return;
    }
    if (peers->strangers >= LIMIT_PEER_STRANGERS_MAX) {
        make_room(peers);
    }
    struct peer_conn *conn = conn_new(peers, PEER_CONN_SHAKING);
    conn->is_stranger = true;
    peers->strangers++;
    draw_nonce(peers, nonce);
    handshake_answer(&conn->shake, &peers->self, nonce);
    conn->stream = transport->ops->adopt(transport, pending, &handler, conn);
    if (conn->stream == NULL) {
        peer_conn_free(conn);
        return;
    }
    peers->stats.adopted++;
    if (first.size > 0) {
        received(conn, first);
    }
}

/* Sending, and back-pressure. */

void peer_conn_send(struct peer_conn *conn, unsigned kind, struct pdr_bytes payload)
{
    CHECK(conn->state == PEER_CONN_UP);
    say(conn, kind, payload);
    peer_conn_mark_dirty(conn);
}

uint64_t peer_conn_unsent(const struct peer_conn *conn)
{
    return conn->out.size + ops_of(conn)->unsent(conn->stream);
}

void peer_conn_hold(struct peer_conn *conn, bool held)
{
    if (conn->held == held) {
        return;
    }
    conn->held = held;
    if (held && !conn->paused) {
        conn->paused = true;
        ops_of(conn)->pause(conn->stream);
    } else if (!held) {
        conn->received_ns = now_of(conn);
        peer_conn_mark_dirty(conn); /* what lies here is taken at the end of the tick, not inside of who lets go */
    }
}

void peer_conn_flush(struct peer_conn *conn)
{
    struct peer_link *link = conn->link;
    if (conn->out.failed) {
        peer_conn_cut(conn);
        if (link != NULL) {
            peer_link_lost(link, "the node has no memory for what it sends");
        }
        return;
    }
    if (conn->state == PEER_CONN_CONNECTING) {
        return;
    }
    write_out(conn);
    if (conn->state == PEER_CONN_UP) {
        peer_link_flushed(link);
    }
    if (conn->paused && !conn->held && conn->state == PEER_CONN_UP) {
        peer_conn_go_on(conn);
    }
}
