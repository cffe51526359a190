/* tests/simulation/sim_backup.h: where a simulated node's backups go: nowhere, but the newest is kept, as a store to
 * look into. */
#ifndef TESTS_SIMULATION_SIM_BACKUP_H
#define TESTS_SIMULATION_SIM_BACKUP_H

#include "tests/simulation/sim_media.h"
#include "tools/node/backup.h"

struct sim_backup {
    struct backup_place place; /* for node_world */
    struct sim_media *media;
    struct store *copy; /* the newest; NULL: none was made */
    char directory[64]; /* what it was called */
    uint64_t made;
};

void sim_backup_init(struct sim_backup *backup, struct sim_media *media);
void sim_backup_release(struct sim_backup *backup);
/** The number that an actor of the copy has under `key`; 0 if it has none. */
int64_t sim_backup_number(const struct sim_backup *backup, const char *address, const char *key);

#endif
