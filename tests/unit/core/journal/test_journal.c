/* tests/unit/core/journal/test_journal.c: grouping, order, segments, no space, failure; over the simulated disk. */
#include "tests/unit/core/journal/world.h"

/* Each home has its answers in the order submitted. */
static void expect_order(const struct world *w)
{
    uint32_t next[WORLD_HOMES] = {0};
    for (uint32_t i = 0; i < w->sent_count; i++) {
        EXPECT(w->sent[i]->answered);
        EXPECT_INT(w->sent[i]->answer_no, next[w->sent[i]->home]++);
    }
}

TEST(lone_batch_goes_out_at_once)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    world_run_ms(w, 20); /* the first segment is there */
    uint64_t begin = w->sim.now_ns;
    struct sent *sent = world_send(w, 0, 1, 100);
    world_settle(w);
    EXPECT(sent->answered && sent->status == PDR_OK);
    EXPECT(w->sim.now_ns - begin < 50 * NS_PER_MS); /* no timer was waited for: 100 ms */
    EXPECT(sent->batch.begin == 0 && sent->batch.end == 4096);
    struct journal_stats stats = world_stats(w);
    EXPECT_INT(stats.groups, 1);
    EXPECT_INT(stats.syncs, 1);
    EXPECT_INT(stats.batches, 1);
    EXPECT_INT(stats.position, 4096);
    EXPECT(stats.sync_ns_total > 0 && stats.sync_ns_max == stats.sync_ns_total);
    world_free(w);
}

TEST(first_batches_wait_for_the_first_segment)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    struct sent *sent = world_send(w, 0, 1, 100);
    world_settle(w);
    EXPECT(sent->answered && sent->status == PDR_OK);
    world_free(w);
}

TEST(what_gathers_during_a_sync_is_one_group)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    world_send(w, 0, 1, 100);
    world_settle(w);
    sim_disk_set_delay(w->disk, 20 * NS_PER_MS);
    world_send(w, 0, 2, 100);
    world_run_ms(w, 5); /* the sync of the first is under way */
    for (uint64_t seq = 1; seq <= 20; seq++) {
        world_send(w, 1, seq, 200);
        world_send(w, 2, seq, 200);
    }
    world_settle(w);
    struct journal_stats stats = world_stats(w);
    EXPECT_INT(stats.groups, 3);
    EXPECT_INT(stats.syncs, 3);
    EXPECT_INT(stats.batches, 42);
    for (uint32_t i = 2; i < w->sent_count; i++) {
        EXPECT(w->sent[i]->answered && w->sent[i]->status == PDR_OK);
        EXPECT_INT(w->sent[i]->batch.begin, w->sent[2]->batch.begin);
    }
    expect_order(w);
    world_free(w);
}

TEST(group_has_a_limit_but_not_for_one_batch)
{
    struct world *w = world_new(test_seed());
    w->options.group_bytes_max = 8192;
    REQUIRE(world_open(w) == PDR_OK);
    world_send(w, 0, 1, 100);
    world_settle(w);
    sim_disk_set_delay(w->disk, 20 * NS_PER_MS);
    world_send(w, 0, 2, 100);
    world_run_ms(w, 5);
    world_send(w, 0, 3, 3000);
    world_send(w, 0, 4, 3000);
    world_send(w, 0, 5, 3000);   /* a third does not fit into 8 KiB */
    world_send(w, 0, 6, 100000); /* larger than any group: alone */
    world_send(w, 0, 7, 100);
    world_settle(w);
    EXPECT_INT(world_stats(w).groups, 6);
    EXPECT(w->sent[2]->batch.begin == w->sent[3]->batch.begin);
    EXPECT(w->sent[4]->batch.begin == w->sent[3]->batch.end);
    EXPECT(w->sent[5]->batch.begin == w->sent[4]->batch.end);
    EXPECT_INT(w->sent[5]->batch.end - w->sent[5]->batch.begin, group_size(record_size(100000)));
    EXPECT(w->sent[6]->batch.begin == w->sent[5]->batch.end);
    world_free(w);
}

TEST(idle_log_is_covered_once)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    world_send(w, 0, 1, 100);
    world_settle(w);
    world_run_ms(w, 60);
    EXPECT_INT(world_stats(w).groups, 1);
    world_run_ms(w, 100);
    EXPECT_INT(world_stats(w).groups, 2);
    world_run_ms(w, 2000);
    EXPECT_INT(world_stats(w).groups, 2);
    EXPECT_INT(world_stats(w).batches, 1);
    world_free(w);
}

