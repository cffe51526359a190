/* net/client/detour.c: calls of an actor keep to one way while any of them is under way (ways.c).
 *
 * An actor that always has a call under way would never come to its new way. So new calls to an actor on a detour are
 * held, not sent, until those under way are answered, and then take the new way; but for HOLD_MS at most, because what
 * is under way may wait for the very call that is held (a pop for a push): then all go on as before, and the next try
 * is a while later. */
#include <string.h>

#include "core/base/mem.h"
#include "core/env/clock.h"
#include "net/client/client_parts.h"

#define HOLD_MS 20u
#define HELD_BYTES_MAX (64u << 10)
#define PAUSE_MS_FIRST 1000u
#define PAUSE_MS_MAX 64000u
#define SAME_WAY_MS 250u /* no other way: how long that is believed */

static void hold_fired(struct timer *timer);

static struct detour *detour_new(struct pdr_client *c, const struct slot *slot)
{
    struct detour *detour = mem_new(sizeof *detour);
    detour->client = c;
    detour->link = slot->link;
    detour->pause_ms = PAUSE_MS_FIRST;
    timer_init(&detour->timer, hold_fired);
    hash_insert(&c->detours, &detour->node, slot->actor);
    return detour;
}

static void detour_free(struct pdr_client *c, struct detour *detour)
{
    timer_cancel(&c->wheel, &detour->timer);
    hash_remove(&c->detours, &detour->node);
    pdr_writer_release(&detour->held);
    mem_free(detour->address);
    mem_free(detour);
}

void detours_keep(struct pdr_client *c)
{
    if (c->owner_count == 0) {
        return; /* there is but one way, or there was until now */
    }
    for (uint32_t i = 0; i < c->slots.touched; i++) {
        struct slot *slot = &c->slots.table[i];
        if (slot->cb == NULL || slot->actor <= SLOT_UNTRACKED || slot->is_detour) {
            continue;
        }
        struct detour *detour = detour_find(c, slot->actor);
        detour = detour != NULL ? detour : detour_new(c, slot);
        detour->calls++;
        slot->is_detour = true;
    }
}

struct loss {
    const struct link *from;
    struct link *to;
};

static bool leave(struct hash_node *node, void *user)
{
    struct detour *detour = LIST_ITEM(node, struct detour, node);
    const struct loss *loss = user;
    detour->link = detour->link == loss->from ? loss->to : detour->link;
    return true;
}

void detours_leave(struct pdr_client *c, const struct link *from, struct link *to)
{
    struct loss loss = {from, to};
    hash_each(&c->detours, leave, &loss);
}

/* Holding. */

/* What was held goes by that link, which is the actor's from now on. Nothing is known of the detour afterwards. */
static void let_go(struct detour *detour, struct link *to)
{
    struct pdr_client *c = detour->client;
    pdr_writer held = detour->held;
    pdr_writer_init(&detour->held, NULL, 0, 0);
    timer_cancel(&c->wheel, &detour->timer);
    mem_free(detour->address);
    detour->address = NULL;
    detour->is_holding = false;
    detour->link = to;
    retry_unsent(c, pdr_written(&held), to);
    pdr_writer_release(&held);
}

static void give_up(struct detour *detour)
{
    detour->again_ns = loop_now_ns(detour->client->loop) + detour->pause_ms * NS_PER_MS;
    detour->pause_ms = detour->pause_ms * 2 < PAUSE_MS_MAX ? detour->pause_ms * 2 : PAUSE_MS_MAX;
    let_go(detour, detour->link);
}

static void hold_fired(struct timer *timer)
{
    give_up(LIST_ITEM(timer, struct detour, timer));
}

static struct link *straight(const struct detour *detour, const struct pdr_ref *actor)
{
    return ways_straight(detour->client, actor, pdr_ref_hash(actor->key));
}

/* If there is another way that it might take. */
static void try_to_hold(struct detour *detour, struct pdr_bytes address)
{
    struct pdr_client *c = detour->client;
    struct pdr_ref actor;
    if (loop_now_ns(c->loop) < detour->again_ns || pdr_ref_parse(address, &actor, NULL) != PDR_OK) {
        return;
    }
    const struct link *way = straight(detour, &actor);
    if (way == NULL || way == detour->link) {
        detour->again_ns = loop_now_ns(c->loop) + SAME_WAY_MS * NS_PER_MS;
        return;
    }
    detour->address = mem_new(address.size);
    memcpy(detour->address, address.data, address.size);
    detour->actor = (struct pdr_ref){pdr_bytes(detour->address, actor.type.size),
                                     pdr_bytes(detour->address + actor.type.size + 1, actor.key.size)};
    detour->is_holding = true;
    timer_set(&c->wheel, &detour->timer, loop_now_ns(c->loop) + HOLD_MS * NS_PER_MS);
}

/* Calls. */

pdr_writer *detour_join(struct detour *detour, struct slot *slot, struct pdr_bytes address)
{
    slot->is_detour = true;
    detour->calls++; /* right away, so that it outlives what callbacks do */
    if (detour->is_holding && detour->held.size > HELD_BYTES_MAX) {
        give_up(detour);
        if (detour->client->is_closing) {
            return NULL;
        }
    } else if (!detour->is_holding) {
        try_to_hold(detour, address);
    }
    if (detour->is_holding) {
        slot->is_held = true;
        detour->calls--;
        detour->held_calls++;
        return &detour->held;
    }
    return &detour->link->out;
}

void detour_moved(struct pdr_client *c, struct slot *slot, struct link *to)
{
    struct detour *detour = detour_find(c, slot->actor);
    detour->link = to;
    if (slot->is_held) {
        slot->is_held = false;
        detour->held_calls--;
        detour->calls++;
    }
}

void detour_ended(struct pdr_client *c, struct slot *slot)
{
    struct detour *detour = detour_find(c, slot->actor);
    detour->calls -= !slot->is_held;
    detour->held_calls -= slot->is_held;
    if (detour->calls + detour->held_calls == 0) {
        detour_free(c, detour);
    } else if (detour->calls == 0 && detour->is_holding && !c->is_closing) {
        struct link *way = straight(detour, &detour->actor);
        let_go(detour, way != NULL ? way : detour->link);
    }
}
