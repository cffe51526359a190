/* tests/simulation/forward/directory.c: the sites are members of one cluster: the real directory, on their own disks
 * and links, decides who owns what. The first one founds it, the others join, each start is another incarnation. */
#include "core/base/check.h"
#include "core/shard/shard.h"
#include "tests/simulation/forward/world.h"
#include "tools/node/node_parts.h"

#define CLUSTER "00112233445566778899aabbccddeeff"

static void entropy(void *user, void *out, size_t size)
{
    struct site *site = user;
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)out)[i] = (uint8_t)rng_next(&site->world->sim.rng);
    }
}

/* What tools/node/home.c does, on a disk that keeps a file whole. */
static void keep(void *user, const struct membership_record *record)
{
    struct site *site = user;
    if (record->boot == site->boot) {
        site->known = record->boot;
        site->boot = rng_next(&site->world->sim.rng) | 1;
    }
}

static void must_end(void *user, const char *why)
{
    struct site *site = user;
    SIM_CHECK(&site->world->sim, false, "site %u must end: %s", site->index, why);
}

static void before_open(void *user, struct sim_node *n)
{
    struct site *site = user;
    struct world *w = site->world;
    struct membership_options *o = &site->membership;
    *o = (struct membership_options){.node = site->id,
                                     .incarnation = n->starts,
                                     .boot = site->boot,
                                     .known = site->known,
                                     .cluster = CLUSTER,
                                     .founds = site->index == 0 && site->known == 0,
                                     .secret = w->secret,
                                     .contacts = site->contacts,
                                     .expect = w->site_count,
                                     .control_transport = n->control_transport,
                                     .entropy = entropy,
                                     .entropy_user = site,
                                     .replicates = w->copies > 1,
                                     .part_bytes = 64 + (uint32_t)(site->id % 4096),
                                     .leader = {.repair_ms = 2000, .copies_max = w->copies, .moves = true},
                                     .hooks = {site, keep, must_end}};
    for (uint32_t i = 0; i < w->site_count; i++) {
        if (i != site->index) {
            struct membership_contact *contact = &site->contacts[o->contact_count++];
            contact->node = w->sites[i].id;
            snprintf(contact->address, sizeof contact->address, "%s", w->sites[i].node.address);
        }
    }
}

void directory_site_init(struct site *site)
{
    static const char *const names[SITES_MAX] = {"site-0", "site-1", "site-2"};
    site->boot = rng_next(&site->world->sim.rng) | 1;
    site->node.options.self = 0;
    site->node.options.name = names[site->index];
    site->node.options.membership = &site->membership;
    site->node.before_open = before_open;
}

/* What an operator does. */

static void answered(void *user, const struct member_answer *answer) {}

/* Of a site that is up and a member; NULL: none is. */
static struct member *some_member(struct world *w)
{
    for (uint32_t i = 0, first = (uint32_t)sim_draw(&w->sim, w->site_count); i < w->site_count; i++) {
        const struct sim_node *n = &w->sites[(first + i) % w->site_count].node;
        struct member *member = n->state == SIM_NODE_UP ? membership_member(n->node) : NULL;
        if (member != NULL && member_is_registered(member)) {
            return member;
        }
    }
    return NULL;
}

static void propose(struct member *member, const struct command *command)
{
    member_propose(member, command, 5000, answered, NULL);
}

/* One that has something, if one can be found. */
static bool has_entries(const struct world *w, uint32_t shard)
{
    for (uint32_t i = 0; i < w->site_count; i++) {
        const struct sim_node *n = &w->sites[i].node;
        if (n->state == SIM_NODE_UP && n->node->cores[shard % n->cores]->shards[shard]->last_seq > 0) {
            return true;
        }
    }
    return false;
}

static const struct cluster_shard *draw_shard(struct world *w, const struct row_list *shards)
{
    const struct cluster_shard *shard = NULL;
    for (uint32_t tries = 0; tries < 60 && (shard == NULL || !has_entries(w, shard->shard)); tries++) {
        shard = &shards->at[sim_draw(&w->sim, shards->count)]->entry.shard;
    }
    return shard;
}

void directory_move(struct world *w)
{
    struct member *member = some_member(w);
    const struct row_list *shards = member != NULL ? &member_view(member)->rows.of[ROW_SHARD] : NULL;
    for (uint32_t i = 1 + (uint32_t)sim_draw(&w->sim, 12); shards != NULL && shards->count > 0 && i > 0; i--) {
        const struct cluster_shard *shard = draw_shard(w, shards);
        struct command command = {.kind = COMMAND_TARGETS, .targets = {.shard = shard->shard, .cv = shard->cv}};
        ids_add(&command.targets.targets, w->sites[sim_draw(&w->sim, w->site_count)].id);
        sim_note(&w->sim, "move", shard->shard, shard->cv);
        propose(member, &command);
    }
}

void directory_drain(struct world *w, bool drains)
{
    struct member *member = some_member(w);
    uint32_t which = (uint32_t)sim_draw(&w->sim, w->site_count);
    for (uint32_t i = 0; member != NULL && i < w->site_count; i++) {
        struct command command = {.kind = COMMAND_DRAIN, .drain = {w->sites[i].id, drains && i == which}};
        propose(member, &command);
    }
}

bool directory_is_whole(const struct world *w)
{
    uint32_t leaders = 0;
    for (uint32_t i = 0; i < w->site_count; i++) {
        const struct node *node = w->sites[i].node.node;
        const struct member *member = node == NULL ? NULL : membership_member(node);
        if (member == NULL || !member_is_registered(member)) {
            return false;
        }
        leaders += member_leading(member) != NULL;
    }
    return leaders == 1;
}
