/* net/conn/watches.c: the listeners of a connection, each in one of these states:
 *
 *     JOINING --answered--> OPEN --unread too much--> LEAVING --left--> BEHIND --read--> JOINING
 *        |                   |                           |                 |
 *        +--- unwanted, refused, or the stream is gone: through LEAVING if it had joined, to nothing */
#include "net/conn/watches.h"

#include "core/base/mem.h"
#include "core/shard/core.h"
#include "core/shard/watch.h"
#include "net/route.h"
#include "net/wire/codec.h"
#include "core/base/limits.h"
#include "net/wire/rpc.h"

#define RETRY_MS 100u

enum watch_state { JOINING, OPEN, LEAVING, BEHIND };

struct conn_watch {
    struct watch watch;
    struct list node;
    struct conn *conn;
    enum watch_state state;
    bool unwanted;
    bool rests; /* BEHIND since it was refused: not before the timer */
    bool wants_seq;
    bool answered; /* the peer knows that it listens */
    bool is_request;
    uint64_t msgid;
    bool has_last;
    uint64_t last; /* the newest event that was written, or the one behind which it joined */
    struct pdr_ref ref;
    char data[]; /* address */
};

static void watch_free_one(struct conn_watch *w)
{
    struct conn *conn = w->conn;
    list_remove(&w->node);
    mem_free(w);
    conn->watch_count--;
    conn_let_go(conn);
}

static void refuse(struct conn *conn, const struct frame *frame, enum pdr_status status, const char *why)
{
    conn->conns->stats.refused++;
    if (frame->kind == FRAME_REQUEST) {
        codec_error(conn_begin_write(conn), frame->msgid, pdr_str(pdr_status_wire(status)), pdr_str(why), 0);
    }
}

/* Events. */

static uint64_t unread(const struct conn *conn)
{
    return conn->out.size + conn->conns->transport->ops->unsent(conn->stream);
}

static void event_came(struct watch *watch, uint64_t seq, pdr_value event)
{
    struct conn_watch *w = LIST_ITEM(watch, struct conn_watch, watch);
    pdr_writer *out = w->state == OPEN && !w->unwanted ? conn_begin_write(w->conn) : NULL;
    if (out == NULL) {
        return;
    }
    if (unread(w->conn) > LIMIT_UNREAD_EVENT_BYTES_MAX) {
        w->state = LEAVING;
        watch_leave(&w->watch);
        return;
    }
    codec_event(out, w->watch.address, event, w->wants_seq ? &seq : NULL);
    w->last = seq;
}

/* Joining. */

static void write_missed(struct conn_watch *w, uint64_t seq)
{
    uint8_t room[KEYS_ADDRESS_MAX + 64];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 3);
    pdr_write_str(&args, w->watch.address);
    pdr_write_uint(&args, w->last + 1);
    pdr_write_uint(&args, seq);
    codec_notification(conn_begin_write(w->conn), pdr_str("_sys/conn"), pdr_str("missed"), pdr_written(&args));
    pdr_writer_release(&args);
}

static void write_answer(struct conn_watch *w, const struct call *call)
{
    if (!w->is_request) {
        return;
    }
    if (call->status == PDR_OK) {
        codec_response(conn_begin_write(w->conn), w->msgid, pdr_written(&call->reply));
    } else {
        codec_error(conn_begin_write(w->conn), w->msgid,
                    pdr_str(call->status == PDR_ACTOR ? call->code : pdr_status_wire(call->status)),
                    pdr_str(call->text), call->retry_ms);
    }
}

static void watches_retry_soon(struct conns *conns);

