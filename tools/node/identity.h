/* tools/node/identity.h: who a data directory belongs to, and that one process at a time has it.
 *
 *     DIR/LOCK       locked (flock) while a node runs on DIR; holds its process id
 *     DIR/identity   cluster, node, incarnation: lines of text; written whole or not at all
 *
 * The identity is made on the first start and never changes, but for the incarnation, which counts the starts: whatever
 * was promised to an earlier one ends with it (replication.md R12). */
#ifndef TOOLS_NODE_IDENTITY_H
#define TOOLS_NODE_IDENTITY_H

#include <stddef.h>
#include <stdint.h>

#include <perdure/status.h>

#define IDENTITY_ID_SIZE 33u /* 128 random bits in hexadecimal, and a 0 */

struct identity {
    char cluster[IDENTITY_ID_SIZE], node[IDENTITY_ID_SIZE];
    uint64_t incarnation; /* 1 on the first start */
};

/** Makes `directory` if it is not there (not its parents), and locks it: *lock is to be closed when nobody writes there
 * any more. On failure `why` is a sentence that names the directory, and the process that has it if one has. */
enum pdr_status identity_lock(const char *directory, int *lock, char *why, size_t why_size);

/** The next incarnation of what lives in `directory`, which is locked; on stable storage when it returns. A directory
 * that has data and no identity, or a damaged one, is refused: `why` is a sentence. */
enum pdr_status identity_next(const char *directory, struct identity *out, char *why, size_t why_size);

#endif
