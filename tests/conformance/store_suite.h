/* tests/conformance/store_suite.h: what every filling of core/store/store.h must do. test_store.c runs it over all. */
#ifndef TESTS_CONFORMANCE_STORE_SUITE_H
#define TESTS_CONFORMANCE_STORE_SUITE_H

#include "core/store/store.h"

/** An empty store, and what the suite cannot do through its operations. */
struct store_subject {
    struct store *store;
    const char *directory; /* for checkpoints: a name in it is free */
    /** A crash: what was not flushed may be lost. Afterwards `store` is open again. */
    void (*crash)(struct store_subject *subject);
    /** Opens what `checkpoint` made in `directory`; the caller closes it. */
    struct store *(*open_checkpoint)(struct store_subject *subject, const char *directory);
};

typedef void (*store_suite_case)(struct store_subject *subject);

#define STORE_SUITE(X)                                                                                                 \
    X(gets_what_was_put)                                                                                               \
    X(empty_values)                                                                                                    \
    X(large_values)                                                                                                    \
    X(keys_are_bytes_in_order)                                                                                         \
    X(last_change_in_a_batch_wins)                                                                                     \
    X(batch_is_empty_after_a_write)                                                                                    \
    X(range_delete)                                                                                                    \
    X(scan_bounds)                                                                                                     \
    X(scan_ends_when_told)                                                                                             \
    X(scans_of_actors)                                                                                                 \
    X(cursor_of_what_is_in_memory)                                                                                     \
    X(scans_from_one_actor_to_another)                                                                                 \
    X(cursor_is_a_snapshot)                                                                                            \
    X(cursor_sees_what_was_written)                                                                                    \
    X(readers_beside_a_writer)                                                                                         \
    X(flushed_survives_a_crash)                                                                                        \
    X(crash_keeps_a_prefix)                                                                                            \
    X(checkpoint_is_a_copy)                                                                                            \
    X(checkpoint_wants_a_new_directory)                                                                                \
    X(counts_keys)                                                                                                     \
    X(no_error_at_first)                                                                                               \
    X(format_is_checked)                                                                                               \
    X(snapshot_of_a_shard)                                                                                             \
    X(snapshot_is_judged)                                                                                              \
    X(agrees_with_a_model)

#define STORE_SUITE_DECLARE(name) void store_suite_##name(struct store_subject *subject);
STORE_SUITE(STORE_SUITE_DECLARE)
#undef STORE_SUITE_DECLARE

#endif
