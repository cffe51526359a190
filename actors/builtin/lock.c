/* lock/NAME: at most one holder at a time, by a lease, with fencing tokens (docs/concepts/locks.md).
 *
 * acquire [holder, lease_ms = 30000, wait_ms = 0] -> {token, lease_ms}; {token: nil, place} while it waits; `locked`
 * renew [token, lease_ms = as before] -> {token, lease_ms}; `stale_token`
 * release [token] -> true; `stale_token`          leave [holder] -> whether it waited
 * holder -> {holder, token, left_ms} or nil       check [token] -> whether that is the current token
 * expire: for the lock's own reminder: ends a lease that is over
 *
 * State: "token", the last one given; "lease", while there is a holder; table w, who waits, by arrival. Whoever comes
 * first after a lease's end (its reminder, or a call) ends it, and hands the lock to the first who waits. */
#include "actors/builtin/rows.h"

#define LEASE_MS_DEFAULT 30000
#define MS_MAX 86400000
#define HOLDER_BYTES_MAX 128
#define WAITERS_MAX 256

struct lease {
    struct pdr_bytes holder; /* empty: the lock is free */
    int64_t token, lease_ms, until_ms;
};

static int read_lease(pdr_turn *turn, struct lease *lease)
{
    pdr_value row;
    *lease = (struct lease){.token = 0};
    int status = pdr_get(turn, pdr_str("lease"), &row);
    if (status != PDR_OK) {
        return status == PDR_NOT_FOUND ? PDR_OK : status;
    }
    struct pdr_bytes rest = pdr_value_items(row);
    if (!pdr_value_bytes(pdr_value_next(&rest), &lease->holder) ||
        !pdr_value_int(pdr_value_next(&rest), &lease->token) ||
        !pdr_value_int(pdr_value_next(&rest), &lease->lease_ms) ||
        !pdr_value_int(pdr_value_next(&rest), &lease->until_ms)) {
        return pdr_fail_status(turn, PDR_INTERNAL, "the lock's lease is not as this version writes it");
    }
    return PDR_OK;
}

static bool is_held(const struct lease *lease)
{
    return lease->holder.size > 0;
}

static int64_t left_ms(pdr_turn *turn, const struct lease *lease)
{
    int64_t left = lease->until_ms - pdr_wall_ms(turn);
    return is_held(lease) && left > 0 ? left : 0;
}

static bool is_current(pdr_turn *turn, const struct lease *lease, int64_t token)
{
    return left_ms(turn, lease) > 0 && lease->token == token;
}

/* From now on, for lease_ms; the reminder with it. */
static int put_lease(pdr_turn *turn, struct lease *lease)
{
    uint8_t room[HOLDER_BYTES_MAX + 64];
    pdr_writer row;
    lease->until_ms = pdr_wall_ms(turn) + lease->lease_ms;
    pdr_writer_init(&row, room, sizeof room, sizeof room);
    pdr_write_array(&row, 4);
    pdr_write_str(&row, lease->holder);
    pdr_write_int(&row, lease->token);
    pdr_write_int(&row, lease->lease_ms);
    pdr_write_int(&row, lease->until_ms);
    int status = pdr_put(turn, pdr_str("lease"), pdr_written(&row));
    return status == PDR_OK ? pdr_reminder_at(turn, "lease", lease->until_ms, 0, "expire", pdr_bytes(NULL, 0)) : status;
}

static int emit(pdr_turn *turn, const char *what, const struct lease *lease)
{
    uint8_t room[HOLDER_BYTES_MAX + 64];
    pdr_writer event;
    pdr_writer_init(&event, room, sizeof room, sizeof room);
    pdr_write_map(&event, 3);
    pdr_write_cstr(&event, "event");
    pdr_write_cstr(&event, what);
    pdr_write_cstr(&event, "holder");
    pdr_write_str(&event, lease->holder);
    pdr_write_cstr(&event, "token");
    pdr_write_int(&event, lease->token);
    return pdr_emit(turn, pdr_written(&event));
}

