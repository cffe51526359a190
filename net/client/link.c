/* net/client/link.c: the client's connection: made, lost and made again; frames out at the end of a turn, frames in. */
#include <inttypes.h>
#include <stdio.h>

#include "core/base/limits.h"
#include "core/env/clock.h"
#include "net/client/client_parts.h"
#include "net/wire/buffer.h"
#include "net/wire/codec.h"
#include "net/wire/rpc.h"

#define CODE_MAX 64u

static void tell_changed(struct pdr_client *c)
{
    if (c->changed != NULL) {
        c->changed(c->changed_user);
    }
}

/* Lost. */

static void lost(struct pdr_client *c, const char *why)
{
    char text[sizeof c->text];
    bool was_open = c->state == CLIENT_OPEN;
    snprintf(c->why, sizeof c->why, "%s%s%s", c->farewell, c->farewell[0] != '\0' ? "; " : "", why);
    c->farewell[0] = '\0';
    c->stream = NULL;
    c->hung_up = false;
    c->session.ready = false;
    c->state = CLIENT_WAITING;
    timer_set(&c->wheel, &c->link_timer, loop_now_ns(c->loop) + backoff_ms(&c->backoff) * NS_PER_MS);
    if (was_open && !c->session.wanted) { /* else they are sent again */
        snprintf(text, sizeof text, "the connection to %s was lost (%s); the call may have been applied", c->address,
                 c->why);
        client_fail_calls(c, false, PDR_UNAVAILABLE, text);
    }
    tell_changed(c);
}

static void on_closed(void *user, const char *why)
{
    struct pdr_client *c = user;
    if (c->state == CLIENT_CLOSING) {
        c->stream = NULL;
        loop_post(c->loop, &c->goodbye);
    } else {
        char own[sizeof c->why];
        snprintf(own, sizeof own, "%s", c->why);
        lost(c, why[0] != '\0' ? why : own); /* "": our own close, for a reason that is in c->why */
    }
}

void link_hang_up(struct pdr_client *c, const char *why)
{
    c->hung_up = true;
    snprintf(c->why, sizeof c->why, "%s", why);
    c->transport->ops->close(c->stream, 0);
}

/* Made. */

static void say_hello(struct pdr_client *c)
{
    uint8_t room[64];
    pdr_writer args;
    if (c->session.wanted) {
        client_session_hello(c);
        return;
    }
    if (c->deadline_ms == LIMIT_DEADLINE_MS_DEFAULT) {
        return;
    }
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 1);
    pdr_write_map(&args, 1);
    pdr_write_cstr(&args, "deadline_ms");
    pdr_write_uint(&args, c->deadline_ms);
    codec_notification(&c->out, pdr_str("_sys/conn"), pdr_str("hello"), pdr_written(&args));
    pdr_writer_release(&args);
}

static void on_opened(void *user)
{
    struct pdr_client *c = user;
    pdr_writer waited = c->out;
    if (c->state != CLIENT_CONNECTING) {
        return; /* closing: it came too late */
    }
    c->state = CLIENT_OPEN;
    c->why[0] = '\0';
    c->scan = (struct frame_scan){0};
    timer_cancel(&c->wheel, &c->link_timer);
    pdr_writer_clear(&c->in);
    pdr_writer_init(&c->out, NULL, 0, 0);
    say_hello(c);
    if (!c->session.wanted) {
        retry_unsent(c, pdr_written(&waited));
    }
    pdr_writer_release(&waited);
    watches_ask(c);
    if (c->out.failed) {
        pdr_writer_clear(&c->out);
        client_fail_calls(c, true, PDR_OVERLOADED, "this process has no memory for the call; it was not sent");
    }
    tell_changed(c);
}

/* Frames in. */

static void take_error(struct pdr_client *c, struct slot *slot, pdr_value error)
{
    struct rpc_error e;
    rpc_parse_error(error, &e);
    enum pdr_status status = pdr_status_from_wire(e.code.data, e.code.size);
    struct pdr_outcome outcome = {.status = status == PDR_OK ? PDR_ACTOR : status, /* whatever it calls itself */
                                  .code = e.code,
                                  .message = e.message,
                                  .retry_ms = e.retry_ms};
    c->session.ack_soon = c->session.ack_soon || status == PDR_OVERLOADED;
    if (e.is_final || !client_session_refused(c, slot, outcome.status, e.retry_ms)) {
        client_end_call(c, slot, &outcome);
    }
}

