/* net/route.c: stage 3 of 7 (frame before it, mailbox after it). Makes the choice: this core, another core. */
#include "net/route.h"

#include "core/cluster_map.h"
#include "core/shard/core.h"
#include "core/shard/stages.h"
#include "net/forward/forward.h"

static const struct system_actor *find_system(const struct router *router, const struct call *call)
{
    const char *address = call->address.data;
    struct pdr_bytes key = pdr_bytes(address + call->type_size + 1, call->address.size - call->type_size - 1);
    if (!pdr_bytes_equal(pdr_bytes(address, call->type_size), pdr_str(SYSTEM_TYPE))) {
        return &router->elections;
    }
    const struct system_actor *s = router->system;
    while (s->key != NULL && !pdr_bytes_equal(key, pdr_str(s->key))) {
        s++;
    }
    return s;
}

static void serve_system(const struct router *router, struct call *call)
{
    const struct system_actor *actor = find_system(router, call);
    call->at = router->control;
    call->is_read = true; /* most are; the others say so */
    if (actor->handle != NULL) {
        actor->handle(actor->user, call);
        return;
    }
    call_fail(call, PDR_NOT_FOUND, "there is no system actor %.*s",
              call->address.size > 64 ? 64 : (int)call->address.size, (const char *)call->address.data);
    call_finish(call);
}

static void arrive_at_control(struct message *message)
{
    struct call *call = LIST_ITEM(message, struct call, message);
    if (call->at->dead) {
        call_discard(call);
        return;
    }
    serve_system(call->owner_route, call);
}

static void route_system(struct router *router, struct core *from, struct call *call)
{
    if (from == router->control) {
        serve_system(router, call);
        return;
    }
    call->at = router->control;
    call->owner_route = router;
    call->message.deliver = arrive_at_control;
    loop_post(router->control->world.loop, &call->message);
}

void route(void *user, struct core *from, struct call *call)
{
    struct router *router = user;
    if (call->kind != CALL_ACTOR) {
        route_to_shard(router, from, call);
        return;
    }
    if (call_is_system(call)) {
        route_system(router, from, call);
        return;
    }
    stages_begin(from, call);
    if (call->tell.role != TELL_SENT) { /* a channel is between two shards, wherever its actors may be by now */
        call->shard = route_place(from->map, call);
    }
    route_to_shard(router, from, call);
}

uint32_t route_place(const struct cluster_map *map, const struct call *call)
{
    if (map->place_count == 0) {
        return cluster_map_shard(map, call->key_hash);
    }
    const char *address = call->address.data;
    struct pdr_bytes key = pdr_bytes(address + call->type_size + 1, call->address.size - call->type_size - 1);
    return cluster_map_place(map, pdr_bytes(address, call->type_size), key, call->key_hash);
}

void route_moved(void *router, struct core *home, struct call *call)
{
    forward_moved(((struct router *)router)->forwards[home->index], call);
}

void route_map_taken(void *router, struct core *core)
{
    forward_map_changed(((struct router *)router)->forwards[core->index]);
}

void route_recall(void *router, struct core *core)
{
    forward_recall(((struct router *)router)->forwards[core->index]);
}

/* Not here, or not only the map decides. */
static bool leaves(const struct router *router, const struct core *from, const struct call *call)
{
    return router->forwards != NULL && from != router->control &&
           !(cluster_map_is_here(from->map, call->shard) &&
             forward_is_plain(router->forwards[from->index], call->shard));
}

/* The control core has no way to other nodes' shards; what it is asked about them is for their nodes to answer. */
bool route_is_elsewhere(const struct router *router, const struct core *from, struct call *call, struct pdr_bytes actor)
{
    const struct cluster_owner *owner = cluster_map_owner(from->map, call->shard);
    if (from != router->control || owner == NULL || owner->node == 0 || owner->node == from->map->self) {
        return false;
    }
    const struct cluster_node *node = cluster_map_node(from->map, owner->node);
    struct pdr_bytes name = node != NULL ? node->name : pdr_str("?"), at = node != NULL ? node->address : pdr_str("?");
    call_fail(call, PDR_MOVED, "%.*s lives on node %.*s, at %.*s: ask there", actor.size > 64 ? 64 : (int)actor.size,
              (const char *)actor.data, (int)name.size, (const char *)name.data, at.size > 64 ? 64 : (int)at.size,
              (const char *)at.data);
    return true;
}

void route_to_shard(struct router *router, struct core *from, struct call *call)
{
    if (route_is_elsewhere(router, from, call, call->address)) {
        call_finish(call);
        return;
    }
    if (leaves(router, from, call)) {
        forward_call(router->forwards[from->index], call);
        return;
    }
    struct core *owner = router->cores[cluster_map_core(from->map, call->shard)];
    if (owner == from) {
        core_deliver(from, call);
    } else {
        core_send(owner, call);
    }
}
