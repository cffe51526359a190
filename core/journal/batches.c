/* core/journal/batches.c: queues of batches, and their way home. A batch is its home's as soon as it is posted. */
#include "core/journal/batches.h"

#include "core/base/check.h"
#include "core/base/list.h"

static struct journal_batch *batch_of(struct message *message)
{
    return LIST_ITEM(message, struct journal_batch, message);
}

struct journal_batch *batches_next(const struct journal_batch *batch)
{
    return batch->message.next == NULL ? NULL : batch_of(batch->message.next);
}

static void push(struct batch_queue *queue, struct journal_batch *batch)
{
    batch->message.next = NULL;
    if (queue->first == NULL) {
        queue->first = batch;
    } else {
        queue->last->message.next = &batch->message;
    }
    queue->last = batch;
    queue->entries += batch->entries;
}

static struct journal_batch *pop(struct batch_queue *queue)
{
    struct journal_batch *batch = queue->first;
    if (batch != NULL) {
        queue->first = batches_next(batch);
        queue->entries -= batch->entries;
    }
    return batch;
}

static void deliver_durable(struct message *message)
{
    struct journal_batch *batch = batch_of(message);
    batch->done(batch, PDR_OK);
}

static void deliver_refusal(struct message *message)
{
    struct journal_batch *batch = batch_of(message);
    batch->done(batch, PDR_NO_SPACE);
}

static void refuse(struct journal_batch *batch)
{
    batch->message.deliver = deliver_refusal;
    loop_post(batch->home, &batch->message);
}

static uint32_t find_refused(const struct batches *batches, const struct loop *home)
{
    uint32_t i = 0;
    while (i < batches->refused_count && batches->refused[i] != home) {
        i++;
    }
    return i;
}

void batches_add(struct batches *batches, struct journal_batch *batch)
{
    if (find_refused(batches, batch->home) < batches->refused_count) {
        refuse(batch);
    } else {
        push(&batches->pending, batch);
    }
}

void batches_take(struct batches *batches)
{
    push(&batches->writing, pop(&batches->pending));
}

uint64_t batches_answer(struct batches *batches, uint64_t begin, uint64_t end)
{
    struct journal_batch *batch;
    uint64_t count = 0;
    while ((batch = pop(&batches->writing)) != NULL) {
        batch->begin = begin;
        batch->end = end;
        batch->message.deliver = deliver_durable;
        loop_post(batch->home, &batch->message);
        count++;
    }
    return count;
}

void batches_refuse(struct batches *batches, struct loop *home)
{
    struct batch_queue waited = batches->pending;
    struct journal_batch *batch;
    CHECK(batches->refused_count < BATCHES_HOMES_MAX && batches->writing.first == NULL);
    batches->refused[batches->refused_count++] = home;
    batches->pending = (struct batch_queue){0};
    while ((batch = pop(&waited)) != NULL) {
        batches_add(batches, batch);
    }
}

void batches_resume(struct batches *batches, struct loop *home)
{
    uint32_t i = find_refused(batches, home);
    if (i < batches->refused_count) {
        batches->refused[i] = batches->refused[--batches->refused_count];
    }
}
