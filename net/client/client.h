/* net/client/client.h: for whoever gives a client its world: client_uv.c, blocking_uv.c, the simulator. */
#ifndef NET_CLIENT_CLIENT_H
#define NET_CLIENT_CLIENT_H

#include <perdure/client.h>

#include "core/env/loop.h"
#include "net/transport/transport.h"

/**
 * pdr_client_open on a loop and a transport of the client's own: it takes the loop's callbacks (loop_own), and both must
 * live until pdr_client_close has called `closed`, where they may be freed. `seed` is for the jitter of its back-off.
 */
enum pdr_status client_open_on(struct loop *loop, struct transport *transport, const struct pdr_client_options *options,
                               uint64_t seed, pdr_client **out, const char **why) PDR_MUST_CHECK;

/** True while there is a connection. */
bool client_is_connected(const pdr_client *client);
/** Why there was none the last time; "" before. */
const char *client_why(const pdr_client *client);
/** What pdr_client_tell has been given has left for the kernel. */
bool client_is_flushed(const pdr_client *client);

/** A world that has ended: ends what is outstanding with PDR_CANCELLED and frees the client at once. Its stream is dead
 * already: no callback of it will fire, and it is not touched. */
void client_discard(pdr_client *client);

#endif
