/* net/conn/session.c: a connection and its session: asked for, held, taken over, left.
 *
 * The session's home is a shard, which knows who has it (core/shard/session_home.c). While it is asked the connection
 * is not read on: what comes behind hello is under the session, or is not run at all. */
#include "core/cluster_map.h"
#include "core/shard/core.h"
#include "core/shard/sessions.h"
#include "net/conn/conn.h"
#include "net/route.h"
#include "net/wire/codec.h"
#include "net/wire/rpc.h"

#define TOUCHES 4u /* in session_idle_ms; all but one may be lost */

/* Of a session whose home is on another node, or may come to be: there we hold it for as long as we say so. */

static void begin_touching(struct conns *conns)
{
    const struct core *core = conns->core;
    if (core->map->self != 0 && !timer_is_set(&conns->touch) && !conns->closing) {
        timer_set(&conns->core->wheel, &conns->touch,
                  core_now_ns(conns->core) + core->limits.session_idle_ms * NS_PER_MS / TOUCHES);
    }
}

static void take_id(struct conn *conn, const struct call *call)
{
    struct pdr_bytes id;
    if (pdr_value_bytes(pdr_written(&call->reply), &id) && session_id_decode(id, &conn->session)) {
        conn->has_session = CONN_SESSION_HELD;
        conn->held_life = call->session.held_life;
        conn->touched_ns = core_now_ns(conn->conns->core);
        begin_touching(conn->conns);
    }
}

static void answered(struct call *call)
{
    struct conn *conn = call->owner;
    uint8_t id[SESSION_ID_SIZE];
    conn->has_session = CONN_SESSION_REFUSED;
    if (call->status == PDR_OK) {
        take_id(conn, call); /* also if the peer has gone: the home thinks that we have it */
    }
    if (conn_begin_write(conn) != NULL && call->tag != UINT64_MAX) {
        if (conn->has_session == CONN_SESSION_HELD) {
            session_id_encode(id, &conn->session);
            conn_greet(conn, call->tag, pdr_bytes(id, sizeof id));
        } else {
            codec_error(&conn->out, call->tag, pdr_str(pdr_status_wire(call->status)), pdr_str(call->text),
                        call->retry_ms);
        }
    }
    call_free(&call->home->calls, call);
    conn_call_ended(conn);
}

static void refuse_session(struct conn *conn, const struct frame *frame, enum pdr_status status, const char *why)
{
    conn->has_session = CONN_SESSION_REFUSED;
    conn_refuse(conn, frame, status, why);
}

static struct call *call_home(struct conn *conn, enum call_kind kind, void (*finish)(struct call *call))
{
    static const char address[] = "_sys/conn";
    struct core *core = conn->conns->core;
    struct pdr_bytes none = pdr_bytes(NULL, 0);
    struct pdr_ref ref = {pdr_bytes(address, 4), pdr_bytes(address + 5, 4)};
    struct call *call = call_new(&core->calls, core, &ref, pdr_str(address), pdr_str("hello"), none, none, NULL, 0, 0);
    if (call != NULL) {
        call->kind = kind;
        call->session.n = conn->id;
        call->session.held_life = 0;
        call->deadline_ns = UINT64_MAX;
        call->finish = finish;
        call->owner = conn;
    }
    return call;
}

/* A new session's home is a shard of this node, as long as there is one. */
static uint32_t draw_home(struct core *core)
{
    const struct cluster_map *map = core->map;
    uint32_t from = (uint32_t)rng_below(&core->rng, map->shard_count);
    for (uint32_t n = 0; n < map->shard_count; n++) {
        uint32_t shard = (from + n) % map->shard_count;
        if (cluster_map_is_here(map, shard)) {
            return shard;
        }
    }
    return from;
}

static void ask(struct conn *conn, const struct frame *frame, const struct session_id *id)
{
    struct core *core = conn->conns->core;
    enum call_kind kind = id != NULL ? CALL_SESSION_RESUME : CALL_SESSION_OPEN;
    conn->id = ++conn->conns->next_id;
    struct call *call = call_home(conn, kind, answered);
    if (call == NULL) {
        refuse_session(conn, frame, PDR_OVERLOADED, "the machine has no memory for this call");
        return;
    }
    call->shard = id != NULL ? id->shard : draw_home(core);
    if (id != NULL) {
        call->session.id = *id;
    }
    call->tag = frame->kind == FRAME_REQUEST ? frame->msgid : UINT64_MAX;
    conn->has_session = CONN_SESSION_ASKED;
    conn->outstanding++;
    route_to_shard(conn->conns->router, core, call);
}

