/* net/client/link.c: a connection: made, lost and made again; frames out at the end of a turn, frames in. What is
 * special about the one called home is in home.c. */
#include <inttypes.h>
#include <stdio.h>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/env/clock.h"
#include "net/client/client_parts.h"
#include "net/wire/buffer.h"
#include "net/wire/codec.h"
#include "net/wire/rpc.h"

#define CODE_MAX 64u
#define LINGER_MS 500u
#define LINK_UNUSED_MS 60000u

static bool is_home(const struct link *link)
{
    return link == &link->client->home;
}

/* Lost. */

void link_wait(struct link *link, const char *why, bool at_once)
{
    struct pdr_client *c = link->client;
    uint64_t pause_ms = at_once ? 0 : backoff_ms(&link->backoff);
    snprintf(link->why, sizeof link->why, "%s%s%s", link->farewell, link->farewell[0] != '\0' ? "; " : "", why);
    link->farewell[0] = '\0';
    link->stream = NULL;
    link->hung_up = link->asks_map = link->has_answered = false;
    link->state = LINK_WAITING;
    timer_set(&c->wheel, &link->timer, loop_now_ns(c->loop) + pause_ms * NS_PER_MS);
}

/* What was not sent is moved first: callbacks may make calls to the same actors. */
static void lost(struct link *link, const char *why)
{
    struct pdr_client *c = link->client;
    char text[sizeof c->text];
    bool was_open = link->state == LINK_OPEN;
    if (is_home(link)) {
        home_lost(c, why);
    } else {
        link_wait(link, why, false);
    }
    ways_lost(c, link);
    if (was_open && !c->session.wanted) { /* else they are sent again */
        snprintf(text, sizeof text, "the connection to %s was lost (%s); the call may have been applied", link->address,
                 link->why);
        client_fail_calls(c, link, PDR_UNAVAILABLE, text);
    }
    client_tell_changed(c);
}

static void on_closed(void *user, const char *why)
{
    struct link *link = user;
    struct pdr_client *c = link->client;
    if (link->state == LINK_CLOSING) {
        link->stream = NULL;
        client_link_closed(c);
    } else {
        char own[sizeof link->why];
        snprintf(own, sizeof own, "%s", link->why);
        lost(link, why[0] != '\0' ? why : own); /* "": our own close, for a reason that is in link->why */
    }
}

void link_hang_up(struct link *link, const char *why)
{
    struct pdr_client *c = link->client;
    link->hung_up = true;
    snprintf(link->why, sizeof link->why, "%s", why);
    c->transport->ops->close(link->stream, 0);
    ways_lost(c, link);
}

bool link_close(struct link *link)
{
    struct pdr_client *c = link->client;
    uint64_t linger_ms = link->state == LINK_OPEN ? LINGER_MS : 0;
    link_flush(link); /* notifications that were accepted */
    link->state = LINK_CLOSING;
    timer_cancel(&c->wheel, &link->timer);
    if (link->stream == NULL) {
        return false;
    }
    c->transport->ops->close(link->stream, linger_ms);
    return true;
}

/* Made. */

void link_hello(struct link *link)
{
    struct pdr_client *c = link->client;
    uint8_t room[64];
    pdr_writer args;
    if (c->deadline_ms == LIMIT_DEADLINE_MS_DEFAULT) {
        return;
    }
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 1);
    pdr_write_map(&args, 1);
    pdr_write_cstr(&args, "deadline_ms");
    pdr_write_uint(&args, c->deadline_ms);
    codec_notification(&link->out, pdr_str("_sys/conn"), pdr_str("hello"), pdr_written(&args));
    pdr_writer_release(&args);
}

