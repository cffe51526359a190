/* tools/node/process_stats.h: what the operating system says of this process. A function of struct node_world, so that
 * a simulated node answers the same each time. */
#ifndef TOOLS_NODE_PROCESS_STATS_H
#define TOOLS_NODE_PROCESS_STATS_H

#include <stdint.h>

/** UINT64_MAX: not known. */
struct process_stats {
    uint64_t resident_bytes, open_files, open_files_max, cpu_us;
};

/** Reads /proc: may block for a moment. Any thread. */
void process_stats_read(struct process_stats *stats);

#endif
