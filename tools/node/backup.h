/* tools/node/backup.h: a backup of a running node: where it goes, as a seam, since the simulator's nodes have no files.
 *
 * `_sys/node.backup` (backup.c) has all cores apply what is durable, which is all that was ever acknowledged but for
 * what the dial says may be lost, up to one position of the log; has the store make a checkpoint, at a staging place
 * beside it, where that takes a moment and no room; and has that brought to the directory asked for (backup_files.c).
 * So a backup needs no journal: it is what the log had before that position, and nothing else. */
#ifndef TOOLS_NODE_BACKUP_H
#define TOOLS_NODE_BACKUP_H

#include "tools/node/files.h"
#include "tools/node/manifest.h"

/** All functions but `size` run on a pool thread, one backup at a time. On failure `why` is a sentence. */
struct backup_place {
    /** Makes `directory`, or takes it if it is empty; *staging is where the store's checkpoint goes, and is not there
     * yet. After a failure everything is as it was. */
    enum pdr_status (*begin)(struct backup_place *place, const char *directory, const char **staging, char *why,
                             size_t why_size);
    /** Brings what is at the staging place to `directory`. `manifest` has its shards; the rest is filled in here. */
    enum pdr_status (*finish)(struct backup_place *place, const char *directory, struct manifest *manifest,
                              struct files_progress *progress, char *why, size_t why_size);
    /** Removes what begin made, and all in it, after a failure of what came later. */
    void (*abandon)(struct backup_place *place, const char *directory);
    /** Bytes at the staging place. Any thread. */
    uint64_t (*size)(struct backup_place *place);
};

/** Real files. `data` is the node's directory; borrowed, as is `identity`. */
struct backup_place *backup_files_new(const char *data, const struct identity *identity, const char *name);
void backup_files_free(struct backup_place *place);
/** A backup that a crash interrupted may have left its staging place in `data`: removed. Before the store opens. */
void backup_files_clean(const char *data);

#endif
