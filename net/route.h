/* net/route.h: stage 3 of 7. Finds the owner of a call in the current map, and hands the call to one place. */
#ifndef NET_ROUTE_H
#define NET_ROUTE_H

#include "core/call.h"

struct core;

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
};

/** Takes the call, which is on `from`'s thread. `router` is a struct router. */
void route(void *router, struct core *from, struct call *call);
/** The same, to call->shard itself. */
void route_to_shard(struct router *router, struct core *from, struct call *call);

#endif
