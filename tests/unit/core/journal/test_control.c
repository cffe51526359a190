/* tests/unit/core/journal/test_control.c: what a shard's records add up to. */
#include "core/base/endian.h"
#include "core/base/rng.h"
#include "core/journal/control.h"
#include "tests/lib/test.h"

static struct record record_of(enum record_kind kind, uint64_t epoch, uint64_t seq)
{
    return (struct record){.kind = kind, .shard = 4, .epoch = epoch, .seq = seq};
}

static bool note(struct control *control, enum record_kind kind, uint64_t epoch, uint64_t seq)
{
    struct record record = record_of(kind, epoch, seq);
    return control_note(control, &record);
}

static void expect_history(const struct control *control, uint32_t count, const uint64_t (*want)[2])
{
    EXPECT_INT(control->history_count, count);
    for (uint32_t i = 0; i < count && i < control->history_count; i++) {
        EXPECT_INT(control->history[i].epoch, want[i][0]);
        EXPECT_INT(control->history[i].first_seq, want[i][1]);
    }
}

TEST(primary_writes_its_history)
{
    struct control control = {.shard = 4};
    uint8_t rid[8];
    put_le64(rid, 0x1122334455667788u);
    struct record born = record_of(RECORD_RID, 0, 0);
    born.payload = pdr_bytes(rid, 8);
    EXPECT(control_note(&control, &born));
    EXPECT(note(&control, RECORD_EPOCH, 1, 0));
    EXPECT(note(&control, RECORD_ENTRY, 1, 1));
    EXPECT(note(&control, RECORD_ENTRY, 1, 2));
    EXPECT(note(&control, RECORD_COMMIT, 1, 2));
    EXPECT(note(&control, RECORD_EPOCH, 4, 2));
    EXPECT(note(&control, RECORD_ENTRY, 4, 3));
    EXPECT(control.rid == 0x1122334455667788u);
    EXPECT_INT(control.promised, 4);
    expect_history(&control, 2, (const uint64_t[][2]){{1, 1}, {4, 3}});
    EXPECT_INT(control_epoch_of(&control, 0), 0);
    EXPECT_INT(control_epoch_of(&control, 1), 1);
    EXPECT_INT(control_epoch_of(&control, 2), 1);
    EXPECT_INT(control_epoch_of(&control, 3), 4);
    EXPECT_INT(control_epoch_of(&control, 99), 4);
}

TEST(epoch_without_entries_leaves_no_trace_but_the_promise)
{
    struct control control = {.shard = 4};
    EXPECT(note(&control, RECORD_EPOCH, 1, 0));
    EXPECT(note(&control, RECORD_ENTRY, 1, 1));
    EXPECT(note(&control, RECORD_EPOCH, 2, 1));
    EXPECT(note(&control, RECORD_EPOCH, 3, 1));
    EXPECT_INT(control.promised, 3);
    expect_history(&control, 2, (const uint64_t[][2]){{1, 1}, {3, 2}});
}

TEST(backup_learns_epochs_from_entries_and_cuts)
{
    struct control control = {.shard = 4};
    EXPECT(note(&control, RECORD_CUT, 2, 0));
    EXPECT(note(&control, RECORD_ENTRY, 1, 1)); /* caught up: older than what it promised */
    EXPECT(note(&control, RECORD_ENTRY, 1, 2));
    EXPECT(note(&control, RECORD_ENTRY, 2, 3));
    EXPECT(note(&control, RECORD_ENTRY, 2, 4));
    EXPECT(note(&control, RECORD_CUT, 5, 2));
    EXPECT_INT(control.promised, 5);
    EXPECT(control.cut_epoch == 5 && control.cut_seq == 2);
    expect_history(&control, 1, (const uint64_t[][2]){{1, 1}});
    EXPECT(note(&control, RECORD_ENTRY, 4, 3));
    expect_history(&control, 2, (const uint64_t[][2]){{1, 1}, {4, 3}});
}

TEST(history_keeps_the_newest)
{
    struct control control = {.shard = 4};
    for (uint64_t epoch = 1; epoch <= 200; epoch++) {
        EXPECT(note(&control, RECORD_EPOCH, epoch, epoch - 1));
        EXPECT(note(&control, RECORD_ENTRY, epoch, epoch));
    }
    EXPECT_INT(control.history_count, CONTROL_HISTORY_MAX);
    EXPECT_INT(control.history[CONTROL_HISTORY_MAX - 1].epoch, 200);
    EXPECT_INT(control.history[0].epoch, 200 - CONTROL_HISTORY_MAX + 1);
    EXPECT_INT(control_epoch_of(&control, 200 - CONTROL_HISTORY_MAX), 0); /* forgotten */
    EXPECT(record_size(control_payload_size(&control)) < 1127);
}

TEST(epochs_that_go_back_are_refused)
{
    struct control control = {.shard = 4};
    EXPECT(note(&control, RECORD_EPOCH, 3, 0));
    EXPECT(note(&control, RECORD_ENTRY, 3, 1));
    EXPECT(!note(&control, RECORD_EPOCH, 3, 1));
    EXPECT(!note(&control, RECORD_EPOCH, 2, 1));
    EXPECT(!note(&control, RECORD_EPOCH, 9, UINT64_MAX));
    EXPECT(!note(&control, RECORD_CUT, 9, UINT64_MAX));
}

