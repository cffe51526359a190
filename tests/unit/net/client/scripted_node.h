/* tests/unit/net/client/scripted_node.h: the other end of a client under test: it speaks the protocol, and misbehaves
 * on request. A call's method says what it does with it:
 *
 *   echo         answers the first argument        fail      answers {"code": "poor", "message": ..., "retry_ms": 7}
 *   within       answers the deadline it came with, 0 when it came without
 *   silent       answers nothing                   text      answers an error that is only a string
 *   late         answers when the next call comes  twice     answers twice
 *   hang_up      closes the connection             torn      sends half an answer, then closes
 *   farewell     says why, then closes             garbage   sends what is no frame
 *   stranger     answers a msgid that nobody asked, then the right one
 *   ok           answers the error {"code": "ok"}
 *   drop         closes the connection the first time, then answers as echo
 *   drop_busy    the same, but refuses once in between: overloaded
 *   drop_final   the same, but answers overloaded for good
 *
 * A hello that asks for a session gets the one of `session`, or `hello_error` once.
 *
 * It watches any actor, and answers {"seq": N}, the last event's; but a/refused is refused for good, a/busy the first
 * time, and a/mute is not answered. node_emit sends an event. */
#ifndef TESTS_UNIT_NET_CLIENT_SCRIPTED_NODE_H
#define TESTS_UNIT_NET_CLIENT_SCRIPTED_NODE_H

#include "net/transport/transport_uv.h"
#include "net/wire/codec.h"
#include "net/wire/frame.h"
#include "net/wire/rpc.h"
#include "tests/lib/test.h"

struct scripted_node {
    struct transport *transport;
    struct listener *listener;
    char address[64];
    struct stream *stream; /* the last connection; NULL when it has closed */
    struct frame_scan scan;
    pdr_writer in;
    unsigned connections, requests, notifications, received_pieces;
    uint64_t hello_deadline_ms; /* 0: no hello */
    uint64_t late_msgid;
    bool is_late, refuses;
    unsigned watches, unwatches;
    uint64_t seq, watched_after;
    bool has_after, no_seqs;
    const char *session, *hello_error;
    unsigned hellos, drops;
    char asked_session[65]; /* by the last hello */
    struct pdr_bytes map;   /* what it answers when it is asked for the map; empty: it knows none */
    unsigned maps_asked;
    bool asked_version; /* ... with one, by the last */
    uint64_t number, ack_below;
};

static void node_close(struct scripted_node *node)
{
    node->transport->ops->close(node->stream, 1000);
}

static void node_send(struct scripted_node *node, const pdr_writer *frame)
{
    if (frame->failed) { /* half a frame would make what follows unreadable */
        node_close(node);
    } else {
        node->transport->ops->write(node->stream, pdr_written(frame));
    }
}

static void node_answer(struct scripted_node *node, uint64_t msgid, pdr_value result)
{
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    codec_response(&w, msgid, result.size > 0 ? result : pdr_bytes("\xc0", 1));
    node_send(node, &w);
    pdr_writer_release(&w);
}

static void node_answer_error(struct scripted_node *node, uint64_t msgid, const char *code, const char *message)
{
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    codec_error(&w, msgid, pdr_str(code), pdr_str(message), 7);
    node_send(node, &w);
    pdr_writer_release(&w);
}

static void node_farewell(struct scripted_node *node)
{
    pdr_writer args, w;
    pdr_writer_init(&args, NULL, 0, 0);
    pdr_writer_init(&w, NULL, 0, 0);
    pdr_write_array(&args, 1);
    pdr_write_map(&args, 2);
    pdr_write_cstr(&args, "code");
    pdr_write_cstr(&args, "unavailable");
    pdr_write_cstr(&args, "message");
    pdr_write_cstr(&args, "the node is stopping");
    codec_notification(&w, pdr_str("_sys/conn"), pdr_str("closed"), pdr_written(&args));
    node_send(node, &w);
    pdr_writer_release(&args);
    pdr_writer_release(&w);
}

static void node_text_error(struct scripted_node *node, uint64_t msgid)
{
    pdr_writer w;
    pdr_writer_init(&w, NULL, 0, 0);
    pdr_write_array(&w, 4);
    pdr_write_int(&w, 1);
    pdr_write_uint(&w, msgid);
    pdr_write_cstr(&w, "just text");
    pdr_write_nil(&w);
    node_send(node, &w);
    pdr_writer_release(&w);
}

