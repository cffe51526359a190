/* tests/unit/consensus/test_raft_node.c: one server: what it answers when, and what it makes of hostile peers. How
 * several behave together is the simulator's (pdr-sim --raft). */
#include "consensus/raft_node.h"

#include "consensus/raft_wire.h"
#include "core/base/rng.h"
#include "core/store/store.h"
#include "tests/lib/test.h"

struct world {
    struct clock clock;
    struct raft_disk disk;
    uint64_t now_ns;
    struct store *rows;
    struct list pending;
    struct raft_node *node;
    struct raft_settings settings;
    uint32_t letters;
    struct raft_bytes last_letter;
    char state[256]; /* all commands, one after another */
    uint32_t answers[4];
    struct raft_answer answer;
    bool full, failed;
};

static uint64_t now_ns(struct clock *clock)
{
    return LIST_ITEM(clock, struct world, clock)->now_ns;
}

static void disk_write(struct raft_disk *disk, struct raft_batch *batch)
{
    list_push_back(&LIST_ITEM(disk, struct world, disk)->pending, &batch->node);
}

static enum pdr_status disk_scan(struct raft_disk *disk, raft_disk_each each, void *user)
{
    struct store *rows = LIST_ITEM(disk, struct world, disk)->rows;
    struct store_cursor *cursor = rows->ops->cursor_new(rows);
    enum pdr_status status = rows->ops->cursor_scan(cursor, pdr_str(""), pdr_str(""), each, user);
    rows->ops->cursor_free(cursor);
    return status;
}

static bool disk_is_full(const struct raft_disk *disk)
{
    return LIST_ITEM(disk, const struct world, disk)->full;
}

static const struct raft_disk_ops disk_ops = {disk_write, disk_scan, disk_is_full};

/* What was given to the disk so far is durable. */
static void make_durable(struct world *world)
{
    struct list these, *node;
    struct raft_batch_row row;
    list_init(&these);
    list_splice(&these, &world->pending);
    while ((node = list_pop(&these)) != NULL) {
        struct raft_batch *batch = LIST_ITEM(node, struct raft_batch, node);
        struct store_batch *rows = world->rows->ops->batch_new(world->rows);
        for (size_t at = 0; raft_batch_next(batch, &at, &row);) {
            if (row.deleted) {
                world->rows->ops->batch_delete(rows, row.key);
            } else {
                world->rows->ops->batch_put(rows, row.key, row.value);
            }
        }
        REQUIRE(world->rows->ops->write(world->rows, rows) == PDR_OK);
        world->rows->ops->batch_free(rows);
        batch->done(batch, batch->user);
    }
}

static void settle(struct world *world)
{
    while (!list_empty(&world->pending)) {
        make_durable(world);
    }
}

static void hook_send(void *user, uint64_t to, struct pdr_bytes letter)
{
    struct world *world = user;
    world->letters++;
    world->last_letter.size = 0;
    raft_bytes_put(&world->last_letter, letter.data, letter.size);
}

static void hook_apply(void *user, uint64_t index, uint64_t term, struct pdr_bytes command)
{
    struct world *world = user;
    size_t used = strlen(world->state);
    if (used + command.size < sizeof world->state) {
        memcpy(world->state + used, command.data, command.size);
    }
}

static void hook_snapshot(void *user, struct raft_bytes *out)
{
    struct world *world = user;
    raft_bytes_put(out, world->state, strlen(world->state));
}

static bool hook_restore(void *user, uint64_t index, struct pdr_bytes state)
{
    struct world *world = user;
    if (state.size >= sizeof world->state) {
        return false;
    }
    memset(world->state, 0, sizeof world->state);
    memcpy(world->state, state.data, state.size);
    return true;
}

static void hook_changed(void *user) {}

static void hook_failed(void *user, const char *why)
{
    ((struct world *)user)->failed = true;
}

static void answered(void *user, struct raft_answer answer)
{
    struct world *world = user;
    world->answer = answer;
    world->answers[answer.outcome]++;
}

static const struct raft_member members[] = {
    {1, RAFT_ROLE_VOTER, "one"}, {2, RAFT_ROLE_VOTER, "two"}, {3, RAFT_ROLE_VOTER, "three"}};

