/* tests/lib/raft_memory.h: a raft_disk in memory, whose batches become durable when the test says so. */
#ifndef TESTS_LIB_RAFT_MEMORY_H
#define TESTS_LIB_RAFT_MEMORY_H

#include "consensus/raft_disk.h"
#include "core/store/store.h"

struct raft_memory {
    struct raft_disk disk;
    struct store *rows;  /* durable ones */
    struct list pending; /* struct raft_batch, in order */
};

void raft_memory_init(struct raft_memory *memory);
/** After the server that wrote: what was pending is gone with it. */
void raft_memory_release(struct raft_memory *memory);
/** All that is pending becomes durable, and what is written while that is told. Returns how many batches did. */
uint32_t raft_memory_sync(struct raft_memory *memory);
/** The server that wrote is gone: what was pending never was. */
void raft_memory_crash(struct raft_memory *memory);

#endif
