/* lock/NAME: one holder, or several that share it, by leases, with fencing tokens (docs/concepts/locks.md).
 *
 * acquire [holder, lease_ms = 30000, wait_ms = 0] -> {token, lease_ms}; {token: nil, place} while it waits; `locked`,
 * `other_mode`             acquire_shared: the same, beside others who share
 * renew [token, lease_ms = as before] -> {token, lease_ms}; `stale_token`
 * release [token] -> true; `stale_token`          leave [holder] -> whether it waited
 * holder -> {holder, token, left_ms} or nil, of who has it alone
 * holders -> {holders: [{holder, token, mode, left_ms}], waiting: [{holder, mode, left_ms}]}
 * check [token] -> whether it holds               expire: for the lock's own reminder: ends leases that are over
 *
 * It is leases.h with as many permits as may share: who shares takes one, who wants it alone takes all. So the line is
 * served by arrival, those who share and come one after the other together, and nobody starves. */
#include "actors/builtin/leases.h"

#define SHARERS_MAX 256
#define WAITERS_MAX 256

static bool is_alone(const struct lease *lease)
{
    return lease->permits > 1;
}

static void describe(pdr_writer *writer, const struct lease *lease)
{
    pdr_write_cstr(writer, "mode");
    pdr_write_cstr(writer, is_alone(lease) ? "exclusive" : "shared");
}

static int changed(pdr_turn *turn, const struct leases *leases, const struct lease *lease, enum lease_change change)
{
    static const char *const names[] = {"acquired", "released", "expired", "refused"};
    uint8_t room[HOLDER_BYTES_MAX + 64];
    pdr_writer event;
    pdr_writer_init(&event, room, sizeof room, sizeof room);
    pdr_write_map(&event, 4);
    pdr_write_cstr(&event, "event");
    pdr_write_cstr(&event, names[change]);
    pdr_write_cstr(&event, "holder");
    pdr_write_str(&event, lease->holder);
    pdr_write_cstr(&event, "token");
    pdr_write_int(&event, lease->token);
    describe(&event, lease);
    return pdr_emit(turn, pdr_written(&event));
}

static const struct leases_kind lock_kind = {SHARERS_MAX, SHARERS_MAX, WAITERS_MAX, "lock_waiters", changed, describe};

static int refuse(pdr_turn *turn, const struct leases *leases, const struct lease *wish)
{
    struct lease first;
    int status = leases_next(turn, leases_scan(turn, leases, LEASES_HELD), &first);
    if (status != PDR_OK) {
        return status == PDR_NOT_FOUND ? pdr_fail(turn, "locked", "others wait for it") : status;
    }
    if (!is_alone(wish) && leases->used == SHARERS_MAX && !is_alone(&first)) {
        return pdr_fail_status(turn, PDR_OVERLOADED, "at most %d share a lock (limit lock_sharers)", SHARERS_MAX);
    }
    return pdr_fail(turn, "locked", "%.*s holds it %s for %lld ms more (token %lld), and %lld wait for it",
                    (int)first.holder.size, (const char *)first.holder.data, is_alone(&first) ? "alone" : "shared",
                    (long long)leases_left_ms(leases, &first), (long long)first.token, (long long)leases->waiters);
}

static int ask(pdr_turn *turn, const pdr_args *args, int64_t permits)
{
    struct lease wish = {.permits = permits}, held;
    struct leases leases;
    enum leases_answer answer = LEASES_REFUSED;
    int64_t wait_ms = 0, place = 0;
    int status = leases_holder_argument(turn, args, &wish.holder);
    status = status == PDR_OK ? leases_time_argument(turn, args, 1, LEASE_MS_DEFAULT, &wish.lease_ms) : status;
    status = status == PDR_OK ? row_argument(turn, args, 2, "wait_ms", 0, LEASE_MS_MAX, 0, &wait_ms) : status;
    status = status == PDR_OK ? leases_open(turn, &lock_kind, &leases) : status;
    status = status == PDR_OK ? leases_ask(turn, &leases, &wish, wait_ms, &answer, &held, &place) : status;
    if (status == PDR_OK && answer == LEASES_REFUSED) {
        return refuse(turn, &leases, &wish);
    }
    if (status == PDR_OK && answer == LEASES_OTHERWISE) {
        return pdr_fail(turn, "other_mode", "%.*s holds it %s: release that first", (int)wish.holder.size,
                        (const char *)wish.holder.data, is_alone(&held) ? "alone" : "shared");
    }
    status = status == PDR_OK ? leases_close(turn, &leases) : status;
    if (status != PDR_OK) {
        return status;
    }
    return answer == LEASES_HOLDS ? leases_reply(turn, &held) : leases_reply_place(turn, place);
}

static int acquire(pdr_turn *turn, const pdr_args *args)
{
    return ask(turn, args, SHARERS_MAX);
}

static int acquire_shared(pdr_turn *turn, const pdr_args *args)
{
    return ask(turn, args, 1);
}

static int renew(pdr_turn *turn, const pdr_args *args)
{
    return leases_run_renew(turn, args, &lock_kind);
}

static int release(pdr_turn *turn, const pdr_args *args)
{
    return leases_run_release(turn, args, &lock_kind);
}

static int leave(pdr_turn *turn, const pdr_args *args)
{
    return leases_run_leave(turn, args, &lock_kind);
}

static int expire(pdr_turn *turn, const pdr_args *args)
{
    return leases_expire(turn, &lock_kind);
}

static int holders(pdr_turn *turn, const pdr_args *args)
{
    return leases_run_holders(turn, &lock_kind);
}

static int check(pdr_turn *turn, const pdr_args *args)
{
    return leases_run_check(turn, args, &lock_kind);
}

static int holder(pdr_turn *turn, const pdr_args *args)
{
    uint8_t room[HOLDER_BYTES_MAX + 64];
    pdr_writer reply;
    struct leases leases;
    struct lease lease;
    int status = leases_read(turn, &lock_kind, &leases);
    status = status == PDR_OK ? leases_next(turn, leases_scan(turn, &leases, LEASES_HELD), &lease) : status;
    if (status == PDR_NOT_FOUND || (status == PDR_OK && (!is_alone(&lease) || leases_left_ms(&leases, &lease) == 0))) {
        return pdr_reply_nil(turn);
    }
    if (status != PDR_OK) {
        return status;
    }
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_map(&reply, 3);
    pdr_write_cstr(&reply, "holder");
    pdr_write_str(&reply, lease.holder);
    pdr_write_cstr(&reply, "token");
    pdr_write_int(&reply, lease.token);
    pdr_write_cstr(&reply, "left_ms");
    pdr_write_int(&reply, leases_left_ms(&leases, &lease));
    return pdr_reply(turn, pdr_written(&reply));
}

PDR_ACTOR(lock, PDR_METHOD("acquire", acquire), PDR_METHOD("acquire_shared", acquire_shared),
          PDR_METHOD("renew", renew), PDR_METHOD("release", release), PDR_METHOD("leave", leave),
          PDR_READER("holder", holder), PDR_READER("holders", holders), PDR_READER("check", check),
          PDR_METHOD("expire", expire))