TEST(closing_answers_and_covers)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    for (uint64_t seq = 1; seq <= 50; seq++) {
        world_send(w, 0, seq, 1000); /* still in the inbox when closing begins */
    }
    world_close(w);
    world_settle(w);
    EXPECT(world_all_answered(w));
    EXPECT_INT(w->sent[49]->status, PDR_OK);
    REQUIRE(world_open(w) == PDR_OK);
    EXPECT_INT(world_found(w, 0), 50);
    EXPECT(!w->recovery.torn);
    EXPECT(w->recovery.bytes > w->sent[49]->batch.end); /* an empty group follows */
    world_free(w);
}

TEST(closing_does_not_wait_for_the_next_segment)
{
    struct world *w = world_new(test_seed());
    w->options.segment_bytes = 4ull << 30; /* takes for ever */
    w->options.bytes_max = 64ull << 30;
    REQUIRE(world_open(w) == PDR_OK);
    world_send(w, 0, 1, 100);
    world_settle(w);
    world_close(w);
    REQUIRE(sim_disk_bytes(w->disk, "0000000000000002.log", NULL) == NULL);
    world_free(w);
}

static void fill_segments(struct world *w, uint64_t from, uint64_t to)
{
    for (uint64_t seq = from; seq <= to; seq++) {
        world_send(w, 0, seq, 60000);
        world_settle(w);
    }
}

TEST(released_segments_are_recycled)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    for (uint64_t round = 0; round < 20; round++) {
        fill_segments(w, round * 20 + 1, round * 20 + 20); /* 1.2 MiB */
        EXPECT_INT(w->sent[w->sent_count - 1]->status, PDR_OK);
        EXPECT(w->checkpoints > round); /* a segment was filled */
        journal_release(w->journal, w->sent[w->sent_count - 1]->batch.begin);
        world_run_ms(w, 50);
    }
    EXPECT(world_stats(w).segments <= 4);
    EXPECT_INT(world_stats(w).released, w->sent[399]->batch.begin);
    EXPECT(world_stats(w).position > 20u << 20);
    EXPECT(sim_disk_used(w->disk) <= 4u << 20);
    EXPECT(sim_disk_bytes(w->disk, "0000000000000001.log", NULL) == NULL);
    world_crash(w);
    REQUIRE(world_open(w) == PDR_OK);
    EXPECT(w->found_count > 0 && w->found[w->found_count - 1].seq == 400);
    EXPECT_INT(w->found[0].kind, RECORD_CONTROL);
    world_free(w);
}

TEST(what_is_not_released_stays)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    fill_segments(w, 1, 60); /* 3.6 MiB: four segments */
    journal_release(w->journal, w->sent[30]->batch.begin);
    world_run_ms(w, 50);
    world_crash(w);
    REQUIRE(world_open(w) == PDR_OK);
    uint64_t next = 0;
    for (uint32_t i = 0; i < w->found_count; i++) {
        if (w->found[i].kind == RECORD_ENTRY) {
            EXPECT(next == 0 || w->found[i].seq == next);
            EXPECT(next != 0 || (w->found[i].seq > 10 && w->found[i].seq <= 31));
            next = w->found[i].seq + 1;
        }
    }
    EXPECT_INT(next, 61);
    world_free(w);
}

TEST(checkpoint_is_asked_for_once_until_released)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    fill_segments(w, 1, 60);
    EXPECT_INT(w->checkpoints, 1);
    journal_release(w->journal, 0); /* it did not get far */
    world_run_ms(w, 1);
    EXPECT_INT(w->checkpoints, 2); /* more segments were filled meanwhile */
    journal_release(w->journal, w->sent[59]->batch.begin);
    world_run_ms(w, 1000);
    EXPECT_INT(w->checkpoints, 2);
    world_free(w);
}

TEST(checkpoint_after_a_minute_with_anything_written)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    world_run_ms(w, 120000);
    EXPECT_INT(w->checkpoints, 0);
    world_send(w, 0, 1, 100);
    world_run_ms(w, 1000);
    EXPECT_INT(w->checkpoints, 1); /* the last one is more than 60 s ago */
    journal_release(w->journal, 4096);
    world_send(w, 0, 2, 100);
    world_run_ms(w, 30000);
    EXPECT_INT(w->checkpoints, 1);
    world_run_ms(w, 35000);
    EXPECT_INT(w->checkpoints, 2);
    world_run_ms(w, 120000); /* empty groups are not written for the store's sake */
    EXPECT_INT(w->checkpoints, 2);
    world_free(w);
}

