/* core/journal/segments.c: makes, recycles and drops the log's files, one chore at a time. */
#include "core/journal/segments.h"

#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"

#define NAME_DIGITS 16
#define NAME_SUFFIX ".log"

void segment_name(char name[SEGMENT_NAME_SIZE], uint64_t number)
{
    snprintf(name, SEGMENT_NAME_SIZE, "%0*llu%s", NAME_DIGITS, (unsigned long long)number, NAME_SUFFIX);
}

uint64_t segment_number(const char *name)
{
    uint64_t number = 0;
    size_t i = 0;
    for (; name[i] >= '0' && name[i] <= '9' && i < NAME_DIGITS; i++) {
        number = number * 10 + (uint64_t)(name[i] - '0');
    }
    return i == NAME_DIGITS && strcmp(name + i, NAME_SUFFIX) == 0 ? number : 0;
}

void segments_add(struct segments *segments, const struct segment *segment)
{
    if (segments->count == segments->capacity) {
        segments->capacity = segments->capacity == 0 ? 16 : segments->capacity * 2;
        segments->all = mem_grow(segments->all, segments->capacity * sizeof *segments->all);
    }
    segments->all[segments->count++] = *segment;
    segments->bytes += segment->size;
}

static uint32_t ready_count(const struct segments *segments)
{
    return segments->count - (uint32_t)(segments->current + 1);
}

static struct segment *first_ready(struct segments *segments)
{
    return ready_count(segments) == 0 ? NULL : &segments->all[segments->current + 1];
}

uint64_t segments_room(const struct segments *segments, uint64_t position)
{
    if (segments->current < 0) {
        return 0;
    }
    const struct segment *segment = &segments->all[segments->current];
    return segment->begin + segment->size - position;
}

enum segments_roll segments_roll(struct segments *segments, uint64_t position, uint64_t size)
{
    struct segment *ready = first_ready(segments);
    if (ready != NULL && ready->size >= size) {
        ready->begin = position;
        segments->current++;
        segments->needed = 0;
        return SEGMENTS_ROLLED;
    }
    segments->needed = size;
    segments_work(segments);
    if (!segments->no_space) {
        return SEGMENTS_WAIT;
    }
    segments->needed = 0;
    return SEGMENTS_NO_SPACE;
}

/* Chores. */

static struct segment take(struct segments *segments, uint32_t index)
{
    struct segment taken = segments->all[index];
    uint32_t behind = segments->count - index - 1;
    memmove(&segments->all[index], &segments->all[index + 1], behind * sizeof taken);
    segments->count--;
    segments->current -= (int)index <= segments->current;
    taken.file->disk->ops->close_file(taken.file);
    taken.file = NULL;
    return taken;
}

static uint64_t next_number(const struct segments *segments)
{
    return segments->count == 0 ? 1 : segments->all[segments->count - 1].number + 1;
}

static bool adopt(struct segments *segments, struct segment *segment)
{
    char name[SEGMENT_NAME_SIZE];
    segment_name(name, segment->number);
    if (segments->disk->ops->open(segments->disk, name, &segment->file) != PDR_OK) {
        return false;
    }
    segments_add(segments, segment);
    return true;
}

static void chore_done(void *user, enum pdr_status status)
{
    struct segments *segments = user;
    enum segments_chore chore = segments->chore;
    segments->chore = SEGMENTS_IDLE;
    if (status == PDR_OK && chore != SEGMENTS_REMOVE && !adopt(segments, &segments->moving)) {
        status = PDR_INTERNAL;
    }
    if (status == PDR_OK && chore != SEGMENTS_REMOVE) {
        segments->no_space = false;
    } else if (status == PDR_NO_SPACE && chore == SEGMENTS_CREATE) {
        segments->no_space = true;
    } else if (status != PDR_OK && status != PDR_CANCELLED) {
        segments->failed(segments->user);
        return;
    }
    segments->changed(segments->user);
}

static uint64_t size_of_next(const struct segments *segments)
{
    uint64_t size = segments->count == 0 ? segments->first_segment_bytes : segments->segment_bytes;
    return size < segments->needed ? segments->needed : size;
}

/* A single one is never released. What is held goes on being so until records are written that settle it. */
static bool is_at_max(const struct segments *segments)
{
    uint64_t bytes_max = segments->held ? SEGMENTS_HELD_TIMES * segments->bytes_max : segments->bytes_max;
    return segments->count > 1 && segments->bytes + size_of_next(segments) > bytes_max;
}

static void start_create(struct segments *segments)
{
    char name[SEGMENT_NAME_SIZE];
    uint64_t size = size_of_next(segments);
    if (is_at_max(segments)) {
        segments->no_space = segments->unreleasable || segments->held || MUTATION(80);
        return;
    }
    segments->chore = SEGMENTS_CREATE;
    segments->moving = (struct segment){.number = next_number(segments), .size = size};
    segment_name(name, segments->moving.number);
    segments->disk->ops->create(segments->disk, name, size, chore_done, segments);
}

static void start_recycle(struct segments *segments)
{
    char from[SEGMENT_NAME_SIZE], to[SEGMENT_NAME_SIZE];
    struct segment segment = take(segments, 0);
    segment_name(from, segment.number);
    segments->bytes -= segment.size; /* until it is added again */
    segment.number = next_number(segments);
    segment.begin = 0;
    segment_name(to, segment.number);
    segments->chore = SEGMENTS_RECYCLE;
    segments->moving = segment;
    segments->disk->ops->rename(segments->disk, from, to, chore_done, segments);
}

static void start_remove(struct segments *segments, uint32_t index)
{
    char name[SEGMENT_NAME_SIZE];
    struct segment segment = take(segments, index);
    segment_name(name, segment.number);
    segments->bytes -= segment.size;
    segments->chore = SEGMENTS_REMOVE;
    segments->disk->ops->remove(segments->disk, name, chore_done, segments);
}

/* Its records are in the store; and the next segment's first group, with the control state of shards, is on disk. */
static bool oldest_is_free(const struct segments *segments)
{
    return segments->current > 0 && segments->all[1].begin <= segments->released &&
           segments->all[1].begin < segments->durable;
}

/* A new log's first segment is small and soon full, so the second is made along with it. */
static bool wants_another(const struct segments *segments)
{
    return ready_count(segments) == 0 || (segments->current < 0 && segments->count == 1);
}

bool segments_wait_for_release(const struct segments *segments)
{
    return segments->needed > 0 && ready_count(segments) == 0 && is_at_max(segments) && !oldest_is_free(segments);
}

void segments_work(struct segments *segments)
{
    if (segments->chore != SEGMENTS_IDLE || segments->closing) {
        return;
    }
    const struct segment *ready = first_ready(segments);
    if (oldest_is_free(segments)) {
        bool fits = segments->all[0].size == segments->segment_bytes && segments->needed <= segments->segment_bytes;
        if (fits && ready_count(segments) < SEGMENTS_READY_MAX) {
            start_recycle(segments);
        } else {
            start_remove(segments, 0);
        }
    } else if (ready != NULL && ready->size < segments->needed) {
        start_remove(segments, segments->count - 1); /* make room for one that is larger than usual */
    } else if (wants_another(segments) && (!segments->no_space || segments->retry)) {
        segments->retry = false;
        start_create(segments);
    }
}

void segments_free(struct segments *segments)
{
    for (uint32_t i = 0; i < segments->count; i++) {
        struct disk_file *file = segments->all[i].file;
        file->disk->ops->close_file(file);
    }
    mem_free(segments->all);
    segments->all = NULL;
    segments->count = segments->capacity = 0;
}
