/* tests/simulation/raft/raft_media.h: a raft_disk in the simulator: batches take their time, a full disk makes them
 * wait, and a crash keeps any prefix of those that were not answered. */
#ifndef TESTS_SIMULATION_RAFT_RAFT_MEDIA_H
#define TESTS_SIMULATION_RAFT_RAFT_MEDIA_H

#include "consensus/raft_disk.h"
#include "core/store/store.h"
#include "tests/simulation/sim.h"

struct raft_media {
    struct raft_disk disk;
    struct sim *sim;
    struct store *rows;
    struct list pending; /* struct raft_batch, in order */
    struct sim_event next;
    uint64_t write_ns; /* typical, a batch */
    bool full, stalls; /* stalls: nothing is written, and nobody is told why */
    /* Asked before a batch is answered: the time at which to ask again, or 0: now. */
    uint64_t (*asleep_until)(void *user);
    /* After it was. */
    void (*answered)(void *user);
    /* A batch was given to it. */
    void (*given)(void *user);
    void *user;
};

void raft_media_init(struct raft_media *media, struct sim *sim, uint32_t subject, uint64_t write_ns);
void raft_media_release(struct raft_media *media);
/** Before the server that wrote is freed. */
void raft_media_crash(struct raft_media *media);
/** A new, empty disk. */
void raft_media_wipe(struct raft_media *media);
void raft_media_set_full(struct raft_media *media, bool full, bool stalls);

#endif
