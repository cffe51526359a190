/* tests/directory/random_command.c: arguments are taken from the rows as they are, nine times in ten. */
#include "tests/directory/random_command.h"

#include <stdio.h>

void random_source_init(struct random_source *source, uint64_t seed)
{
    *source = (struct random_source){.next_rid = 1};
    rng_seed(&source->rng, seed);
}

void random_source_release(struct random_source *source)
{
    pdr_writer_release(&source->labels);
}

uint64_t random_node_id(uint64_t k)
{
    return (k + 1) * 0x9e3779b97f4a7c15ull;
}

static uint64_t below(struct random_source *source, uint64_t n)
{
    return rng_below(&source->rng, n);
}

static bool mostly(struct random_source *source)
{
    return rng_chance(&source->rng, 90);
}

static uint64_t any_node(struct random_source *source)
{
    return rng_chance(&source->rng, 2) ? below(source, 3) : random_node_id(below(source, RANDOM_NODES));
}

static struct pdr_bytes text(struct random_source *source, size_t at, const char *stem, uint64_t number)
{
    char *to = (char *)source->room + at;
    int size = snprintf(to, 64, "%s%llu", stem, (unsigned long long)number);
    return pdr_bytes(to, (size_t)size);
}

static struct pairs some_labels(struct random_source *source)
{
    static const char *const zones[] = {"a", "b", "c"};
    pdr_writer_clear(&source->labels);
    uint32_t count = (uint32_t)below(source, 3);
    pdr_write_map(&source->labels, count);
    if (count == 2) {
        pdr_write_cstr(&source->labels, "gpu");
        pdr_write_cstr(&source->labels, "h100");
    }
    if (count > 0) {
        pdr_write_cstr(&source->labels, "zone");
        pdr_write_cstr(&source->labels, zones[below(source, 3)]);
    }
    return (struct pairs){pdr_written(&source->labels)};
}

/* Nodes. */

static struct command a_registration(struct random_source *source, const struct cluster_rows *rows)
{
    uint64_t k = below(source, RANDOM_NODES), node = random_node_id(k);
    const struct cluster_member *member = cluster_rows_member(rows, node);
    uint64_t last = member == NULL ? 0 : member->incarnation;
    bool again = member != NULL && !mostly(source); /* its answer did not come */
    return (struct command){
        .kind = COMMAND_REGISTER,
        .register_ = {.node = node,
                      .incarnation = again            ? last
                                     : mostly(source) ? last + 1
                                                      : below(source, 5),
                      .boot = again && mostly(source) ? member->boot : 1 + below(source, 1000000),
                      .known = member != NULL && mostly(source) ? member->boot : below(source, 3),
                      .name = text(source, 0, "node-", mostly(source) ? k : below(source, RANDOM_NODES)),
                      .address = text(source, 64, "10.0.0.1:", mostly(source) ? k : below(source, RANDOM_NODES)),
                      .labels = some_labels(source),
                      .format = mostly(source) ? 1 : (uint32_t)below(source, 2),
                      .forgot = rng_chance(&source->rng, 10)}};
}

static uint64_t its_incarnation(struct random_source *source, const struct cluster_rows *rows, uint64_t node)
{
    const struct cluster_member *member = cluster_rows_member(rows, node);
    return member != NULL && mostly(source) ? member->incarnation : below(source, 4);
}

static struct command about_a_node(struct random_source *source, const struct cluster_rows *rows)
{
    uint64_t node = any_node(source), incarnation = its_incarnation(source, rows, node);
    switch (below(source, 8)) {
    case 0:
        return (struct command){.kind = COMMAND_DRAIN, .drain = {node, below(source, 2) == 0}};
    case 1:
        return (struct command){.kind = COMMAND_ROLE,
                                .role = {node, (uint8_t)(rng_chance(&source->rng, 70) ? 0 : below(source, 3))}};
    case 2:
        return (struct command){.kind = COMMAND_EXPEL, .expel = {node}};
    case 3:
        pdr_writer_clear(&source->labels);
        pdr_write_map(&source->labels, 1);
        pdr_write_str(&source->labels, text(source, 0, mostly(source) ? "type" : "Type", below(source, 3)));
        pdr_write_cstr(&source->labels, "1.0");
        return (struct command){.kind = COMMAND_PUBLISH,
                                .publish = {node, incarnation, {pdr_written(&source->labels)}}};
    default:
        if (below(source, 4) == 0) {
            return (struct command){.kind = COMMAND_LEAVE, .leave = {node, incarnation}};
        }
        return (struct command){.kind = COMMAND_ALIVE, .alive = {node, incarnation, below(source, 2) == 0}};
    }
}

