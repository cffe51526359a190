/* tests/simulation/cluster/cluster_links.c: frames between nodes: late, lost, doubled; never overtaking. */
#include "core/base/mem.h"
#include "tests/simulation/cluster/cluster_world.h"

struct flying {
    struct sim_event event;
    struct list node;
    struct cluster_world *world;
    uint64_t from, to;
    enum peer_kind kind;
    size_t size;
    uint8_t bytes[];
};

static void arrived(struct sim_event *event)
{
    struct flying *frame = LIST_ITEM(event, struct flying, event);
    struct cluster_world *world = frame->world;
    struct cluster_host *node = cluster_world_node(world, frame->to);
    if (node->member != NULL && node->asleep_until_ns > world->sim.now_ns) {
        sim_at(&world->sim, event, node->asleep_until_ns);
        return;
    }
    list_remove(&frame->node);
    if (node->member != NULL) {
        cluster_host_works(node, true);
        member_receive(node->member, frame->from, frame->kind, pdr_bytes(frame->bytes, frame->size));
        cluster_host_works(node, false);
        cluster_host_arm(node);
    }
    mem_free(frame);
}

static void fly(struct cluster_host *from, struct cluster_host *to, enum peer_kind kind, struct pdr_bytes bytes)
{
    struct cluster_world *world = from->world;
    uint64_t *newest = &cluster_world_link(world, from->place, to->place)->newest_ns;
    uint64_t at = world->sim.now_ns + sim_delay(&world->sim, world->delay_ns);
    struct flying *frame = mem_new(sizeof *frame + bytes.size);
    frame->event = (struct sim_event){.fire = arrived, .name = "cluster.frame", .subject = to->place};
    frame->world = world;
    frame->from = from->id;
    frame->to = to->id;
    frame->kind = kind;
    frame->size = bytes.size;
    memcpy(frame->bytes, bytes.data, bytes.size);
    list_push_back(&world->frames, &frame->node);
    at = *newest = at > *newest ? at : *newest + 1;
    sim_at(&world->sim, &frame->event, at);
}

static void tell(const struct cluster_host *from, const struct cluster_host *to, struct pdr_bytes frame, bool lost)
{
    static const char *const kinds[] = {
#define LETTER_NAME(number, NAME, name) [number] = #name,
        LETTER_TABLE(LETTER_NAME)
#undef LETTER_NAME
    };
    struct letter letter;
    struct fault fault;
    if (from->world->sim.story != NULL && letter_read(frame, &letter, &fault) == PDR_OK) {
        sim_tell(&from->world->sim, "  %u to %d: %s%s", from->place, to != NULL ? (int)to->place : -1,
                 kinds[letter.kind], lost ? ", lost" : "");
    }
}

/* A letter is the array [kind, ...], and both fit a byte. */
static void count(struct cluster_host *from, enum peer_kind kind, struct pdr_bytes frame)
{
    uint32_t letter = kind == PEER_DIRECTORY ? ((const uint8_t *)frame.data)[1] : 0;
    from->traffic.frames[letter]++;
    from->traffic.bytes[letter] += frame.size;
}

static void leave(struct cluster_host *from, uint64_t to, enum peer_kind kind, struct pdr_bytes frame)
{
    struct cluster_world *world = from->world;
    struct cluster_host *node = cluster_world_node(world, to);
    count(from, kind, frame);
    sim_fold(&world->sim, frame);
    bool lost = node == NULL || node == from || cluster_world_link(world, from->place, node->place)->is_cut ||
                sim_chance(&world->sim, world->loss_percent);
    if (kind == PEER_DIRECTORY) {
        tell(from, node, frame, lost);
    }
    if (lost) {
        return;
    }
    fly(from, node, kind, frame);
    if (sim_chance(&world->sim, world->double_percent)) {
        fly(from, node, kind, frame);
    }
}

void cluster_links_send(struct cluster_host *from, uint64_t to, enum peer_kind kind, struct pdr_bytes frame)
{
    cluster_host_works(from, false); /* the simulator does, from here */
    leave(from, to, kind, frame);
    cluster_host_works(from, true);
}

void cluster_links_release(struct cluster_world *world)
{
    struct list *node;
    while ((node = list_pop(&world->frames)) != NULL) {
        struct flying *frame = LIST_ITEM(node, struct flying, node);
        sim_cancel(&world->sim, &frame->event);
        mem_free(frame);
    }
}
