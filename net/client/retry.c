/* net/client/retry.c: back-off with jitter; frames that waited for a connection. */
#include "net/client/retry.h"

#include <string.h>

#include "core/env/clock.h"
#include "net/client/client_parts.h"
#include "net/wire/codec.h"
#include "net/wire/rpc.h"

void backoff_init(struct backoff *backoff, uint64_t seed)
{
    rng_seed(&backoff->rng, seed);
    backoff_reset(backoff);
}

uint32_t backoff_ms(struct backoff *backoff)
{
    uint32_t ms = backoff->next_ms;
    backoff->next_ms = ms * 2 < BACKOFF_MS_MAX ? ms * 2 : BACKOFF_MS_MAX;
    return ms / 2 + (uint32_t)rng_below(&backoff->rng, ms / 2 + 1);
}

void backoff_reset(struct backoff *backoff)
{
    backoff->next_ms = BACKOFF_MS_FIRST;
}

static void put(struct slot *slot, pdr_writer *out, uint32_t msgid, struct pdr_bytes address, struct pdr_bytes method,
                struct pdr_bytes args, uint64_t left_ms)
{
    slot->within = !link_is_addressed(address);
    if (slot->within) {
        codec_request_within(out, msgid, address, method, args, left_ms);
    } else {
        codec_request(out, msgid, address, method, args);
    }
}

/* What is the node's own waits for home. */
static struct link *way_of(struct pdr_client *c, struct slot *slot)
{
    return slot->actor == SLOT_SYSTEM ? &c->home : ways_default(c);
}

static void move(struct pdr_client *c, struct slot *slot, struct link *to)
{
    slot->link->calls--;
    to->calls++;
    slot->link = to;
    slot->batch = to->batch;
    if (slot->is_detour) {
        detour_moved(c, slot, to);
    }
}

static void write_again(struct pdr_client *c, const struct frame *frame, struct link *to)
{
    struct slot *slot = slots_find(&c->slots, frame->msgid);
    struct rpc_call call;
    const char *why;
    uint64_t now_ms = loop_now_ns(c->loop) / NS_PER_MS;
    if (slot == NULL || slot->deadline.at_ms <= now_ms) {
        return; /* its caller has been told, or will be right away */
    }
    uint64_t left_ms = slot->deadline.at_ms - now_ms;
    left_ms = left_ms < slot->deadline_ms ? left_ms : slot->deadline_ms; /* the timer's ms is rounded up */
    struct link *link = to != NULL ? to : way_of(c, slot);
    size_t before = link->out.size;
    move(c, slot, link);
    if (slot->within) {
        if (rpc_parse_call(frame->args, &call, &why) == PDR_OK) {
            put(slot, &link->out, frame->msgid, call.address, call.method, call.args, left_ms);
        }
    } else {
        const char *target = frame->target.data, *dot = memrchr(target, '.', frame->target.size);
        struct pdr_bytes address = pdr_bytes(target, (size_t)(dot - target));
        struct pdr_bytes method = pdr_bytes(dot + 1, frame->target.size - address.size - 1);
        put(slot, &link->out, frame->msgid, address, method, frame->args, left_ms);
    }
    if (link->out.failed) {
        link->out.size = before;
        link->out.failed = false;
        client_fail_call(c, slot, PDR_OVERLOADED, "this process has no memory for the call; it was not sent");
    }
}

void retry_unsent(struct pdr_client *c, struct pdr_bytes frames, struct link *to)
{
    struct frame_scan scan = {0};
    struct frame frame;
    const char *why;
    size_t used;
    while (!c->is_closing && frames.size > 0 && frame_decode(&scan, frames, &frame, &used, &why) == PDR_OK &&
           used > 0) {
        if (frame.kind == FRAME_REQUEST) {
            write_again(c, &frame, to);
        }
        frames = pdr_bytes((const char *)frames.data + used, frames.size - used);
    }
}