/* Groups. */

static struct command about_groups(struct random_source *source)
{
    uint8_t min_isr = (uint8_t)(mostly(source) ? 1 + below(source, 2) : below(source, 6));
    struct pdr_bytes name = text(source, 0, "group", below(source, 3));
    switch (below(source, 7)) {
    case 0:
        return (struct command){.kind = COMMAND_SETTINGS, .settings = {3, min_isr, below(source, 5) == 0 ? 4 : 3}};
    case 6:
        return (struct command){.kind = COMMAND_PAUSE, .pause = {below(source, 2) == 0}};
    case 1:
        return (struct command){.kind = COMMAND_FORMAT, .format = {(uint32_t)below(source, 3)}};
    case 2:
        return (struct command){.kind = COMMAND_GROUP,
                                .group = {name, (uint32_t)below(source, 4), 3, min_isr, some_labels(source)}};
    case 3:
        return (struct command){
            .kind = COMMAND_REGROUP,
            .regroup = {name, 3, min_isr, some_labels(source), below(source, 2) == 0 ? 0 : any_node(source)}};
    case 4:
        return (struct command){.kind = COMMAND_PIN,
                                .pin = {pdr_str(mostly(source) ? "counter" : "_"),
                                        text(source, 64, "tag", below(source, 2)),
                                        below(source, 2) == 0 ? 0 : any_node(source), some_labels(source)}};
    default:
        return (struct command){.kind = COMMAND_TYPE, .type = {text(source, 64, "type", below(source, 6)), name}};
    }
}

/* Shards. */

static struct ids some_nodes(struct random_source *source)
{
    struct ids ids = {0};
    uint64_t count = 1 + below(source, 4);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t node = any_node(source);
        if (!ids_have(&ids, node) || rng_chance(&source->rng, 1)) {
            ids_add(&ids, node);
        }
    }
    return ids;
}

static struct command an_assignment(struct random_source *source, uint32_t shard)
{
    struct command command = {.kind = COMMAND_ASSIGN, .assign = {.shard = shard, .targets = some_nodes(source)}};
    for (uint32_t i = 0; i < command.assign.targets.count; i++) {
        copies_add(&command.assign.isr, (struct copy){command.assign.targets.at[i], source->next_rid++});
    }
    command.assign.primary = mostly(source) ? command.assign.targets.at[0] : any_node(source);
    command.assign.min_isr = (uint8_t)(mostly(source) ? 1 + below(source, command.assign.isr.count) : below(source, 6));
    return command;
}

static struct copy a_copy(struct random_source *source, const struct cluster_shard *shard)
{
    if (shard->isr.count > 0 && mostly(source)) {
        return shard->isr.at[below(source, shard->isr.count)];
    }
    return (struct copy){any_node(source), 1 + below(source, source->next_rid)};
}

static uint64_t a_target(struct random_source *source, const struct cluster_shard *shard)
{
    bool one = shard->targets.count > 0 && mostly(source);
    return one ? shard->targets.at[below(source, shard->targets.count)] : any_node(source);
}

