/* net/client/retry.h: when to connect again, and what may be sent again: only what was never sent. */
#ifndef NET_CLIENT_RETRY_H
#define NET_CLIENT_RETRY_H

#include <stdint.h>

#include <perdure/bytes.h>

#include "core/base/rng.h"

struct pdr_client;
struct link;

#define BACKOFF_MS_FIRST 20u
#define BACKOFF_MS_MAX 1000u

/** Pauses between attempts to connect: each up to twice the one before, half of it drawn, so that a thousand clients
 * of a node that was restarted do not all come back at once. */
struct backoff {
    struct rng rng;
    uint32_t next_ms;
};

void backoff_init(struct backoff *backoff, uint64_t seed);
uint32_t backoff_ms(struct backoff *backoff);
/** The connection worked. */
void backoff_reset(struct backoff *backoff);

/** `frames`, which were not sent, are written to the link `to`, without those whose caller has gone, and with what is
 * left of their deadlines; NULL: to the one that they take now (ways_default). Notifications are at most once, and not
 * for another connection. */
void retry_unsent(struct pdr_client *client, struct pdr_bytes frames, struct link *to);

#endif
