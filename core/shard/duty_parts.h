/* core/shard/duty_parts.h: the inside of duties, for the files duty*.c. */
#ifndef CORE_SHARD_DUTY_PARTS_H
#define CORE_SHARD_DUTY_PARTS_H

#include "core/shard/duty.h"

struct duty {
    struct list node; /* core->changing */
    struct core *core;
    struct shard *shard;
    uint64_t cv;         /* of the newest row that was seen */
    uint64_t epoch;      /* in which it is to be opened; 0: it is not */
    struct list waiting; /* calls that came before it was open */
    uint32_t waiting_count;
    struct list parked;      /* activations with calls that may not run now */
    struct list leaving;     /* activations without a turn, to be freed */
    uint32_t left;           /* activations that are not freed */
    uint64_t at_ns;          /* RELEASING: gives up then; OPENING: does not read the store before */
    bool graceful;           /* nothing ran when it was closed: hooks may run */
    bool closes;             /* duty_close is at it */
    bool reading;            /* the store is read */
    struct install *install; /* CLOSED: rows come from elsewhere (install.h); NULL: none do */
    void (*released)(void *user, uint32_t shard, enum pdr_status status);
    void *released_user;
};

/* duty_open.c */

/** A CLOSED shard is opened in duty->epoch. */
void duty_open(struct duty *duty);
/** OPENING: takes the next step, if it can. */
void duty_open_step(struct duty *duty);

/* duty_close.c */

/** Closes the shards of the duties in the list, which is empty then. */
void duty_close(struct core *core, struct list *duties);
/** CLOSING: true when nothing of it is left. */
bool duty_close_step(struct duty *duty);

/* duty_wait.c */

/** Takes the call: it waits for the shard, or is refused. */
void duty_wait(struct duty *duty, struct call *call);
/** Delivers those that waited. */
void duty_let_in(struct duty *duty);
/** Finishes those that waited: the shard is not to be opened here, or (stopping) the node ends. */
void duty_send_away(struct duty *duty, bool stopping);

#endif
