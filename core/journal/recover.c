/* core/journal/recover.c: the log as a crash left it.
 *
 * Groups are read in order until one is bad, at position X. Whether the crash tore it, or whether it was whole and
 * acknowledged once, the groups behind it tell: each names the position up to which the log was durable when it was
 * written. If any valid one says more than X, then X is corrupt, and the log must not be used; else X is its end (R71).
 * So the rest is searched, block by block, to the end of the newest segment. A group is valid if it names this log, its
 * segment and its own position, and its CRC is right; what a recycled segment still holds names another segment. */
#include "core/journal/recover.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/base/mutation.h"

struct scan {
    struct recover *recover;
    struct pdr_bytes bytes; /* the segment that is looked at */
    uint32_t index;         /* its index */
    uint64_t position;      /* where the next group must be */
    bool any;               /* a group was read */
    bool ended;             /* the first bad group was met ... */
    uint32_t end_index;     /* ... here */
    uint64_t end_offset;
};

static struct segment *segment_of(struct scan *scan, uint32_t index)
{
    return &scan->recover->segments->all[index];
}

static enum pdr_status damaged(struct recover *recover, const char *format, ...) PDR_PRINTF(2, 3);
static enum pdr_status damaged(struct recover *recover, const char *format, ...)
{
    char *to = recover->found->corrupt;
    size_t size = sizeof recover->found->corrupt;
    va_list arguments;
    va_start(arguments, format);
    int used = vsnprintf(to, size, format, arguments);
    va_end(arguments);
    if (used > 0 && (size_t)used < size) {
        snprintf(to + used, size - (size_t)used,
                 "; restore the data directory from a backup, or in a cluster empty it to copy the shards anew");
    }
    return PDR_INTERNAL;
}

static enum pdr_status disk_failed(struct recover *recover)
{
    struct disk *disk = recover->segments->disk;
    disk->ops->last_error(disk, recover->found->corrupt, sizeof recover->found->corrupt);
    return PDR_INTERNAL;
}

/* The files. */

struct numbers {
    uint64_t *all;
    uint32_t count;
};

static void take_name(void *user, const char *name)
{
    struct numbers *numbers = user;
    uint64_t number = segment_number(name);
    if (number != 0) {
        numbers->all = mem_grow(numbers->all, (numbers->count + 1) * sizeof *numbers->all);
        numbers->all[numbers->count++] = number;
    }
}

static enum pdr_status open_segment(struct recover *recover, uint64_t number)
{
    struct segments *segments = recover->segments;
    struct segment segment = {.number = number};
    char name[SEGMENT_NAME_SIZE];
    segment_name(name, number);
    if (segments->count > 0 && segments->all[segments->count - 1].number + 1 != number) {
        segment_name(name, segments->all[segments->count - 1].number + 1);
        return damaged(recover, "the log is damaged: its file %s is missing", name);
    }
    if (segments->disk->ops->open(segments->disk, name, &segment.file) != PDR_OK) {
        return disk_failed(recover);
    }
    segment.size = segments->disk->ops->size(segment.file) & ~(uint64_t)(DISK_BLOCK - 1);
    segments_add(segments, &segment);
    return PDR_OK;
}

static enum pdr_status open_segments(struct recover *recover)
{
    struct disk *disk = recover->segments->disk;
    struct numbers numbers = {NULL, 0};
    enum pdr_status status = disk->ops->list(disk, take_name, &numbers);
    if (status != PDR_OK) {
        status = disk_failed(recover);
    }
    for (uint32_t i = 0; i < numbers.count && status == PDR_OK; i++) { /* in order: of the names, so of the numbers */
        status = open_segment(recover, numbers.all[i]);
    }
    mem_free(numbers.all);
    return status;
}

/* The groups. */

static struct pdr_bytes from_offset(const struct scan *scan, uint64_t offset)
{
    return pdr_bytes((const char *)scan->bytes.data + offset, scan->bytes.size - offset);
}

/* What looks like a group of this log and segment at `offset`, with a right CRC (*intact) or not. */
static bool group_at(struct scan *scan, uint64_t offset, struct group *out, bool *intact)
{
    struct recover *recover = scan->recover;
    struct pdr_bytes bytes = from_offset(scan, offset);
    if (group_decode(bytes, out) != PDR_OK || out->segment != segment_of(scan, scan->index)->number ||
        (recover->known && memcmp(out->log, recover->log, LOG_ID_SIZE) != 0) || out->position % GROUP_BLOCK != 0) {
        return false;
    }
    *intact = group_intact(bytes.data, out) || MUTATION(11);
    return true;
}

static enum pdr_status read_records(struct scan *scan, const struct group *group)
{
    struct recover *recover = scan->recover;
    struct pdr_bytes rest = group->records;
    uint32_t used, count = 0;
    for (struct record record; rest.size > 0; rest = pdr_bytes((const char *)rest.data + used, rest.size - used)) {
        if (record_decode(rest, &record, &used) != PDR_OK || !control_table_note(recover->control, &record)) {
            break;
        }
        recover->each(recover->user, &record, group->position);
        count++;
    }
    recover->found->records += count;
    if (rest.size != 0 || count != group->count) {
        char name[SEGMENT_NAME_SIZE];
        segment_name(name, group->segment);
        return damaged(recover, "the log is damaged: record %u of the group at position %llu in %s makes no sense",
                       count + 1, (unsigned long long)group->position, name);
    }
    return PDR_OK;
}