static int grant(pdr_turn *turn, struct pdr_bytes holder, int64_t lease_ms, struct lease *lease)
{
    int64_t token = 0;
    int status = pdr_get_int(turn, "token", &token);
    if (status != PDR_OK && status != PDR_NOT_FOUND) {
        return status;
    }
    *lease = (struct lease){.holder = holder, .token = token + 1, .lease_ms = lease_ms};
    status = pdr_put_int(turn, "token", lease->token);
    status = status == PDR_OK ? put_lease(turn, lease) : status;
    return status == PDR_OK ? emit(turn, "acquired", lease) : status;
}

/* Who waits. A row: [holder, lease_ms, until when it waits]. */

struct waiter {
    struct pdr_bytes holder;
    int64_t lease_ms, until_ms;
};

static int put_waiter(pdr_turn *turn, struct pdr_bytes key, const struct waiter *waiter)
{
    uint8_t room[HOLDER_BYTES_MAX + 64];
    pdr_writer row;
    pdr_writer_init(&row, room, sizeof room, sizeof room);
    pdr_write_array(&row, 3);
    pdr_write_str(&row, waiter->holder);
    pdr_write_int(&row, waiter->lease_ms);
    pdr_write_int(&row, waiter->until_ms);
    return pdr_put(turn, key, pdr_written(&row));
}

static pdr_scan *scan_waiters(pdr_turn *turn)
{
    return pdr_scan_open(turn, pdr_str("w"), pdr_str("x"));
}

/* The next who still waits; rows of those who have given up go. The slices are valid until the next call. */
static int next_waiter(pdr_turn *turn, pdr_scan *scan, struct pdr_bytes *key, struct waiter *waiter)
{
    struct pdr_bytes row;
    int status = scan == NULL ? PDR_OVERLOADED : PDR_OK;
    while (status == PDR_OK && (status = pdr_scan_next(scan, key, &row)) == PDR_OK) {
        struct pdr_bytes rest = pdr_value_items(row);
        pdr_value_bytes(pdr_value_next(&rest), &waiter->holder);
        pdr_value_int(pdr_value_next(&rest), &waiter->lease_ms);
        pdr_value_int(pdr_value_next(&rest), &waiter->until_ms);
        if (waiter->until_ms > pdr_wall_ms(turn)) {
            return PDR_OK;
        }
        status = pdr_delete(turn, *key);
    }
    return status;
}

/* The lease has ended; the lock goes to the first who waits. */
static int hand_over(pdr_turn *turn, const struct lease *ended, const char *how)
{
    struct pdr_bytes key;
    struct waiter first = {.lease_ms = 0};
    struct lease next;
    int status = emit(turn, how, ended);
    if (status != PDR_OK) {
        return status;
    }
    status = next_waiter(turn, scan_waiters(turn), &key, &first);
    if (status == PDR_NOT_FOUND) {
        status = pdr_delete(turn, pdr_str("lease"));
        return status == PDR_OK ? pdr_reminder_cancel(turn, "lease") : status;
    }
    status = status == PDR_OK ? grant(turn, first.holder, first.lease_ms, &next) : status;
    return status == PDR_OK ? pdr_delete(turn, key) : status;
}

/* Finds the row of a holder, and how many wait: before it, or in all. */
static int find_waiter(pdr_turn *turn, struct pdr_bytes holder, struct row_key *key, bool *found, int *before)
{
    struct pdr_bytes at;
    struct waiter waiter = {.lease_ms = 0};
    pdr_scan *scan = scan_waiters(turn);
    int status;
    *found = false;
    for (*before = 0; (status = next_waiter(turn, scan, &at, &waiter)) == PDR_OK; ++*before) {
        if (pdr_bytes_equal(waiter.holder, holder)) {
            *key = row_key('w', row_number(at, 0));
            *found = true;
            return PDR_OK;
        }
    }
    return row_scanned(status);
}

/* Calls. */

static int reply_lease(pdr_turn *turn, const struct lease *lease)
{
    uint8_t room[64];
    pdr_writer reply;
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_map(&reply, 2);
    pdr_write_cstr(&reply, "token");
    pdr_write_int(&reply, lease->token);
    pdr_write_cstr(&reply, "lease_ms");
    pdr_write_int(&reply, lease->lease_ms);
    return pdr_reply(turn, pdr_written(&reply));
}

