/* tools/bench/floor.h: what this machine can do with nothing of ours in the way: its disk, and a bare TCP echo. */
#ifndef TOOLS_BENCH_FLOOR_H
#define TOOLS_BENCH_FLOOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/bench/channel.h"
#include "tools/bench/histogram.h"

#define FLOOR_FRAME_SIZE (4u + BENCH_PAYLOAD_SIZE)

/**
 * Writes 4 KiB and calls fdatasync, again and again for `secs`, in a file of its own in `directory`: extending the
 * file, or
 * (`overwrite`) inside 64 MiB that were written and synced before. Records each write with its sync; *took_secs is the
 * time they took together. False: `why` is a sentence.
 */
bool floor_disk(const char *directory, bool overwrite, double secs, struct histogram *latency, double *took_secs,
                char *why, size_t why_size);

/** A process of its own that echoes on 127.0.0.1, so that its CPU can be told from the generator's as a node's is. */
struct floor_echo {
    pid_t pid;
    char node[32]; /* HOST:PORT */
};
bool floor_echo_start(struct floor_echo *echo, char *why, size_t why_size);
void floor_echo_stop(struct floor_echo *echo);

#endif