/* MUTATION(10): no group follows at once. */
static bool is_last(struct scan *scan, uint64_t offset, const struct group *group)
{
    struct group next;
    bool intact;
    return !group_at(scan, offset + group->size, &next, &intact) || next.position != group->position + group->size;
}

/* The next group of the log, if it is at `offset`. */
static bool next_group(struct scan *scan, uint64_t offset, struct group *out)
{
    bool intact, first = !scan->any && segment_of(scan, scan->index)->number != 1; /* then it may begin anywhere */
    return group_at(scan, offset, out, &intact) && intact && (first || out->position == scan->position) &&
           !(MUTATION(10) && is_last(scan, offset, out));
}

static enum pdr_status read_group(struct scan *scan, uint64_t offset, const struct group *group)
{
    struct recover *recover = scan->recover;
    struct segment *segment = segment_of(scan, scan->index);
    if (offset == 0) {
        segment->begin = group->position;
        recover->segments->current = (int)scan->index;
    }
    memcpy(recover->log, group->log, LOG_ID_SIZE);
    recover->known = scan->any = true;
    recover->found->torn = false; /* what looked so was left of an earlier crash: the log went on */
    scan->position = group->position + group->size;
    recover->found->groups++;
    recover->found->bytes += group->size;
    return read_records(scan, group);
}

/* R71: no valid group behind the end of the log may say that the end was durable once. */
static enum pdr_status search(struct scan *scan, uint64_t offset)
{
    struct recover *recover = scan->recover;
    for (struct group group; offset < scan->bytes.size; offset += GROUP_BLOCK) {
        bool intact;
        if (!group_at(scan, offset, &group, &intact)) {
            continue;
        }
        if (!intact) {
            recover->found->torn = true;
        } else if (!scan->any || group.durable > scan->position) {
            char bad[SEGMENT_NAME_SIZE], witness[SEGMENT_NAME_SIZE];
            segment_name(bad, segment_of(scan, scan->end_index)->number);
            segment_name(witness, group.segment);
            return damaged(recover,
                           "the log is damaged: no valid group at position %llu (byte %llu of %s%s), but byte %llu of "
                           "%s proves that there was one",
                           (unsigned long long)scan->position, (unsigned long long)scan->end_offset, bad,
                           group.segment == segment_of(scan, scan->end_index)->number ? "" : ", or the next file",
                           (unsigned long long)offset, witness);
        }
    }
    return PDR_OK;
}

static enum pdr_status scan_segment(struct scan *scan)
{
    uint64_t offset = 0;
    enum pdr_status status = PDR_OK;
    for (struct group group; status == PDR_OK && !scan->ended && next_group(scan, offset, &group);
         offset += group.size) {
        status = read_group(scan, offset, &group);
    }
    if (status != PDR_OK) {
        return status;
    }
    if (!scan->ended && (offset > 0 || scan->index == 0)) {
        scan->end_index = scan->index; /* unless the next segment goes on */
        scan->end_offset = offset;
    }
    scan->ended = scan->ended || offset == 0;
    return search(scan, offset);
}

static enum pdr_status scan_file(struct scan *scan)
{
    struct segment *segment = segment_of(scan, scan->index);
    void *data = segment->size > UINT32_MAX ? NULL : aligned_alloc(DISK_BLOCK, segment->size + DISK_BLOCK);
    if (data == NULL) {
        return damaged(scan->recover, "no memory to read a log segment of %llu bytes",
                       (unsigned long long)segment->size);
    }
    enum pdr_status status = PDR_OK;
    if (segment->size > 0) {
        status = segment->file->disk->ops->read(segment->file, 0, data, (uint32_t)segment->size);
    }
    if (status == PDR_OK) {
        scan->bytes = pdr_bytes(data, segment->size);
        status = scan_segment(scan);
    } else {
        status = disk_failed(scan->recover);
    }
    free(data);
    return status;
}

enum pdr_status recover_log(struct recover *recover)
{
    struct scan scan = {.recover = recover};
    enum pdr_status status = open_segments(recover);
    for (; status == PDR_OK && scan.index < recover->segments->count; scan.index++) {
        status = scan_file(&scan);
    }
    if (status == PDR_OK && !scan.any && recover->segments->count > 0 && recover->segments->all[0].number != 1) {
        char name[SEGMENT_NAME_SIZE];
        segment_name(name, recover->segments->all[0].number);
        status = damaged(recover, "the log is damaged: its first file %s has no valid group at byte 0", name);
    }
    recover->position = scan.position;
    recover->found->torn_position = recover->found->torn ? scan.position : 0;
    return status;
}
