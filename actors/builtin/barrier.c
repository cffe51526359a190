/* barrier/NAME: so many parties meet; when all are there all go on, or none (docs/concepts/barriers.md).
 *
 * arrive [party, parties = as before, lease_ms = 30000, generation = the current one]
 *     -> {generation, outcome, arrived, parties}; `other_parties`, `no_such_generation`
 * leave [party, generation = the current one] -> whether it had arrived
 * break [generation = the current one] -> whether it was the current one: nobody goes on
 * outcome [generation] -> "waiting", "released", "broken", or nil: not begun, or forgotten
 * state -> {generation, parties, waiting: [party, ...]}
 * expire: for its own reminder: whose lease is over is not there any more
 *
 * Events: {event: "released" | "broken", generation}, {event: "left" | "lost", generation, party, arrived}. A
 * generation ends once, in one turn, and for all. */
#include "actors/builtin/leases.h"

#define PARTIES_MAX 1024
#define OUTCOMES_KEPT 256
#define BROKEN_TABLE 'b' /* generation: nil; of those that are remembered */

struct barrier {
    int64_t generation; /* from 1 */
    int64_t parties;    /* 0: nobody has said */
    struct leases leases;
};

static int read_numbers(pdr_turn *turn, struct barrier *barrier)
{
    int64_t n[] = {1, 0};
    int status = row_get(turn, pdr_str("barrier"), n, 2);
    barrier->generation = n[0];
    barrier->parties = n[1];
    return row_scanned(status);
}

static int put_numbers(pdr_turn *turn, const struct barrier *barrier)
{
    int64_t n[] = {barrier->generation, barrier->parties};
    return row_put(turn, pdr_str("barrier"), n, 2);
}

/* An arrival is withdrawn; arrivals themselves make no noise, but for the last. */
static int changed(pdr_turn *turn, const struct leases *leases, const struct lease *party, enum lease_change change)
{
    uint8_t room[HOLDER_BYTES_MAX + 64];
    pdr_writer event;
    struct barrier barrier;
    int status = change == LEASE_BEGAN ? PDR_OK : read_numbers(turn, &barrier);
    if (status != PDR_OK || change == LEASE_BEGAN) {
        return status;
    }
    pdr_writer_init(&event, room, sizeof room, sizeof room);
    pdr_write_map(&event, 4);
    pdr_write_cstr(&event, "event");
    pdr_write_cstr(&event, change == LEASE_EXPIRED ? "lost" : "left");
    pdr_write_cstr(&event, "generation");
    pdr_write_int(&event, barrier.generation);
    pdr_write_cstr(&event, "party");
    pdr_write_str(&event, party->holder);
    pdr_write_cstr(&event, "arrived");
    pdr_write_int(&event, leases->holders);
    return pdr_emit(turn, pdr_written(&event));
}

static const struct leases_kind barrier_kind = {PARTIES_MAX, PARTIES_MAX, 0, NULL, changed, NULL};

static int open_barrier(pdr_turn *turn, struct barrier *barrier)
{
    int status = read_numbers(turn, barrier);
    return status == PDR_OK ? leases_open(turn, &barrier_kind, &barrier->leases) : status;
}

/* The generation ends, for all who are there; the next begins. */
static int end_generation(pdr_turn *turn, struct barrier *barrier, const char *outcome)
{
    uint8_t room[64];
    pdr_writer event;
    static const uint8_t nil[] = {0xc0};
    bool broken = outcome[0] == 'b';
    struct row_key key = row_key(BROKEN_TABLE, barrier->generation);
    struct row_key old = row_key(BROKEN_TABLE, barrier->generation - OUTCOMES_KEPT);
    int status = broken ? pdr_put(turn, row_bytes(&key), pdr_bytes(nil, sizeof nil)) : PDR_OK;
    if (status == PDR_OK && barrier->generation > OUTCOMES_KEPT) {
        status = pdr_delete(turn, row_bytes(&old));
    }
    status = status == PDR_OK ? leases_clear(turn, &barrier->leases) : status;
    if (status != PDR_OK) {
        return status;
    }
    pdr_writer_init(&event, room, sizeof room, sizeof room);
    pdr_write_map(&event, 2);
    pdr_write_cstr(&event, "event");
    pdr_write_cstr(&event, outcome);
    pdr_write_cstr(&event, "generation");
    pdr_write_int(&event, barrier->generation++);
    status = put_numbers(turn, barrier);
    return status == PDR_OK ? pdr_emit(turn, pdr_written(&event)) : status;
}

