/* net/client/session.c: a client's session: opened, resumed on each new connection, given up when it is over. */
#include "net/client/session.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/mem.h"
#include "core/env/clock.h"
#include "net/client/client_parts.h"
#include "net/wire/codec.h"
#include "net/wire/rpc.h"

#define ACK_EVERY 64u
#define REFUSED_MS_MIN 20u

void client_session_hello(struct pdr_client *c)
{
    struct client_session *session = &c->session;
    uint8_t room[256];
    pdr_writer args;
    session->ready = false;
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 1);
    pdr_write_map(&args, 3);
    pdr_write_cstr(&args, "session");
    pdr_write_bin(&args, pdr_bytes(session->name, session->name_size));
    pdr_write_cstr(&args, "ack_below");
    pdr_write_uint(&args, session->floor);
    pdr_write_cstr(&args, "deadline_ms");
    pdr_write_uint(&args, c->deadline_ms);
    codec_request(&c->home.out, SESSION_HELLO_MSGID, pdr_str("_sys/conn"), pdr_str("hello"), pdr_written(&args));
    pdr_writer_release(&args);
    session->acked = session->floor;
}

/* Requests. */

static void write_request(struct pdr_client *c, struct slot *slot, uint64_t left_ms)
{
    const struct slot_request *kept = slot->request;
    struct pdr_bytes address = pdr_bytes(kept->data, kept->address_size);
    struct pdr_bytes method = pdr_bytes(kept->data + kept->address_size, kept->method_size);
    struct pdr_bytes args = pdr_bytes(kept->data + kept->address_size + kept->method_size, kept->args_size);
    uint32_t msgid = slots_msgid(&c->slots, slot);
    bool is_plain = left_ms == c->deadline_ms && slot->number == msgid;
    if (is_plain || link_is_addressed(address)) {
        codec_request(&c->home.out, msgid, address, method, args);
    } else {
        codec_request_numbered(&c->home.out, msgid, address, method, args, left_ms, slot->number);
    }
    slot->sent = true;
    slot->refused = false;
}

bool client_session_call(struct pdr_client *c, struct slot *slot, struct pdr_bytes to, struct pdr_bytes method,
                         struct pdr_bytes args)
{
    size_t size = to.size + method.size + args.size;
    struct slot_request *kept = mem_try(sizeof *kept + size);
    if (kept == NULL) {
        return false;
    }
    *kept = (struct slot_request){(uint16_t)to.size, (uint16_t)method.size, (uint32_t)args.size};
    memcpy(kept->data, to.data, to.size);
    memcpy(kept->data + to.size, method.data, method.size);
    if (args.size > 0) {
        memcpy(kept->data + to.size + method.size, args.data, args.size);
    }
    slot->request = kept;
    slot->sent = slot->sent_before = slot->refused = false;
    c->session.kept_bytes += size;
    if (c->session.ready) {
        write_request(c, slot, slot->deadline_ms);
    }
    return true;
}

void client_session_ended(struct pdr_client *c, struct slot *slot)
{
    const struct slot_request *kept = slot->request;
    if (kept != NULL) {
        c->session.kept_bytes -= (size_t)kept->address_size + kept->method_size + kept->args_size;
        mem_free(slot->request);
        slot->request = NULL;
    }
}

static uint64_t floor_of(const struct pdr_client *c)
{
    uint64_t floor = c->session.floor;
    while (floor < c->slots.next_number && slots_at(&c->slots, floor) == NULL) {
        floor++;
    }
    return floor;
}

void client_session_acknowledge(struct pdr_client *c)
{
    struct client_session *session = &c->session;
    uint8_t room[16];
    pdr_writer args;
    if (!session->wanted) {
        return;
    }
    session->floor = floor_of(c);
    if (!session->ready || session->floor == session->acked ||
        (session->floor - session->acked < ACK_EVERY && !session->ack_soon)) {
        return;
    }
    session->ack_soon = false;
    session->acked = session->floor;
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 1);
    pdr_write_uint(&args, session->floor);
    codec_notification(&c->home.out, pdr_str("_sys/conn"), pdr_str("ack"), pdr_written(&args));
    pdr_writer_release(&args);
}