static void joined(struct call *call)
{
    struct conn_watch *w = call->owner;
    struct conn *conn = w->conn;
    uint64_t seq = 0;
    bool is_open = conn->state != CONN_GONE;
    pdr_value_uint(pdr_value_get(pdr_written(&call->reply), "seq"), &seq);
    if (is_open && !w->answered) {
        write_answer(w, call);
    } else if (is_open && call->status == PDR_OK && w->has_last && seq > w->last) {
        write_missed(w, seq);
    }
    bool is_joined = call->status == PDR_OK;
    if (is_joined && !(w->has_last && seq < w->last)) {
        w->last = seq;
        w->has_last = true;
    }
    w->unwanted |= !w->answered && !is_joined; /* the peer was refused, and may ask anew */
    w->answered = true;
    if (is_joined && is_open && !w->unwanted) {
        w->state = OPEN;
    } else if (w->watch.at != NULL) { /* it may have failed after it had joined, being late */
        w->state = LEAVING;
        watch_leave(&w->watch);
    } else if (is_open && !w->unwanted && pdr_status_retry(call->status) != PDR_RETRY_NEVER) {
        w->state = BEHIND; /* it listened before, and will again */
        w->rests = true;
        watches_retry_soon(conn->conns);
    } else {
        watch_free_one(w);
    }
    call_free(&call->home->calls, call);
    conn_call_ended(conn);
}

static bool join(struct conn_watch *w)
{
    struct conn *conn = w->conn;
    struct core *core = conn->conns->core;
    uint8_t room[16];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, w->has_last);
    if (w->has_last) {
        pdr_write_uint(&args, w->last);
    }
    struct call *call = call_new(&core->calls, core, &w->ref, w->watch.address, pdr_str("_watch"), pdr_written(&args),
                                 pdr_bytes(NULL, 0), NULL, 0, 0);
    pdr_writer_release(&args);
    if (call == NULL) {
        return false;
    }
    w->state = JOINING;
    call->is_watch = true;
    call->is_read = true;
    call->deadline_ns = core_now_ns(core) + conn->deadline_ms * NS_PER_MS;
    call->finish = joined;
    call->owner = w;
    call->listener = &w->watch;
    conn->outstanding++;
    route(conn->conns->router, core, call);
    return true;
}

static void left(struct watch *watch)
{
    struct conn_watch *w = LIST_ITEM(watch, struct conn_watch, watch);
    watch->at = NULL;
    if (w->unwanted || w->conn->state == CONN_GONE) {
        watch_free_one(w);
        return;
    }
    w->state = BEHIND;
    conn_watches_go_on(w->conn);
}

void conn_watches_go_on(struct conn *conn)
{
    if (conn->state != CONN_OPEN || unread(conn) > LIMIT_UNREAD_EVENT_BYTES_MAX / 2) {
        return;
    }
    struct list *node = conn->watches.next;
    while (node != &conn->watches) {
        struct conn_watch *w = LIST_ITEM(node, struct conn_watch, node);
        node = node->next; /* a join that is refused at once may free it */
        if (w->state == BEHIND && !w->rests && !join(w)) {
            watches_retry_soon(conn->conns);
            return;
        }
    }
}

static void retry(struct timer *timer)
{
    struct conns *conns = LIST_ITEM(timer, struct conns, watch_timer);
    for (struct list *node = conns->all.next; node != &conns->all; node = node->next) {
        struct conn *conn = LIST_ITEM(node, struct conn, node);
        for (struct list *at = conn->watches.next; at != &conn->watches; at = at->next) {
            LIST_ITEM(at, struct conn_watch, node)->rests = false;
        }
        conn_watches_go_on(conn);
    }
}

static void watches_retry_soon(struct conns *conns)
{
    struct core *core = conns->core;
    if (!timer_is_set(&conns->watch_timer)) {
        conns->watch_timer.fire = retry;
        timer_set(&core->wheel, &conns->watch_timer, core_now_ns(core) + RETRY_MS * NS_PER_MS);
    }
}

/* What the peer asks. */

