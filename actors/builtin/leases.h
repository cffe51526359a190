/* actors/builtin/leases.h: who holds how many permits, until when, and who waits for some.
 *
 * What lock, semaphore, barrier and group have in common. A holder is a name; it holds once, by a lease, under a token
 * that is larger than any before. Who asks for more than is free may wait in a line, by arrival. Nobody overtakes:
 * while the first of the line does not fit, nobody is served, so many small wishes never starve a large one.
 *
 * A lease or a wait that is over ends in the first turn after that, of the actor's one reminder or of any call
 * (leases_open); the permits then go to the line in the same turn. So between turns the first of the line never fits,
 * as far as clocks have come. The reminder follows lazily: a lease that is renewed writes one row, and the reminder
 * looks again when it comes.
 *
 * Functions return PDR_OK or a status that a method may end with, as those of perdure/actor.h; where PDR_NOT_FOUND is
 * an answer, it is said. */
#ifndef ACTORS_BUILTIN_LEASES_H
#define ACTORS_BUILTIN_LEASES_H

#include "actors/builtin/rows.h"

#define LEASE_MS_DEFAULT 30000
#define LEASE_MS_MAX 86400000
#define HOLDER_BYTES_MAX 128

/** Rows. */
enum leases_table {
    LEASES_HELD = 'h',  /* token: [holder, permits, lease_ms, until when] */
    LEASES_LINE = 'w',  /* arrival: the same, until when it waits */
    LEASES_NAMES = 'n', /* holder: [whether it waits, token or arrival] */
};

struct lease {
    struct pdr_bytes holder; /* of the turn, or of the scan it came from */
    int64_t token;           /* of one that waits: its arrival */
    int64_t permits, lease_ms;
    int64_t until_ms; /* wall clock */
};

enum lease_change { LEASE_BEGAN, LEASE_RELEASED, LEASE_EXPIRED, LEASE_REFUSED };

struct leases;
/** What differs between types. */
struct leases_kind {
    int64_t permits; /* to begin with */
    int64_t holders_max, waiters_max;
    const char *waiters_limit; /* the name of the latter */
    /** Who holds changes, in this turn: `leases` has it counted. Of LEASE_REFUSED: of the line, for there are not that
     * many permits any more. */
    int (*changed)(pdr_turn *turn, const struct leases *leases, const struct lease *lease, enum lease_change change);
    /** Writes a pair of a map: what its permits mean. */
    void (*describe)(pdr_writer *writer, const struct lease *lease);
};

/** All numbers: one row. */
struct leases {
    int64_t permits; /* there are */
    int64_t token;   /* the last that was given */
    int64_t changes; /* of who holds, so far */
    int64_t holders, used;
    int64_t waiters;
    int64_t lowest;          /* no lower token is held */
    int64_t first, arrivals; /* who waits has numbers [first, arrivals), with gaps */
    int64_t wakes_at;        /* no lease and no wait is over before; when the reminder comes */
    /* not in the row */
    const struct leases_kind *kind;
    int64_t now_ms;  /* of the turn */
    int64_t woke_at; /* for when the reminder is set */
};
#define LEASES_NEVER INT64_MAX

/** For readers: as it was written last, with what is over by now. */
int leases_read(pdr_turn *turn, const struct leases_kind *kind, struct leases *leases);
/** For others: what is over has ended, and that is written. */
int leases_open(pdr_turn *turn, const struct leases_kind *kind, struct leases *leases);
/** The last of what a turn does that has changed them: writes the numbers, and sets the reminder. */
int leases_close(pdr_turn *turn, struct leases *leases);
/** The whole method that the reminder calls, `expire`; anybody may. */
int leases_expire(pdr_turn *turn, const struct leases_kind *kind);

enum leases_answer {
    LEASES_HOLDS,     /* as it did, renewed; or from now on */
    LEASES_WAITS,     /* at a place, which begins with 1 */
    LEASES_REFUSED,   /* not now, and it does not want to wait */
    LEASES_OTHERWISE, /* it holds another number of permits */
};
/** One asks for `wish`, of which holder, permits and lease_ms count; it waits up to wait_ms. *held is filled for those
 * who hold. */
int leases_ask(pdr_turn *turn, struct leases *leases, const struct lease *wish, int64_t wait_ms,
               enum leases_answer *answer, struct lease *held, int64_t *place);

/** PDR_NOT_FOUND: it is not held, or over. */
int leases_by_token(pdr_turn *turn, const struct leases *leases, int64_t token, struct lease *lease);
int leases_by_holder(pdr_turn *turn, const struct leases *leases, struct pdr_bytes holder, struct lease *lease);
int leases_renew(pdr_turn *turn, struct leases *leases, struct lease *lease, int64_t lease_ms);
/** It ends, and the line moves on. */
int leases_end(pdr_turn *turn, struct leases *leases, const struct lease *lease, enum lease_change how);
/** All end, and nobody is told. */
int leases_clear(pdr_turn *turn, struct leases *leases);
/** Gives its place in the line up, if it has one. */
int leases_leave(pdr_turn *turn, struct leases *leases, struct pdr_bytes holder, bool *waited);
/** From now on there are that many. Who holds goes on; who waits for more is refused. */
int leases_resize(pdr_turn *turn, struct leases *leases, int64_t permits);

/** Holders by token, or the line by arrival; also those that are over and have not ended. */
pdr_scan *leases_scan(pdr_turn *turn, const struct leases *leases, enum leases_table table);
/** PDR_NOT_FOUND at the end. The holder is valid until the next call. `scan` may be NULL: it could not be opened. */
int leases_next(pdr_turn *turn, pdr_scan *scan, struct lease *lease);
static inline int64_t leases_left_ms(const struct leases *leases, const struct lease *lease)
{
    return lease->until_ms > leases->now_ms ? lease->until_ms - leases->now_ms : 0;
}

/* What methods have in common. */

/** The first argument, or the actor that calls. */
int leases_holder_argument(pdr_turn *turn, const pdr_args *args, struct pdr_bytes *holder);
/** The k-th, from 1 ms to a day; else `otherwise`. */
int leases_time_argument(pdr_turn *turn, const pdr_args *args, uint32_t k, int64_t otherwise, int64_t *lease_ms);
/** The lease whose token is the first argument; fails with `stale_token`. */
int leases_token_argument(pdr_turn *turn, const pdr_args *args, const struct leases *leases, struct lease *lease);
/** {token, lease_ms} */
int leases_reply(pdr_turn *turn, const struct lease *lease);
/** {token: nil, place} */
int leases_reply_place(pdr_turn *turn, int64_t place);

/* Whole methods, of who has leases to renew, release, check and leave: */

int leases_run_renew(pdr_turn *turn, const pdr_args *args, const struct leases_kind *kind);
int leases_run_release(pdr_turn *turn, const pdr_args *args, const struct leases_kind *kind);
int leases_run_check(pdr_turn *turn, const pdr_args *args, const struct leases_kind *kind);
int leases_run_leave(pdr_turn *turn, const pdr_args *args, const struct leases_kind *kind);
/** {holders: [{holder, token, ..., left_ms}], waiting: [{holder, ..., left_ms}]} */
int leases_run_holders(pdr_turn *turn, const struct leases_kind *kind);

#endif
