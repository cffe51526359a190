/* core/journal/batches.h: batches between submission and answer: in order, or refused home by home (R74). For the
 * journal alone, on its loop. */
#ifndef CORE_JOURNAL_BATCHES_H
#define CORE_JOURNAL_BATCHES_H

#include "core/journal/journal.h"

#define BATCHES_HOMES_MAX 256u

/* First in, first out; linked by the messages, which are ours between two deliveries. */
struct batch_queue {
    struct journal_batch *first, *last;
    uint32_t entries;
};

struct batches {
    struct batch_queue pending;              /* wait for a group */
    struct batch_queue writing;              /* the group that is written */
    struct loop *refused[BATCHES_HOMES_MAX]; /* homes that were refused and have not resumed */
    uint32_t refused_count;
};

struct journal_batch *batches_next(const struct journal_batch *batch);
/** Into `pending`, or refused if its home is. */
void batches_add(struct batches *batches, struct journal_batch *batch);
/** The first of `pending` goes to `writing`. */
void batches_take(struct batches *batches);
/** Answers all of `writing`; returns how many there were. */
uint64_t batches_answer(struct batches *batches, uint64_t begin, uint64_t end);
/** Refuses, in order, all that waits of that home and all that comes until batches_resume. Call it while nothing is
 * written: an earlier batch of that home must have its answer first. */
void batches_refuse(struct batches *batches, struct loop *home);
void batches_resume(struct batches *batches, struct loop *home);

#endif
