/* net/forward/forward_barrier.c: order across the moment in which a shard leaves this node, or comes to it.
 *
 * Calls that its core has queued come back (PDR_MOVED) one by one, when it closes; those that are made meanwhile would
 * go to the new owner before them. So each core, when its map says that a shard has left, sends a barrier after its own
 * calls: the shard's core gives it back once it has closed the shard, behind all calls that it gave back. Until then
 * what is made anew waits, and what comes back stands before it.
 *
 * When a shard comes its core may hear of it later than others do, and send back the first of the calls that they hand
 * it, but not the next. So they wait in the same way, until it has the map. */
#include "core/base/mem.h"
#include "core/shard/shard.h"
#include "net/forward/forward_parts.h"

#define BAR_NS (250 * NS_PER_MS) /* a shard that takes longer to close does so for want of its disk */
#define BAR_ORDERS (1ull << 32)

static void come_back(struct message *message)
{
    struct forward_barrier *b = LIST_ITEM(message, struct forward_barrier, message);
    struct forward *f = b->home;
    if (!f->core->dead) {
        struct forward_wait *wait = forward_wait_of(f, b->shard);
        wait->bars--;
        forward_wait_due(wait);
    }
    mem_free(b);
}

static void arrive(struct message *message)
{
    struct forward_barrier *b = LIST_ITEM(message, struct forward_barrier, message);
    if (b->at->core->dead) {
        mem_free(b);
    } else {
        list_push_back(&b->at->barriers, &b->node);
    }
}

static void raise_bar(struct forward *f, uint32_t shard)
{
    struct forward_wait *wait = forward_wait_of(f, shard);
    struct forward_barrier *b = mem_new(sizeof *b);
    *b = (struct forward_barrier){.message = {.deliver = arrive},
                                  .home = f,
                                  .at = f->router->forwards[cluster_map_core(f->core->map, shard)],
                                  .shard = shard,
                                  .version = f->core->map->version};
    wait->bars++;
    wait->bar_ns = core_now_ns(f->core) + BAR_NS;
    wait->bar_orders = f->orders + 1;
    f->orders += BAR_ORDERS;
    loop_post(b->at->core->world.loop, &b->message);
}

void forward_bar(struct forward *f)
{
    const struct cluster_map *map = f->core->map;
    if (map->owner_count > f->was_count) {
        f->was_here = mem_grow(f->was_here, map->owner_count * sizeof *f->was_here);
        memset(f->was_here + f->was_count, 0, (map->owner_count - f->was_count) * sizeof *f->was_here);
        f->was_count = map->owner_count;
    }
    for (uint32_t shard = 0; shard < map->owner_count; shard++) {
        bool is_here = map->owners[shard].node == map->self;
        if (f->was_here[shard] != is_here && !f->closing) {
            raise_bar(f, shard);
        }
        f->was_here[shard] = is_here;
    }
}

/* Its core has the map too, and either closed the shard or serves it anew. */
static bool is_over(const struct forward *f, const struct forward_barrier *b)
{
    const struct core *core = f->core;
    const struct shard *shard = b->shard < core->shard_count ? core->shards[b->shard] : NULL;
    return shard == NULL || (core->map->version >= b->version &&
                             (shard->state == DUTY_CLOSED || cluster_map_is_here(core->map, b->shard)));
}

void forward_barriers_look(struct forward *f)
{
    struct list *next;
    for (struct list *node = f->barriers.next; node != &f->barriers; node = next) {
        struct forward_barrier *b = LIST_ITEM(node, struct forward_barrier, node);
        next = node->next;
        if (is_over(f, b)) {
            list_remove(node);
            b->message.deliver = come_back;
            loop_post(b->home->core->world.loop, &b->message);
        }
    }
}

void forward_barriers_free(struct forward *f)
{
    struct list *node;
    while ((node = list_pop(&f->barriers)) != NULL) {
        mem_free(LIST_ITEM(node, struct forward_barrier, node));
    }
    mem_free(f->was_here);
}