static struct conn_watch *find(struct conn *conn, struct pdr_bytes address)
{
    for (struct list *node = conn->watches.next; node != &conn->watches; node = node->next) {
        struct conn_watch *w = LIST_ITEM(node, struct conn_watch, node);
        if (!w->unwanted && pdr_bytes_equal(w->watch.address, address)) {
            return w;
        }
    }
    return NULL;
}

static struct conn_watch *new_watch(struct conn *conn, const struct rpc_watch *asked)
{
    struct conn_watch *w = mem_new(sizeof *w + asked->address.size);
    const char *why;
    memcpy(w->data, asked->address.data, asked->address.size);
    w->watch.home = conn->conns->core;
    w->watch.address = pdr_bytes(w->data, asked->address.size);
    w->watch.event = event_came;
    w->watch.left = left;
    w->conn = conn;
    w->wants_seq = asked->wants_seq;
    w->has_last = asked->has_after;
    w->last = asked->after;
    if (pdr_ref_parse(w->watch.address, &w->ref, &why) != PDR_OK) {
        mem_free(w);
        return NULL;
    }
    list_push_back(&conn->watches, &w->node);
    conn->watch_count++;
    return w;
}

void conn_watches_watch(struct conn *conn, const struct frame *frame)
{
    struct rpc_watch asked;
    struct pdr_ref ref;
    const char *why;
    if (rpc_parse_watch(frame->args, &asked, &why) != PDR_OK || pdr_ref_parse(asked.address, &ref, &why) != PDR_OK) {
        refuse(conn, frame, PDR_INVALID, why);
        return;
    }
    if (ref.type.size > 0 && *(const char *)ref.type.data == '_') {
        refuse(conn, frame, PDR_INVALID, "the system's actors emit no events");
        return;
    }
    if (find(conn, asked.address) != NULL) {
        refuse(conn, frame, PDR_INVALID, "this connection watches that actor already; unwatch it first");
        return;
    }
    if (conn->watch_count >= LIMIT_WATCHES_MAX) {
        refuse(conn, frame, PDR_OVERLOADED, "a connection watches at most 1024 actors (limit conn_watches_max)");
        return;
    }
    struct conn_watch *w = new_watch(conn, &asked);
    w->is_request = frame->kind == FRAME_REQUEST;
    w->msgid = frame->msgid;
    if (!join(w)) {
        watch_free_one(w);
        refuse(conn, frame, PDR_OVERLOADED, "the machine has no memory for this call");
    }
}

static void drop(struct conn_watch *w)
{
    w->unwanted = true;
    if (w->state == OPEN) {
        w->state = LEAVING;
        watch_leave(&w->watch);
    } else if (w->state == BEHIND) {
        watch_free_one(w);
    } /* else: what is under way comes back, and ends it */
}

void conn_watches_unwatch(struct conn *conn, const struct frame *frame)
{
    static const uint8_t nil[] = {0xc0};
    struct rpc_watch asked;
    const char *why;
    if (rpc_parse_watch(frame->args, &asked, &why) != PDR_OK) {
        refuse(conn, frame, PDR_INVALID, why);
        return;
    }
    struct conn_watch *w = find(conn, asked.address);
    if (w != NULL) {
        drop(w);
    }
    if (frame->kind == FRAME_REQUEST) {
        codec_response(conn_begin_write(conn), frame->msgid, pdr_bytes(nil, sizeof nil));
    }
}

void conn_watches_end(struct conn *conn)
{
    struct list *node = conn->watches.next;
    conn->watch_count++; /* so that the last one does not free the connection under us */
    while (node != &conn->watches) {
        struct conn_watch *w = LIST_ITEM(node, struct conn_watch, node);
        node = node->next;
        if (!w->unwanted) {
            drop(w);
        }
    }
    conn->watch_count--;
}

void conn_watches_free(struct conn *conn)
{
    struct list *node;
    while ((node = list_pop(&conn->watches)) != NULL) {
        mem_free(LIST_ITEM(node, struct conn_watch, node));
    }
    conn->watch_count = 0;
}
