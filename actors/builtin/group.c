/* group/NAME: who is there, by heartbeats, with events to whoever watches (docs/concepts/groups.md).
 *
 * join [member, lease_ms = 30000, data = nil] -> {token, view, lease_ms}; the same again: as it is, renewed
 * heartbeat [token, lease_ms = as before] -> {view, lease_ms}; `stale_token`
 * leave [token] -> true; `stale_token`            check [token] -> whether it is a member
 * members -> {view, members: [[member, token, data], ...]}, by token: the oldest first
 * expire: for its own reminder: whose lease is over is lost
 *
 * Events: {event: "joined" | "left" | "lost" | "changed", member, token, view}. The view is a number that grows by one
 * with each of them, and with nothing else; of one view there is one list of members. */
#include "actors/builtin/leases.h"

#define MEMBERS_MAX 1024
#define DATA_BYTES_MAX 512
#define DATA_TABLE 'd' /* token: the value it joined with, unless that is nil */

static int emit(pdr_turn *turn, const char *what, const struct leases *leases, const struct lease *member)
{
    uint8_t room[HOLDER_BYTES_MAX + 64];
    pdr_writer event;
    pdr_writer_init(&event, room, sizeof room, sizeof room);
    pdr_write_map(&event, 4);
    pdr_write_cstr(&event, "event");
    pdr_write_cstr(&event, what);
    pdr_write_cstr(&event, "member");
    pdr_write_str(&event, member->holder);
    pdr_write_cstr(&event, "token");
    pdr_write_int(&event, member->token);
    pdr_write_cstr(&event, "view");
    pdr_write_int(&event, leases->changes);
    return pdr_emit(turn, pdr_written(&event));
}

static int changed(pdr_turn *turn, const struct leases *leases, const struct lease *member, enum lease_change change)
{
    static const char *const names[] = {"joined", "left", "lost", NULL};
    struct row_key key = row_key(DATA_TABLE, member->token);
    int status = change == LEASE_BEGAN ? PDR_OK : pdr_delete(turn, row_bytes(&key));
    return status == PDR_OK ? emit(turn, names[change], leases, member) : status;
}

static const struct leases_kind group_kind = {MEMBERS_MAX, MEMBERS_MAX, 0, NULL, changed, NULL};

static bool is_none(pdr_value value)
{
    enum pdr_kind kind = pdr_value_kind(value);
    return kind == PDR_KIND_NONE || kind == PDR_KIND_NIL;
}

/* *out is nil where there is none. */
static int get_data(pdr_turn *turn, int64_t token, pdr_value *out)
{
    static const uint8_t nil[] = {0xc0};
    struct row_key key = row_key(DATA_TABLE, token);
    *out = pdr_bytes(nil, sizeof nil);
    return row_scanned(pdr_get(turn, row_bytes(&key), out));
}

static int put_data(pdr_turn *turn, int64_t token, pdr_value data)
{
    struct row_key key = row_key(DATA_TABLE, token);
    return is_none(data) ? pdr_delete(turn, row_bytes(&key)) : pdr_put(turn, row_bytes(&key), data);
}

/* A member that is there already says what it has now. */
static int update(pdr_turn *turn, struct leases *leases, const struct lease *member, pdr_value data)
{
    pdr_value old;
    int status = get_data(turn, member->token, &old);
    if (status != PDR_OK || (is_none(old) && is_none(data)) || pdr_bytes_equal(old, data)) {
        return status;
    }
    leases->changes++;
    status = put_data(turn, member->token, data);
    return status == PDR_OK ? emit(turn, "changed", leases, member) : status;
}

static int reply_member(pdr_turn *turn, const struct leases *leases, const struct lease *member, bool token)
{
    uint8_t room[64];
    pdr_writer reply;
    pdr_writer_init(&reply, room, sizeof room, sizeof room);
    pdr_write_map(&reply, token ? 3 : 2);
    if (token) {
        pdr_write_cstr(&reply, "token");
        pdr_write_int(&reply, member->token);
    }
    pdr_write_cstr(&reply, "view");
    pdr_write_int(&reply, leases->changes);
    pdr_write_cstr(&reply, "lease_ms");
    pdr_write_int(&reply, member->lease_ms);
    return pdr_reply(turn, pdr_written(&reply));
}