static int reply_place(pdr_turn *turn, int place)
{
    uint8_t room[64];
    pdr_writer reply;
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_map(&reply, 2);
    pdr_write_cstr(&reply, "token");
    pdr_write_nil(&reply);
    pdr_write_cstr(&reply, "place");
    pdr_write_int(&reply, place);
    return pdr_reply(turn, pdr_written(&reply));
}

/* The last of those who wait, or where it waits already. */
static int wait_for(pdr_turn *turn, const struct waiter *wish)
{
    struct row_key key;
    bool found;
    int before;
    int64_t arrivals = 0;
    int status = find_waiter(turn, wish->holder, &key, &found, &before);
    if (status == PDR_OK && !found && before >= WAITERS_MAX) {
        return pdr_fail_status(turn, PDR_OVERLOADED, "at most %d wait for a lock (limit lock_waiters)", WAITERS_MAX);
    }
    if (status == PDR_OK && !found) {
        status = pdr_get_int(turn, "arrivals", &arrivals);
        status = status == PDR_NOT_FOUND ? PDR_OK : status;
        status = status == PDR_OK ? pdr_put_int(turn, "arrivals", arrivals + 1) : status;
        key = row_key('w', arrivals);
    }
    status = status == PDR_OK ? put_waiter(turn, row_bytes(&key), wish) : status;
    return status == PDR_OK ? reply_place(turn, before + 1) : status;
}

/* Who asks: the first argument, or the actor that calls. */
static int read_holder(pdr_turn *turn, const pdr_args *args, struct pdr_bytes *holder)
{
    enum pdr_kind kind = pdr_value_kind(pdr_arg(args, 0));
    *holder = kind == PDR_KIND_NONE || kind == PDR_KIND_NIL ? pdr_caller(turn)
                                                            : pdr_arg_bytes(args, 0, pdr_bytes(NULL, 0));
    if (holder->size == 0 || holder->size > HOLDER_BYTES_MAX) {
        return pdr_fail_status(turn, PDR_INVALID,
                               "the first argument says who holds the lock: a string of 1 to %d bytes",
                               HOLDER_BYTES_MAX);
    }
    return PDR_OK;
}

static int read_token(pdr_turn *turn, const pdr_args *args, int64_t *token)
{
    if (!pdr_value_int(pdr_arg(args, 0), token)) {
        return pdr_fail_status(turn, PDR_INVALID, "the first argument is the token that acquire answered");
    }
    return PDR_OK;
}

static int refuse(pdr_turn *turn, const struct lease *lease)
{
    return pdr_fail(turn, "locked", "%.*s holds it for %lld ms more (token %lld)", (int)lease->holder.size,
                    (const char *)lease->holder.data, (long long)left_ms(turn, lease), (long long)lease->token);
}

static int acquire(pdr_turn *turn, const pdr_args *args)
{
    struct waiter wish = {.lease_ms = 0};
    struct lease lease;
    int64_t wait_ms = 0;
    int status = read_holder(turn, args, &wish.holder);
    status = status == PDR_OK ? row_argument(turn, args, 1, "lease_ms", 1, MS_MAX, LEASE_MS_DEFAULT, &wish.lease_ms)
                              : status;
    status = status == PDR_OK ? row_argument(turn, args, 2, "wait_ms", 0, MS_MAX, 0, &wait_ms) : status;
    status = status == PDR_OK ? read_lease(turn, &lease) : status;
    if (status == PDR_OK && is_held(&lease) && left_ms(turn, &lease) == 0) {
        status = hand_over(turn, &lease, "expired");
        status = status == PDR_OK ? read_lease(turn, &lease) : status;
    }
    if (status != PDR_OK) {
        return status;
    }
    if (!is_held(&lease)) {
        status = grant(turn, wish.holder, wish.lease_ms, &lease);
    } else if (pdr_bytes_equal(lease.holder, wish.holder)) {
        lease.lease_ms = wish.lease_ms;
        status = put_lease(turn, &lease);
    } else if (wait_ms > 0) {
        wish.until_ms = pdr_wall_ms(turn) + wait_ms;
        return wait_for(turn, &wish);
    } else {
        return refuse(turn, &lease);
    }
    return status == PDR_OK ? reply_lease(turn, &lease) : status;
}

