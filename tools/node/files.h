/* tools/node/files.h: files of a data directory, a backup: written whole, copied, removed; on stable storage when a
 * function returns true. On false errno says why. */
#ifndef TOOLS_NODE_FILES_H
#define TOOLS_NODE_FILES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <perdure/status.h>

#define FILES_PATH_SIZE 4200u

/** Sets the sentence; returns `status`. */
enum pdr_status files_fail(enum pdr_status status, char *why, size_t why_size, const char *format, ...)
    PDR_PRINTF(4, 5);

/** "DIRECTORY/NAME"; false if that is too long (ENAMETOOLONG). */
bool files_path(char *path, const char *directory, const char *name);

/** The whole of a small file, ended by a 0. PDR_NOT_FOUND: there is none; PDR_TOO_LARGE: it has `size` bytes or more;
 * PDR_INTERNAL: errno. */
enum pdr_status files_read(const char *path, char *out, size_t size, size_t *length) PDR_MUST_CHECK;
/** A new file with `text` beside it, then renamed over it. */
bool files_replace(const char *directory, const char *name, const char *text);
bool files_sync_directory(const char *directory);

/** How a long copy is seen, and ended, from another thread. */
struct files_progress {
    atomic_uint_least64_t bytes; /* done */
    atomic_bool cancelled;       /* true: ECANCELED, soon */
};
/** A second name of `from`, or a copy if it can't have one there. `to` must not exist. `progress` may be NULL. */
bool files_link_or_copy(const char *from, const char *to, struct files_progress *progress);
bool files_copy(const char *from, const char *to, struct files_progress *progress);

/** Calls `each` for every file of a directory (not for . and ..) until it returns false; whether it came to the end.
 * The order is any. */
bool files_each(const char *directory, bool (*each)(void *user, const char *name), void *user);
/** Whether there is nothing in it, but perhaps a file of the name `but` (may be NULL). */
bool files_is_empty(const char *directory, const char *but);
/** Of a directory that has only files, and of itself. One that is not there is removed already. */
bool files_remove_directory(const char *directory);

#endif
