/* net/client/client.h: for whoever gives a client its world: client_uv.c, blocking_uv.c, the simulator. */
#ifndef NET_CLIENT_CLIENT_H
#define NET_CLIENT_CLIENT_H

#include <perdure/client.h>

#include "core/env/loop.h"
#include "net/transport/transport.h"

/**
 * pdr_client_open on a loop and a transport of the client's own: it takes the loop's callbacks (loop_own). Both must
 * live until pdr_client_close has called `closed`, where they may be freed. `seed` is for the jitter of its back-off.
 */
enum pdr_status client_open_on(struct loop *loop, struct transport *transport, const struct pdr_client_options *options,
                               uint64_t seed, pdr_client **out, const char **why) PDR_MUST_CHECK;

/** Instead of calling `closed` itself the client then hands over loop and transport, with who is to be called last. */
void client_set_release(pdr_client *client, void (*release_world)(struct loop *loop, struct transport *transport,
                                                                  void (*closed)(void *user), void *user));
/** `changed` is called when a connection is made or lost, and when all is written that had to wait for the kernel. */
void client_on_change(pdr_client *client, void (*changed)(void *user), void *user);
/** To a node that was given, or to a member of the cluster in its place. */
bool client_is_connected(const pdr_client *client);
/** The node as it was given, or the nodes. */
const char *client_address(const pdr_client *client);
/** Why there is no connection, if one was made before or all nodes were tried; else "". */
const char *client_why(const pdr_client *client);
/** Writes at once what else leaves at the end of the loop's turn. */
void client_flush(pdr_client *client);
/** All has been handed to the kernel. */
bool client_is_flushed(const pdr_client *client);

/** A world that has ended: ends what is outstanding with PDR_CANCELLED and frees the client at once. Its stream is dead
 * already: no callback of it will fire, and it is not touched. */
void client_discard(pdr_client *client);

#endif
