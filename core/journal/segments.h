/* core/journal/segments.h: the log's files: which are full, which one is written, which wait to be.
 *
 *     oldest [full] [full] [current] [ready] [ready] newest        numbers are consecutive, and so are positions
 *        |                                      ^
 *        +---- released: renamed (recycled) ----+
 *
 * A ready segment is zero-filled, or recycled, and then holds groups that name another segment. While there is none,
 * one is made in the background; so the current one's end is not an event, but for a disk without space (R74). For the
 * journal alone. */
#ifndef CORE_JOURNAL_SEGMENTS_H
#define CORE_JOURNAL_SEGMENTS_H

#include <stddef.h>

#include "core/journal/disk.h"

#define SEGMENT_NAME_SIZE 32
#define SEGMENTS_HELD_TIMES 16u /* bytes_max, while some of it is held */
#define SEGMENTS_READY_MAX 3    /* more than that is given back to the file system */

struct segment {
    uint64_t number; /* from 1 */
    uint64_t size;
    uint64_t begin; /* position of its first byte; of a ready one 0 */
    struct disk_file *file;
};

enum segments_roll { SEGMENTS_ROLLED, SEGMENTS_WAIT, SEGMENTS_NO_SPACE };
enum segments_chore { SEGMENTS_IDLE, SEGMENTS_CREATE, SEGMENTS_RECYCLE, SEGMENTS_REMOVE };

struct segments {
    struct disk *disk;
    uint64_t segment_bytes, first_segment_bytes, bytes_max;
    struct segment *all; /* oldest first */
    uint32_t count, capacity;
    int current;       /* index; -1: nothing was written yet */
    uint64_t bytes;    /* of all */
    uint64_t released; /* everything before may go */
    uint64_t durable;  /* up to here the log is on disk */
    uint64_t needed;   /* bytes that a waiting group needs in a new segment; 0: none waits */
    enum segments_chore chore;
    struct segment moving;       /* what the chore is about */
    bool unreleasable;           /* nothing is released for now: at bytes_max there is no space, else a wait */
    bool held;                   /* other nodes have a say in what is left: the log may be longer for that */
    bool no_space;               /* no new segment could be made (R74) ... */
    bool retry;                  /* ... but now try again */
    bool closing;                /* no new chores */
    void (*failed)(void *user);  /* something besides space is wrong: disk->last_error */
    void (*changed)(void *user); /* a chore has ended */
    void *user;
};

void segment_name(char name[SEGMENT_NAME_SIZE], uint64_t number);
/** Number of a segment with that name, 0 if it is none. */
uint64_t segment_number(const char *name);

/** Appends a segment that was found or made. */
void segments_add(struct segments *segments, const struct segment *segment);
static inline struct segment *segments_current(struct segments *segments)
{
    return segments->current < 0 ? NULL : &segments->all[segments->current];
}
/** Bytes left in the current segment for a group at `position`. */
uint64_t segments_room(const struct segments *segments, uint64_t position);
/** Makes the next segment the current one, from `position` on, if there is one with room for `size` bytes. Else it is
 * on its way, or cannot be made now. */
enum segments_roll segments_roll(struct segments *segments, uint64_t position, uint64_t size);
/** Starts the next chore, if one is due and none runs. */
void segments_work(struct segments *segments);
/** The log is as long as it may be, and a group waits until some of it is released. */
bool segments_wait_for_release(const struct segments *segments);
/** Closes the files. No chore may run. */
void segments_free(struct segments *segments);

#endif
