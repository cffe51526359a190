/* semaphore/NAME: n permits, held by leases, with fencing tokens (docs/concepts/semaphores.md).
 *
 * acquire [holder, permits = 1, lease_ms = 30000, wait_ms = 0] -> {token, lease_ms}; {token: nil, place} while it
 * waits; `no_permits`, `other_count`
 * renew [token, lease_ms = as before] -> {token, lease_ms}; `stale_token`
 * release [token] -> true; `stale_token`          leave [holder] -> whether it waited
 * resize [n] -> {permits, free, waiting, lowest}; 1 until somebody says otherwise     state -> the same
 * holders -> {holders: [{holder, token, permits, left_ms}], waiting: [{holder, permits, left_ms}]}
 * check [token] -> whether it holds               expire: for its own reminder: ends leases that are over */
#include "actors/builtin/leases.h"

#define PERMITS_MAX 1000000
#define HOLDERS_MAX 1024
#define WAITERS_MAX 1024

static void describe(pdr_writer *writer, const struct lease *lease)
{
    pdr_write_cstr(writer, "permits");
    pdr_write_int(writer, lease->permits);
}

static int changed(pdr_turn *turn, const struct leases *leases, const struct lease *lease, enum lease_change change)
{
    static const char *const names[] = {"acquired", "released", "expired", "refused"};
    uint8_t room[HOLDER_BYTES_MAX + 64];
    pdr_writer event;
    pdr_writer_init(&event, room, sizeof room, sizeof room);
    pdr_write_map(&event, change == LEASE_REFUSED ? 3 : 4);
    pdr_write_cstr(&event, "event");
    pdr_write_cstr(&event, names[change]);
    pdr_write_cstr(&event, "holder");
    pdr_write_str(&event, lease->holder);
    describe(&event, lease);
    if (change != LEASE_REFUSED) {
        pdr_write_cstr(&event, "token");
        pdr_write_int(&event, lease->token);
    }
    return pdr_emit(turn, pdr_written(&event));
}

static const struct leases_kind semaphore_kind = {1, HOLDERS_MAX, WAITERS_MAX, "semaphore_waiters", changed, describe};

static int refuse(pdr_turn *turn, const struct leases *leases, const struct lease *wish)
{
    if (leases->holders >= HOLDERS_MAX) {
        return pdr_fail_status(turn, PDR_OVERLOADED, "a semaphore has at most %d holders (limit semaphore_holders)",
                               HOLDERS_MAX);
    }
    return pdr_fail(turn, "no_permits", "%lld of %lld are free, %lld wait, and %lld are asked for",
                    (long long)(leases->used < leases->permits ? leases->permits - leases->used : 0),
                    (long long)leases->permits, (long long)leases->waiters, (long long)wish->permits);
}

static int acquire(pdr_turn *turn, const pdr_args *args)
{
    struct lease wish = {.token = 0}, held;
    struct leases leases;
    enum leases_answer answer = LEASES_REFUSED;
    int64_t wait_ms = 0, place = 0;
    int status = leases_holder_argument(turn, args, &wish.holder);
    status = status == PDR_OK ? leases_time_argument(turn, args, 2, LEASE_MS_DEFAULT, &wish.lease_ms) : status;
    status = status == PDR_OK ? row_argument(turn, args, 3, "wait_ms", 0, LEASE_MS_MAX, 0, &wait_ms) : status;
    status = status == PDR_OK ? leases_open(turn, &semaphore_kind, &leases) : status;
    status = status == PDR_OK ? row_argument(turn, args, 1, "permits", 1, leases.permits, 1, &wish.permits) : status;
    status = status == PDR_OK ? leases_ask(turn, &leases, &wish, wait_ms, &answer, &held, &place) : status;
    if (status == PDR_OK && answer == LEASES_REFUSED) {
        return refuse(turn, &leases, &wish);
    }
    if (status == PDR_OK && answer == LEASES_OTHERWISE) {
        return pdr_fail(turn, "other_count", "%.*s holds %lld: release these first", (int)wish.holder.size,
                        (const char *)wish.holder.data, (long long)held.permits);
    }
    status = status == PDR_OK ? leases_close(turn, &leases) : status;
    if (status != PDR_OK) {
        return status;
    }
    return answer == LEASES_HOLDS ? leases_reply(turn, &held) : leases_reply_place(turn, place);
}

static int renew(pdr_turn *turn, const pdr_args *args)
{
    return leases_run_renew(turn, args, &semaphore_kind);
}

static int release(pdr_turn *turn, const pdr_args *args)
{
    return leases_run_release(turn, args, &semaphore_kind);
}

static int leave(pdr_turn *turn, const pdr_args *args)
{
    return leases_run_leave(turn, args, &semaphore_kind);
}

static int check(pdr_turn *turn, const pdr_args *args)
{
    return leases_run_check(turn, args, &semaphore_kind);
}

static int holders(pdr_turn *turn, const pdr_args *args)
{
    return leases_run_holders(turn, &semaphore_kind);
}

static int expire(pdr_turn *turn, const pdr_args *args)
{
    return leases_expire(turn, &semaphore_kind);
}

/* What is over by now is free, though a reader can't end it. */
static int reply_state(pdr_turn *turn, const struct leases *leases)
{
    struct lease lease;
    uint8_t room[128];
    pdr_writer reply;
    int64_t used = 0, lowest = leases->token + 1;
    pdr_scan *scan = leases_scan(turn, leases, LEASES_HELD);
    int status;
    while ((status = leases_next(turn, scan, &lease)) == PDR_OK) {
        bool holds = leases_left_ms(leases, &lease) > 0;
        used += holds ? lease.permits : 0;
        lowest = holds && lease.token < lowest ? lease.token : lowest;
    }
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_map(&reply, 4);
    pdr_write_cstr(&reply, "permits");
    pdr_write_int(&reply, leases->permits);
    pdr_write_cstr(&reply, "free");
    pdr_write_int(&reply, used < leases->permits ? leases->permits - used : 0);
    pdr_write_cstr(&reply, "waiting");
    pdr_write_int(&reply, leases->waiters);
    pdr_write_cstr(&reply, "lowest");
    pdr_write_int(&reply, lowest);
    status = row_scanned(status);
    return status == PDR_OK ? pdr_reply(turn, pdr_written(&reply)) : status;
}

static int state(pdr_turn *turn, const pdr_args *args)
{
    struct leases leases;
    int status = leases_read(turn, &semaphore_kind, &leases);
    return status == PDR_OK ? reply_state(turn, &leases) : status;
}

static int resize(pdr_turn *turn, const pdr_args *args)
{
    struct leases leases;
    int64_t permits = 0;
    int status = row_argument(turn, args, 0, "the permits", 1, PERMITS_MAX, 0, &permits);
    if (status == PDR_OK && permits == 0) {
        return pdr_fail_status(turn, PDR_INVALID, "the first argument is how many permits there are from now on");
    }
    status = status == PDR_OK ? leases_open(turn, &semaphore_kind, &leases) : status;
    status = status == PDR_OK ? leases_resize(turn, &leases, permits) : status;
    status = status == PDR_OK ? leases_close(turn, &leases) : status;
    return status == PDR_OK ? reply_state(turn, &leases) : status;
}

PDR_ACTOR(semaphore, PDR_METHOD("acquire", acquire), PDR_METHOD("renew", renew), PDR_METHOD("release", release),
          PDR_METHOD("leave", leave), PDR_METHOD("resize", resize), PDR_READER("state", state),
          PDR_READER("holders", holders), PDR_READER("check", check), PDR_METHOD("expire", expire))