/* Greeted. */

static void send_all(struct pdr_client *c)
{
    uint64_t now_ms = loop_now_ns(c->loop) / NS_PER_MS;
    for (uint64_t n = floor_of(c); n < c->slots.next_number; n++) {
        struct slot *slot = slots_at(&c->slots, n);
        if (slot != NULL && slot->deadline.at_ms > now_ms) { /* else its caller will be told right away */
            uint64_t left_ms = slot->deadline.at_ms - now_ms;
            slot->sent_before = slot->sent;
            write_request(c, slot, left_ms < slot->deadline_ms ? left_ms : slot->deadline_ms);
        }
    }
}

/* What was refused for now. */

static void send_refused(struct timer *timer)
{
    struct pdr_client *c = LIST_ITEM(timer, struct pdr_client, session.again);
    uint64_t now_ms = loop_now_ns(c->loop) / NS_PER_MS;
    for (uint64_t n = floor_of(c); c->session.ready && n < c->slots.next_number; n++) {
        struct slot *slot = slots_at(&c->slots, n);
        if (slot != NULL && slot->refused && slot->deadline.at_ms > now_ms) {
            write_request(c, slot, slot->deadline.at_ms - now_ms);
        }
    }
}

void client_session_init(struct pdr_client *c)
{
    timer_init(&c->session.again, send_refused);
}

bool client_session_refused(struct pdr_client *c, struct slot *slot, enum pdr_status status, uint64_t retry_ms)
{
    if (!c->session.wanted || !slot->sent_before || pdr_status_retry(status) == PDR_RETRY_NEVER) {
        return false;
    }
    slot->refused = true;
    if (!timer_is_set(&c->session.again)) {
        retry_ms = retry_ms < REFUSED_MS_MIN ? REFUSED_MS_MIN : retry_ms;
        timer_set(&c->wheel, &c->session.again, loop_now_ns(c->loop) + retry_ms * NS_PER_MS);
    }
    return true;
}

/* R83: what was sent may have happened or not, and nobody can tell any more. It is never sent under another session. */
static void give_up(struct pdr_client *c)
{
    uint64_t end = c->slots.next_number;
    c->session.name_size = 0;
    for (uint64_t n = floor_of(c); n < end; n++) {
        struct slot *slot = slots_at(&c->slots, n);
        if (slot != NULL && slot->sent) {
            client_fail_call(c, slot, PDR_SESSION,
                             "the session was over before the answer came; the call may have been applied");
        }
    }
    if (link_is_usable(&c->home)) {
        client_session_hello(c);
    }
}

void client_session_greeted(struct pdr_client *c, const struct frame *frame)
{
    struct client_session *session = &c->session;
    struct pdr_bytes name;
    if (session->ready) {
        return;
    }
    if (*(const uint8_t *)frame->error.data != 0xc0) {
        struct rpc_error error;
        rpc_parse_error(frame->error, &error);
        if (pdr_status_from_wire(error.code.data, error.code.size) == PDR_SESSION && session->name_size > 0) {
            give_up(c);
            return;
        }
        char why[200];
        snprintf(why, sizeof why, "no session: %.*s", error.message.size > 150 ? 150 : (int)error.message.size,
                 (const char *)error.message.data);
        link_hang_up(&c->home, why);
        return;
    }
    if (!pdr_value_bytes(pdr_value_get(frame->result, "session"), &name) || name.size == 0 ||
        name.size > SESSION_NAME_MAX) {
        link_hang_up(&c->home, "no session: the node's answer to hello names none");
        return;
    }
    memcpy(session->name, name.data, name.size);
    session->name_size = name.size;
    session->ready = true;
    send_all(c);
}
