/* core/shard/duty.h: which shards a core serves, of a node that is a member of a cluster: the directory says so, in
 * maps (replication.md R30, R34, R43, R50).
 *
 *     CLOSED --the row names us, its epoch above ours--> OPENING --rows are in memory--> OPEN
 *        ^                                                  |                             |
 *        +------ nothing of it is left ---- CLOSING <-------+------- a newer row ---------+
 *                                              ^                                          |
 *                                              |        RELEASED <--drained-- RELEASING <-+ shard_release
 *                                              +-----------+-- shard_resume --> OPEN
 *
 * OPENING: RECORD_EPOCH is durable first (R30); then the store has all that is committed, and a job reads what the
 * core keeps in memory of a shard: sessions, tells. Calls wait meanwhile. CLOSING: no turn begins, those that run
 * are cut, and nothing leaves that is not committed: whoever waits hears PDR_MOVED, or that it may have happened.
 * What is durable is applied, so that the rows of the store are all there is to know when it is opened again.
 * RELEASED: nothing runs and nothing is on its way, so that somebody else may go on at once.
 *
 * Of a node alone every shard is OPEN, and nothing here is ever called. */
#ifndef CORE_SHARD_DUTY_H
#define CORE_SHARD_DUTY_H

#include "core/shard/activation.h"

/** On the core's thread, between two turns of its loop: calls are routed by `map` from now on, and shards are opened
 * and closed after it. Borrowed until the next is taken, or the core freed; the one before is used no more when
 * this returns. Rows whose cv or epoch is below what was seen before are passed over. map->self and map->cores
 * never change. */
void core_take_map(struct core *core, const struct cluster_map *map);
/** Any thread: core_take_map, as a message. `used(user, core, old)` is called on the core's thread when the core uses
 * the map it had before no more; a core that is about to be freed gives `map` itself back. */
void core_post_map(struct core *core, const struct cluster_map *map,
                   void (*used)(void *user, struct core *core, const struct cluster_map *map), void *user);

/** R50, on the core's thread, of an OPEN shard: its turns end, no other begins but those that they call, and calls
 * wait. `done(user, shard, PDR_OK)` when all that ran is committed: from then on it is RELEASED, answers no reads
 * and makes no entries. PDR_DEADLINE: it could not within SHARD_RELEASE_MS, and goes on. PDR_MOVED: a map came that
 * closes it. PDR_INVALID, at once: it is not OPEN. `done` may be called before this returns. */
#define SHARD_RELEASE_MS 100u
void shard_release(struct core *core, uint32_t shard, void (*done)(void *user, uint32_t shard, enum pdr_status status),
                   void *user);
/** It was not taken over after all: goes on. Nothing if it is not RELEASING or RELEASED; then `done` hears
 * PDR_CANCELLED if it is still to be called. */
void shard_resume(struct core *core, uint32_t shard);

/* For the files of core/shard. */

#define DUTY_WAITING_MAX 4096u /* calls that wait for one shard */

struct shard *shard_new(struct core *core, uint32_t id);
/** At birth, and when a map has more shards (not while a step is applied). */
void shards_grow(struct core *core, uint32_t count);
void shards_free(struct core *core);
/** A call arrives at the core of a member. False: it waits, or was finished. */
bool duty_admits(struct core *core, struct call *call);
/** An activation comes up whose shard is not OPEN. True: it stands aside until it is again. */
bool duty_parks(struct activation *a);
/** The next call of such an activation that may run now; NULL: none. */
struct call *duty_pop(struct activation *a);
/** An activation of a CLOSING shard has no turn any more: freed in the next tick. */
void duty_leave(struct activation *a);
/** ... or was freed. */
void duty_gone(struct shard *shard);
/** Each tick: what is opened, released and closed goes on. */
void duty_go_on(struct core *core);
/** The node stops: nobody waits any more. */
void duty_stop(struct core *core);
/* replicas.c: what the machine of a shard with several copies says. */

/** It is to be opened: its epoch is on its way to disk, or there. */
void duty_begin(struct core *core, struct shard *shard);
/** It is given up, if it was open or to be opened. */
void duty_give_up(struct core *core, struct shard *shard);
/** Whether a turn of it has begun, and not ended. */
bool duty_has_turns(const struct core *core, const struct shard *shard);
/** RELEASING becomes RELEASED, though what waits at the gate goes on waiting. */
void duty_end_release(struct core *core, struct shard *shard);

/** core_free. */
void duty_discard(struct core *core);

#endif
