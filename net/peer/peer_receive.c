/* net/peer/peer_receive.c: what a connection hears: handshake, batches, frames; and where it goes if it is another
 * core's. */
#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mutation.h"
#include "net/peer/peer_conn_parts.h"

static const struct peer_frame_shape stranger = {.payload_max = LIMIT_PEER_HELLO_BYTES_MAX};
static const struct peer_frame_shape proved = {
    .payload_max = LIMIT_PEER_FRAME_BYTES_MAX + BATCH_BYTES + PEER_BATCH_HEADER_SIZE, .is_batch = true};

static bool is_genuine(struct peer_conn *conn, const struct peer_frame *batch)
{
    uint8_t tag[PEER_TAG_SIZE];
    seal_next(conn->receives, batch->sealed, tag);
    return secret_equal(tag, batch->tag, sizeof tag) || MUTATION(122);
}

static void come_up(struct peer_conn *conn)
{
    struct peer_link *link = peer_link_admit(conn->peers, &conn->shake);
    if (link == NULL) {
        peer_conn_give_up(conn, conn->shake.refusal, conn->shake.why);
        return;
    }
    CHECK(!conn->shake.dials || conn->link == link);
    if (!conn->shake.dials) {
        handshake_finish(&conn->shake, &conn->out);
        peer_conn_mark_dirty(conn);
    }
    handshake_seals(&conn->shake, &conn->sends, &conn->receives);
    peer_conn_end_handshake(conn);
    peer_conn_leave_strangers(conn);
    conn->state = PEER_CONN_UP;
    peer_link_up(link, conn);
}

static void shake_hands(struct peer_conn *conn, const struct peer_frame *frame)
{
    switch (handshake_take(&conn->shake, frame, &conn->out)) {
    case HANDSHAKE_MORE:
        peer_conn_mark_dirty(conn);
        break;
    case HANDSHAKE_DONE:
        come_up(conn);
        break;
    case HANDSHAKE_REFUSED:
        peer_conn_give_up(conn, conn->shake.refusal, conn->shake.why);
        break;
    }
}

static void take_refusal(struct peer_conn *conn, const struct peer_frame *frame)
{
    struct peer_link *link = conn->link;
    char text[HANDSHAKE_WHY_SIZE], name[64];
    peer_refusal_text(frame->payload, text, sizeof text);
    ops_of(conn)->peer_name(conn->stream, name, sizeof name);
    LOG_WARN("peer.refused_by", "peer=%s; it says: %s", name, text);
    conn->peers->stats.refused_by++;
    peer_conn_cut(conn);
    if (link != NULL) {
        peer_link_lost(link, text);
    }
}

static void take_frame(struct peer_conn *conn, const struct peer_frame *frame)
{
    if (frame->kind == PEER_FRAME_REFUSE) {
        take_refusal(conn, frame);
    } else if (conn->state == PEER_CONN_SHAKING) {
        shake_hands(conn, frame);
    } else if (frame->kind >= PEER_FRAME_CARRIED) {
        peer_link_received(conn->link, frame->kind - PEER_FRAME_CARRIED, frame->payload);
    } else if (frame->kind != PEER_FRAME_ALIVE) {
        peer_conn_give_up(conn, PEER_REFUSAL_GARBAGE, "a handshake may not begin again");
    }
}

/* True: all of it has been taken. Else the connection is held, or ends, and what was taken of it is remembered. */
static bool take_batch(struct peer_conn *conn, const struct peer_frame *batch)
{
    if (!conn->batch_known) {
        if (!is_genuine(conn, batch)) {
            peer_conn_give_up(conn, PEER_REFUSAL_FORGED,
                              "a frame does not bear the tag of the node that proved itself here");
            return false;
        }
        conn->batch_known = true;
        conn->batch_taken = 0;
    }
    struct pdr_bytes rest =
        pdr_bytes((const uint8_t *)batch->payload.data + conn->batch_taken, batch->payload.size - conn->batch_taken);
    while (rest.size > 0) {
        struct peer_frame frame;
        const char *why;
        if (conn->state != PEER_CONN_UP || conn->held) {
            conn->batch_taken = batch->payload.size - rest.size;
            return false;
        }
        if (peer_batch_next(&rest, &frame, &why) != PDR_OK) {
            peer_conn_give_up(conn, PEER_REFUSAL_GARBAGE, why);
            return false;
        }
        take_frame(conn, &frame);
    }
    conn->batch_known = false;
    return true;
}

/* Until more bytes are needed, or the connection is held or ends. Returns how many were used. */
static size_t take_frames(struct peer_conn *conn, struct pdr_bytes bytes)
{
    size_t done = 0;
    while ((conn->state == PEER_CONN_SHAKING || conn->state == PEER_CONN_UP) && !conn->held && done < bytes.size) {
        bool is_up = conn->state == PEER_CONN_UP;
        struct peer_frame frame;
        size_t used;
        const char *why;
        if (peer_frame_decode(pdr_bytes((const uint8_t *)bytes.data + done, bytes.size - done),
                              is_up ? &proved : &stranger, &frame, &used, &why) != PDR_OK) {
            peer_conn_give_up(conn, PEER_REFUSAL_GARBAGE, why);
            break;
        }
        if (used == 0 || (is_up && !take_batch(conn, &frame))) {
            break;
        }
        if (!is_up) {
            take_frame(conn, &frame);
        }
        done += used;
    }
    return done;
}

/* The link it is for ends at another core: the connection goes there, before anything was answered. */
static bool leave_elsewhere(struct peer_conn *conn, struct pdr_bytes bytes)
{
    struct peers_net *peers = conn->peers;
    struct peer_frame frame;
    struct peer_hello hello;
    size_t used;
    const char *why;
    if (conn->shake.dials || conn->shake.state != HANDSHAKE_WANTS_HELLO || peers->world.elsewhere == NULL ||
        peer_frame_decode(bytes, &stranger, &frame, &used, &why) != PDR_OK || used == 0 ||
        peer_hello_parse(frame.payload, &hello, &why) != PDR_OK) {
        return false;
    }
    uint32_t core = hello.core == PEER_CORE_CONTROL ? PEER_CORE_CONTROL : hello.core % peers->self.cores;
    intptr_t pending = core != peers->self.core ? ops_of(conn)->detach(conn->stream) : -1;
    if (pending == -1) {
        return false;
    }
    peers->world.elsewhere(peers->world.elsewhere_user, core, pending, bytes);
    peer_conn_free(conn);
    return true;
}

void peer_conn_take(struct peer_conn *conn, struct pdr_bytes data)
{
    if (conn->in.size > 0) {
        pdr_write_raw(&conn->in, data.data, data.size);
        data = pdr_written(&conn->in);
    }
    if (conn->state == PEER_CONN_SHAKING && leave_elsewhere(conn, data)) {
        return;
    }
    wire_buffer_keep_rest(&conn->in, data, take_frames(conn, data));
    if (conn->in.failed && conn->state != PEER_CONN_ENDING) {
        peer_conn_give_up(conn, PEER_REFUSAL_STOPPING, "the node has no memory for this frame");
    }
}

void peer_conn_go_on(struct peer_conn *conn)
{
    struct pdr_bytes rest = pdr_written(&conn->in);
    if (rest.size > 0) {
        wire_buffer_keep_rest(&conn->in, rest, take_frames(conn, rest));
    }
    if (!conn->held && conn->state == PEER_CONN_UP) {
        conn->paused = false;
        ops_of(conn)->resume(conn->stream);
    }
}
