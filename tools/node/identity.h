/* tools/node/identity.h: who a data directory belongs to, and that one process at a time has it.
 *
 *     DIR/LOCK       locked (flock) while a node runs on DIR; holds its process id
 *     DIR/identity   cluster, node, incarnation, epochs: lines of text; written whole or not at all
 *
 * The identity is made on the first start and never changes, but for the incarnation, which counts the starts: whatever
 * was promised to an earlier one ends with it (replication.md R12).
 *
 * Restored data has forgotten what was acknowledged after the backup (R70), and its log is gone with the names of the
 * epochs that followed. So it goes on as another node, whose first incarnation is 1 again, and in epochs that the data
 * it was copied from never comes to: `epochs` is where they begin (identity_restored). */
#ifndef TOOLS_NODE_IDENTITY_H
#define TOOLS_NODE_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <perdure/status.h>

#define IDENTITY_ID_SIZE 33u /* 128 random bits in hexadecimal, and a 0 */

struct identity {
    char cluster[IDENTITY_ID_SIZE], node[IDENTITY_ID_SIZE];
    uint64_t incarnation; /* 1 on the first start; 0: restored, and not started yet */
    uint64_t epochs;      /* the lowest epoch of this directory's own; 0: it was never restored */
};

/** Makes `directory` if it is not there (not its parents), and locks it: *lock is to be closed when nobody writes there
 * any more. On failure `why` is a sentence that names the directory, and the process that has it if one has. */
enum pdr_status identity_lock(const char *directory, int *lock, char *why, size_t why_size);

/** The next incarnation of what lives in `directory`, which is locked; on stable storage when it returns. A directory
 * that has data and no identity, or a damaged one, is refused: `why` is a sentence. */
enum pdr_status identity_next(const char *directory, struct identity *out, char *why, size_t why_size);

/**
 * Who the data of a backup of `from` is when it is restored at `unix_s`: of the same cluster, a new node. Epochs have
 * two halves: the upper one says when the data was last restored, in seconds, or the next number if that time is not
 * later than that of `from`; the lower one counts starts and roll-backs. The data that was backed up stays in its own
 * upper half whatever happens to it, and two restorations of one backup have two, a second apart: so (epoch, seq) names
 * one batch for all who ever saw one (R34, I9).
 */
struct identity identity_restored(const struct identity *from, uint64_t unix_s);
/** Writes it as the identity of `directory`. */
enum pdr_status identity_save(const char *directory, const struct identity *identity, char *why, size_t why_size);
/** Whether the text is the id of a cluster or node. */
bool identity_is_id(const char *text);

#endif
