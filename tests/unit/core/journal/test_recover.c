/* tests/unit/core/journal/test_recover.c: what recovery makes of every way a log can be damaged (R71). */
#include "tests/unit/core/journal/world.h"

#define FIRST "0000000000000001.log"
#define SECOND "0000000000000002.log"

/* A log of five groups, one batch each, in the first segment; the last one is not covered. */
static struct world *written(uint32_t last_size)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        world_send(w, 0, seq, 300);
        world_settle(w);
    }
    world_send(w, 0, 5, last_size);
    world_settle(w);
    world_crash(w);
    return w;
}

/* Opens a world's log as it is, takes a look, and lets go. */
static enum pdr_status look(struct world *w)
{
    enum pdr_status status = world_open(w);
    if (status == PDR_OK) {
        world_crash(w);
    }
    return status;
}

static void expect_corrupt(struct world *w, const char *file, uint64_t offset)
{
    char byte[64];
    w->found_count = 0;
    EXPECT_INT(look(w), PDR_INTERNAL);
    snprintf(byte, sizeof byte, "byte %llu", (unsigned long long)offset);
    EXPECT(strstr(w->recovery.corrupt, file) != NULL);
    EXPECT(strstr(w->recovery.corrupt, byte) != NULL);
    EXPECT(strstr(w->recovery.corrupt, "restore the data directory from a backup") != NULL);
}

TEST(empty_directory_is_a_new_log)
{
    struct world *w = world_new(test_seed());
    EXPECT_INT(look(w), PDR_OK);
    EXPECT_INT(w->recovery.groups, 0);
    EXPECT(!w->recovery.torn);
    world_free(w);
}

TEST(crash_before_anything_was_written)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    world_run_ms(w, 100); /* two segments, no group */
    world_crash(w);
    REQUIRE(sim_disk_bytes(w->disk, SECOND, NULL) != NULL);
    REQUIRE(world_open(w) == PDR_OK);
    struct sent *sent = world_send(w, 0, 1, 10);
    world_settle(w);
    EXPECT(sent->status == PDR_OK && sent->batch.begin == 0);
    world_free(w);
}

TEST(all_that_was_acknowledged_comes_back)
{
    struct world *w = written(300);
    EXPECT_INT(look(w), PDR_OK);
    EXPECT_INT(w->recovery.records, 5);
    EXPECT_INT(w->recovery.groups, 5);
    EXPECT_INT(w->recovery.bytes, 5 * 4096);
    EXPECT(!w->recovery.torn);
    REQUIRE(w->found_count == 5);
    for (uint32_t i = 0; i < 5; i++) {
        EXPECT_INT(w->found[i].seq, i + 1);
        EXPECT_INT(w->found[i].position, i * 4096);
        EXPECT_INT(w->found[i].size, 300);
    }
    world_free(w);
}

TEST(recovery_can_be_repeated_and_gone_on_from)
{
    struct world *w = written(300);
    for (uint64_t seq = 6; seq <= 12; seq++) {
        REQUIRE(world_open(w) == PDR_OK);
        EXPECT_INT(world_found(w, 0), seq - 1);
        world_send(w, 0, seq, 3000);
        world_settle(w);
        EXPECT_INT(w->sent[w->sent_count - 1]->status, PDR_OK);
        world_crash(w);
    }
    EXPECT_INT(look(w), PDR_OK);
    EXPECT_INT(w->recovery.records, 12);
    world_free(w);
}

/* What recovery kept although no sync had told so is durable before anything new is acknowledged. */
TEST(surviving_tail_is_synced_before_use)
{
    struct world *w = written(300);
    sim_disk_fail_next_sync(w->disk);
    REQUIRE(world_open(w) == PDR_OK);
    struct sent *sent = world_send(w, 0, 6, 100);
    world_run_ms(w, 50);
    EXPECT_INT(w->failures, 1);                            /* that sync was the settling one ... */
    EXPECT(!sent->answered && world_stats(w).groups == 0); /* ... so nothing was written */
    world_free(w);
}

