/* net/client/ways.c: which connection a call goes by: straight to the actor's owner if there is a connection to it,
 * else by home, where it is passed on. A call never waits for a connection to an owner: that is made meanwhile.
 *
 * Calls of one actor must not overtake each other when its way changes, because a connection was opened or lost or
 * there is a newer map. So whatever is under way then keeps its actor to the way that it took, as a detour, until all
 * such calls are answered (detour.c). In between changes there are none, and this costs a call one look at a number. */
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/hash_bytes.h"
#include "core/base/mem.h"
#include "net/client/client_parts.h"

/* Links to owners. */

static void forget(struct pdr_client *c, const struct link *link)
{
    for (uint32_t i = 0; c->map != NULL && i < c->map->node_count; i++) {
        c->by_node[i] = c->by_node[i] == link ? NULL : c->by_node[i];
    }
}

/* NULL: there are as many as there may be, and all are in use. */
static struct link *new_owner(struct pdr_client *c)
{
    if (c->owner_count < PDR_CLIENT_LINKS_MAX) {
        struct link *link = mem_new(sizeof *link);
        link_init(link, c, rng_next(&c->home.backoff.rng));
        c->owners[c->owner_count++] = link;
        return link;
    }
    for (uint32_t i = 0; c->has_down && i < c->owner_count; i++) {
        if (c->owners[i]->state == LINK_DOWN) {
            forget(c, c->owners[i]);
            return c->owners[i];
        }
    }
    c->has_down = false;
    return NULL;
}

/* To a node of the map; connecting, if it was not connected. */
static struct link *owner(struct pdr_client *c, uint32_t index)
{
    const char *why;
    struct link *link = c->by_node[index];
    if (link == NULL) {
        link = new_owner(c);
        if (link == NULL) {
            return NULL;
        }
        c->by_node[index] = link;
        link->node = c->map->nodes[index].id;
        snprintf(link->address, sizeof link->address, "%s", c->map->nodes[index].address);
    }
    if (link->state == LINK_DOWN && !link_connect(link, &why)) {
        link_wait(link, why, false);
    }
    return link;
}

void ways_check_use(struct link *link)
{
    if (link == &link->client->home) {
        return;
    }
    if (!link->is_used && link->calls == 0) {
        link_flush(link);
        link_hang_up(link, "it was not used");
    }
    link->is_used = false;
}

/* The choice. */

/* A node that has said farewell answers what it has, and takes nothing new. */
static bool takes_calls(const struct link *link)
{
    return link_is_usable(link) && link->farewell[0] == '\0';
}

struct link *ways_default(struct pdr_client *c)
{
    for (uint32_t i = 0; !takes_calls(&c->home) && i < c->owner_count; i++) {
        if (takes_calls(c->owners[i])) {
            return c->owners[i];
        }
    }
    return &c->home;
}

struct link *ways_straight(struct pdr_client *c, const struct pdr_ref *actor, uint64_t key_hash)
{
    uint32_t index = c->is_direct ? client_map_owner(c->map, actor, key_hash) : CLIENT_MAP_NOBODY;
    struct link *link = index == CLIENT_MAP_NOBODY ? NULL : owner(c, index);
    if (link == NULL || !takes_calls(link)) {
        return NULL;
    }
    link->is_used = true;
    return link;
}

struct link *ways_choose(struct pdr_client *c, const struct pdr_ref *actor, uint64_t *hash)
{
    *hash = SLOT_UNTRACKED;
    if (!c->is_tracking) {
        return &c->home;
    }
    uint64_t key_hash = pdr_ref_hash(actor->key);
    *hash = hash_bytes(actor->type, key_hash) | (SLOT_UNTRACKED + 1);
    const struct detour *detour = detour_find(c, *hash);
    if (detour != NULL) {
        return detour->link;
    }
    struct link *straight = ways_straight(c, actor, key_hash);
    return straight != NULL ? straight : ways_default(c);
}

/* Changes. */

/* What waits for a link that is lost goes by another, in the same order. */
static void pass_on(struct pdr_client *c, struct link *from)
{
    if (from->out.size == 0 || ways_default(c) == from) {
        return;
    }
    pdr_writer waited = from->out;
    pdr_writer_init(&from->out, NULL, 0, 0);
    retry_unsent(c, pdr_written(&waited), NULL);
    pdr_writer_release(&waited);
}

void ways_opened(struct pdr_client *c)
{
    if (!link_is_usable(&c->home)) {
        pass_on(c, &c->home);
    }
    detours_keep(c);
}

void ways_left(struct pdr_client *c)
{
    detours_keep(c);
}

void ways_lost(struct pdr_client *c, struct link *link)
{
    pass_on(c, link);
    detours_keep(c);
    detours_leave(c, link, ways_default(c));
    if (link != &c->home && link_is_usable(ways_default(c))) {
        map_ask(ways_default(c), false); /* perhaps its shards have moved */
    }
}

/* Links find their nodes in the map. */
void ways_bind(struct pdr_client *c)
{
    const struct client_map *map = c->map;
    for (uint32_t i = 0; i < map->node_count; i++) {
        c->by_node[i] = c->home.node != 0 && c->home.node == map->nodes[i].id ? &c->home : NULL;
        for (uint32_t k = 0; c->by_node[i] == NULL && k < c->owner_count; k++) {
            struct link *link = c->owners[k];
            bool is_it = link->node == map->nodes[i].id && strcmp(link->address, map->nodes[i].address) == 0;
            c->by_node[i] = is_it ? link : NULL;
        }
    }
    detours_keep(c);
}

/* A node alone has all there is, and nobody wants to know whose a call is. When it becomes several, those that are
 * under way could be overtaken: calls go straight to owners only when they are answered. */
static bool has_untracked(const struct pdr_client *c)
{
    for (uint32_t i = 0; i < c->slots.touched; i++) {
        if (c->slots.table[i].cb != NULL && c->slots.table[i].actor == SLOT_UNTRACKED) {
            return true;
        }
    }
    return false;
}

void ways_check_direct(struct pdr_client *c)
{
    bool is_cluster = c->map != NULL && c->map->node_count > 1;
    bool may_track = !c->skips_map && !c->session.wanted;
    c->is_tracking = may_track && (c->map == NULL || is_cluster || c->owner_count > 0);
    c->is_direct = c->is_tracking && is_cluster && !has_untracked(c);
}

void ways_take_map(struct pdr_client *c, struct client_map *map)
{
    client_map_free(c->map);
    mem_free(c->by_node);
    c->map = map;
    c->by_node = mem_new((map->node_count + 1) * sizeof(struct link *));
    ways_bind(c);
    ways_check_direct(c);
}

void ways_release(struct pdr_client *c)
{
    for (uint32_t i = 0; i < c->owner_count; i++) {
        link_release(c->owners[i]);
        mem_free(c->owners[i]);
    }
    client_map_free(c->map);
    mem_free(c->by_node);
    CHECK(hash_count(&c->detours) == 0);
    hash_release(&c->detours);
}

void ways_init(struct pdr_client *c)
{
    hash_init(&c->detours);
    ways_check_direct(c);
}