static void node_act(struct scripted_node *node, uint64_t msgid, struct pdr_bytes method, struct pdr_bytes args,
                     uint64_t deadline_ms)
{
    uint8_t room[16];
    pdr_writer number;
    pdr_writer_init(&number, room, sizeof room, 0);
    if (node->is_late) {
        node->is_late = false;
        node_answer(node, node->late_msgid, pdr_bytes(NULL, 0));
    }
    if (pdr_bytes_equal(method, pdr_str("echo"))) {
        node_answer(node, msgid, pdr_value_at(args, 0));
    } else if (pdr_bytes_equal(method, pdr_str("drop")) ||
               (pdr_bytes_equal(method, pdr_str("drop_busy")) && node->drops != 1) ||
               (pdr_bytes_equal(method, pdr_str("drop_final")) && node->drops != 1)) {
        if (node->drops++ == 0) {
            node_close(node);
        } else {
            node_answer(node, msgid, pdr_value_at(args, 0));
        }
    } else if (pdr_bytes_equal(method, pdr_str("drop_busy")) && node->drops == 1) {
        node->drops++;
        node_answer_error(node, msgid, "overloaded", "the mailbox is full");
    } else if (pdr_bytes_equal(method, pdr_str("drop_final")) && node->drops == 1) {
        pdr_writer w = {0};
        codec_final_error(&w, msgid, pdr_str("overloaded"), pdr_str("the turn ended so"));
        node_send(node, &w);
        pdr_writer_release(&w);
    } else if (pdr_bytes_equal(method, pdr_str("within"))) {
        pdr_write_uint(&number, deadline_ms);
        node_answer(node, msgid, pdr_written(&number));
    } else if (pdr_bytes_equal(method, pdr_str("fail"))) {
        node_answer_error(node, msgid, "poor", "there is no money");
    } else if (pdr_bytes_equal(method, pdr_str("ok"))) {
        node_answer_error(node, msgid, "ok", "an error all the same");
    } else if (pdr_bytes_equal(method, pdr_str("text"))) {
        node_text_error(node, msgid);
    } else if (pdr_bytes_equal(method, pdr_str("late"))) {
        node->is_late = true;
        node->late_msgid = msgid;
    } else if (pdr_bytes_equal(method, pdr_str("twice"))) {
        node_answer(node, msgid, pdr_bytes(NULL, 0));
        node_answer(node, msgid, pdr_bytes(NULL, 0));
    } else if (pdr_bytes_equal(method, pdr_str("stranger"))) {
        node_answer(node, msgid + 12345, pdr_bytes(NULL, 0));
        node_answer(node, 4294967295u, pdr_bytes(NULL, 0));
        node_answer(node, msgid, pdr_bytes(NULL, 0));
    } else if (pdr_bytes_equal(method, pdr_str("hang_up"))) {
        node_close(node);
    } else if (pdr_bytes_equal(method, pdr_str("torn"))) {
        node->transport->ops->write(node->stream, pdr_bytes("\x94\x01", 2));
        node_close(node);
    } else if (pdr_bytes_equal(method, pdr_str("farewell"))) {
        node_farewell(node);
        node_close(node);
    } else if (pdr_bytes_equal(method, pdr_str("garbage"))) {
        node->transport->ops->write(node->stream, pdr_bytes("\xc1", 1));
    } else {
        EXPECT(pdr_bytes_equal(method, pdr_str("silent")));
    }
}

static void node_watch(struct scripted_node *node, const struct frame *frame)
{
    struct pdr_bytes address;
    pdr_value options = pdr_value_at(frame->args, 1);
    pdr_writer result = {0};
    bool seq = false;
    REQUIRE(frame->kind == FRAME_REQUEST && pdr_value_bytes(pdr_value_at(frame->args, 0), &address));
    EXPECT(pdr_value_bool(pdr_value_get(options, "seq"), &seq) && seq);
    node->watches++;
    node->has_after = pdr_value_uint(pdr_value_get(options, "after"), &node->watched_after);
    if (pdr_bytes_equal(address, pdr_str("a/refused"))) {
        node_answer_error(node, frame->msgid, "not_found", "there is no such type");
    } else if (pdr_bytes_equal(address, pdr_str("a/busy")) && node->watches == 1) {
        node_answer_error(node, frame->msgid, "overloaded", "too many watchers");
    } else if (!pdr_bytes_equal(address, pdr_str("a/mute"))) {
        pdr_write_map(&result, node->no_seqs ? 0 : 1);
        if (!node->no_seqs) {
            pdr_write_cstr(&result, "seq");
            pdr_write_uint(&result, node->seq);
        }
        node_answer(node, frame->msgid, pdr_written(&result));
    }
    pdr_writer_release(&result);
}

/* Notification [2, address, [seq, seq]]: the event is its own number. */
static inline void node_emit(struct scripted_node *node, const char *address, uint64_t seq)
{
    pdr_writer w = {0};
    node->seq = seq;
    pdr_write_array(&w, 3);
    pdr_write_int(&w, 2);
    pdr_write_cstr(&w, address);
    pdr_write_array(&w, node->no_seqs ? 1 : 2);
    pdr_write_uint(&w, seq);
    if (!node->no_seqs) {
        pdr_write_uint(&w, seq);
    }
    node_send(node, &w);
    pdr_writer_release(&w);
}

static void node_greet(struct scripted_node *node, const struct frame *frame, const struct rpc_hello *hello)
{
    pdr_writer result = {0};
    const char *error = node->hello_error;
    node->hellos++;
    node->ack_below = hello->ack_below;
    snprintf(node->asked_session, sizeof node->asked_session, "%.*s", (int)hello->session.size,
             hello->session.size > 0 ? (const char *)hello->session.data : "");
    if (hello->has_session && error != NULL) {
        node->hello_error = NULL;
        node_answer_error(node, frame->msgid, error, "no session for you");
        return;
    }
    if (hello->has_session && node->session != NULL) {
        pdr_write_map(&result, 1);
        pdr_write_cstr(&result, "session");
        pdr_write_bin(&result, pdr_str(node->session));
    }
    node_answer(node, frame->msgid, pdr_written(&result));
    pdr_writer_release(&result);
}

