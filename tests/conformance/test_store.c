/* tests/conformance/test_store.c: the suite of store_suite.h over both fillings of core/store/store.h. */
#include "core/store/store.h"

#include "tests/conformance/store_suite.h"
#include "tests/lib/test.h"

/* A small memtable, so that RocksDB writes files on its own too. */
static const struct store_rocks_options rocks_options = {.memtable_bytes = 128u << 10};

static struct store *rocks_open(const char *directory)
{
    struct store *store = NULL;
    const char *why = "";
    if (store_rocks_open(directory, &rocks_options, &store, &why) != PDR_OK) {
        test_failed(__FILE__, __LINE__, why);
        longjmp(test_stop, 1);
    }
    return store;
}

static void rocks_crash(struct store_subject *subject)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/store", subject->directory);
    subject->store->ops->close(subject->store);
    subject->store = rocks_open(path);
}

static struct store *rocks_open_checkpoint(struct store_subject *subject, const char *directory)
{
    return rocks_open(directory);
}

static void over_rocks(store_suite_case run)
{
    struct store_subject subject = {
        .directory = test_dir(), .crash = rocks_crash, .open_checkpoint = rocks_open_checkpoint};
    char path[4096];
    snprintf(path, sizeof path, "%s/store", subject.directory);
    subject.store = rocks_open(path);
    run(&subject);
    subject.store->ops->close(subject.store);
}

static void mem_crash(struct store_subject *subject)
{
    store_mem_crash(subject->store, 50);
}

static struct store *mem_open_checkpoint(struct store_subject *subject, const char *directory)
{
    return store_mem_open_checkpoint(subject->store, directory);
}

static void over_mem(store_suite_case run)
{
    struct store_subject subject = {
        .store = store_mem_new(), .directory = "/nowhere", .crash = mem_crash, .open_checkpoint = mem_open_checkpoint};
    run(&subject);
    subject.store->ops->close(subject.store);
}

TEST(rocks_gets_what_was_put)
{
    over_rocks(store_suite_gets_what_was_put);
}
TEST(rocks_empty_values)
{
    over_rocks(store_suite_empty_values);
}
TEST(rocks_large_values)
{
    over_rocks(store_suite_large_values);
}
TEST(rocks_keys_are_bytes_in_order)
{
    over_rocks(store_suite_keys_are_bytes_in_order);
}
TEST(rocks_last_change_in_a_batch_wins)
{
    over_rocks(store_suite_last_change_in_a_batch_wins);
}
TEST(rocks_batch_is_empty_after_a_write)
{
    over_rocks(store_suite_batch_is_empty_after_a_write);
}
TEST(rocks_range_delete)
{
    over_rocks(store_suite_range_delete);
}
TEST(rocks_scan_bounds)
{
    over_rocks(store_suite_scan_bounds);
}
TEST(rocks_scan_ends_when_told)
{
    over_rocks(store_suite_scan_ends_when_told);
}
TEST(rocks_scans_of_actors)
{
    over_rocks(store_suite_scans_of_actors);
}
TEST(rocks_cursor_of_what_is_in_memory)
{
    over_rocks(store_suite_cursor_of_what_is_in_memory);
}
TEST(rocks_scans_from_one_actor_to_another)
{
    over_rocks(store_suite_scans_from_one_actor_to_another);
}
TEST(rocks_cursor_is_a_snapshot)
{
    over_rocks(store_suite_cursor_is_a_snapshot);
}
TEST(rocks_cursor_sees_what_was_written)
{
    over_rocks(store_suite_cursor_sees_what_was_written);
}
TEST(rocks_readers_beside_a_writer)
{
    over_rocks(store_suite_readers_beside_a_writer);
}
TEST(rocks_flushed_survives_a_crash)
{
    over_rocks(store_suite_flushed_survives_a_crash);
}
TEST(rocks_crash_keeps_a_prefix)
{
    over_rocks(store_suite_crash_keeps_a_prefix);
}
TEST(rocks_checkpoint_is_a_copy)
{
    over_rocks(store_suite_checkpoint_is_a_copy);
}
TEST(rocks_checkpoint_wants_a_new_directory)
{
    over_rocks(store_suite_checkpoint_wants_a_new_directory);
}
TEST(rocks_counts_keys)
{
    over_rocks(store_suite_counts_keys);
}
TEST(rocks_no_error_at_first)
{
    over_rocks(store_suite_no_error_at_first);
}
TEST(rocks_format_is_checked)
{
    over_rocks(store_suite_format_is_checked);
}
TEST(rocks_snapshot_of_a_shard)
{
    over_rocks(store_suite_snapshot_of_a_shard);
}
TEST(rocks_snapshot_is_judged)
{
    over_rocks(store_suite_snapshot_is_judged);
}
TEST(rocks_agrees_with_a_model)
{
    over_rocks(store_suite_agrees_with_a_model);
}