/* NULL: not begun, or forgotten. */
static int outcome_of(pdr_turn *turn, const struct barrier *barrier, int64_t generation, const char **outcome)
{
    struct row_key key = row_key(BROKEN_TABLE, generation);
    struct pdr_bytes nil;
    *outcome = generation == barrier->generation ? "waiting" : NULL;
    if (generation < 1 || generation >= barrier->generation || generation < barrier->generation - OUTCOMES_KEPT) {
        return PDR_OK;
    }
    int status = pdr_get(turn, row_bytes(&key), &nil);
    *outcome = status == PDR_OK ? "broken" : "released";
    return row_scanned(status);
}

static int reply_arrival(pdr_turn *turn, const struct barrier *barrier, int64_t generation, int64_t arrived)
{
    uint8_t room[128];
    pdr_writer reply;
    const char *outcome;
    int status = outcome_of(turn, barrier, generation, &outcome);
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_map(&reply, 4);
    pdr_write_cstr(&reply, "generation");
    pdr_write_int(&reply, generation);
    pdr_write_cstr(&reply, "outcome");
    outcome == NULL ? pdr_write_nil(&reply) : pdr_write_cstr(&reply, outcome);
    pdr_write_cstr(&reply, "arrived");
    pdr_write_int(&reply, arrived);
    pdr_write_cstr(&reply, "parties");
    pdr_write_int(&reply, barrier->parties);
    return status == PDR_OK ? pdr_reply(turn, pdr_written(&reply)) : status;
}

/* For how many it is: whoever comes first says it, others may, and then as the first did. */
static int agree_on_parties(pdr_turn *turn, const pdr_args *args, struct barrier *barrier)
{
    int64_t parties = 0;
    int status = row_argument(turn, args, 1, "parties", 1, PARTIES_MAX, barrier->parties, &parties);
    if (status != PDR_OK || (parties == barrier->parties && parties > 0)) {
        return status;
    }
    if (parties == 0) {
        return pdr_fail_status(turn, PDR_INVALID, "who arrives first says, by the second argument, how many meet");
    }
    if (barrier->leases.holders > 0) {
        return pdr_fail(turn, "other_parties", "%lld are to meet, says who is there, not %lld",
                        (long long)barrier->parties, (long long)parties);
    }
    barrier->parties = parties;
    return put_numbers(turn, barrier);
}

/* Comes to the current generation. */
static int come(pdr_turn *turn, const pdr_args *args, struct barrier *barrier, const struct lease *wish)
{
    struct lease party;
    enum leases_answer answer;
    int64_t place, generation = barrier->generation;
    int status = agree_on_parties(turn, args, barrier);
    status = status == PDR_OK ? leases_ask(turn, &barrier->leases, wish, 0, &answer, &party, &place) : status;
    int64_t arrived = status == PDR_OK ? barrier->leases.holders : 0;
    if (status == PDR_OK && (arrived == barrier->parties || MUTATION(223))) {
        status = end_generation(turn, barrier, "released");
    }
    status = status == PDR_OK ? leases_close(turn, &barrier->leases) : status;
    return status == PDR_OK ? reply_arrival(turn, barrier, generation, arrived) : status;
}

static int arrive(pdr_turn *turn, const pdr_args *args)
{
    struct barrier barrier;
    struct lease wish = {.permits = 1};
    int64_t generation = 0;
    int status = leases_holder_argument(turn, args, &wish.holder);
    status = status == PDR_OK ? leases_time_argument(turn, args, 2, LEASE_MS_DEFAULT, &wish.lease_ms) : status;
    status = status == PDR_OK ? open_barrier(turn, &barrier) : status;
    status = status == PDR_OK ? row_argument(turn, args, 3, "generation", 1, INT64_MAX, barrier.generation, &generation)
                              : status;
    if (status != PDR_OK || generation == barrier.generation) {
        return status == PDR_OK ? come(turn, args, &barrier, &wish) : status;
    }
    if (generation > barrier.generation) {
        return pdr_fail(turn, "no_such_generation", "generation %lld has not begun; %lld is the current one",
                        (long long)generation, (long long)barrier.generation);
    }
    return reply_arrival(turn, &barrier, generation, 0); /* it is over: nobody comes to it any more */
}