static int join(pdr_turn *turn, const pdr_args *args)
{
    struct leases leases;
    struct lease wish = {.permits = 1}, member;
    enum leases_answer answer = LEASES_REFUSED;
    pdr_value data = pdr_arg(args, 2);
    int64_t place;
    if (!is_none(data) && data.size > DATA_BYTES_MAX) {
        return pdr_fail_status(turn, PDR_TOO_LARGE, "a member joins with at most %d bytes (limit group_data)",
                               DATA_BYTES_MAX);
    }
    int status = leases_holder_argument(turn, args, &wish.holder);
    status = status == PDR_OK ? leases_time_argument(turn, args, 1, LEASE_MS_DEFAULT, &wish.lease_ms) : status;
    status = status == PDR_OK ? leases_open(turn, &group_kind, &leases) : status;
    int64_t before = status == PDR_OK ? leases.token : 0;
    status = status == PDR_OK ? leases_ask(turn, &leases, &wish, 0, &answer, &member, &place) : status;
    if (status == PDR_OK && answer == LEASES_REFUSED) {
        return pdr_fail_status(turn, PDR_OVERLOADED, "a group has at most %d members (limit group_members)",
                               MEMBERS_MAX);
    }
    if (status == PDR_OK && leases.token > before) {
        status = is_none(data) ? PDR_OK : put_data(turn, member.token, data);
    } else if (status == PDR_OK) {
        status = update(turn, &leases, &member, data);
    }
    status = status == PDR_OK ? leases_close(turn, &leases) : status;
    return status == PDR_OK ? reply_member(turn, &leases, &member, true) : status;
}

static int heartbeat(pdr_turn *turn, const pdr_args *args)
{
    struct leases leases;
    struct lease member = {.token = 0};
    int64_t lease_ms = 0;
    int status = leases_open(turn, &group_kind, &leases);
    status = status == PDR_OK ? leases_token_argument(turn, args, &leases, &member) : status;
    status = status == PDR_OK ? leases_time_argument(turn, args, 1, member.lease_ms, &lease_ms) : status;
    status = status == PDR_OK ? leases_renew(turn, &leases, &member, lease_ms) : status;
    status = status == PDR_OK ? leases_close(turn, &leases) : status;
    return status == PDR_OK ? reply_member(turn, &leases, &member, false) : status;
}

static int leave(pdr_turn *turn, const pdr_args *args)
{
    return leases_run_release(turn, args, &group_kind);
}

static int check(pdr_turn *turn, const pdr_args *args)
{
    return leases_run_check(turn, args, &group_kind);
}

static int expire(pdr_turn *turn, const pdr_args *args)
{
    return leases_expire(turn, &group_kind);
}

/* All there are, also whose lease is over while nobody has ended it: the list is that of its view. */
static int write_members(pdr_turn *turn, pdr_writer *reply, const struct leases *leases)
{
    struct lease member;
    pdr_value data;
    pdr_scan *scan = leases_scan(turn, leases, LEASES_HELD);
    int status;
    while ((status = leases_next(turn, scan, &member)) == PDR_OK) {
        status = get_data(turn, member.token, &data);
        if (status != PDR_OK) {
            return status;
        }
        pdr_write_array(reply, 3);
        pdr_write_str(reply, member.holder);
        pdr_write_int(reply, member.token);
        pdr_write_value(reply, data);
    }
    return row_scanned(status);
}

static int members(pdr_turn *turn, const pdr_args *args)
{
    struct leases leases;
    pdr_writer reply;
    int status = leases_read(turn, &group_kind, &leases);
    if (status != PDR_OK) {
        return status;
    }
    pdr_writer_init(&reply, NULL, 0, 0);
    pdr_write_map(&reply, 2);
    pdr_write_cstr(&reply, "view");
    pdr_write_int(&reply, leases.changes);
    pdr_write_cstr(&reply, "members");
    pdr_write_array(&reply, (uint32_t)leases.holders);
    status = write_members(turn, &reply, &leases);
    status = status == PDR_OK ? pdr_reply(turn, pdr_written(&reply)) : status;
    pdr_writer_release(&reply);
    return status;
}

PDR_ACTOR(group, PDR_METHOD("join", join), PDR_METHOD("heartbeat", heartbeat), PDR_METHOD("leave", leave),
          PDR_READER("members", members), PDR_READER("check", check), PDR_METHOD("expire", expire))