TEST(mem_gets_what_was_put)
{
    over_mem(store_suite_gets_what_was_put);
}
TEST(mem_empty_values)
{
    over_mem(store_suite_empty_values);
}
TEST(mem_large_values)
{
    over_mem(store_suite_large_values);
}
TEST(mem_keys_are_bytes_in_order)
{
    over_mem(store_suite_keys_are_bytes_in_order);
}
TEST(mem_last_change_in_a_batch_wins)
{
    over_mem(store_suite_last_change_in_a_batch_wins);
}
TEST(mem_batch_is_empty_after_a_write)
{
    over_mem(store_suite_batch_is_empty_after_a_write);
}
TEST(mem_range_delete)
{
    over_mem(store_suite_range_delete);
}
TEST(mem_scan_bounds)
{
    over_mem(store_suite_scan_bounds);
}
TEST(mem_scan_ends_when_told)
{
    over_mem(store_suite_scan_ends_when_told);
}
TEST(mem_scans_of_actors)
{
    over_mem(store_suite_scans_of_actors);
}
TEST(mem_cursor_of_what_is_in_memory)
{
    over_mem(store_suite_cursor_of_what_is_in_memory);
}
TEST(mem_scans_from_one_actor_to_another)
{
    over_mem(store_suite_scans_from_one_actor_to_another);
}
TEST(mem_cursor_is_a_snapshot)
{
    over_mem(store_suite_cursor_is_a_snapshot);
}
TEST(mem_cursor_sees_what_was_written)
{
    over_mem(store_suite_cursor_sees_what_was_written);
}
TEST(mem_readers_beside_a_writer)
{
    over_mem(store_suite_readers_beside_a_writer);
}
TEST(mem_flushed_survives_a_crash)
{
    over_mem(store_suite_flushed_survives_a_crash);
}
TEST(mem_crash_keeps_a_prefix)
{
    over_mem(store_suite_crash_keeps_a_prefix);
}
TEST(mem_checkpoint_is_a_copy)
{
    over_mem(store_suite_checkpoint_is_a_copy);
}
TEST(mem_checkpoint_wants_a_new_directory)
{
    over_mem(store_suite_checkpoint_wants_a_new_directory);
}
TEST(mem_counts_keys)
{
    over_mem(store_suite_counts_keys);
}
TEST(mem_no_error_at_first)
{
    over_mem(store_suite_no_error_at_first);
}
TEST(mem_format_is_checked)
{
    over_mem(store_suite_format_is_checked);
}
TEST(mem_snapshot_of_a_shard)
{
    over_mem(store_suite_snapshot_of_a_shard);
}
TEST(mem_snapshot_is_judged)
{
    over_mem(store_suite_snapshot_is_judged);
}
TEST(mem_agrees_with_a_model)
{
    over_mem(store_suite_agrees_with_a_model);
}

TEST_MAIN()
