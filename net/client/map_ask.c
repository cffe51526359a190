/* net/client/map_ask.c: the map of the cluster: asked for on each new connection, now and then, and when an owner is
 * lost. Who has the newest is answered nil. Whoever makes no calls does not ask. */
#include "core/env/clock.h"
#include "net/client/client_parts.h"
#include "net/wire/codec.h"
#include "net/wire/rpc.h"

#define ASK_MS 5000u        /* about, between two questions */
#define ASK_ALONE_MS 60000u /* ... to a node that is alone */
#define UNTRACKED_MS 100u   /* ... while calls may not go straight to owners yet */

void map_ask(struct link *link, bool anew)
{
    struct pdr_client *c = link->client;
    uint8_t room[16];
    pdr_writer args;
    if (c->skips_map || link->asks_map || link->knows_no_map || (c->session.wanted && !anew)) {
        return;
    }
    size_t before = link->out.size;
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 1);
    if (c->map != NULL && !anew) {
        pdr_write_uint(&args, c->map->version);
    } else {
        pdr_write_nil(&args);
    }
    codec_request(&link->out, CLIENT_MAP_MSGID, pdr_str("_sys/directory"), pdr_str("map"), pdr_written(&args));
    pdr_writer_release(&args);
    link->asks_map = !link->out.failed;
    if (link->out.failed) { /* another time */
        link->out.size = before;
        link->out.failed = false;
    }
    c->is_active = false;
}

/* A node that was set up anew begins to count anew. */
static bool is_other_cluster(const struct client_map *a, const struct client_map *b)
{
    for (uint32_t i = 0; i < a->node_count; i++) {
        for (uint32_t k = 0; k < b->node_count; k++) {
            if (a->nodes[i].id == b->nodes[k].id) {
                return false;
            }
        }
    }
    return true;
}

static void set_timer(struct pdr_client *c)
{
    uint32_t ms = c->is_direct ? ASK_MS : ASK_ALONE_MS;
    ms = c->is_tracking && c->map != NULL && !c->is_direct ? UNTRACKED_MS : ms;
    ms = ms / 2 + (uint32_t)rng_below(&c->home.backoff.rng, ms);
    timer_set(&c->wheel, &c->map_timer, loop_now_ns(c->loop) + ms * NS_PER_MS);
}

static void take(struct link *link, pdr_value answer)
{
    struct pdr_client *c = link->client;
    struct client_map *map;
    const char *why;
    if (client_map_read(answer, &map, &why) != PDR_OK) {
        return; /* calls go on as without one */
    }
    bool is_home_known = link == &c->home && map->self != CLIENT_MAP_NOBODY;
    if (is_home_known) {
        c->home.node = map->nodes[map->self].id;
    }
    if (c->map == NULL || map->version > c->map->version || is_other_cluster(c->map, map)) {
        ways_take_map(c, map);
        set_timer(c);
    } else {
        client_map_free(map);
        ways_bind(c);
    }
}

void map_ask_answered(struct link *link, const struct frame *frame)
{
    struct rpc_error error;
    if (!link->asks_map) {
        return;
    }
    link->asks_map = false;
    if (*(const uint8_t *)frame->error.data != 0xc0) {
        rpc_parse_error(frame->error, &error);
        enum pdr_status status = pdr_status_from_wire(error.code.data, error.code.size);
        link->knows_no_map = pdr_status_retry(status) == PDR_RETRY_NEVER;
    } else if (pdr_value_kind(frame->result) != PDR_KIND_NIL) {
        take(link, frame->result);
    }
}

static void fire(struct timer *timer)
{
    struct pdr_client *c = LIST_ITEM(timer, struct pdr_client, map_timer);
    struct link *link = ways_default(c);
    ways_check_direct(c);
    if (c->is_active && link_is_usable(link)) {
        link->asks_map = false; /* who has not answered the last question is asked again */
        map_ask(link, false);
    }
    set_timer(c);
}

void map_ask_init(struct pdr_client *c)
{
    timer_init(&c->map_timer, fire);
}

void map_ask_start(struct pdr_client *c)
{
    set_timer(c);
}