static enum pdr_status start(struct world *world, uint32_t founders, const char **why)
{
    struct raft_node_options options = {
        .id = 1,
        .address = "one",
        .seed = 1,
        .clock = &world->clock,
        .disk = &world->disk,
        .hooks = {world, hook_send, hook_apply, hook_snapshot, hook_restore, hook_changed, hook_failed},
        .settings = world->settings,
        .founders = members,
        .founder_count = founders};
    return raft_node_start(&options, &world->node, why);
}

static struct world *world_new(uint32_t founders)
{
    struct world *world = mem_new(sizeof *world);
    const char *why;
    world->clock.now_ns = now_ns;
    world->now_ns = NS_PER_S;
    world->disk.ops = &disk_ops;
    world->rows = store_mem_new();
    list_init(&world->pending);
    REQUIRE(start(world, founders, &why) == PDR_OK);
    return world;
}

static void stop(struct world *world)
{
    list_init(&world->pending); /* forgotten */
    raft_node_free(world->node);
    world->node = NULL;
}

static void world_free(struct world *world)
{
    stop(world);
    raft_bytes_release(&world->last_letter);
    world->rows->ops->close(world->rows);
    mem_free(world);
}

static void propose(struct world *world, const char *command)
{
    raft_node_propose(world->node, pdr_str(command), answered, world);
}

TEST(a_server_alone_leads_and_answers_when_it_is_durable)
{
    struct world *world = world_new(1);
    settle(world);
    struct raft_node_state state = raft_node_state(world->node);
    EXPECT(state.leader && state.ready && state.leader_id == 1);
    propose(world, "a");
    propose(world, "b");
    EXPECT_INT(world->answers[RAFT_COMMITTED], 0);
    EXPECT_STR(world->state, "");
    settle(world);
    EXPECT_INT(world->answers[RAFT_COMMITTED], 2);
    EXPECT_INT(world->answer.index, raft_node_state(world->node).applied_index);
    EXPECT_STR(world->state, "ab");
    world_free(world);
}

TEST(a_read_waits_for_what_was_proposed_before)
{
    struct world *world = world_new(1);
    settle(world);
    propose(world, "a");
    raft_node_read(world->node, answered, world);
    raft_node_read(world->node, answered, world);
    EXPECT_INT(world->answers[RAFT_COMMITTED], 0);
    settle(world);
    EXPECT_INT(world->answers[RAFT_COMMITTED], 3);
    world_free(world);
}

TEST(reads_share_a_barrier)
{
    struct world *world = world_new(1);
    settle(world);
    uint64_t before = raft_node_state(world->node).last_index;
    raft_node_read(world->node, answered, world);
    for (int i = 0; i < 10; i++) {
        raft_node_read(world->node, answered, world); /* all of them with the next one */
    }
    settle(world);
    EXPECT_INT(world->answers[RAFT_COMMITTED], 11);
    EXPECT_INT(raft_node_state(world->node).last_index, before + 2);
    world_free(world);
}

TEST(proposals_that_wait_are_written_together)
{
    struct world *world = world_new(1);
    settle(world);
    for (int i = 0; i < 60; i++) {
        propose(world, "x");
    }
    uint32_t batches = 0;
    for (const struct list *at = world->pending.next; at != &world->pending; at = at->next) {
        batches++;
    }
    EXPECT_INT(batches, 4);
    make_durable(world);
    make_durable(world);
    EXPECT_INT(world->answers[RAFT_COMMITTED], 60);
    world_free(world);
}

TEST(who_does_not_lead_says_so)
{
    struct world *world = world_new(3);
    settle(world);
    propose(world, "a");
    raft_node_read(world->node, answered, world);
    EXPECT_INT(world->answers[RAFT_NOT_LEADER], 2);
    EXPECT_INT(world->answer.leader, 0);
    world_free(world);
}

TEST(a_full_disk_refuses)
{
    struct world *world = world_new(1);
    settle(world);
    world->full = true;
    propose(world, "a");
    EXPECT_INT(world->answers[RAFT_REFUSED], 1);
    world_free(world);
}