TEST(snapshot_is_installed)
{
    struct control control = {.shard = 4}, source = {.shard = 4, .rid = 9, .gen = 3, .history_count = 1};
    uint8_t installing[10] = {0}, payload[64];
    source.history[0] = (struct control_epoch){2, 1};
    put_le16(installing + 8, 3);
    EXPECT(note(&control, RECORD_CUT, 7, 0));
    struct record begin = record_of(RECORD_INSTALLING, 0, 0);
    begin.payload = pdr_bytes(installing, sizeof installing);
    EXPECT(control_note(&control, &begin));
    EXPECT(control.installing && control.installing_gen == 3 && control.gen == 0);
    control_encode(&source, payload);
    struct record snap = record_of(RECORD_SNAP, 2, 500);
    snap.payload = pdr_bytes(payload, control_payload_size(&source));
    EXPECT(control_note(&control, &snap));
    EXPECT(!control.installing && control.gen == 3 && control.rid == 9);
    EXPECT_INT(control.promised, 7); /* ours, not the snapshot's */
    EXPECT_INT(control.cut_epoch, 7);
    expect_history(&control, 1, (const uint64_t[][2]){{2, 1}});
}

TEST(copy_gets_a_name_and_is_shared)
{
    struct control control = {.shard = 4, .rid = 5, .promised = 3, .history_count = 1}, read;
    uint8_t payload[CONTROL_COPY_SIZE], bytes[64];
    control.history[0] = (struct control_epoch){2, 1};
    control_copy_encode(9, true, payload);
    struct record record = record_of(RECORD_COPY, 3, 0);
    record.payload = pdr_bytes(payload, sizeof payload);
    EXPECT(control_note(&control, &record));
    EXPECT(control.rid == 9 && control.shared && control.promised == 3 && control.history_count == 1);
    control_encode(&control, bytes);
    struct record kept = record_of(RECORD_CONTROL, 3, 0);
    kept.payload = pdr_bytes(bytes, control_payload_size(&control));
    REQUIRE(control_decode(&kept, &read) == PDR_OK);
    EXPECT(read.shared && !read.installing);
    payload[8] = 2;
    EXPECT(!control_note(&control, &record));
}

TEST(malformed_payloads_are_refused)
{
    struct control control = {.shard = 4, .rid = 1};
    uint8_t payload[64] = {0};
    for (enum record_kind kind = RECORD_INSTALLING; kind < RECORD_KIND_COUNT; kind++) {
        struct record record = record_of(kind, 1, 1);
        record.payload = pdr_bytes(payload, 7);
        bool takes_any = kind == RECORD_DROP || kind == RECORD_COMMIT;
        EXPECT(control_note(&(struct control){.shard = 4}, &record) == takes_any);
    }
    put_le16(payload + 30, 2); /* two epochs, both 0 */
    struct record record = record_of(RECORD_CONTROL, 1, 0);
    record.payload = pdr_bytes(payload, 64);
    EXPECT(!control_note(&control, &record));
    put_le64(payload + 48, 1); /* ascending epochs, but both begin at 0 */
    EXPECT(!control_note(&control, &record));
    put_le64(payload + 56, 1);
    EXPECT(control_note(&control, &record));
    put_le16(payload + 28, 4); /* a flag that does not exist */
    EXPECT(!control_note(&control, &record));
    put_le16(payload + 28, 0);
    put_le16(payload + 30, 3); /* more epochs than bytes */
    EXPECT(!control_note(&control, &record));
}

TEST(drop_forgets)
{
    struct control_table table = {0};
    struct record record = record_of(RECORD_EPOCH, 1, 0);
    EXPECT(control_table_note(&table, &record));
    EXPECT(control_table_find(&table, 4) != NULL);
    record = record_of(RECORD_DROP, 0, 0);
    EXPECT(control_table_note(&table, &record));
    EXPECT(control_table_find(&table, 4) == NULL);
    EXPECT_INT(control_table_size(&table), 0);
    EXPECT(control_table_note(&table, &record));
    control_table_free(&table);
}

/* Whatever records a table has seen: read from its own RECORD_CONTROL records, it is the same. */
TEST(table_comes_back)
{
    static uint8_t bytes[1u << 20], again[1u << 20];
    struct control_table table = {0}, twin = {0};
    struct rng rng;
    rng_seed(&rng, test_seed());
    uint64_t seqs[40] = {0}, epochs[40] = {0};
    for (int i = 0; i < 20000; i++) {
        uint32_t shard = (uint32_t)rng_below(&rng, 40);
        bool begins = epochs[shard] == 0 || rng_below(&rng, 20) == 0;
        struct record record = {.kind = begins ? RECORD_EPOCH : RECORD_ENTRY, .shard = shard * 1000003u};
        if (begins) {
            record.seq = seqs[shard] = rng_below(&rng, seqs[shard] + 1);
            record.epoch = ++epochs[shard];
        } else {
            record.seq = ++seqs[shard];
            record.epoch = epochs[shard];
        }
        REQUIRE(control_table_note(&table, &record));
    }
    uint32_t size = control_table_size(&table);
    control_table_encode(&table, bytes);
    struct pdr_bytes rest = pdr_bytes(bytes, size);
    uint32_t used, last = 0;
    for (struct record record; rest.size > 0; rest = pdr_bytes((const uint8_t *)rest.data + used, rest.size - used)) {
        REQUIRE(record_decode(rest, &record, &used) == PDR_OK);
        EXPECT_INT(record.kind, RECORD_CONTROL);
        EXPECT(record.shard >= last); /* in order of the shards */
        last = record.shard;
        REQUIRE(control_table_note(&twin, &record));
    }
    EXPECT_INT(twin.count, 40);
    EXPECT_INT(control_table_size(&twin), size);
    control_table_encode(&twin, again);
    EXPECT(memcmp(bytes, again, size) == 0);
    EXPECT(control_table_find(&twin, 5) == NULL);
    control_table_free(&table);
    control_table_free(&twin);
}

TEST_MAIN()