/* The last group, of four blocks, torn: any of its blocks lost, or any sector half-way. */
static void tear(uint32_t lost_blocks, int torn_block, uint32_t sectors)
{
    struct world *w = written(12000);
    uint8_t *bytes = sim_disk_bytes(w->disk, FIRST, NULL) + 4 * 4096;
    for (int block = 0; block < 3; block++) {
        if (lost_blocks & 1u << block) {
            memset(bytes + block * 4096, 0, 4096);
        }
    }
    if (torn_block >= 0) {
        memset(bytes + torn_block * 4096 + sectors * 512, 0, 4096 - sectors * 512);
    }
    sim_disk_changed(w->disk, FIRST);
    EXPECT_INT(look(w), PDR_OK);
    EXPECT_INT(w->recovery.records, 4);
    bool header_left = !(lost_blocks & 1) && !(torn_block == 0 && sectors == 0);
    EXPECT_INT(w->recovery.torn, header_left);
    EXPECT_INT(w->recovery.torn_position, header_left ? 4 * 4096 : 0);
    REQUIRE(world_open(w) == PDR_OK); /* and it goes on from there */
    struct sent *sent = world_send(w, 0, 5, 100);
    world_settle(w);
    EXPECT(sent->batch.begin == 4 * 4096);
    world_crash(w);
    EXPECT_INT(look(w), PDR_OK);
    EXPECT_INT(w->recovery.records, 5);
    world_free(w);
}

TEST(every_loss_of_blocks_of_the_last_group)
{
    for (uint32_t lost = 1; lost < 8; lost++) {
        tear(lost, -1, 0);
    }
}

TEST(every_tear_of_the_last_group)
{
    for (int block = 0; block < 3; block++) {
        for (uint32_t sectors = 0; sectors < 8; sectors++) {
            if (block < 2 || sectors < 7) { /* the last sector is padding: nothing is lost with it */
                tear(0, block, sectors);
            }
        }
    }
}

TEST(file_cut_anywhere_in_the_last_group)
{
    for (uint64_t size = 4 * 4096; size < 7 * 4096; size += 4096) {
        struct world *w = written(12000);
        sim_disk_truncate(w->disk, FIRST, size);
        EXPECT_INT(look(w), PDR_OK);
        EXPECT_INT(w->recovery.records, 4);
        world_free(w);
    }
}

/* A log of four groups and a covering one. */
static struct world *covered(void)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    for (uint64_t seq = 1; seq <= 4; seq++) {
        world_send(w, 0, seq, seq == 3 ? 9000 : 300);
        world_settle(w);
    }
    world_run_ms(w, 200);
    EXPECT_INT(world_stats(w).groups, 5);
    world_crash(w);
    return w;
}

TEST(bit_flips_before_the_last_group_are_corruption)
{
    struct world *w = covered();
    static const uint64_t begins[] = {0, 4096, 8192, 20480}, sizes[] = {64 + 336, 64 + 336, 64 + 9032, 64 + 336};
    for (int group = 0; group < 4; group++) {
        for (uint64_t byte = 0; byte < sizes[group]; byte += byte < 128 ? 1 : 97) {
            uint8_t *bytes = sim_disk_bytes(w->disk, FIRST, NULL);
            bytes[begins[group] + byte] ^= 0x10;
            sim_disk_changed(w->disk, FIRST);
            expect_corrupt(w, FIRST, begins[group]);
            bytes[begins[group] + byte] ^= 0x10;
        }
    }
    sim_disk_changed(w->disk, FIRST);
    EXPECT_INT(look(w), PDR_OK);
    EXPECT_INT(w->recovery.records, 4);
    world_free(w);
}

TEST(bit_flips_in_padding_do_no_harm)
{
    struct world *w = covered();
    uint8_t *bytes = sim_disk_bytes(w->disk, FIRST, NULL);
    bytes[4000] ^= 1;
    bytes[4096 + 1000] ^= 1;
    sim_disk_changed(w->disk, FIRST);
    EXPECT_INT(look(w), PDR_OK);
    EXPECT_INT(w->recovery.records, 4);
    world_free(w);
}