static void on_opened(void *user)
{
    struct link *link = user;
    struct pdr_client *c = link->client;
    if (link->state != LINK_CONNECTING) {
        return; /* closing: it came too late */
    }
    link->state = LINK_OPEN;
    link->why[0] = '\0';
    link->scan = (struct frame_scan){0};
    link->knows_no_map = false;
    timer_cancel(&c->wheel, &link->timer);
    pdr_writer_clear(&link->in);
    if (is_home(link)) {
        home_opened(c);
    } else {
        link_hello(link);
        timer_set(&c->wheel, &link->timer, loop_now_ns(c->loop) + LINK_UNUSED_MS * NS_PER_MS);
    }
    ways_opened(c);
    client_tell_changed(c);
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

static void take_response(struct link *link, const struct frame *frame)
{
    struct pdr_client *c = link->client;
    if (frame->msgid == CLIENT_MAP_MSGID) {
        map_ask_answered(link, frame);
        return;
    }
    if (c->session.wanted && frame->msgid == SESSION_HELLO_MSGID) {
        client_session_greeted(c, frame);
        return;
    }
    struct slot *slot = slots_find(&c->slots, frame->msgid);
    if (slot == NULL || slot->link != link) {
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
static void take_notification(struct link *link, const struct frame *frame)
{
    struct rpc_error e;
    if (!pdr_bytes_equal(frame->target, pdr_str("_sys/conn.closed"))) {
        watches_take(link->client, frame);
        return;
    }
    rpc_parse_error(pdr_value_at(frame->args, 0), &e);
    snprintf(link->farewell, sizeof link->farewell, "the node said %.*s: %.*s",
             (int)(e.code.size < CODE_MAX ? e.code.size : CODE_MAX), (const char *)e.code.data,
             (int)(e.message.size < sizeof link->farewell ? e.message.size : sizeof link->farewell),
             (const char *)e.message.data);
    ways_left(link->client);
}

static size_t take_frames(struct link *link, struct pdr_bytes bytes)
{
    size_t done = 0;
    while (link->state == LINK_OPEN && done < bytes.size) {
        struct frame frame;
        size_t used;
        const char *why;
        struct pdr_bytes rest = pdr_bytes((const uint8_t *)bytes.data + done, bytes.size - done);
        if (frame_decode(&link->scan, rest, &frame, &used, &why) != PDR_OK) {
            link_hang_up(link, why);
            return bytes.size;
        }
        if (used == 0) {
            break;
        }
        done += used;
        if (frame.kind == FRAME_RESPONSE) {
            take_response(link, &frame);
        } else if (frame.kind == FRAME_NOTIFICATION) {
            take_notification(link, &frame);
        }
    }
    return done;
}

static void on_received(void *user, struct pdr_bytes data)
{
    struct link *link = user;
    if (!link_is_usable(link)) {
        return;
    }
    link->has_answered = true;
    backoff_reset(&link->backoff);
    if (link->in.size > 0) {
        pdr_write_raw(&link->in, data.data, data.size);
        data = pdr_written(&link->in);
    }
    size_t done = link->in.failed ? 0 : take_frames(link, data);
    if (link->state == LINK_OPEN) {
        wire_buffer_keep_rest(&link->in, data, done);
    }
    if (link->in.failed) {
        pdr_writer_clear(&link->in);
        link_hang_up(link, "this process has no memory for the answer");
    }
}

/* Frames out. */

uint64_t link_unsent(const struct link *link)
{
    return link->out.size + (link->state == LINK_OPEN ? link->client->transport->ops->unsent(link->stream) : 0);
}

void link_flush(struct link *link)
{
    if (!link_is_usable(link) || link->out.size == 0) {
        return;
    }
    link->client->transport->ops->write(link->stream, pdr_written(&link->out));
    link->batch++;
    pdr_writer_clear(&link->out);
    wire_buffer_give_back(&link->out);
}

static void on_drained(void *user)
{
    const struct link *link = user;
    client_tell_changed(link->client);
}

/* Connecting. */

static const struct stream_handler handler = {on_opened, on_received, on_drained, on_closed};

bool link_connect(struct link *link, const char **why)
{
    struct pdr_client *c = link->client;
    link->state = LINK_CONNECTING;
    link->stream = c->transport->ops->connect(c->transport, link->address, &handler, link, why);
    if (link->stream == NULL) {
        return false;
    }
    timer_set(&c->wheel, &link->timer, loop_now_ns(c->loop) + c->connect_timeout_ms * NS_PER_MS);
    return true;
}

static void timer_fired(struct timer *timer)
{
    struct link *link = LIST_ITEM(timer, struct link, timer);
    struct pdr_client *c = link->client;
    char text[64];
    const char *why;
    if (link->state == LINK_CONNECTING) {
        snprintf(text, sizeof text, "no answer within %" PRIu64 " ms", c->connect_timeout_ms);
        link_hang_up(link, text);
    } else if (link->state == LINK_OPEN) {
        timer_set(&c->wheel, &link->timer, loop_now_ns(c->loop) + LINK_UNUSED_MS * NS_PER_MS);
        ways_check_use(link);
    } else if (!is_home(link)) {
        link->state = LINK_DOWN; /* until a call wants it */
        c->has_down = true;
    } else if (!home_connect(c, &why)) {
        lost(link, why);
    }
}

void link_init(struct link *link, struct pdr_client *client, uint64_t seed)
{
    *link = (struct link){.client = client};
    backoff_init(&link->backoff, seed);
    timer_init(&link->timer, timer_fired);
}

void link_release(struct link *link)
{
    CHECK(!timer_is_set(&link->timer));
    pdr_writer_release(&link->in);
    pdr_writer_release(&link->out);
}
