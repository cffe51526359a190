/* core/replog/history.h: which epoch wrote which entries of a log, and where two logs part (replication.md R31).
 *
 * An epoch that wrote nothing leaves no trace once a later one has begun at the same place. Only the newest
 * CONTROL_HISTORY_MAX are kept, as in the journal (core/journal/control.h): epoch 0 stands for "older than that". */
#ifndef CORE_REPLOG_HISTORY_H
#define CORE_REPLOG_HISTORY_H

#include "core/journal/control.h"

/** Ascending in both. All zero is empty. */
struct history {
    struct control_epoch *at;
    uint32_t count, capacity;
};

void history_release(struct history *history);
void history_set(struct history *history, const struct control_epoch *at, uint32_t count);
/** Entries from `first_seq` on are of `epoch`, which is higher than all before; what began there is forgotten. */
void history_begin(struct history *history, uint64_t epoch, uint64_t first_seq);
/** There are no entries after `seq` any more. */
void history_cut(struct history *history, uint64_t seq);
/** 0: older than the history goes back, or none. */
uint64_t history_epoch_of(const struct history *history, uint64_t seq);
/** How many of its epochs began at or before `seq`: the history of a snapshot that has everything up to there. */
uint32_t history_until(const struct history *history, uint64_t seq);

/**
 * R31: the last place where two logs, which end at `last` and `other_last`, have the same epoch: up to there they are
 * the same. `applied` is how far the first one is known to be committed, so that nobody need look further down.
 * False if it cannot be told, because a history does not go back so far; *out below `applied` if the logs contradict.
 */
bool history_match(const struct history *history, uint64_t last, const struct history *other, uint64_t other_last,
                   uint64_t applied, uint64_t *out);

#endif