static void take_response(struct pdr_client *c, const struct frame *frame)
{
    if (c->session.wanted && frame->msgid == SESSION_HELLO_MSGID) {
        client_session_greeted(c, frame);
        return;
    }
    struct slot *slot = slots_find(&c->slots, frame->msgid);
    if (slot == NULL) {
        return; /* its deadline came first */
    }
    if (*(const uint8_t *)frame->error.data != 0xc0) {
        take_error(c, slot, frame->error);
        return;
    }
    struct pdr_outcome outcome = {.status = PDR_OK, .result = frame->result};
    client_end_call(c, slot, &outcome);
}

/* `_sys/conn.closed [{"code", "message"}]`: why the node will close. The others are events. */
static void take_notification(struct pdr_client *c, const struct frame *frame)
{
    struct rpc_error e;
    if (!pdr_bytes_equal(frame->target, pdr_str("_sys/conn.closed"))) {
        watches_take(c, frame);
        return;
    }
    rpc_parse_error(pdr_value_at(frame->args, 0), &e);
    snprintf(c->farewell, sizeof c->farewell, "the node said %.*s: %.*s",
             (int)(e.code.size < CODE_MAX ? e.code.size : CODE_MAX), (const char *)e.code.data,
             (int)(e.message.size < sizeof c->farewell ? e.message.size : sizeof c->farewell),
             (const char *)e.message.data);
}

static size_t take_frames(struct pdr_client *c, struct pdr_bytes bytes)
{
    size_t done = 0;
    while (c->state == CLIENT_OPEN && done < bytes.size) {
        struct frame frame;
        size_t used;
        const char *why;
        struct pdr_bytes rest = pdr_bytes((const uint8_t *)bytes.data + done, bytes.size - done);
        if (frame_decode(&c->scan, rest, &frame, &used, &why) != PDR_OK) {
            link_hang_up(c, why);
            return bytes.size;
        }
        if (used == 0) {
            break;
        }
        done += used;
        if (frame.kind == FRAME_RESPONSE) {
            take_response(c, &frame);
        } else if (frame.kind == FRAME_NOTIFICATION) {
            take_notification(c, &frame);
        }
    }
    return done;
}

static void on_received(void *user, struct pdr_bytes data)
{
    struct pdr_client *c = user;
    if (c->state != CLIENT_OPEN || c->hung_up) {
        return;
    }
    backoff_reset(&c->backoff);
    if (c->in.size > 0) {
        pdr_write_raw(&c->in, data.data, data.size);
        data = pdr_written(&c->in);
    }
    size_t done = c->in.failed ? 0 : take_frames(c, data);
    if (c->state == CLIENT_OPEN) {
        wire_buffer_keep_rest(&c->in, data, done);
    }
    if (c->in.failed) {
        pdr_writer_clear(&c->in);
        link_hang_up(c, "this process has no memory for the answer");
    }
}

/* Frames out. */

uint64_t link_unsent(const struct pdr_client *c)
{
    return c->out.size + (c->state == CLIENT_OPEN ? c->transport->ops->unsent(c->stream) : 0);
}

void link_flush(struct pdr_client *c)
{
    if (c->session.wanted) {
        client_session_acknowledge(c);
    }
    if (c->state != CLIENT_OPEN || c->hung_up || c->out.size == 0) {
        return;
    }
    c->transport->ops->write(c->stream, pdr_written(&c->out));
    c->batch++;
    pdr_writer_clear(&c->out);
    wire_buffer_give_back(&c->out);
}

static void on_drained(void *user)
{
    tell_changed(user);
}

/* Connecting. */

static const struct stream_handler handler = {on_opened, on_received, on_drained, on_closed};

bool link_connect(struct pdr_client *c, const char **why)
{
    c->state = CLIENT_CONNECTING;
    c->stream = c->transport->ops->connect(c->transport, c->address, &handler, c, why);
    if (c->stream == NULL) {
        return false;
    }
    timer_set(&c->wheel, &c->link_timer, loop_now_ns(c->loop) + c->connect_timeout_ms * NS_PER_MS);
    return true;
}

void link_timer_fired(struct timer *timer)
{
    struct pdr_client *c = LIST_ITEM(timer, struct pdr_client, link_timer);
    char text[64];
    const char *why;
    if (c->state == CLIENT_CONNECTING) {
        snprintf(text, sizeof text, "no answer within %" PRIu64 " ms", c->connect_timeout_ms);
        link_hang_up(c, text);
    } else if (c->state == CLIENT_WAITING && !link_connect(c, &why)) {
        lost(c, why);
    }
}