static int leave(pdr_turn *turn, const pdr_args *args)
{
    struct barrier barrier;
    struct pdr_bytes name;
    struct lease party;
    int64_t generation = 0;
    int status = leases_holder_argument(turn, args, &name);
    status = status == PDR_OK ? open_barrier(turn, &barrier) : status;
    status = status == PDR_OK ? row_argument(turn, args, 1, "generation", 1, INT64_MAX, barrier.generation, &generation)
                              : status;
    status = status == PDR_OK ? leases_by_holder(turn, &barrier.leases, name, &party) : status;
    if (status == PDR_NOT_FOUND || (status == PDR_OK && generation != barrier.generation)) {
        return pdr_reply_bool(turn, false);
    }
    status = status == PDR_OK ? leases_end(turn, &barrier.leases, &party, LEASE_RELEASED) : status;
    status = status == PDR_OK ? leases_close(turn, &barrier.leases) : status;
    return status == PDR_OK ? pdr_reply_bool(turn, true) : status;
}

static int break_it(pdr_turn *turn, const pdr_args *args)
{
    struct barrier barrier;
    int64_t generation = 0;
    int status = open_barrier(turn, &barrier);
    status = status == PDR_OK ? row_argument(turn, args, 0, "generation", 1, INT64_MAX, barrier.generation, &generation)
                              : status;
    if (status == PDR_OK && generation != barrier.generation) {
        return pdr_reply_bool(turn, false);
    }
    status = status == PDR_OK ? end_generation(turn, &barrier, "broken") : status;
    status = status == PDR_OK ? leases_close(turn, &barrier.leases) : status;
    return status == PDR_OK ? pdr_reply_bool(turn, true) : status;
}

static int expire(pdr_turn *turn, const pdr_args *args)
{
    return leases_expire(turn, &barrier_kind);
}

static int outcome(pdr_turn *turn, const pdr_args *args)
{
    struct barrier barrier;
    const char *what = NULL;
    int64_t generation = 0;
    int status = read_numbers(turn, &barrier);
    status = status == PDR_OK ? row_argument(turn, args, 0, "generation", 1, INT64_MAX, barrier.generation, &generation)
                              : status;
    status = status == PDR_OK ? outcome_of(turn, &barrier, generation, &what) : status;
    if (status != PDR_OK) {
        return status;
    }
    return what == NULL ? pdr_reply_nil(turn) : pdr_reply_str(turn, pdr_str(what));
}

static int state(pdr_turn *turn, const pdr_args *args)
{
    struct barrier barrier;
    struct lease party;
    pdr_writer reply, names;
    uint32_t count = 0;
    int status = read_numbers(turn, &barrier);
    status = status == PDR_OK ? leases_read(turn, &barrier_kind, &barrier.leases) : status;
    if (status != PDR_OK) {
        return status;
    }
    pdr_scan *scan = leases_scan(turn, &barrier.leases, LEASES_HELD);
    pdr_writer_init(&names, NULL, 0, 0);
    pdr_writer_init(&reply, NULL, 0, 0);
    while ((status = leases_next(turn, scan, &party)) == PDR_OK) {
        if (leases_left_ms(&barrier.leases, &party) > 0) {
            pdr_write_str(&names, party.holder);
            count++;
        }
    }
    pdr_write_map(&reply, 3);
    pdr_write_cstr(&reply, "generation");
    pdr_write_int(&reply, barrier.generation);
    pdr_write_cstr(&reply, "parties");
    pdr_write_int(&reply, barrier.parties);
    pdr_write_cstr(&reply, "waiting");
    pdr_write_array(&reply, count);
    pdr_write_raw(&reply, names.data, names.size);
    status = row_scanned(status);
    status = status == PDR_OK ? pdr_reply(turn, pdr_written(&reply)) : status;
    pdr_writer_release(&names);
    pdr_writer_release(&reply);
    return status;
}

PDR_ACTOR(barrier, PDR_METHOD("arrive", arrive), PDR_METHOD("leave", leave), PDR_METHOD("break", break_it),
          PDR_READER("outcome", outcome), PDR_READER("state", state), PDR_METHOD("expire", expire))
