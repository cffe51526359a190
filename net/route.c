/* net/route.c: stage 3 of 7 (frame before it, mailbox after it). Makes the choice: this core, another core. */
#include "net/route.h"

#include "core/cluster_map.h"
#include "core/shard/core.h"
#include "core/shard/stages.h"

static void serve_system(const struct router *router, struct call *call)
{
    struct pdr_bytes key =
        pdr_bytes((const char *)call->address.data + call->type_size + 1, call->address.size - call->type_size - 1);
    call->at = router->control;
    call->is_read = true; /* so far they all are */
    for (const struct system_actor *s = router->system; s->key != NULL; s++) {
        if (pdr_bytes_equal(key, pdr_str(s->key))) {
            s->handle(s->user, call);
            return;
        }
    }
    call_fail(call, PDR_NOT_FOUND, "there is no system actor _sys/%.*s", key.size > 64 ? 64 : (int)key.size,
              (const char *)key.data);
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
    if (call_is_system(call)) {
        route_system(router, from, call);
        return;
    }
    stages_begin(from, call);
    call->shard = cluster_map_shard(from->map, call->key_hash);
    route_to_shard(router, from, call);
}

void route_to_shard(struct router *router, struct core *from, struct call *call)
{
    struct core *owner = router->cores[cluster_map_core(from->map, call->shard)];
    if (owner == from) {
        core_deliver(from, call);
    } else {
        core_send(owner, call);
    }
}
