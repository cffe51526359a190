/* core/journal/journal.c: groups in, one sync, positions out (R22).
 *
 *     submitted --deliver--> pending --write_next--> writing --group_synced--> answered at home
 *                               |
 *                               +------- no segment has room, nor can one be made (R74): refused, answered at home
 *
 * One group is written at a time. What arrives meanwhile waits in `pending` and is the next group, so groups grow with
 * the load and a batch that comes alone goes out at once. journal_pump moves all this; gather.c knows when a group had
 * better wait for more, journal_group.c writes one, segments.c sees to the files, journal_open.c begins. */
#include "core/journal/journal.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/journal/journal_state.h"

#define CHECKPOINT_NS (60 * NS_PER_S)
#define RETRY_NS NS_PER_S /* R74: looks for room */

/* A release or a resume on its way to the journal's loop. */
struct order {
    struct message message;
    struct journal *journal;
    struct loop *home;
    uint64_t position;
};

void journal_fail(struct journal *j)
{
    char error[300], why[400];
    if (j->failed) {
        return;
    }
    j->failed = true;
    j->disk->ops->last_error(j->disk, error, sizeof error);
    snprintf(why, sizeof why, "the log cannot be written: %s; what was not acknowledged may be lost", error);
    j->hooks.failed(j->hooks.user, why);
}

/* Messages. */

static void deliver_submitted(struct message *message)
{
    struct journal_batch *batch = LIST_ITEM(message, struct journal_batch, message);
    struct journal *j = batch->journal;
    if (!j->failed) { /* else it stays its home's, which will never hear of it */
        batches_add(&j->batches, batch);
    }
}

void journal_submit(struct journal *journal, struct journal_batch *batch)
{
    CHECK(batch->size % 8 == 0 && batch->size <= GROUP_RECORDS_MAX / 2);
    batch->journal = journal;
    batch->message.deliver = deliver_submitted;
    loop_post(journal->loop, &batch->message);
}

static void post_order(struct journal *j, void (*deliver)(struct message *message), struct loop *home,
                       uint64_t position)
{
    struct order *order = mem_new(sizeof *order);
    order->message.deliver = deliver;
    order->journal = j;
    order->home = home;
    order->position = position;
    loop_post(j->loop, &order->message);
}

static void deliver_resume(struct message *message)
{
    struct order *order = LIST_ITEM(message, struct order, message);
    batches_resume(&order->journal->batches, order->home);
    mem_free(order);
}

void journal_resume(struct journal *journal, struct loop *home)
{
    post_order(journal, deliver_resume, home, 0);
}

static void deliver_release(struct message *message)
{
    struct order *order = LIST_ITEM(message, struct order, message);
    struct journal *j = order->journal;
    if (order->position > j->segments.released) {
        j->segments.released = order->position;
        journal_set(&j->counters.released, order->position);
    }
    j->segments.unreleasable = false;
    j->segments.retry = true;
    j->checkpointing = false;
    mem_free(order);
}

void journal_release(struct journal *journal, uint64_t position)
{
    post_order(journal, deliver_release, NULL, position);
}

static void deliver_hold(struct message *message)
{
    struct order *order = LIST_ITEM(message, struct order, message);
    order->journal->segments.held = order->position != 0;
    mem_free(order);
}

void journal_hold(struct journal *journal, bool held)
{
    post_order(journal, deliver_hold, NULL, held);
}

static void deliver_unreleasable(struct message *message)
{
    struct order *order = LIST_ITEM(message, struct order, message);
    order->journal->segments.unreleasable = true;
    order->journal->segments.retry = true;
    mem_free(order);
}

void journal_unreleasable(struct journal *journal)
{
    post_order(journal, deliver_unreleasable, NULL, 0);
}

/* Time. */

static void checkpoint(struct journal *j, uint64_t now)
{
    bool is_due = j->filled || segments_wait_for_release(&j->segments);
    if (j->checkpointing || j->closing || !(is_due || (j->written && now >= j->checkpoint_ns + CHECKPOINT_NS))) {
        return;
    }
    j->checkpointing = true;
    j->filled = j->written = false;
    j->checkpoint_ns = now;
    j->hooks.want_checkpoint(j->hooks.user);
}

