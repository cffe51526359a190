/* core/journal/journal_open.c: reads the log that is there, or begins one. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/journal/journal_state.h"
#include "core/journal/recover.h"

#define SEGMENT_BYTES (64ull << 20)
#define FIRST_SEGMENT_BYTES (4ull << 20)
#define BYTES_MAX (1ull << 30)
#define GROUP_BYTES_MAX (1u << 20)

static void chore_failed(void *user)
{
    struct journal *j = user;
    journal_fail(j);
    journal_pump(j);
}

static void chore_ended(void *user)
{
    journal_pump(user);
}

static struct journal *new_journal(struct disk *disk, struct loop *loop, const struct journal_options *options,
                                   const struct journal_hooks *hooks)
{
    struct journal *j = mem_new(sizeof *j);
    j->disk = disk;
    j->loop = loop;
    j->hooks = *hooks;
    j->group_bytes_max = options->group_bytes_max != 0 ? options->group_bytes_max : GROUP_BYTES_MAX;
    struct segments *segments = &j->segments;
    segments->disk = disk;
    segments->segment_bytes = options->segment_bytes != 0 ? options->segment_bytes : SEGMENT_BYTES;
    segments->first_segment_bytes = options->first_segment_bytes != 0 ? options->first_segment_bytes
                                                                      : FIRST_SEGMENT_BYTES;
    if (segments->first_segment_bytes > segments->segment_bytes) {
        segments->first_segment_bytes = segments->segment_bytes; /* or it would be all that bytes_max allows */
    }
    segments->bytes_max = options->bytes_max != 0 ? options->bytes_max : BYTES_MAX;
    CHECK(segments->segment_bytes % DISK_BLOCK == 0 && segments->first_segment_bytes % DISK_BLOCK == 0 &&
          j->group_bytes_max % DISK_BLOCK == 0);
    segments->current = -1;
    segments->failed = chore_failed;
    segments->changed = chore_ended;
    segments->user = j;
    j->covered = true;
    j->armed_ns = LOOP_NEVER;
    return j;
}

static enum pdr_status choose_id(struct journal *j, const uint8_t *wanted, struct journal_recovery *recovery)
{
    static const uint8_t none[LOG_ID_SIZE];
    memcpy(j->log, wanted, LOG_ID_SIZE);
    if (memcmp(wanted, none, LOG_ID_SIZE) == 0 && getrandom(j->log, LOG_ID_SIZE, 0) != LOG_ID_SIZE) {
        snprintf(recovery->corrupt, sizeof recovery->corrupt, "the system has no random numbers for a new log's id");
        return PDR_INTERNAL;
    }
    return PDR_OK;
}

/* What a crash left unsynced, and recovery found, becomes durable before anything is built on it (R71). */
static void settled(void *user, enum pdr_status status)
{
    struct journal *j = user;
    j->busy = false;
    if (status != PDR_OK) {
        journal_fail(j);
    }
    j->segments.durable = j->position;
    journal_pump(j);
}

static void start(struct journal *j)
{
    struct segment *current = segments_current(&j->segments);
    uint64_t now = loop_now_ns(j->loop);
    j->last_ns = j->checkpoint_ns = now;
    journal_set(&j->counters.position, j->position);
    loop_own(j->loop, j, journal_on_timer, journal_before_sleep);
    if (current != NULL) {
        j->busy = j->pumping = true; /* `settled` may come before write_sync returns; the loop's first turn pumps */
        j->covered = false;
        j->written = true;
        j->filled = j->segments.current > 0;
        current->file->disk->ops->write_sync(current->file, 0, NULL, 0, settled, j);
        j->pumping = false;
    }
    journal_arm(j, now);
}

enum pdr_status journal_open(struct disk *disk, struct loop *loop, const struct journal_options *options,
                             const struct journal_hooks *hooks,
                             void (*each)(void *user, const struct record *record, uint64_t position), void *user,
                             struct journal **out, struct journal_recovery *recovery)
{
    struct journal *j = new_journal(disk, loop, options, hooks);
    struct recover recover = {.segments = &j->segments, .control = &j->control, .each = each, .user = user};
    *recovery = (struct journal_recovery){0};
    recover.found = recovery;
    enum pdr_status status = recover_log(&recover);
    if (status == PDR_OK) {
        memcpy(j->log, recover.log, LOG_ID_SIZE);
        status = recover.known ? PDR_OK : choose_id(j, options->log_id, recovery);
    }
    if (status != PDR_OK) {
        segments_free(&j->segments);
        control_table_free(&j->control);
        mem_free(j);
        return status;
    }
    j->position = recover.position;
    start(j);
    *out = j;
    return PDR_OK;
}
