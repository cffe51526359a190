/* actors/builtin/leases_methods.c: arguments, answers, and whole methods that types with leases have in common. */
#include "actors/builtin/leases.h"

int leases_holder_argument(pdr_turn *turn, const pdr_args *args, struct pdr_bytes *holder)
{
    enum pdr_kind kind = pdr_value_kind(pdr_arg(args, 0));
    *holder = kind == PDR_KIND_NONE || kind == PDR_KIND_NIL ? pdr_caller(turn)
                                                            : pdr_arg_bytes(args, 0, pdr_bytes(NULL, 0));
    if (holder->size == 0 || holder->size > HOLDER_BYTES_MAX) {
        return pdr_fail_status(turn, PDR_INVALID, "the first argument is a name: a string of 1 to %d bytes",
                               HOLDER_BYTES_MAX);
    }
    return PDR_OK;
}

int leases_time_argument(pdr_turn *turn, const pdr_args *args, uint32_t k, int64_t otherwise, int64_t *lease_ms)
{
    return row_argument(turn, args, k, "lease_ms", 1, LEASE_MS_MAX, otherwise, lease_ms);
}

static int token_argument(pdr_turn *turn, const pdr_args *args, int64_t *token)
{
    if (!pdr_value_int(pdr_arg(args, 0), token)) {
        return pdr_fail_status(turn, PDR_INVALID, "the first argument is a token: the integer that was answered");
    }
    return PDR_OK;
}

int leases_token_argument(pdr_turn *turn, const pdr_args *args, const struct leases *leases, struct lease *lease)
{
    int64_t token = 0;
    int status = token_argument(turn, args, &token);
    status = status == PDR_OK ? leases_by_token(turn, leases, token, lease) : status;
    if (status == PDR_NOT_FOUND) {
        return pdr_fail(turn, "stale_token", "token %lld does not hold: its lease is over, or was given up",
                        (long long)token);
    }
    return status;
}

int leases_reply(pdr_turn *turn, const struct lease *lease)
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

int leases_reply_place(pdr_turn *turn, int64_t place)
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

int leases_run_renew(pdr_turn *turn, const pdr_args *args, const struct leases_kind *kind)
{
    struct leases leases;
    struct lease lease = {.token = 0};
    int64_t lease_ms = 0;
    int status = leases_open(turn, kind, &leases);
    status = status == PDR_OK ? leases_token_argument(turn, args, &leases, &lease) : status;
    status = status == PDR_OK ? leases_time_argument(turn, args, 1, lease.lease_ms, &lease_ms) : status;
    status = status == PDR_OK ? leases_renew(turn, &leases, &lease, lease_ms) : status;
    status = status == PDR_OK ? leases_close(turn, &leases) : status;
    return status == PDR_OK ? leases_reply(turn, &lease) : status;
}

int leases_run_release(pdr_turn *turn, const pdr_args *args, const struct leases_kind *kind)
{
    struct leases leases;
    struct lease lease;
    int status = leases_open(turn, kind, &leases);
    status = status == PDR_OK ? leases_token_argument(turn, args, &leases, &lease) : status;
    status = status == PDR_OK ? leases_end(turn, &leases, &lease, LEASE_RELEASED) : status;
    status = status == PDR_OK ? leases_close(turn, &leases) : status;
    return status == PDR_OK ? pdr_reply_bool(turn, true) : status;
}

int leases_run_check(pdr_turn *turn, const pdr_args *args, const struct leases_kind *kind)
{
    struct leases leases;
    struct lease lease;
    int64_t token = 0;
    int status = leases_read(turn, kind, &leases);
    status = status == PDR_OK ? token_argument(turn, args, &token) : status;
    status = status == PDR_OK ? leases_by_token(turn, &leases, token, &lease) : status;
    return status == PDR_OK || status == PDR_NOT_FOUND ? pdr_reply_bool(turn, status == PDR_OK) : status;
}

int leases_run_leave(pdr_turn *turn, const pdr_args *args, const struct leases_kind *kind)
{
    struct leases leases;
    struct pdr_bytes holder;
    bool waited = false;
    int status = leases_holder_argument(turn, args, &holder);
    status = status == PDR_OK ? leases_open(turn, kind, &leases) : status;
    status = status == PDR_OK ? leases_leave(turn, &leases, holder, &waited) : status;
    status = status == PDR_OK ? leases_close(turn, &leases) : status;
    return status == PDR_OK ? pdr_reply_bool(turn, waited) : status;
}

/* Of those who hold, whose time is not over yet; the line as it is, to the next turn. */
static int write_table(pdr_turn *turn, pdr_writer *reply, const struct leases *leases, enum leases_table table)
{
    struct lease lease;
    pdr_writer rows;
    pdr_scan *scan = leases_scan(turn, leases, table);
    uint32_t count = 0;
    int status;
    pdr_writer_init(&rows, NULL, 0, 0);
    while ((status = leases_next(turn, scan, &lease)) == PDR_OK) {
        if (table == LEASES_HELD && leases_left_ms(leases, &lease) == 0) {
            continue;
        }
        pdr_write_map(&rows, table == LEASES_HELD ? 4 : 3);
        pdr_write_cstr(&rows, "holder");
        pdr_write_str(&rows, lease.holder);
        if (table == LEASES_HELD) {
            pdr_write_cstr(&rows, "token");
            pdr_write_int(&rows, lease.token);
        }
        leases->kind->describe(&rows, &lease);
        pdr_write_cstr(&rows, "left_ms");
        pdr_write_int(&rows, leases_left_ms(leases, &lease));
        count++;
    }
    pdr_write_array(reply, count);
    pdr_write_raw(reply, rows.data, rows.size);
    pdr_writer_release(&rows);
    return row_scanned(status);
}

int leases_run_holders(pdr_turn *turn, const struct leases_kind *kind)
{
    struct leases leases;
    pdr_writer reply;
    int status = leases_read(turn, kind, &leases);
    if (status != PDR_OK) {
        return status;
    }
    pdr_writer_init(&reply, NULL, 0, 0);
    pdr_write_map(&reply, 2);
    pdr_write_cstr(&reply, "holders");
    status = write_table(turn, &reply, &leases, LEASES_HELD);
    pdr_write_cstr(&reply, "waiting");
    status = status == PDR_OK ? write_table(turn, &reply, &leases, LEASES_LINE) : status;
    status = status == PDR_OK ? pdr_reply(turn, pdr_written(&reply)) : status;
    pdr_writer_release(&reply);
    return status;
}
