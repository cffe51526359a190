/* core/journal/journal_group.c: one group: gathers it, writes it, and answers its batches when it is on disk (R22). */
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/mutation.h"
#include "core/journal/journal_state.h"

_Static_assert(GROUP_BLOCK == DISK_BLOCK, "a group is written as it is");

static void reserve_buffer(struct journal *j, uint32_t size)
{
    uint32_t usual = j->group_bytes_max;
    if (size <= j->capacity && (j->capacity <= usual || size > usual)) {
        return;
    }
    j->capacity = size < usual ? usual : size; /* a batch larger than usual does not keep its memory */
    free(j->buffer);
    j->buffer = aligned_alloc(DISK_BLOCK, j->capacity);
    CHECK(j->buffer != NULL); /* no larger than what the cores already hold; without it nothing goes on */
}

/* Looks at each record on its way: it must be one, and the next segment begins with what they say of their shards. */
static uint32_t note_records(struct journal *j, const void *records, uint32_t size)
{
    struct pdr_bytes rest = pdr_bytes(records, size);
    uint32_t used, records_count = 0;
    for (struct record record; rest.size > 0; rest = pdr_bytes((const char *)rest.data + used, rest.size - used)) {
        CHECK(record_decode(rest, &record, &used) == PDR_OK);
        CHECK(control_table_note(&j->control, &record));
        records_count++;
    }
    return records_count;
}

/* Whether a group with `size` bytes of records can be written now. */
static enum segments_roll make_room(struct journal *j, uint32_t size)
{
    if (group_size(size) <= segments_room(&j->segments, j->position)) {
        return SEGMENTS_ROLLED;
    }
    size += control_table_size(&j->control);
    enum segments_roll outcome = segments_roll(&j->segments, j->position, group_size(size));
    if (outcome == SEGMENTS_ROLLED) {
        j->rolled = true;
        j->filled = j->segments.current > 0;
    }
    return outcome;
}

/* Takes batches into `writing`, in order: at least the first, then as many as fit. Returns the bytes of all records. */
static uint32_t gather(struct journal *j, uint32_t size)
{
    uint64_t room = segments_room(&j->segments, j->position);
    if (room > j->group_bytes_max) {
        room = j->group_bytes_max;
    }
    for (struct journal_batch *batch; (batch = j->batches.pending.first) != NULL; size += batch->size) {
        if (j->batches.writing.first != NULL && group_size(size + batch->size) > room) {
            break;
        }
        batches_take(&j->batches);
    }
    return size;
}

static void group_synced(void *user, enum pdr_status status);

static void write_group(struct journal *j)
{
    struct segment *segment = segments_current(&j->segments);
    struct group group = {.segment = segment->number, .position = j->position, .durable = j->position};
    uint32_t control = j->rolled ? control_table_size(&j->control) : 0, size = gather(j, control);
    reserve_buffer(j, group_size(size));
    uint8_t *to = j->buffer + GROUP_HEADER_SIZE;
    if (j->rolled) {
        control_table_encode(&j->control, to);
        group.count = j->control.count;
        to += control;
    }
    for (struct journal_batch *batch = j->batches.writing.first; batch != NULL; batch = batches_next(batch)) {
        memcpy(to, batch->records, batch->size);
        group.count += note_records(j, to, batch->size);
        to += batch->size;
    }
    memcpy(group.log, j->log, LOG_ID_SIZE);
    group_seal(j->buffer, &group, size);
    j->group = group_size(size);
    j->busy = true;
    j->covered = j->batches.writing.first == NULL;
    if (MUTATION(2)) {
        batches_answer(&j->batches, j->position, j->position + j->group);
    }
    segment->file->disk->ops->write_sync(segment->file, j->position - segment->begin, j->buffer, j->group, group_synced,
                                         j);
}

/* R71: nothing was written for a while, and nothing says yet that the last group was durable. */
static bool wants_cover(const struct journal *j)
{
    return !j->covered && (j->closing || loop_now_ns(j->loop) >= j->last_ns + JOURNAL_COVER_NS);
}

bool journal_write_next(struct journal *j)
{
    while (!j->busy && !j->failed) {
        struct journal_batch *first = j->batches.pending.first;
        if (first == NULL && !wants_cover(j)) {
            return false;
        }
        if (first != NULL && !j->closing && gather_wait(&j->gather, j->batches.pending.entries, loop_now_ns(j->loop))) {
            return false;
        }
        enum segments_roll room = make_room(j, first == NULL ? 0 : first->size);
        if (room == SEGMENTS_ROLLED) {
            write_group(j);
            return true;
        }
        if (room == SEGMENTS_WAIT || first == NULL) {
            return false;
        }
        batches_refuse(&j->batches, first->home);
    }
    return false;
}

static void note_sync(struct journal *j)
{
    uint64_t ns = j->disk->sync_ns;
    journal_count(&j->counters.syncs, 1);
    journal_count(&j->counters.sync_ns_total, ns);
    journal_measure(&j->counters.sync_us, metrics_time_bucket(ns), ns);
    if (ns > atomic_load_explicit(&j->counters.sync_ns_max, memory_order_relaxed)) {
        journal_set(&j->counters.sync_ns_max, ns);
    }
}

static void group_synced(void *user, enum pdr_status status)
{
    struct journal *j = user;
    if (status != PDR_OK && !MUTATION(9)) {
        journal_fail(j);
    }
    j->busy = false;
    if (!j->failed) {
        uint64_t begin = j->position;
        j->position += j->group;
        j->segments.durable = j->position;
        j->last_ns = loop_now_ns(j->loop);
        j->written = j->written || !j->covered;
        j->rolled = false;
        journal_count(&j->counters.groups, 1);
        journal_count(&j->counters.bytes, j->group);
        note_sync(j);
        journal_set(&j->counters.position, j->position);
        uint32_t answered = j->batches.writing.entries;
        uint64_t batches = batches_answer(&j->batches, begin, j->position);
        journal_count(&j->counters.batches, batches);
        journal_measure(&j->counters.group_bytes, metrics_size_bucket(j->group), j->group);
        journal_measure(&j->counters.group_batches, metrics_size_bucket(batches), batches);
        inbox_deliver(&j->loop->inbox); /* what arrived during the sync did not wait for its answer */
        gather_begin(&j->gather, answered, j->batches.pending.entries, j->disk->sync_ns);
    }
    journal_pump(j);
}
