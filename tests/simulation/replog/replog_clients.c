/* tests/simulation/replog/replog_clients.c: writes and reads, at whichever node takes itself for the primary. */
#include "core/base/endian.h"
#include "core/base/mem.h"
#include "tests/simulation/replog/replog_world.h"

static struct waiting *free_wait(struct replog_copy *copy)
{
    for (uint32_t i = 0; i < REPLOG_WAITS_MAX; i++) {
        if (copy->waits[i].kind == WAITING_NONE) {
            return &copy->waits[i];
        }
    }
    return NULL;
}

/* Any that thinks that it leads: a deposed one may, too. */
static struct replog_copy *choose(struct replog_world *world, bool asleep_too)
{
    uint32_t shard = (uint32_t)sim_draw(&world->sim, world->shards);
    uint32_t from = (uint32_t)sim_draw(&world->sim, world->node_count);
    for (uint32_t i = 0; i < world->node_count; i++) {
        struct replog_node *node = &world->nodes[(from + i) % world->node_count];
        struct replog_copy *copy = &node->copies[shard];
        if ((asleep_too || !replog_node_is_asleep(node)) && copy->replica != NULL && replog_is_primary(copy->replica)) {
            return copy;
        }
    }
    return NULL;
}

static void write_one(struct replog_copy *copy)
{
    struct replog_node *node = copy->node;
    struct replog_world *world = node->world;
    struct waiting *wait = free_wait(copy);
    uint8_t payload[4096] = {0};
    if (wait == NULL || !replog_admits(copy->replica)) {
        return;
    }
    uint64_t number = ++world->numbers;
    put_le64(payload, number);
    uint64_t size = 8 + sim_draw(&world->sim, world->pad_max);
    struct replica_state state = replog_state(copy->replica);
    uint64_t seq = replog_made(copy->replica, pdr_bytes(payload, size));
    written_put(&copy->live, seq, state.promised, number);
    replog_judge_made(copy, state.promised, seq);
    replog_disk_submit(node, &(struct disk_record){.kind = RECORD_ENTRY,
                                                   .shard = copy->shard,
                                                   .epoch = state.promised,
                                                   .seq = seq,
                                                   .promised = state.promised,
                                                   .number = number});
    *wait = (struct waiting){.kind = WAITING_WRITE, .number = number, .seq = seq};
    replog_node_worked(node);
}

static void write(struct sim_event *event)
{
    struct replog_world *world = LIST_ITEM(event, struct replog_world, write);
    struct replog_copy *copy = choose(world, false);
    uint64_t count = sim_chance(&world->sim, 20) ? sim_between(&world->sim, 2, 8) : 1;
    for (uint64_t i = 0; i < count && copy != NULL; i++) {
        write_one(copy);
    }
    bool rests = !world->healed && sim_chance(&world->sim, world->rest_percent);
    uint64_t typical_ns = rests ? NS_PER_S : world->writes_every_ns;
    sim_after(&world->sim, event, sim_delay(&world->sim, typical_ns));
}

/* R15: the value first, then the wait, then the lease, then the answer. */

struct last_look {
    struct replog_later later;
    struct replog_copy *copy;
    uint64_t number;
};

static void answer(struct replog_copy *copy, struct waiting *read, const char *how, uint64_t *reached)
{
    replog_judge_read(copy, read, how);
    (*reached)++;
    read->kind = WAITING_NONE;
}

/* R14. */
static void ask_others(struct replog_copy *copy, struct waiting *read)
{
    read->passed = true;
    read->round = replog_confirm(copy->replica);
    if (read->round == 0) {
        read->kind = WAITING_NONE;
    }
}

static void look_last(struct replog_later *later)
{
    struct last_look *look = LIST_ITEM(later, struct last_look, later);
    struct replog_copy *copy = look->copy;
    struct replog_world *world = later->world;
    for (uint32_t i = 0; i < REPLOG_WAITS_MAX; i++) {
        struct waiting *read = &copy->waits[i];
        if (read->kind != WAITING_READ || read->number != look->number || copy->replica == NULL) {
            continue;
        }
        bool may = replog_may_read(copy->replica) && !world->trusts_no_clocks;
        if (may && replog_node_has_lease(copy->node)) {
            answer(copy, read, "by a lease", &world->reached.replog_leased_reads);
            return;
        }
        world->reached.replog_lapsed++;
        ask_others(copy, read);
        return;
    }
}

