/* tests/simulation/sim_disk.h: fills core/journal/disk.h: files in memory that a crash treats as a disk would.
 *
 * Writes are seen at once, and durable when their sync reports, a drawn while later. A crash in between keeps, loses or
 * tears each 4 KiB block on its own; a create, rename or remove under way has happened or not. Nothing synced is ever
 * lost, but for sim_disk_flip. */
#ifndef TESTS_SIMULATION_SIM_DISK_H
#define TESTS_SIMULATION_SIM_DISK_H

#include "core/base/rng.h"
#include "core/journal/disk.h"

struct sim_disk;

/** What the disk needs of the simulator. */
struct sim_disk_env {
    /** Calls fn(arg) once, after that time, as an event of the journal's loop. It may be forgotten after a crash. */
    void (*after)(void *world, uint64_t delay_ns, void (*fn)(void *arg), void *arg);
    void *world;
    struct rng *rng; /* borrowed */
};

struct sim_disk *sim_disk_new(const struct sim_disk_env *env);
void sim_disk_free(struct sim_disk *sim);
/** For journal_open. It outlives the journal: closing it only ends what is under way, without a callback. */
struct disk *sim_disk_disk(struct sim_disk *sim);

/** The node's power is gone. After journal_free; the disk is then ready for the next journal_open. */
void sim_disk_crash(struct sim_disk *sim);

/** Only the process is gone (kill -9): what it wrote can be read, synced or not. After journal_free, as above. */
void sim_disk_kill(struct sim_disk *sim);

/* Faults. */

/** How long a sync typically takes; creates take longer, by their size. 0: 100 us. */
void sim_disk_set_delay(struct sim_disk *sim, uint64_t typical_ns);
/** Of all files; a create beyond it finds no space. UINT64_MAX: no limit, as at the beginning. */
void sim_disk_set_capacity(struct sim_disk *sim, uint64_t bytes);
/** The next write_sync reports PDR_INTERNAL; its blocks are as unsynced ones, and no later sync of this
 * life makes them durable. */
void sim_disk_fail_next_sync(struct sim_disk *sim);
/** Flips one bit of one synced block that is not all zero; *name (borrowed) and *offset say where. False: there is
 * none. */
bool sim_disk_flip(struct sim_disk *sim, const char **name, uint64_t *offset);

/* For tests that arrange a disk by hand. */

/** A file's bytes as the journal would read them, to look at or to change durably; NULL if there is none. */
uint8_t *sim_disk_bytes(struct sim_disk *sim, const char *name, uint64_t *size);
/** Tells that they were changed. */
void sim_disk_changed(struct sim_disk *sim, const char *name);
/** Adds a file that holds `data`, synced. */
void sim_disk_put(struct sim_disk *sim, const char *name, const void *data, uint64_t size);
/** Makes the file that short, durably. */
void sim_disk_truncate(struct sim_disk *sim, const char *name, uint64_t size);
uint64_t sim_disk_used(const struct sim_disk *sim);
/** A disk with the same files, all of them synced as they are. */
struct sim_disk *sim_disk_copy(const struct sim_disk *sim, const struct sim_disk_env *env);

#endif
