/* net/conn/requests.c: from frames to calls (stage 2 to 3), and what is asked of the connection itself: `_sys/conn`. */
#include "core/base/limits.h"
#include "core/base/system_type.h"
#include "core/shard/core.h"
#include "net/conn/conn.h"
#include "net/conn/watches.h"
#include "net/reply.h"
#include "net/route.h"
#include "net/wire/codec.h"
#include "net/wire/rpc.h"

void conn_end(struct conn *conn, enum pdr_status status, const char *why)
{
    pdr_writer *out = conn_begin_write(conn);
    if (out == NULL || conn->state != CONN_OPEN) {
        return;
    }
    uint8_t room[512];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 1);
    pdr_write_map(&args, 2);
    pdr_write_cstr(&args, "code");
    pdr_write_cstr(&args, pdr_status_wire(status));
    pdr_write_cstr(&args, "message");
    pdr_write_cstr(&args, why);
    codec_notification(out, pdr_str("_sys/conn"), pdr_str("closed"), pdr_written(&args));
    pdr_writer_release(&args);
    conn->state = CONN_ENDING;
}

/* Answers that need no call. */

void conn_refuse(struct conn *conn, const struct frame *frame, enum pdr_status status, const char *why)
{
    conn->conns->stats.refused++;
    if (frame->kind == FRAME_REQUEST) {
        codec_error(conn_begin_write(conn), frame->msgid, pdr_str(pdr_status_wire(status)), pdr_str(why), 0);
    }
}

/* One call into the platform. */
struct wish {
    struct pdr_ref ref;
    struct pdr_bytes address, method, args;
    uint64_t deadline_ms;
    enum pdr_durability durability;
    uint64_t number; /* in the session */
    enum tell_role role;
};

/* A call of a connection that has a session is one of the session's; a notification has no number, and so is none. */
static void set_session(const struct conn *conn, const struct wish *wish, struct call *call)
{
    call->session.on = true;
    call->session.id = conn->session;
    call->session.n = wish->number;
    call->session.ack_below = conn->ack_below;
    call->session.print = call_print(call) + (uint32_t)wish->role; /* a tell is not the call of the same name */
}

static void call_out(struct conn *conn, const struct frame *frame, const struct wish *wish)
{
    struct core *core = conn->conns->core;
    if (conn->has_session == CONN_SESSION_REFUSED) {
        conn_refuse(conn, frame, PDR_SESSION,
                    "hello on this connection asked for a session and got none: nothing is run "
                    "until a hello succeeds");
        return;
    }
    struct call *call = call_new(&core->calls, core, &wish->ref, wish->address, wish->method, wish->args,
                                 pdr_bytes(NULL, 0), NULL, 0, 0);
    if (call == NULL) {
        conn_refuse(conn, frame, PDR_OVERLOADED, "the machine has no memory for this call");
        return;
    }
    call->deadline_ns = core_now_ns(core) + wish->deadline_ms * NS_PER_MS;
    call->durability = wish->durability;
    call->tell.role = (uint8_t)wish->role;
    call->finish = frame->kind == FRAME_REQUEST ? reply_finish : reply_none;
    call->owner = conn;
    call->tag = frame->msgid;
    if (conn->has_session == CONN_SESSION_HELD && frame->kind == FRAME_REQUEST) {
        set_session(conn, wish, call);
    }
    conn->outstanding++;
    route(conn->conns->router, core, call);
}

static bool args_fit(struct conn *conn, const struct frame *frame, struct pdr_bytes args)
{
    const char *why;
    enum pdr_status status = rpc_check_args(args, &why);
    if (status != PDR_OK) {
        conn_refuse(conn, frame, status, why);
    }
    return status == PDR_OK;
}

/* `_sys/conn` */

void conn_greet(struct conn *conn, uint64_t msgid, struct pdr_bytes session)
{
    const struct conn_identity *id = conn->conns->identity;
    pdr_writer result;
    pdr_writer_init(&result, NULL, 0, 0);
    pdr_write_map(&result, session.size > 0 ? 5 : 4);
    if (session.size > 0) {
        pdr_write_cstr(&result, "session");
        pdr_write_bin(&result, session);
    }
    pdr_write_cstr(&result, "node");
    pdr_write_cstr(&result, id->node);
    pdr_write_cstr(&result, "cluster");
    pdr_write_cstr(&result, id->cluster);
    pdr_write_cstr(&result, "version");
    pdr_write_cstr(&result, id->version);
    pdr_write_cstr(&result, "limits");
    pdr_write_map(&result, 4);
    pdr_write_cstr(&result, "frame_bytes_max");
    pdr_write_uint(&result, LIMIT_FRAME_BYTES_MAX);
    pdr_write_cstr(&result, "payload_bytes_max");
    pdr_write_uint(&result, LIMIT_PAYLOAD_BYTES_MAX);
    pdr_write_cstr(&result, "outstanding_max");
    pdr_write_uint(&result, conn->conns->limits.outstanding_max);
    pdr_write_cstr(&result, "session_span");
    pdr_write_uint(&result, LIMIT_SESSION_SPAN);
    codec_response(conn_begin_write(conn), msgid, pdr_written(&result));
    pdr_writer_release(&result);
}

static void acknowledge(struct conn *conn, uint64_t below)
{
    conn->ack_below = below > conn->ack_below ? below : conn->ack_below;
}