TEST(what_was_answered_is_there_after_a_restart)
{
    struct world *world = world_new(1);
    const char *why;
    settle(world);
    propose(world, "a");
    settle(world);
    propose(world, "b"); /* not durable, not answered */
    stop(world);
    memset(world->state, 0, sizeof world->state);
    REQUIRE(start(world, 1, &why) == PDR_OK);
    settle(world);
    EXPECT_STR(world->state, "a");
    EXPECT_INT(raft_node_state(world->node).life, 2);
    world_free(world);
}

TEST(snapshots_take_the_place_of_entries)
{
    struct world *world = mem_new(sizeof *world);
    const char *why;
    world->clock.now_ns = now_ns;
    world->now_ns = NS_PER_S;
    world->disk.ops = &disk_ops;
    world->rows = store_mem_new();
    world->settings = (struct raft_settings){.snapshot_threshold = 10, .snapshot_trailing = 2};
    list_init(&world->pending);
    REQUIRE(start(world, 1, &why) == PDR_OK);
    settle(world);
    for (int i = 0; i < 35; i++) {
        propose(world, "s");
        settle(world);
    }
    EXPECT(raft_node_state(world->node).snapshot_index >= 30);
    stop(world);
    REQUIRE(start(world, 1, &why) == PDR_OK);
    settle(world);
    EXPECT_INT(strlen(world->state), 35);
    world_free(world);
}

TEST(no_letter_leaves_before_its_term_is_durable)
{
    struct world *world = world_new(3);
    settle(world);
    world->now_ns += NS_PER_S;
    raft_node_tick(world->node); /* asks for pre-votes: no promise yet */
    EXPECT_INT(world->letters, 2);
    struct raft_letter letter,
        vote = {.kind = RAFT_LETTER_VOTE_RESULT, .from = 2, .to = 1, .number = 1, .from_life = 1};
    struct raft_wire_reader two = {3, 1};
    struct raft_bytes bytes = {0};
    REQUIRE(raft_wire_read(&two, raft_bytes_slice(&world->last_letter), &letter, &(const char *){0}) == PDR_OK);
    vote.to_life = letter.from_life;
    vote.term = letter.term;
    vote.vote.flags = RAFT_LETTER_PRE_VOTE | RAFT_LETTER_GRANTED;
    raft_wire_write(&bytes, &vote);
    REQUIRE(raft_node_receive(world->node, raft_bytes_slice(&bytes), &(const char *){0}) == PDR_OK);
    EXPECT_INT(raft_node_state(world->node).term, 2);
    EXPECT_INT(world->letters, 2); /* it votes for itself in term 2, and that is being written */
    settle(world);
    EXPECT_INT(world->letters, 4);
    raft_bytes_release(&bytes);
    world_free(world);
}

TEST(changes_are_checked)
{
    struct world *world = world_new(1);
    const char *why;
    struct raft_membership add = {.kind = RAFT_ADD, .id = 2, .address = "two"},
                           standby = {.kind = RAFT_ASSIGN, .id = 2, .role = RAFT_ROLE_STANDBY},
                           voter = {.kind = RAFT_ASSIGN, .id = 2, .role = RAFT_ROLE_VOTER},
                           gone = {.kind = RAFT_REMOVE, .id = 1};
    EXPECT_INT(raft_node_change(world->node, &add, answered, world, &why), PDR_MOVED); /* not ready yet */
    settle(world);
    EXPECT_INT(raft_node_change(world->node, &gone, answered, world, &why), PDR_INVALID);
    EXPECT_STR(why, "it is the last voter");
    EXPECT_INT(raft_node_change(world->node, &voter, answered, world, &why), PDR_INVALID);
    EXPECT_STR(why, "there is no server of that id");
    EXPECT_INT(raft_node_change(world->node, &add, answered, world, &why), PDR_OK);
    EXPECT_INT(raft_node_change(world->node, &standby, answered, world, &why), PDR_UNAVAILABLE);
    EXPECT_STR(why, "another change is under way");
    settle(world);
    EXPECT_INT(world->answers[RAFT_COMMITTED], 1);
    EXPECT_INT(raft_node_change(world->node, &add, answered, world, &why), PDR_INVALID);
    EXPECT_STR(why, "there is a server of that id or address");
    EXPECT_INT(raft_node_change(world->node, &voter, answered, world, &why), PDR_INVALID);
    EXPECT_STR(why, "only a standby becomes a voter");
    EXPECT_INT(raft_node_transfer(world->node, 2, &why), PDR_INVALID);
    EXPECT_STR(why, "there is no other voter of that id");
    struct raft_member found[4];
    EXPECT_INT(raft_node_members(world->node, found, 4), 2);
    EXPECT(found[1].id == 2 && found[1].role == RAFT_ROLE_SPARE && strcmp(found[1].address, "two") == 0);
    world_free(world);
}