static void node_tell_map(struct scripted_node *node, const struct frame *frame)
{
    node->maps_asked++;
    node->asked_version = pdr_value_kind(pdr_value_at(frame->args, 0)) != PDR_KIND_NIL;
    if (node->map.size > 0) {
        node_answer(node, frame->msgid, node->map);
    } else {
        node_answer_error(node, frame->msgid, "not_found", "_sys/directory has members, shard and types");
    }
}

static void node_take(struct scripted_node *node, const struct frame *frame)
{
    struct pdr_ref ref;
    struct pdr_bytes method;
    struct rpc_call call;
    struct rpc_hello hello;
    const char *why;
    REQUIRE(pdr_ref_parse_call(frame->target, &ref, &method, &why) == PDR_OK);
    if (pdr_bytes_equal(frame->target, pdr_str("_sys/conn.hello"))) {
        REQUIRE(rpc_parse_hello(frame->args, &hello, &why) == PDR_OK);
        node->hello_deadline_ms = hello.deadline_ms;
        if (frame->kind == FRAME_REQUEST) {
            node_greet(node, frame, &hello);
        }
        return;
    }
    if (pdr_bytes_equal(frame->target, pdr_str("_sys/conn.ack"))) {
        REQUIRE(pdr_value_uint(pdr_value_at(frame->args, 0), &node->ack_below));
        return;
    }
    if (pdr_bytes_equal(frame->target, pdr_str("_sys/conn.watch"))) {
        node_watch(node, frame);
        return;
    }
    if (pdr_bytes_equal(frame->target, pdr_str("_sys/directory.map"))) {
        node_tell_map(node, frame);
        return;
    }
    if (pdr_bytes_equal(frame->target, pdr_str("_sys/conn.unwatch"))) {
        node->unwatches++;
        return;
    }
    if (frame->kind == FRAME_NOTIFICATION) {
        node->notifications++;
        return;
    }
    node->requests++;
    if (pdr_bytes_equal(frame->target, pdr_str("_sys/conn.call"))) {
        REQUIRE(rpc_parse_call(frame->args, &call, &why) == PDR_OK);
        node->number = call.has_id ? call.id : frame->msgid;
        node_act(node, frame->msgid, call.method, call.args, call.deadline_ms);
    } else {
        node->number = frame->msgid;
        node_act(node, frame->msgid, method, frame->args, 0);
    }
}

static void node_received(void *user, struct pdr_bytes data)
{
    struct scripted_node *node = user;
    size_t done = 0, used = 1;
    node->received_pieces++;
    pdr_write_raw(&node->in, data.data, data.size);
    while (used > 0 && done < node->in.size) {
        struct frame frame;
        const char *why = "";
        REQUIRE(frame_decode(&node->scan, pdr_bytes(node->in.data + done, node->in.size - done), &frame, &used, &why) ==
                PDR_OK);
        done += used;
        if (used > 0) {
            node_take(node, &frame);
        }
    }
    memmove(node->in.data, node->in.data + done, node->in.size - done);
    node->in.size -= done;
}

static void node_closed(void *user, const char *why)
{
    struct scripted_node *node = user;
    node->stream = NULL;
}

static void node_accepted(void *user, intptr_t pending)
{
    static const struct stream_handler handler = {.received = node_received, .closed = node_closed};
    struct scripted_node *node = user;
    node->connections++;
    if (node->refuses || node->stream != NULL) {
        node->transport->ops->discard(node->transport, pending);
        return;
    }
    node->scan = (struct frame_scan){0};
    pdr_writer_clear(&node->in);
    node->stream = node->transport->ops->adopt(node->transport, pending, &handler, node);
}

/* `address` NULL: any port. */
static void node_listen(struct scripted_node *node, uv_loop_t *loop, const char *address)
{
    const char *why;
    *node = (struct scripted_node){.transport = transport_uv_new_on(loop)};
    REQUIRE(node->transport->ops->listen(node->transport, address != NULL ? address : "127.0.0.1:0", node_accepted,
                                         node, &node->listener, &why) == PDR_OK);
    snprintf(node->address, sizeof node->address, "127.0.0.1:%u",
             (unsigned)node->transport->ops->listener_port(node->listener));
}

/* The stream's end and the listener's handles are the loop's to finish. */
static void node_stop(struct scripted_node *node, uv_loop_t *loop)
{
    node->transport->ops->unlisten(node->listener);
    if (node->stream != NULL) {
        node->transport->ops->close(node->stream, 0);
    }
    while (node->stream != NULL) {
        uv_run(loop, UV_RUN_ONCE);
    }
    pdr_writer_release(&node->in);
    node->transport->ops->free(node->transport);
}

#endif
