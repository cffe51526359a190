/* tests/simulation/sim_media.h: a machine's log disk and store, as the processes on it see them, one life after
 * another.
 *
 * It passes everything through to sim_disk and store_mem, folds what is written into the trace, and dies with the
 * process: then every operation fails and no callback fires any more, so that a node can be taken down without
 * writing. It can be told to die at the n-th operation from now, which is how a crash comes in the middle of recovery.
 */
#ifndef TESTS_SIMULATION_SIM_MEDIA_H
#define TESTS_SIMULATION_SIM_MEDIA_H

#include "core/journal/disk.h"
#include "core/store/store.h"
#include "tests/simulation/sim_disk.h"
#include "tests/simulation/sim_loop.h"

struct sim_media {
    struct disk disk; /* for node_world */
    struct store store;
    struct sim *sim;
    struct sim_loop *loop; /* the journal's, in this life */
    uint32_t subject;
    struct sim_disk *sim_disk;
    struct disk *inner_disk;
    struct store *inner_store;
    struct list pending;        /* completions on their way to the loop */
    uint64_t operations;        /* that change something, in this life */
    uint64_t renames, refusals; /* in this life */
    uint64_t dies_at;           /* operation; UINT64_MAX: never */
    bool dead;
    bool store_fails;         /* writes and flushes of the store report PDR_NO_SPACE */
    void (*died)(void *user); /* at that operation; NULL: nobody cares */
    void *user;
};

void sim_media_init(struct sim_media *media, struct sim *sim, uint32_t subject);
void sim_media_release(struct sim_media *media);
/** A new life: callbacks will run on `loop`. */
void sim_media_begin(struct sim_media *media, struct sim_loop *loop);
/** The process is gone. Call it before node_free. */
void sim_media_die(struct sim_media *media);
/** What the crash leaves of disk and store. After node_free. `power`: of the whole machine; else of the process alone,
 * which loses less. */
void sim_media_crash(struct sim_media *media, bool power);

#endif