static void note(void *user, const struct record *record, uint64_t position)
{
    EXPECT(control_table_note(user, record));
}

TEST(segment_begins_with_the_control_state)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    world_send_record(w, 1, RECORD_RID, 77, 0, 0, 8);
    world_send_record(w, 1, RECORD_EPOCH, 77, 5, 0, 0);
    world_send_record(w, 1, RECORD_ENTRY, 77, 5, 1, 16);
    world_send_record(w, 1, RECORD_CUT, 77, 6, 1, 0);
    fill_segments(w, 1, 40);
    journal_release(w->journal, w->sent[w->sent_count - 1]->batch.begin);
    world_run_ms(w, 50);
    world_crash(w);
    struct control_table table = {0};
    w->each = note;
    w->user = &table;
    REQUIRE(world_open(w) == PDR_OK);
    EXPECT_INT(w->found[0].kind, RECORD_CONTROL);
    struct control *control = control_table_find(&table, 77);
    REQUIRE(control != NULL);
    uint8_t rid[8];
    world_fill(rid, 8, 77, 0, 0);
    EXPECT(control->rid == get_le64(rid));
    EXPECT_INT(control->promised, 6);
    EXPECT_INT(control->cut_epoch, 6);
    EXPECT_INT(control->cut_seq, 1);
    REQUIRE(control->history_count == 1);
    EXPECT(control->history[0].epoch == 5 && control->history[0].first_seq == 1);
    control_table_free(&table);
    world_free(w);
}

TEST(batch_larger_than_a_segment)
{
    struct world *w = world_new(test_seed());
    w->options.bytes_max = 32u << 20;
    REQUIRE(world_open(w) == PDR_OK);
    world_send(w, 0, 1, 100);
    struct sent *large = world_send(w, 0, 2, 5u << 20);
    world_send(w, 0, 3, 100);
    world_settle(w);
    world_run_ms(w, 200);
    EXPECT(large->answered && large->status == PDR_OK && w->sent[2]->status == PDR_OK);
    fill_segments(w, 4, 60);
    journal_release(w->journal, w->sent[w->sent_count - 1]->batch.begin);
    world_run_ms(w, 100);
    EXPECT(sim_disk_used(w->disk) <= 5u << 20); /* the large one is not kept */
    world_crash(w);
    REQUIRE(world_open(w) == PDR_OK);
    EXPECT_INT(w->found[w->found_count - 1].seq, 60);
    world_free(w);
}

/* R74 */

TEST(no_space_refuses_in_order_and_recovers)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    world_send(w, 0, 1, 100);
    world_settle(w);
    sim_disk_set_capacity(w->disk, 2u << 20); /* the next segment fits, then nothing */
    uint64_t seq = 2;
    while (w->sent[w->sent_count - 1]->status == PDR_OK && seq < 60) {
        world_send(w, 0, seq++, 60000);
        world_settle(w);
    }
    EXPECT(seq > 30 && seq < 40); /* two segments of 1 MiB are full */
    EXPECT_INT(w->sent[w->sent_count - 1]->status, PDR_NO_SPACE);
    struct sent *small = world_send(w, 0, seq, 100); /* would fit; but it came after */
    struct sent *other = world_send(w, 1, 1, 100);   /* another home's, that fits */
    world_settle(w);
    EXPECT(small->answered && small->status == PDR_NO_SPACE);
    EXPECT(other->answered && other->status == PDR_OK);
    sim_disk_set_capacity(w->disk, UINT64_MAX);
    world_run_ms(w, 2500); /* it looks once a second */
    struct sent *still = world_send(w, 0, seq, 100);
    world_settle(w);
    EXPECT(still->answered && still->status == PDR_NO_SPACE); /* not resumed */
    journal_resume(w->journal, &w->homes[0].loop);
    struct sent *again = world_send(w, 0, seq, 60000);
    world_settle(w);
    EXPECT(again->answered && again->status == PDR_OK);
    expect_order(w);
    EXPECT_INT(w->failures, 0);
    world_free(w);
}

