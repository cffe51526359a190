/* core/journal/recover.h: reads the log at start, and tells a torn tail from corruption (replication.md R70, R71). */
#ifndef CORE_JOURNAL_RECOVER_H
#define CORE_JOURNAL_RECOVER_H

#include "core/journal/control.h"
#include "core/journal/journal.h"
#include "core/journal/segments.h"

struct recover {
    struct segments *segments;     /* its disk is set; the files that are found are added */
    struct control_table *control; /* takes note of every record */
    void (*each)(void *user, const struct record *record, uint64_t position);
    void *user;
    struct journal_recovery *found;
    /* out */
    bool known; /* the log has a group: its id is `log` */
    uint8_t log[LOG_ID_SIZE];
    uint64_t position; /* where the next group goes */
};

/** Blocks. Everything but PDR_OK: found->corrupt says what and where; the files are in `segments` all the same. */
enum pdr_status recover_log(struct recover *recover);

#endif