/* Letters that are well formed, and lie: of any server, with any numbers. The node may fail with a sentence; the core
 * must not crash (a sanitizer sees more). */
static void write_lie(struct rng *rng, struct raft_bytes *out, const struct raft_node_state *state, uint64_t number)
{
    struct raft_bytes entries = {0};
    struct raft_letter letter = {.kind = (enum raft_letter_kind)(1 + rng_below(rng, RAFT_LETTER_KIND_END - 1)),
                                 .from = 2 + rng_below(rng, 3),
                                 .to = 1,
                                 .from_life = 1,
                                 .to_life = state->life,
                                 .number = number,
                                 .term = state->term + rng_below(rng, 3)};
    uint64_t near = state->last_index + rng_below(rng, 6),
             index = rng_chance(rng, 50) ? near : rng_below(rng, near + 1);
    uint64_t term = index == 0 ? 0 : 1 + rng_below(rng, letter.term);
    if (letter.kind == RAFT_LETTER_APPEND) {
        letter.append.prev_index = index;
        letter.append.prev_term = term;
        letter.append.commit = rng_below(rng, near + 4);
        letter.append.count = (uint32_t)rng_below(rng, 4);
        for (uint32_t i = 0; i < letter.append.count; i++) {
            struct raft_log_entry entry = {letter.term, RAFT_LOG_COMMAND, pdr_str("lie")};
            raft_wire_write_entry(&entries, &entry);
        }
        letter.append.entries = raft_bytes_slice(&entries);
    } else if (letter.kind == RAFT_LETTER_RESULT) {
        letter.result.last_index = index;
        letter.result.rejected = rng_chance(rng, 50) ? index + 1 + rng_below(rng, 3) : 0;
    } else if (letter.kind == RAFT_LETTER_SNAPSHOT) {
        static const uint8_t config[24] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 1};
        letter.snapshot.index = index + 1;
        letter.snapshot.index_term = 1 + rng_below(rng, letter.term);
        letter.snapshot.conf_index = 1;
        letter.snapshot.conf_size = letter.snapshot.total = sizeof config;
        letter.snapshot.part = pdr_bytes(config, sizeof config);
    } else {
        letter.vote.last_index = index;
        letter.vote.last_term = term;
        letter.vote.flags = (uint8_t)rng_below(rng, 4);
    }
    letter.term = letter.kind == RAFT_LETTER_HELLO ? 0 : letter.term;
    out->size = 0;
    raft_wire_write(out, &letter);
    raft_bytes_release(&entries);
}

TEST(lies_do_not_crash_the_core)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int round = 0; round < 300; round++) {
        struct world *world = world_new(round % 2 == 0 ? 3 : 1);
        struct raft_bytes letter = {0};
        const char *why = "";
        for (uint64_t number = 1; number < 60 && !world->failed; number++) {
            struct raft_node_state state = raft_node_state(world->node);
            write_lie(&rng, &letter, &state, number);
            enum pdr_status status = raft_node_receive(world->node, raft_bytes_slice(&letter), &why);
            EXPECT(status == PDR_OK || *why != 0);
            world->now_ns += rng_below(&rng, 200) * NS_PER_MS;
            if (rng_chance(&rng, 60)) {
                settle(world);
            }
            raft_node_tick(world->node);
        }
        raft_bytes_release(&letter);
        world_free(world);
    }
}

TEST_MAIN()