TEST(refused_while_more_is_on_its_way)
{
    struct world *w = world_new(test_seed());
    w->options.bytes_max = 1u << 20; /* never a second segment */
    REQUIRE(world_open(w) == PDR_OK);
    journal_unreleasable(w->journal);
    for (uint64_t seq = 1; seq <= 40; seq++) {
        world_send(w, 0, seq, 60000);
        world_send(w, 1, seq, 60000);
    }
    world_settle(w);
    bool refused[2] = {false, false};
    for (uint32_t i = 0; i < w->sent_count; i++) {
        struct sent *sent = w->sent[i];
        EXPECT(sent->status == (refused[sent->home] ? PDR_NO_SPACE : sent->status)); /* no gap: none after a refusal */
        refused[sent->home] = refused[sent->home] || sent->status != PDR_OK;
    }
    EXPECT(refused[0] && refused[1]);
    expect_order(w);
    EXPECT_INT(w->failures, 0);
    world_free(w);
}

/* Sends until the log is as long as it may be; the last one waits. Returns the next number. */
static uint64_t fill(struct world *w)
{
    uint64_t seq = 1;
    struct sent *last;
    do {
        last = world_send(w, 0, seq++, 60000);
        world_run_ms(w, 50);
    } while (last->answered && seq < 100);
    EXPECT(!last->answered);
    EXPECT(sim_disk_used(w->disk) <= w->options.bytes_max);
    return seq;
}

TEST(at_bytes_max_it_waits_for_a_release)
{
    struct world *w = world_new(test_seed());
    w->options.bytes_max = 3u << 20;
    REQUIRE(world_open(w) == PDR_OK);
    fill(w);
    struct sent *last = w->sent[w->sent_count - 1];
    EXPECT_INT(w->checkpoints, 1);
    journal_release(w->journal, 0); /* it did not get far: asked again */
    world_run_ms(w, 50);
    EXPECT_INT(w->checkpoints, 2);
    EXPECT(!last->answered);
    journal_release(w->journal, w->sent[w->sent_count - 2]->batch.begin);
    world_run_ms(w, 50);
    EXPECT(last->answered && last->status == PDR_OK);
    expect_order(w);
    world_free(w);
}

TEST(at_bytes_max_without_a_release_there_is_no_space)
{
    struct world *w = world_new(test_seed());
    w->options.bytes_max = 3u << 20;
    REQUIRE(world_open(w) == PDR_OK);
    uint64_t seq = fill(w);
    struct sent *last = w->sent[w->sent_count - 1];
    journal_unreleasable(w->journal);
    world_settle(w);
    EXPECT(last->answered && last->status == PDR_NO_SPACE);
    journal_release(w->journal, w->sent[w->sent_count - 2]->batch.begin);
    journal_resume(w->journal, &w->homes[0].loop);
    world_run_ms(w, 50);
    last = world_send(w, 0, seq, 60000);
    world_settle(w);
    EXPECT_INT(last->status, PDR_OK);
    world_free(w);
}

TEST(no_space_for_the_very_first_segment)
{
    struct world *w = world_new(test_seed());
    sim_disk_set_capacity(w->disk, 1000);
    REQUIRE(world_open(w) == PDR_OK);
    struct sent *sent = world_send(w, 0, 1, 100);
    world_settle(w);
    EXPECT(sent->answered && sent->status == PDR_NO_SPACE);
    sim_disk_set_capacity(w->disk, UINT64_MAX);
    journal_resume(w->journal, &w->homes[0].loop);
    world_run_ms(w, 2500);
    sent = world_send(w, 0, 1, 100);
    world_settle(w);
    EXPECT(sent->answered && sent->status == PDR_OK);
    world_free(w);
}

/* R27 */

TEST(failed_sync_is_final)
{
    struct world *w = world_new(test_seed());
    REQUIRE(world_open(w) == PDR_OK);
    world_send(w, 0, 1, 100);
    world_settle(w);
    sim_disk_fail_next_sync(w->disk);
    struct sent *lost = world_send(w, 0, 2, 100);
    world_run_ms(w, 50);
    struct sent *later = world_send(w, 1, 1, 100);
    world_run_ms(w, 5000);
    EXPECT(!lost->answered && !later->answered);
    EXPECT_INT(w->failures, 1);
    EXPECT(strstr(w->why, "cannot sync 0000000000000001.log: input/output error") != NULL);
    EXPECT_INT(world_stats(w).groups, 1);
    world_close(w); /* at once, without a word to anybody */
    EXPECT(!lost->answered && !later->answered);
    world_free(w);
}

TEST_MAIN()
