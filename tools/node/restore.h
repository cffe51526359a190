/* tools/node/restore.h: from a backup to a data directory, without a node. */
#ifndef TOOLS_NODE_RESTORE_H
#define TOOLS_NODE_RESTORE_H

#include "tools/node/files.h"
#include "tools/node/manifest.h"

/**
 * Looks at all that the manifest of `backup` says, and makes `data` of it: a store, without the rows of the directory's
 * server (KEYS_SHARD_DIRECTORY), and an identity that is new (identity_restored); a log is made by the first start.
 * What can have two names gets a second one, the rest is copied. `data` may be there if it is empty. The identity is
 * written last, and without one no node starts: so what a crash leaves is never taken for data.
 *
 * On failure `why` is a sentence, and `data` is as it was. On PDR_OK *manifest is to be released.
 */
enum pdr_status restore(const char *backup, const char *data, uint64_t unix_s, struct manifest *manifest,
                        struct files_progress *progress, char *why, size_t why_size);

#endif
