/* net/client/map.h: the cluster as its clients see it: which node owns an actor. An answer of `_sys/directory.map`,
 * read with limits, as a value in one block of memory. It is a hint: a node that is asked for another's actor passes
 * the call on, so a map that is old costs time and nothing else. */
#ifndef NET_CLIENT_MAP_H
#define NET_CLIENT_MAP_H

#include <stdint.h>

#include <perdure/ref.h>
#include <perdure/status.h>
#include <perdure/value.h>

#define CLIENT_MAP_NOBODY 0xffffu /* instead of the index of a node */

struct client_map_node {
    uint64_t id;
    const char *address; /* HOST:PORT */
};

/** Where the actors of a type live, if not in the default group; with a `tag`, those that are pinned. */
struct client_map_place {
    struct pdr_bytes type, tag;
    uint32_t first, count; /* count is not 0 */
};

struct client_map {
    uint64_t version;
    uint32_t self;        /* the node that answered; CLIENT_MAP_NOBODY: it is no member yet */
    uint32_t shard_count; /* of the default group, whose shards come first; not 0 */
    uint32_t owner_count; /* shards of all groups */
    uint32_t node_count, place_count;
    const struct client_map_node *nodes;
    const struct client_map_place *places; /* by type and tag */
    const uint16_t *owners;                /* by shard: index of a node, or CLIENT_MAP_NOBODY */
};

/** PDR_INVALID: *why is a static sentence. PDR_OVERLOADED: no memory. What is answered is the caller's to free. */
enum pdr_status client_map_read(pdr_value answer, struct client_map **out, const char **why) PDR_MUST_CHECK;
/** NULL is allowed. */
void client_map_free(struct client_map *map);

/** The index of the node that owns the actor; CLIENT_MAP_NOBODY: nobody is known to. `key_hash` is pdr_ref_hash's. */
uint32_t client_map_owner(const struct client_map *map, const struct pdr_ref *actor, uint64_t key_hash);

#endif