void conn_ask_session(struct conn *conn, const struct frame *frame, const struct rpc_hello *hello)
{
    struct session_id id;
    bool opens = hello->session.size == 0;
    bool is_known = !opens && session_id_decode(hello->session, &id) && id.shard < conn->conns->core->map->shard_count;
    if (conn->has_session == CONN_SESSION_HELD && !(is_known && session_id_equal(&id, &conn->session))) {
        conn_refuse(conn, frame, PDR_INVALID,
                    "this connection has a session already: another one needs another connection");
        return;
    }
    if (hello->has_ack_below && hello->ack_below > conn->ack_below) {
        conn->ack_below = hello->ack_below;
    }
    if (conn->has_session == CONN_SESSION_HELD) {
        if (frame->kind == FRAME_REQUEST) {
            conn_greet(conn, frame->msgid, hello->session);
        }
    } else if (!opens && !is_known) {
        refuse_session(conn, frame, PDR_SESSION, "the session is unknown or over");
    } else if (opens && frame->kind != FRAME_REQUEST) {
        refuse_session(conn, frame, PDR_INVALID, "a session is opened by a request: else nobody knows its id");
    } else {
        ask(conn, frame, opens ? NULL : &id);
    }
}

void conn_session_taken(void *user, const struct session_id *id, uint64_t holder)
{
    struct conns *conns = user;
    for (struct list *node = conns->all.next; node != &conns->all; node = node->next) {
        struct conn *conn = LIST_ITEM(node, struct conn, node);
        if (conn->id == holder && conn->has_session == CONN_SESSION_HELD && session_id_equal(&conn->session, id)) {
            conn_end(conn, PDR_CANCELLED, "the session goes on on another connection, where a newer hello named it");
            return;
        }
    }
}

void conn_leave_session(struct conn *conn)
{
    struct conns *conns = conn->conns;
    if (conn->has_session == CONN_SESSION_HELD && conn->held_life != 0 && !conns->core->dead) {
        const struct router *router = conns->router;
        struct core *home = router->cores[cluster_map_core(conn->conns->core->map, conn->session.shard)];
        sessions_leave(conns->core, home, &conn->session, conn->id, conn->held_life);
    }
}

/* Touching. */

static void touched(struct call *call)
{
    struct conn *conn = call->owner;
    conn->touching = false;
    if (call->status == PDR_OK) {
        conn->touched_ns = core_now_ns(conn->conns->core);
    } else if (call->status == PDR_SESSION) {
        conn_end(conn, PDR_SESSION, "the session is over");
    }
    call_free(&call->home->calls, call);
    conn_call_ended(conn);
}

static void touch(struct conn *conn, uint64_t now)
{
    struct core *core = conn->conns->core;
    if (now - conn->touched_ns >= core->limits.session_idle_ms * NS_PER_MS / TOUCHES * (TOUCHES - 1)) {
        /* it may be over soon, and then what this connection asks must not run any more */
        conn_end(conn, PDR_UNAVAILABLE, "the session's home could not be reached for so long that it may be over");
        return;
    }
    struct call *call = conn->touching ? NULL : call_home(conn, CALL_SESSION_TOUCH, touched);
    if (call == NULL) {
        return;
    }
    call->session.id = conn->session;
    call->shard = conn->session.shard;
    conn->touching = true;
    conn->outstanding++;
    route_to_shard(conn->conns->router, core, call);
}

void conn_touch_sessions(struct timer *timer)
{
    struct conns *conns = LIST_ITEM(timer, struct conns, touch);
    uint64_t now = core_now_ns(conns->core);
    bool any = false;
    struct list *next;
    for (struct list *node = conns->all.next; node != &conns->all; node = next) {
        struct conn *conn = LIST_ITEM(node, struct conn, node);
        next = node->next; /* a call that is refused at once may free it */
        if (conn->has_session == CONN_SESSION_HELD) {
            any = true;
            touch(conn, now);
        }
    }
    if (any) {
        begin_touching(conns);
    }
}