/* R74: room may have come back, or a checkpoint may make some. */
static void retry(struct journal *j, uint64_t now)
{
    if (j->segments.no_space && now >= j->retry_ns) {
        j->retry_ns = now + RETRY_NS;
        j->segments.retry = true;
        j->filled = j->filled || j->segments.current > 0;
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* A timer that fires too early is set again; so a busy journal seldom sets it. */
void journal_arm(struct journal *j, uint64_t now)
{
    uint64_t next = LOOP_NEVER;
    if (!j->covered && !j->busy) {
        next = j->last_ns + JOURNAL_COVER_NS;
        next = next > now ? next : now + JOURNAL_COVER_NS; /* there was no room for it: later */
    }
    if (j->gather.until_ns != 0 && !j->busy) {
        next = earlier(next, j->gather.until_ns);
    }
    if (j->segments.no_space) {
        next = earlier(next, j->retry_ns);
    }
    if (j->written && !j->checkpointing) {
        next = earlier(next, j->checkpoint_ns + CHECKPOINT_NS);
    }
    if (next < j->armed_ns) {
        j->armed_ns = next;
        loop_set_timer(j->loop, next);
    }
}

void journal_on_timer(void *user)
{
    struct journal *j = user;
    j->armed_ns = LOOP_NEVER;
    journal_pump(j);
}

/* The end. */

static void idle_timer(void *user) {}
static bool idle_before_sleep(void *user)
{
    return false;
}

static void release_all(struct journal *j)
{
    loop_set_timer(j->loop, LOOP_NEVER);
    loop_own(j->loop, NULL, idle_timer, idle_before_sleep);
    segments_free(&j->segments);
    control_table_free(&j->control);
    j->disk->ops->close(j->disk);
    free(j->buffer);
    mem_free(j);
}

/* True: it is gone. */
static bool end(struct journal *j)
{
    if (!j->drained || j->busy || (!j->failed && j->batches.pending.first != NULL)) {
        return false;
    }
    if (!j->segments.closing) {
        j->segments.closing = true;
        j->disk->ops->cancel(j->disk);
    }
    if (j->segments.chore != SEGMENTS_IDLE) {
        return false;
    }
    void (*closed)(void *) = j->closed;
    void *user = j->closed_user;
    release_all(j);
    closed(user);
    return true;
}

static bool pump_once(struct journal *j)
{
    uint64_t now = loop_now_ns(j->loop);
    retry(j, now);
    bool wrote = journal_write_next(j);
    if (!j->failed) {
        segments_work(&j->segments);
        journal_set(&j->counters.segments, j->segments.count);
        checkpoint(j, now);
        journal_arm(j, now);
    }
    return wrote && !j->busy;
}

/* True: more may be done at once, but let the inbox be emptied first, for what it holds can go with the next group. */
static bool pump_turn(struct journal *j)
{
    if (j->pumping) {
        return false; /* called from a callback of something that pump started */
    }
    j->pumping = true;
    bool wrote = pump_once(j);
    j->pumping = false;
    return !end(j) && wrote && j->batches.pending.first != NULL;
}

void journal_pump(struct journal *j)
{
    pump_turn(j);
}

bool journal_before_sleep(void *user)
{
    struct journal *j = user;
    if (j->closing && !j->drained) {
        inbox_deliver(&j->loop->inbox);
        j->drained = true;
    }
    return pump_turn(j);
}

void journal_close(struct journal *journal, void (*closed)(void *user), void *user)
{
    journal->closing = true;
    journal->closed = closed;
    journal->closed_user = user; /* the rest in before_sleep, which also hears of what is on its way here */
}

void journal_free(struct journal *journal)
{
    journal->failed = true;
    inbox_deliver(&journal->loop->inbox);
    release_all(journal);
}

static void copy_histogram(struct metrics_histogram *to, struct shared_histogram *from)
{
    *to = (struct metrics_histogram){.sum = atomic_load_explicit(&from->sum, memory_order_relaxed)};
    for (unsigned k = 0; k < METRICS_BUCKETS; k++) {
        to->buckets[k] = atomic_load_explicit(&from->buckets[k], memory_order_relaxed);
        to->count += to->buckets[k];
    }
}

void journal_stats(struct journal *journal, struct journal_stats *out)
{
    struct counters *c = &journal->counters;
#define COPY(field) out->field = atomic_load_explicit(&c->field, memory_order_relaxed)
    COPY(groups);
    COPY(syncs);
    COPY(batches);
    COPY(bytes);
    COPY(sync_ns_total);
    COPY(sync_ns_max);
    COPY(position);
    COPY(segments);
    COPY(released);
#undef COPY
    copy_histogram(&out->sync_us, &c->sync_us);
    copy_histogram(&out->group_bytes, &c->group_bytes);
    copy_histogram(&out->group_batches, &c->group_batches);
}