static void hello(struct conn *conn, const struct frame *frame)
{
    struct rpc_hello hello;
    const char *why;
    if (rpc_parse_hello(frame->args, &hello, &why) != PDR_OK) {
        conn_refuse(conn, frame, PDR_INVALID, why);
        return;
    }
    if (hello.deadline_ms > 0) {
        conn->deadline_ms = hello.deadline_ms;
    }
    if (hello.has_session) {
        conn_ask_session(conn, frame, &hello);
        return;
    }
    if (conn->has_session == CONN_SESSION_REFUSED) {
        conn->has_session = CONN_SESSION_NONE; /* then it wants none */
    }
    if (frame->kind == FRAME_REQUEST) {
        conn_greet(conn, frame->msgid, pdr_bytes(NULL, 0));
    }
}

/* `_sys/conn.ack [below]`: for clients whose calls are plain requests. */
static void take_ack(struct conn *conn, const struct frame *frame)
{
    static const uint8_t nil[] = {0xc0};
    uint64_t below;
    if (pdr_value_count(frame->args) != 1 || !pdr_value_uint(pdr_value_at(frame->args, 0), &below)) {
        conn_refuse(conn, frame, PDR_INVALID,
                    "ack takes one argument: the number below which all answers have arrived");
        return;
    }
    if (conn->has_session == CONN_SESSION_HELD) {
        acknowledge(conn, below);
    }
    if (frame->kind == FRAME_REQUEST) {
        codec_response(conn_begin_write(conn), frame->msgid, pdr_bytes(nil, sizeof nil));
    }
}

/* `call` and `tell` take the same. */
static void call_with_options(struct conn *conn, const struct frame *frame, enum tell_role role)
{
    static const uint8_t no_args[] = {0x90};
    struct rpc_call asked;
    struct wish wish = {.role = role};
    const char *why;
    if (rpc_parse_call(frame->args, &asked, &why) != PDR_OK ||
        pdr_ref_parse(asked.address, &wish.ref, &why) != PDR_OK) {
        conn_refuse(conn, frame, PDR_INVALID, why);
        return;
    }
    if (asked.method.size == 0 || asked.method.size > PDR_METHOD_SIZE_MAX) {
        conn_refuse(conn, frame, PDR_INVALID, "a method's name has 1 to 64 bytes (limit method_bytes_max)");
        return;
    }
    if (role == TELL_ASKED && type_is_system(wish.ref.type)) {
        conn_refuse(conn, frame, PDR_INVALID, "a tell is for an actor; what is of the system is called");
        return;
    }
    if (role == TELL_ASKED && asked.durability == PDR_DURABILITY_VOLATILE) {
        conn_refuse(conn, frame, PDR_INVALID, "a tell is durable; a notification is one that is not");
        return;
    }
    if (asked.args.size == 0) {
        asked.args = pdr_bytes(no_args, sizeof no_args);
    }
    if (!args_fit(conn, frame, asked.args)) {
        return;
    }
    wish.address = asked.address;
    wish.method = asked.method;
    wish.args = asked.args;
    wish.deadline_ms = asked.deadline_ms > 0 ? asked.deadline_ms : conn->deadline_ms;
    wish.durability = asked.durability;
    wish.number = asked.has_id ? asked.id : frame->msgid;
    if (asked.has_ack_below && conn->has_session == CONN_SESSION_HELD) {
        acknowledge(conn, asked.ack_below);
    }
    call_out(conn, frame, &wish);
}

static void conn_method(struct conn *conn, const struct frame *frame, struct pdr_bytes method)
{
    if (pdr_bytes_equal(method, pdr_str("hello"))) {
        hello(conn, frame);
    } else if (pdr_bytes_equal(method, pdr_str("call"))) {
        call_with_options(conn, frame, TELL_NONE);
    } else if (pdr_bytes_equal(method, pdr_str("tell"))) {
        call_with_options(conn, frame, TELL_ASKED);
    } else if (pdr_bytes_equal(method, pdr_str("ack"))) {
        take_ack(conn, frame);
    } else if (pdr_bytes_equal(method, pdr_str("watch"))) {
        conn_watches_watch(conn, frame);
    } else if (pdr_bytes_equal(method, pdr_str("unwatch"))) {
        conn_watches_unwatch(conn, frame);
    } else {
        conn_refuse(conn, frame, PDR_NOT_FOUND, "_sys/conn has hello, call, tell, ack, watch and unwatch");
    }
}

bool conn_frame(struct conn *conn, const struct frame *frame)
{
    struct wish wish;
    struct pdr_bytes method;
    const char *why;
    if (frame->kind == FRAME_RESPONSE) {
        conn_end(conn, PDR_INVALID, "a client sends requests and notifications, not responses");
        return false;
    }
    if (frame->kind == FRAME_REQUEST) {
        conn->conns->stats.requests++;
    } else {
        conn->conns->stats.notifications++;
    }
    if (pdr_ref_parse_call(frame->target, &wish.ref, &method, &why) != PDR_OK) {
        conn_refuse(conn, frame, PDR_INVALID, why);
        return true;
    }
    wish.address = pdr_bytes(frame->target.data, wish.ref.type.size + 1 + wish.ref.key.size);
    if (wish.address.size == 9 && memcmp(wish.address.data, "_sys/conn", 9) == 0) {
        conn_method(conn, frame, method);
        return true;
    }
    if (!args_fit(conn, frame, frame->args)) {
        return true;
    }
    wish.method = method;
    wish.args = frame->args;
    wish.deadline_ms = conn->deadline_ms;
    wish.durability = PDR_DURABILITY_DEFAULT;
    wish.number = frame->msgid;
    wish.role = TELL_NONE;
    call_out(conn, frame, &wish);
    return true;
}