static struct command about_a_shard(struct random_source *source, const struct cluster_shard *shard)
{
    uint64_t cv = mostly(source) ? shard->cv : shard->cv - below(source, 2);
    uint32_t id = shard->shard;
    struct copy copy = a_copy(source, shard);
    switch (below(source, 12)) {
    case 0:
    case 1:
        return (struct command){.kind = COMMAND_PROMOTE, .promote = {id, cv, copy.node}};
    case 2:
    case 3:
    case 4:
        return (struct command){.kind = COMMAND_ADD, .add = {id, cv, a_target(source, shard), source->next_rid++}};
    case 5:
        return (struct command){.kind = COMMAND_REMOVE, .remove = {id, cv, copy.rid}};
    case 6:
        return (struct command){.kind = COMMAND_TRANSFER, .transfer = {id, cv, copy.node}};
    case 7:
        return (struct command){.kind = COMMAND_TOUCH, .touch = {id, cv}};
    case 8:
        return (struct command){.kind = COMMAND_TARGETS, .targets = {id, cv, some_nodes(source)}};
    case 9:
        return (struct command){.kind = COMMAND_MIN_ISR, .min_isr = {id, cv, (uint8_t)below(source, 4)}};
    case 10:
        return (struct command){.kind = COMMAND_LOST, .lost = {id, cv, copy.rid}};
    default:
        if (!rng_chance(&source->rng, 30)) {
            return an_assignment(source, id);
        }
        return (struct command){.kind = COMMAND_FORCE, .force = {id, cv, copy.node, copy.rid}};
    }
}

/* Elections: few names and owners, so that they meet. */

static struct pdr_bytes some_value(struct random_source *source)
{
    uint8_t *to = source->room + 64;
    to[0] = (uint8_t)(mostly(source) ? below(source, 3) : 0xc1); /* a small number; what is no value */
    return pdr_bytes(to, 1);
}

/* LAPSE is said of who stands, whoever it is. */
static struct command a_lapse(struct random_source *source, const struct cluster_rows *rows)
{
    const struct row_list *list = &rows->of[ROW_ELECTION];
    struct command command = {.kind = COMMAND_LAPSE, .lapse = {(uint32_t)below(source, list->count + 1), 1}};
    struct candidate candidate;
    if (command.lapse.slot < list->count) {
        struct pdr_bytes rest = candidates_items(list->at[command.lapse.slot]->entry.election.candidates);
        while (candidates_next(&rest, &candidate) && !rng_chance(&source->rng, 40)) {
            command.lapse.order = candidate.order;
        }
    }
    return command;
}

static struct command about_elections(struct random_source *source, const struct cluster_rows *rows)
{
    struct pdr_bytes name = text(source, 0, "e", below(source, RANDOM_ELECTIONS));
    uint64_t owner = below(source, 6) + mostly(source);
    uint64_t dice = below(source, 10);
    if (dice < 5) {
        return (struct command){
            .kind = COMMAND_CAMPAIGN,
            .campaign = {name, owner, any_node(source), mostly(source) ? 1000 : 10, some_value(source)}};
    }
    if (dice < 8) {
        const struct cluster_election *election = cluster_rows_election(rows, name);
        uint64_t token = election != NULL && mostly(source) ? election->token : below(source, 100);
        return (struct command){.kind = COMMAND_RESIGN,
                                .resign = {name, rng_chance(&source->rng, 30) ? 0 : owner, token}};
    }
    return a_lapse(source, rows);
}

struct command random_command(struct random_source *source, const struct cluster_rows *rows)
{
    const struct cluster_info *info = cluster_rows_info(rows);
    if (info == NULL || rng_chance(&source->rng, 1)) {
        memset(source->room, 7, CLUSTER_ID_SIZE);
        return (struct command){.kind = mostly(source) ? COMMAND_FOUND : COMMAND_FORMAT,
                                .found = {pdr_bytes(source->room, CLUSTER_ID_SIZE), 4, 3, 2, 3}};
    }
    uint64_t dice = below(source, 100);
    if (dice < 12) {
        return a_registration(source, rows);
    }
    if (dice < 25) {
        return about_a_node(source, rows);
    }
    if (dice < 30) {
        return about_groups(source);
    }
    if (dice < 45) {
        return about_elections(source, rows);
    }
    uint32_t id = (uint32_t)below(source, info->next_shard + (below(source, 20) == 0));
    const struct cluster_shard *shard = cluster_rows_shard(rows, id);
    if (shard == NULL && !rng_chance(&source->rng, 5)) {
        return an_assignment(source, id);
    }
    return about_a_shard(source, shard != NULL ? shard : &(const struct cluster_shard){.shard = id});
}