TEST(bit_flip_in_the_covering_group_loses_nothing)
{
    struct world *w = covered();
    sim_disk_bytes(w->disk, FIRST, NULL)[24576 + 30] ^= 1;
    sim_disk_changed(w->disk, FIRST);
    EXPECT_INT(look(w), PDR_OK);
    EXPECT_INT(w->recovery.records, 4);
    world_free(w);
}

/* The log id keeps what clients write from passing for a group of the log: here a client's bytes are a perfect group of
 * another log, claiming everything, inside a group that is then torn. */
TEST(forged_group_in_a_payload_is_not_believed)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    world_send(w, 0, 1, 300);
    world_settle(w);
    struct sent *sent = world_send(w, 0, 2, 20000);
    world_settle(w);
    world_crash(w);
    uint8_t *bytes = sim_disk_bytes(w->disk, FIRST, NULL);
    struct group forged = {.log = {1}, .segment = 1, .position = 8192, .durable = 8192};
    group_seal(bytes + 8192, &forged, 0);
    sim_disk_changed(w->disk, FIRST);
    EXPECT(sent->batch.begin == 4096);
    EXPECT_INT(look(w), PDR_OK);
    EXPECT_INT(w->recovery.records, 1);
    world_free(w);
}

/* Segments. */

static struct world *long_log(uint64_t seqs)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    for (uint64_t seq = 1; seq <= seqs; seq++) {
        world_send(w, 0, seq, 60000);
        world_settle(w);
    }
    return w;
}

TEST(log_goes_on_in_the_next_segment)
{
    struct world *w = long_log(40);
    world_crash(w);
    EXPECT_INT(look(w), PDR_OK);
    EXPECT_INT(world_found(w, 0), 40);
    for (uint32_t i = 1; i < w->found_count; i++) {
        EXPECT(w->found[i].position >= w->found[i - 1].position);
    }
    world_free(w);
}

TEST(stale_groups_of_a_recycled_segment_are_not_read)
{
    struct world *w = long_log(40);
    journal_release(w->journal, w->sent[39]->batch.begin);
    world_run_ms(w, 100);
    for (uint64_t seq = 41; seq <= 60; seq++) {
        world_send(w, 0, seq, 60000);
        world_settle(w);
    }
    world_crash(w);
    EXPECT(sim_disk_bytes(w->disk, FIRST, NULL) == NULL);
    EXPECT_INT(look(w), PDR_OK);
    uint64_t next = 0;
    for (uint32_t i = 0; i < w->found_count; i++) {
        if (w->found[i].kind == RECORD_ENTRY) {
            EXPECT(next == 0 || w->found[i].seq == next);
            next = w->found[i].seq + 1;
        }
    }
    EXPECT_INT(next, 61);
    world_free(w);
}

TEST(damaged_end_of_a_full_segment_is_corruption)
{
    struct world *w = long_log(40);
    world_crash(w);
    uint64_t last = 0; /* the last group of the first segment */
    for (uint32_t i = 0; i < w->sent_count; i++) {
        last = w->sent[i]->batch.end <= 1u << 20 ? w->sent[i]->batch.begin : last;
    }
    sim_disk_bytes(w->disk, FIRST, NULL)[last + 20000] ^= 4;
    sim_disk_changed(w->disk, FIRST);
    expect_corrupt(w, FIRST, last);
    EXPECT(strstr(w->recovery.corrupt, SECOND) != NULL); /* the witness */
    world_free(w);
}

TEST(damaged_beginning_of_a_segment_is_corruption)
{
    struct world *w = long_log(40);
    world_crash(w);
    uint8_t *bytes = sim_disk_bytes(w->disk, SECOND, NULL);
    bytes[10] ^= 1;
    sim_disk_changed(w->disk, SECOND);
    EXPECT_INT(look(w), PDR_INTERNAL);
    EXPECT(strstr(w->recovery.corrupt, "proves that there was one") != NULL);
    bytes[10] ^= 1;
    sim_disk_changed(w->disk, SECOND);
    sim_disk_bytes(w->disk, FIRST, NULL)[10] ^= 1;
    sim_disk_changed(w->disk, FIRST);
    expect_corrupt(w, FIRST, 0);
    world_free(w);
}

