/* tools/perdure/progress.h: how far long work has come: one line on a terminal, rewritten, and gone at the end. */
#ifndef TOOLS_PERDURE_PROGRESS_H
#define TOOLS_PERDURE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; /* such as "actors listed" */
    bool on, shown;
    uint64_t next_ns;
};

/** Nothing is shown in the first half second, or where standard error is no terminal. `quiet`: nothing is shown at all,
 * for work that writes to the terminal itself. */
void progress_begin(struct progress *progress, const char *what, bool quiet);
/** `of` is 0 where nobody knows. */
void progress_step(struct progress *progress, uint64_t done, uint64_t of);
void progress_end(struct progress *progress);

#endif