/* The lease of which the caller has the token; else `stale_token`. */
static int current_lease(pdr_turn *turn, const pdr_args *args, struct lease *lease)
{
    int64_t token = 0;
    int status = read_token(turn, args, &token);
    status = status == PDR_OK ? read_lease(turn, lease) : status;
    if (status == PDR_OK && !is_current(turn, lease, token)) {
        return pdr_fail(turn, "stale_token", "token %lld does not hold the lock: its lease is over, or was released",
                        (long long)token);
    }
    return status;
}

static int renew(pdr_turn *turn, const pdr_args *args)
{
    struct lease lease;
    int status = current_lease(turn, args, &lease);
    status = status == PDR_OK ? row_argument(turn, args, 1, "lease_ms", 1, MS_MAX, lease.lease_ms, &lease.lease_ms)
                              : status;
    status = status == PDR_OK ? put_lease(turn, &lease) : status;
    return status == PDR_OK ? reply_lease(turn, &lease) : status;
}

static int release(pdr_turn *turn, const pdr_args *args)
{
    struct lease lease;
    int status = current_lease(turn, args, &lease);
    status = status == PDR_OK ? hand_over(turn, &lease, "released") : status;
    return status == PDR_OK ? pdr_reply_bool(turn, true) : status;
}

static int leave(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes holder;
    struct row_key key;
    bool found = false;
    int before;
    int status = read_holder(turn, args, &holder);
    status = status == PDR_OK ? find_waiter(turn, holder, &key, &found, &before) : status;
    status = status == PDR_OK && found ? pdr_delete(turn, row_bytes(&key)) : status;
    return status == PDR_OK ? pdr_reply_bool(turn, found) : status;
}

static int expire(pdr_turn *turn, const pdr_args *args)
{
    struct lease lease;
    int status = read_lease(turn, &lease);
    if (status != PDR_OK || !is_held(&lease)) {
        return status;
    }
    if (left_ms(turn, &lease) > 0) { /* the clock went back meanwhile, or somebody else has called */
        return pdr_reminder_at(turn, "lease", lease.until_ms, 0, "expire", pdr_bytes(NULL, 0));
    }
    return hand_over(turn, &lease, "expired");
}

static int holder(pdr_turn *turn, const pdr_args *args)
{
    uint8_t room[HOLDER_BYTES_MAX + 64];
    pdr_writer reply;
    struct lease lease;
    int status = read_lease(turn, &lease);
    int64_t left = status == PDR_OK ? left_ms(turn, &lease) : 0;
    if (status != PDR_OK || left == 0) {
        return status == PDR_OK ? pdr_reply_nil(turn) : status;
    }
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_map(&reply, 3);
    pdr_write_cstr(&reply, "holder");
    pdr_write_str(&reply, lease.holder);
    pdr_write_cstr(&reply, "token");
    pdr_write_int(&reply, lease.token);
    pdr_write_cstr(&reply, "left_ms");
    pdr_write_int(&reply, left);
    return pdr_reply(turn, pdr_written(&reply));
}

static int check(pdr_turn *turn, const pdr_args *args)
{
    struct lease lease;
    int64_t token = 0;
    int status = read_token(turn, args, &token);
    status = status == PDR_OK ? read_lease(turn, &lease) : status;
    return status == PDR_OK ? pdr_reply_bool(turn, is_current(turn, &lease, token)) : status;
}

PDR_ACTOR(lock, PDR_METHOD("acquire", acquire), PDR_METHOD("renew", renew), PDR_METHOD("release", release),
          PDR_METHOD("leave", leave), PDR_METHOD("expire", expire), PDR_READER("holder", holder),
          PDR_READER("check", check))
