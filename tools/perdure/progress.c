/* tools/perdure/progress.c: how far long work has come. */
#include "tools/perdure/progress.h"

#include <stdio.h>
#include <unistd.h>
#include <uv.h>

#define FIRST_NS 500000000ull
#define EVERY_NS 200000000ull
#define WIPE "\r\033[K"

void progress_begin(struct progress *progress, const char *what, bool quiet)
{
    *progress =
        (struct progress){.what = what, .on = !quiet && isatty(STDERR_FILENO) != 0, .next_ns = uv_hrtime() + FIRST_NS};
}

void progress_step(struct progress *progress, uint64_t done, uint64_t of)
{
    uint64_t now = progress->on ? uv_hrtime() : 0;
    if (!progress->on || now < progress->next_ns) {
        return;
    }
    progress->next_ns = now + EVERY_NS;
    progress->shown = true;
    fprintf(stderr, WIPE "%llu", (unsigned long long)done);
    if (of > 0) {
        fprintf(stderr, " of %llu", (unsigned long long)of);
    }
    fprintf(stderr, " %s", progress->what);
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (progress->shown) {
        fprintf(stderr, WIPE);
        fflush(stderr);
    }
    progress->on = false;
}