TEST(segment_cut_short_is_corruption)
{
    struct world *w = long_log(40);
    world_crash(w);
    sim_disk_truncate(w->disk, FIRST, w->sent[5]->batch.begin + 8192);
    expect_corrupt(w, FIRST, w->sent[5]->batch.begin);
    sim_disk_truncate(w->disk, FIRST, 0);
    expect_corrupt(w, FIRST, 0);
    world_free(w);
}

static void ignore(void *user, enum pdr_status status)
{
    *(enum pdr_status *)user = status;
}

TEST(missing_segment_is_corruption)
{
    struct world *w = long_log(60);
    world_crash(w);
    enum pdr_status status = PDR_INVALID;
    struct disk *disk = sim_disk_disk(w->disk);
    disk->ops->remove(disk, SECOND, ignore, &status);
    sim_loop_run(&w->loop);
    world_run_ms(w, 100);
    REQUIRE(status == PDR_OK);
    sim_loop_stop(&w->loop);
    EXPECT_INT(look(w), PDR_INTERNAL);
    EXPECT(strstr(w->recovery.corrupt, "its file " SECOND " is missing") != NULL);
    world_free(w);
}

TEST(oldest_segment_without_a_group_is_corruption)
{
    struct world *w = long_log(30);
    journal_release(w->journal, w->sent[29]->batch.begin);
    world_run_ms(w, 100);
    world_crash(w);
    REQUIRE(sim_disk_bytes(w->disk, FIRST, NULL) == NULL);
    uint64_t size;
    uint8_t *bytes = sim_disk_bytes(w->disk, SECOND, &size);
    REQUIRE(bytes != NULL);
    memset(bytes, 0, size);
    sim_disk_changed(w->disk, SECOND);
    EXPECT_INT(look(w), PDR_INTERNAL);
    EXPECT(strstr(w->recovery.corrupt, SECOND " has no valid group at byte 0") != NULL);
    world_free(w);
}

/* The first group of a new segment, torn: the log ends in the segment before, and goes on there or anew. */
TEST(torn_first_group_of_a_segment)
{
    struct world *w = long_log(30);
    world_crash(w);
    uint64_t first = 0; /* of the second segment */
    uint32_t i = 0;
    for (; w->sent[i]->batch.end <= 1u << 20; i++) {
        first = w->sent[i]->batch.end;
    }
    uint8_t *bytes = sim_disk_bytes(w->disk, SECOND, NULL);
    memset(bytes + 8192, 0, (1u << 20) - 8192); /* nothing but the beginning of its first group */
    sim_disk_changed(w->disk, SECOND);
    REQUIRE(world_open(w) == PDR_OK);
    EXPECT_INT(world_found(w, 0), i);
    EXPECT(w->recovery.torn && w->recovery.torn_position == first);
    for (uint64_t seq = i + 1; seq <= 30; seq++) {
        struct sent *sent = world_send(w, 0, seq, 30000);
        world_settle(w);
        EXPECT_INT(sent->status, PDR_OK);
    }
    world_crash(w);
    EXPECT_INT(look(w), PDR_OK);
    EXPECT_INT(world_found(w, 0), 30);
    world_free(w);
}

TEST(group_with_records_that_make_no_sense)
{
    struct world *w = written(300);
    uint8_t *bytes = sim_disk_bytes(w->disk, FIRST, NULL);
    struct group group;
    REQUIRE(group_decode(pdr_bytes(bytes, 1u << 20), &group) == PDR_OK);
    uint32_t size = (uint32_t)group.records.size;
    bytes[GROUP_HEADER_SIZE] = RECORD_KIND_COUNT; /* from a later version, say: the CRC is right */
    group_seal(bytes, &group, size);
    sim_disk_changed(w->disk, FIRST);
    EXPECT_INT(look(w), PDR_INTERNAL);
    EXPECT(strstr(w->recovery.corrupt, "record 1 of the group at position 0 in " FIRST) != NULL);
    bytes[GROUP_HEADER_SIZE] = RECORD_ENTRY;
    group.count = 2; /* it has one */
    group_seal(bytes, &group, size);
    sim_disk_changed(w->disk, FIRST);
    EXPECT_INT(look(w), PDR_INTERNAL);
    world_free(w);
}

TEST_MAIN()
