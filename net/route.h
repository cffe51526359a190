/* net/route.h: stage 3 of 7. Finds the owner of a call in the current map, and hands the call to one place. */
#ifndef NET_ROUTE_H
#define NET_ROUTE_H

#include "core/call.h"

struct cluster_map;
struct core;
struct forward;

/** A system actor, `_sys/KEY`, served on the control core. Takes the call, and finishes it now or later. */
struct system_actor {
    const char *key;
    void (*handle)(void *user, struct call *call);
    void *user;
};

struct router {
    struct core **cores;
    struct core *control;
    const struct system_actor *system; /* ends with a NULL key */
    struct system_actor elections;     /* `election/NAME`, whatever the name */
    struct forward **forwards;         /* by core: calls for other nodes; NULL: the node is alone */
};

/** Takes the call, which is on `from`'s thread; on the control core's one for an actor of another node ends as
 * PDR_MOVED. `router` is a struct router. */
void route(void *router, struct core *from, struct call *call);
/** The same, to call->shard itself. */
void route_to_shard(struct router *router, struct core *from, struct call *call);
/** Of a call of the control core: its shard is another node's, and it has failed as PDR_MOVED, with a sentence that
 * says where `actor` lives. */
bool route_is_elsewhere(const struct router *router, const struct core *from, struct call *call,
                        struct pdr_bytes actor);
/** The shard of the actor that a call is for. */
uint32_t route_place(const struct cluster_map *map, const struct call *call);
/** The call has come back to the core that made it, since its shard is not open there: core_world.moved. */
void route_moved(void *router, struct core *home, struct call *call);
/** core_world.map_taken: what waited for a newer map goes on. */
void route_map_taken(void *router, struct core *core);
/** core_world.recall: tells that are at other nodes, or wait for one, fail. */
void route_recall(void *router, struct core *core);

#endif
