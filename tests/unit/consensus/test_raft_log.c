/* tests/unit/consensus/test_raft_log.c: what is written is read back; what is damaged, missing or too much is refused.
 */
#include "consensus/raft_log.h"

#include "core/base/rng.h"
#include "core/store/store.h"
#include "tests/lib/test.h"

/* A disk whose batches are durable when `settle` says so. */
struct disk {
    struct raft_disk disk;
    struct store *rows;
    struct list pending;
    uint64_t durable;
};

static void disk_write(struct raft_disk *base, struct raft_batch *batch)
{
    struct disk *disk = LIST_ITEM(base, struct disk, disk);
    list_push_back(&disk->pending, &batch->node);
}

static enum pdr_status disk_scan(struct raft_disk *base, raft_disk_each each, void *user)
{
    struct disk *disk = LIST_ITEM(base, struct disk, disk);
    struct store_cursor *cursor = disk->rows->ops->cursor_new(disk->rows);
    enum pdr_status status = disk->rows->ops->cursor_scan(cursor, pdr_str(""), pdr_str(""), each, user);
    disk->rows->ops->cursor_free(cursor);
    return status;
}

static bool disk_is_full(const struct raft_disk *disk)
{
    return false;
}

static const struct raft_disk_ops disk_ops = {disk_write, disk_scan, disk_is_full};

static void put(struct disk *disk, struct pdr_bytes key, struct pdr_bytes value, bool deletes)
{
    struct store_batch *batch = disk->rows->ops->batch_new(disk->rows);
    if (deletes) {
        disk->rows->ops->batch_delete(batch, key);
    } else {
        disk->rows->ops->batch_put(batch, key, value);
    }
    REQUIRE(disk->rows->ops->write(disk->rows, batch) == PDR_OK);
    disk->rows->ops->batch_free(batch);
}

static void settle(struct disk *disk)
{
    struct list *node;
    struct raft_batch_row row;
    while ((node = list_pop(&disk->pending)) != NULL) {
        struct raft_batch *batch = LIST_ITEM(node, struct raft_batch, node);
        for (size_t at = 0; raft_batch_next(batch, &at, &row);) {
            put(disk, row.key, row.value, row.deleted);
        }
        batch->done(batch, batch->user);
    }
}

static void durable(void *user, uint64_t seq)
{
    ((struct disk *)user)->durable = seq;
}

static struct replica_log *open_log(struct disk *disk)
{
    return replica_log_new(&disk->disk, durable, disk);
}

static struct disk *disk_new(void)
{
    struct disk *disk = mem_new(sizeof *disk);
    disk->disk.ops = &disk_ops;
    disk->rows = store_mem_new();
    list_init(&disk->pending);
    return disk;
}

static void disk_free(struct disk *disk)
{
    disk->rows->ops->close(disk->rows);
    mem_free(disk);
}

/* One server, "a", a voter of id 1. */
static const uint8_t config[24] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 1};

static void append(struct replica_log *log, uint64_t index, uint64_t term, const char *text)
{
    struct raft_log_entry entry = {term, RAFT_LOG_COMMAND, pdr_str(text)};
    if (index == 1) {
        entry = (struct raft_log_entry){term, RAFT_LOG_CHANGE, pdr_bytes(config, sizeof config)};
    }
    replica_log_append(log, index, &entry);
}

/* Entries 1 to 5, term 3, vote 2. */
static void fill(struct disk *disk)
{
    struct replica_log *log = open_log(disk);
    replica_log_set_vote(log, 3, 2);
    for (uint64_t index = 1; index <= 5; index++) {
        append(log, index, 1 + index / 3, "command");
    }
    EXPECT_INT(replica_log_flush(log), 1);
    settle(disk);
    EXPECT_INT(disk->durable, 1);
    replica_log_free(log);
}

static void expect_refused(struct disk *disk, const char *what)
{
    struct replica_log *log = open_log(disk);
    const char *why = "";
    EXPECT_INT(replica_log_load(log, &why), PDR_INTERNAL);
    if (strstr(why, what) == NULL) {
        EXPECT_STR(why, what);
    }
    replica_log_free(log);
}

static size_t entry_key(uint8_t *out, uint64_t index)
{
    out[0] = 'E';
    put_be64(out + 1, index);
    return 9;
}

TEST(comes_back)
{
    struct disk *disk = disk_new();
    const char *why;
    fill(disk);
    struct replica_log *log = open_log(disk);
    REQUIRE(replica_log_load(log, &why) == PDR_OK);
    EXPECT_INT(replica_log_term(log), 3);
    EXPECT_INT(replica_log_vote(log), 2);
    EXPECT_INT(replica_log_first(log), 1);
    EXPECT_INT(replica_log_last(log), 5);
    EXPECT_INT(replica_log_term_of(log, 5), 2);
    EXPECT(pdr_bytes_equal(replica_log_entry(log, 4)->bytes, pdr_str("command")));
    EXPECT(replica_log_entry(log, 6) == NULL);
    replica_log_free(log);
    disk_free(disk);
}