static void pass(struct replog_copy *copy, struct waiting *read)
{
    struct replog_world *world = copy->node->world;
    struct last_look *look = mem_new(sizeof *look);
    read->passed = true;
    look->later.arrive = look_last;
    look->copy = copy;
    look->number = read->number;
    replog_later(world, &look->later, copy->node, sim_delay(&world->sim, 20 * NS_PER_US));
}

/* A client asks; a node that sleeps hears of it when it wakes, among all else that came meanwhile. */
struct asking {
    struct replog_later later;
    struct replog_copy *copy;
    uint64_t sees;
};

static void read_arrives(struct replog_later *later)
{
    struct asking *asking = LIST_ITEM(later, struct asking, later);
    struct replog_copy *copy = asking->copy;
    struct waiting *wait = free_wait(copy);
    if (wait == NULL || copy->replica == NULL || !replog_is_primary(copy->replica)) {
        return;
    }
    struct replica_state state = replog_state(copy->replica);
    *wait = (struct waiting){.kind = WAITING_READ,
                             .number = ++later->world->numbers,
                             .seq = state.last_seq,
                             .sees = asking->sees,
                             .chain = written_chain(&copy->live, state.last_seq)};
    if (state.commit_seq >= wait->seq && later->world->trusts_no_clocks) {
        ask_others(copy, wait);
    } else if (state.commit_seq >= wait->seq) {
        pass(copy, wait);
    }
}

static void read(struct sim_event *event)
{
    struct replog_world *world = LIST_ITEM(event, struct replog_world, read);
    struct replog_copy *copy = choose(world, true);
    if (copy != NULL) {
        struct asking *asking = mem_new(sizeof *asking);
        asking->later.arrive = read_arrives;
        asking->copy = copy;
        asking->sees = world->judged[copy->shard].acknowledged.count;
        replog_later(world, &asking->later, copy->node, sim_delay(&world->sim, 50 * NS_PER_US));
    }
    sim_after(&world->sim, event, sim_delay(&world->sim, world->writes_every_ns * 2));
}

void replog_clients_committed(struct replog_copy *copy)
{
    struct replog_world *world = copy->node->world;
    for (uint32_t i = 0; i < REPLOG_WAITS_MAX; i++) {
        struct waiting *wait = &copy->waits[i];
        if (wait->kind == WAITING_NONE || wait->seq > copy->committed || wait->passed) {
            continue;
        }
        if (wait->kind == WAITING_READ) {
            pass(copy, wait);
            continue;
        }
        const struct written *written = written_at(&world->judged[copy->shard].acknowledged, wait->seq);
        SIM_CHECK(&world->sim, written != NULL && written->number == wait->number,
                  "write %llu of shard %u was acknowledged, and entry %llu is another",
                  (unsigned long long)wait->number, copy->shard, (unsigned long long)wait->seq);
        world->reached.replog_acknowledged++;
        wait->kind = WAITING_NONE;
    }
}

void replog_clients_confirmed(struct replog_copy *copy, uint64_t round)
{
    for (uint32_t i = 0; i < REPLOG_WAITS_MAX; i++) {
        struct waiting *wait = &copy->waits[i];
        if (wait->kind == WAITING_READ && wait->round != 0 && wait->round <= round) {
            answer(copy, wait, "by asking", &copy->node->world->reached.replog_confirmed);
        }
    }
}

void replog_clients_dropped(struct replog_copy *copy)
{
    for (uint32_t i = 0; i < REPLOG_WAITS_MAX; i++) {
        copy->node->world->reached.replog_unknown += copy->waits[i].kind == WAITING_WRITE;
        copy->waits[i].kind = WAITING_NONE;
    }
}

void replog_clients_init(struct replog_world *world)
{
    world->write = (struct sim_event){.fire = write, .name = "replog.write"};
    world->read = (struct sim_event){.fire = read, .name = "replog.read"};
    sim_after(&world->sim, &world->write, NS_PER_MS);
    sim_after(&world->sim, &world->read, NS_PER_MS);
}