TEST(an_append_drops_what_is_behind)
{
    struct disk *disk = disk_new();
    const char *why;
    fill(disk);
    struct replica_log *log = open_log(disk);
    REQUIRE(replica_log_load(log, &why) == PDR_OK);
    append(log, 3, 3, "other");
    replica_log_flush(log);
    settle(disk);
    replica_log_free(log);
    log = open_log(disk);
    REQUIRE(replica_log_load(log, &why) == PDR_OK);
    EXPECT_INT(replica_log_last(log), 3);
    EXPECT(pdr_bytes_equal(replica_log_entry(log, 3)->bytes, pdr_str("other")));
    replica_log_free(log);
    disk_free(disk);
}

TEST(our_own_snapshot_comes_back_with_what_trails)
{
    struct disk *disk = disk_new();
    const char *why;
    fill(disk);
    struct replica_log *log = open_log(disk);
    REQUIRE(replica_log_load(log, &why) == PDR_OK);
    struct raft_log_snapshot snapshot = {4, 2, 1, pdr_bytes(config, sizeof config), pdr_str("the state")};
    replica_log_take(log, &snapshot, 2);
    replica_log_flush(log);
    EXPECT_INT(replica_log_first(log), 1); /* until it is durable */
    settle(disk);
    replica_log_snapshot_done(log);
    EXPECT_INT(replica_log_first(log), 3);
    replica_log_free(log);
    log = open_log(disk);
    REQUIRE(replica_log_load(log, &why) == PDR_OK);
    EXPECT_INT(replica_log_first(log), 3);
    EXPECT_INT(replica_log_last(log), 5);
    EXPECT(pdr_bytes_equal(replica_log_snapshot(log)->state, pdr_str("the state")));
    EXPECT(pdr_bytes_equal(replica_log_snapshot(log)->conf, pdr_bytes(config, sizeof config)));
    replica_log_free(log);
    disk_free(disk);
}

TEST(an_installed_snapshot_takes_the_place_of_all_in_one_batch)
{
    struct disk *disk = disk_new();
    const char *why;
    fill(disk);
    struct replica_log *log = open_log(disk);
    REQUIRE(replica_log_load(log, &why) == PDR_OK);
    char *large = mem_new(600000); /* three pieces */
    memset(large, 's', 600000);
    struct raft_log_snapshot snapshot = {90, 3, 70, pdr_bytes(config, sizeof config), pdr_bytes(large, 600000)};
    replica_log_install(log, &snapshot);
    uint64_t seq = replica_log_flush(log);
    EXPECT_INT(seq, 1);
    EXPECT_INT(replica_log_last(log), 90);
    settle(disk);
    replica_log_free(log);
    log = open_log(disk);
    REQUIRE(replica_log_load(log, &why) == PDR_OK);
    EXPECT_INT(replica_log_first(log), 91);
    EXPECT_INT(replica_log_last(log), 90);
    EXPECT_INT(replica_log_term_of(log, 90), 3);
    EXPECT_INT(replica_log_snapshot(log)->state.size, 600000);
    replica_log_free(log);
    mem_free(large);
    disk_free(disk);
}

TEST(a_lost_end_is_refused)
{
    struct disk *disk = disk_new();
    uint8_t key[16];
    fill(disk);
    put(disk, pdr_bytes(key, entry_key(key, 5)), pdr_str(""), true);
    expect_refused(disk, "its head says that it has the entries 1 to 5, and it has 1 to 4");
    disk_free(disk);
}

TEST(a_hole_is_refused)
{
    struct disk *disk = disk_new();
    uint8_t key[16];
    fill(disk);
    put(disk, pdr_bytes(key, entry_key(key, 3)), pdr_str(""), true);
    expect_refused(disk, "entry 3 is missing");
    disk_free(disk);
}

TEST(a_lost_head_is_refused)
{
    struct disk *disk = disk_new();
    fill(disk);
    put(disk, pdr_str("H"), pdr_str(""), true);
    expect_refused(disk, "its head is missing");
    disk_free(disk);
}

TEST(an_empty_disk_is_an_empty_log)
{
    struct disk *disk = disk_new();
    struct replica_log *log = open_log(disk);
    const char *why;
    REQUIRE(replica_log_load(log, &why) == PDR_OK);
    EXPECT_INT(replica_log_last(log), 0);
    EXPECT_INT(replica_log_first(log), 1);
    EXPECT_INT(replica_log_flush(log), 0);
    replica_log_free(log);
    disk_free(disk);
}

struct flip {
    uint64_t at;
    uint8_t key[16], *value;
    size_t key_size, value_size;
};

static bool find_row(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct flip *flip = user;
    if (flip->at-- > 0) {
        return true;
    }
    memcpy(flip->key, key.data, key.size);
    flip->key_size = key.size;
    flip->value = mem_new(value.size);
    memcpy(flip->value, value.data, value.size);
    flip->value_size = value.size;
    return false;
}

/* Any one bit of any row. */
TEST(damage_is_refused)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int round = 0; round < 200; round++) {
        struct disk *disk = disk_new();
        struct flip flip = {.at = rng_below(&rng, 6)};
        fill(disk);
        disk_scan(&disk->disk, find_row, &flip);
        REQUIRE(flip.value != NULL);
        flip.value[rng_below(&rng, flip.value_size)] ^= (uint8_t)(1u << rng_below(&rng, 8));
        put(disk, pdr_bytes(flip.key, flip.key_size), pdr_bytes(flip.value, flip.value_size), false);
        expect_refused(disk, "the checksum of a row");
        mem_free(flip.value);
        disk_free(disk);
    }
}

TEST_MAIN()
