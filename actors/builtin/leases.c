/* actors/builtin/leases.c: who holds, until when, and who waits. */
#include "actors/builtin/leases.h"

#define NUMBERS 10

static struct pdr_bytes numbers_key(void)
{
    return pdr_str("leases");
}

int leases_read(pdr_turn *turn, const struct leases_kind *kind, struct leases *leases)
{
    int64_t n[NUMBERS] = {[0] = kind->permits, [NUMBERS - 1] = LEASES_NEVER};
    int status = row_get(turn, numbers_key(), n, NUMBERS);
    *leases =
        (struct leases){n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7], n[8], n[9], kind, pdr_wall_ms(turn), n[9]};
    return row_scanned(status);
}

int leases_close(pdr_turn *turn, struct leases *leases)
{
    if (leases->holders == 0 && leases->waiters == 0) {
        leases->wakes_at = LEASES_NEVER;
    }
    int64_t n[NUMBERS] = {leases->permits, leases->token,  leases->changes, leases->holders,  leases->used,
                          leases->waiters, leases->lowest, leases->first,   leases->arrivals, leases->wakes_at};
    int status = row_put(turn, numbers_key(), n, NUMBERS);
    if (status != PDR_OK || leases->wakes_at == leases->woke_at) {
        return status;
    }
    leases->woke_at = leases->wakes_at;
    return leases->wakes_at == LEASES_NEVER
               ? pdr_reminder_cancel(turn, "lease")
               : pdr_reminder_at(turn, "lease", leases->wakes_at, 0, "expire", pdr_bytes(NULL, 0));
}

static void wake_by(struct leases *leases, int64_t until_ms)
{
    leases->wakes_at = until_ms < leases->wakes_at ? until_ms : leases->wakes_at;
}

/* Rows of holders and of the line. */

static int put_lease(pdr_turn *turn, struct leases *leases, enum leases_table table, const struct lease *lease)
{
    uint8_t room[HOLDER_BYTES_MAX + 64];
    pdr_writer row;
    struct row_key key = row_key((char)table, lease->token);
    pdr_writer_init(&row, room, sizeof room, sizeof room);
    pdr_write_array(&row, 4);
    pdr_write_str(&row, lease->holder);
    pdr_write_int(&row, lease->permits);
    pdr_write_int(&row, lease->lease_ms);
    pdr_write_int(&row, lease->until_ms);
    wake_by(leases, lease->until_ms);
    return pdr_put(turn, row_bytes(&key), pdr_written(&row));
}

static int parse_lease(pdr_turn *turn, int64_t number, pdr_value row, struct lease *lease)
{
    struct pdr_bytes rest = pdr_value_items(row);
    lease->token = number;
    if (!pdr_value_bytes(pdr_value_next(&rest), &lease->holder) ||
        !pdr_value_int(pdr_value_next(&rest), &lease->permits) ||
        !pdr_value_int(pdr_value_next(&rest), &lease->lease_ms) ||
        !pdr_value_int(pdr_value_next(&rest), &lease->until_ms)) {
        return pdr_fail_status(turn, PDR_INTERNAL, "a lease of the actor is not as this version writes it");
    }
    return PDR_OK;
}

static int get_lease(pdr_turn *turn, enum leases_table table, int64_t number, struct lease *lease)
{
    struct row_key key = row_key((char)table, number);
    pdr_value row;
    int status = pdr_get(turn, row_bytes(&key), &row);
    return status == PDR_OK ? parse_lease(turn, number, row, lease) : status;
}

static int delete_lease(pdr_turn *turn, enum leases_table table, int64_t number)
{
    struct row_key key = row_key((char)table, number);
    return pdr_delete(turn, row_bytes(&key));
}

pdr_scan *leases_scan(pdr_turn *turn, const struct leases *leases, enum leases_table table)
{
    struct row_key from = row_key((char)table, table == LEASES_HELD ? leases->lowest : leases->first);
    struct row_key to = row_key((char)table, INT64_MAX);
    return pdr_scan_open(turn, row_bytes(&from), row_bytes(&to));
}

int leases_next(pdr_turn *turn, pdr_scan *scan, struct lease *lease)
{
    struct pdr_bytes key, row;
    int status = scan == NULL ? PDR_OVERLOADED : pdr_scan_next(scan, &key, &row);
    return status == PDR_OK ? parse_lease(turn, row_number(key, 0), row, lease) : status;
}

/* Names: of each who holds or waits, where. */

struct name_key {
    uint8_t data[1 + HOLDER_BYTES_MAX];
    size_t size;
};

static struct name_key name_key(struct pdr_bytes holder)
{
    struct name_key key = {.data = {LEASES_NAMES}, .size = 1 + holder.size};
    memcpy(key.data + 1, holder.data, holder.size);
    return key;
}

static int put_name(pdr_turn *turn, const struct lease *lease, bool waits)
{
    struct name_key key = name_key(lease->holder);
    int64_t where[] = {waits, lease->token};
    return row_put(turn, pdr_bytes(key.data, key.size), where, 2);
}

static int delete_name(pdr_turn *turn, const struct lease *lease)
{
    struct name_key key = name_key(lease->holder);
    return pdr_delete(turn, pdr_bytes(key.data, key.size));
}

/* PDR_NOT_FOUND: neither holds nor waits. */
static int find(pdr_turn *turn, struct pdr_bytes holder, bool *waits, struct lease *lease)
{
    struct name_key key = name_key(holder);
    int64_t where[2];
    int status = row_get(turn, pdr_bytes(key.data, key.size), where, 2);
    if (status != PDR_OK) {
        return status;
    }
    *waits = where[0] != 0;
    return get_lease(turn, *waits ? LEASES_LINE : LEASES_HELD, where[1], lease);
}

int leases_by_token(pdr_turn *turn, const struct leases *leases, int64_t token, struct lease *lease)
{
    int status = token < leases->lowest || token > leases->token ? PDR_NOT_FOUND
                                                                 : get_lease(turn, LEASES_HELD, token, lease);
    return status == PDR_OK && leases_left_ms(leases, lease) == 0 ? PDR_NOT_FOUND : status;
}

int leases_by_holder(pdr_turn *turn, const struct leases *leases, struct pdr_bytes holder, struct lease *lease)
{
    bool waits = false;
    int status = find(turn, holder, &waits, lease);
    return status == PDR_OK && (waits || leases_left_ms(leases, lease) == 0) ? PDR_NOT_FOUND : status;
}

/* How leases begin and end. */

static bool fits(const struct leases *leases, int64_t permits)
{
    return (leases->used + permits <= leases->permits && leases->holders < leases->kind->holders_max) || MUTATION(220);
}

static int begin(pdr_turn *turn, struct leases *leases, struct lease *lease)
{
    lease->token = leases->token + !MUTATION(221);
    lease->until_ms = leases->now_ms + lease->lease_ms;
    leases->token = lease->token;
    leases->lowest = leases->holders == 0 ? lease->token : leases->lowest;
    leases->holders++;
    leases->used += lease->permits;
    leases->changes++;
    int status = put_lease(turn, leases, LEASES_HELD, lease);
    status = status == PDR_OK ? put_name(turn, lease, false) : status;
    return status == PDR_OK ? leases->kind->changed(turn, leases, lease, LEASE_BEGAN) : status;
}

/* Without moving the line on. */
static int end(pdr_turn *turn, struct leases *leases, const struct lease *lease, enum lease_change how)
{
    leases->holders--;
    leases->used -= lease->permits;
    leases->changes += how == LEASE_RELEASED || !MUTATION(224);
    leases->lowest += lease->token == leases->lowest;
    int status = delete_lease(turn, LEASES_HELD, lease->token);
    status = status == PDR_OK ? delete_name(turn, lease) : status;
    return status == PDR_OK ? leases->kind->changed(turn, leases, lease, how) : status;
}

/* Out of the line. */
static int step_out(pdr_turn *turn, struct leases *leases, const struct lease *waiter)
{
    leases->waiters--;
    leases->first += waiter->token == leases->first;
    int status = delete_lease(turn, LEASES_LINE, waiter->token);
    return status == PDR_OK ? delete_name(turn, waiter) : status;
}

/* Serves the line, by arrival, until one does not fit. */
static int move_on(pdr_turn *turn, struct leases *leases)
{
    struct lease next;
    pdr_scan *scan = leases->waiters == 0 ? NULL : leases_scan(turn, leases, LEASES_LINE);
    int status = PDR_OK;
    while (leases->waiters > 0 && (status = leases_next(turn, scan, &next)) == PDR_OK && fits(leases, next.permits)) {
        status = step_out(turn, leases, &next);
        status = status == PDR_OK ? begin(turn, leases, &next) : status;
        if (status != PDR_OK) {
            return status;
        }
    }
    return row_scanned(status);
}

static int end_overdue(pdr_turn *turn, struct leases *leases)
{
    struct lease lease;
    pdr_scan *scan = leases_scan(turn, leases, LEASES_HELD);
    int64_t lowest = leases->token + 1;
    int status;
    while ((status = leases_next(turn, scan, &lease)) == PDR_OK) {
        if (leases_left_ms(leases, &lease) > 0) {
            lowest = lease.token < lowest ? lease.token : lowest;
            wake_by(leases, lease.until_ms);
        } else if ((status = end(turn, leases, &lease, LEASE_EXPIRED)) != PDR_OK) {
            return status;
        }
    }
    leases->lowest = lowest;
    return row_scanned(status);
}

/* Those out of the line whose wait is over, or who ask for more than there is. */
static int drop_waiters(pdr_turn *turn, struct leases *leases)
{
    struct lease waiter;
    pdr_scan *scan = leases_scan(turn, leases, LEASES_LINE);
    int64_t first = leases->arrivals;
    int status;
    while ((status = leases_next(turn, scan, &waiter)) == PDR_OK) {
        bool refused = waiter.permits > leases->permits;
        if (leases_left_ms(leases, &waiter) > 0 && !refused) {
            first = waiter.token < first ? waiter.token : first;
            wake_by(leases, waiter.until_ms);
            continue;
        }
        status = step_out(turn, leases, &waiter);
        status = status == PDR_OK && refused ? leases->kind->changed(turn, leases, &waiter, LEASE_REFUSED) : status;
        if (status != PDR_OK) {
            return status;
        }
    }
    leases->first = first;
    return row_scanned(status);
}

/* Ends what is over, and looks when the next will be. */
static int sweep(pdr_turn *turn, struct leases *leases)
{
    leases->wakes_at = LEASES_NEVER;
    int status = end_overdue(turn, leases);
    status = status == PDR_OK ? drop_waiters(turn, leases) : status;
    return status == PDR_OK ? move_on(turn, leases) : status;
}

int leases_open(pdr_turn *turn, const struct leases_kind *kind, struct leases *leases)
{
    int status = leases_read(turn, kind, leases);
    if (status != PDR_OK || leases->now_ms < leases->wakes_at) {
        return status;
    }
    status = sweep(turn, leases);
    return status == PDR_OK ? leases_close(turn, leases) : status;
}

int leases_expire(pdr_turn *turn, const struct leases_kind *kind)
{
    struct leases leases;
    int status = leases_read(turn, kind, &leases);
    if (status != PDR_OK || leases.wakes_at == LEASES_NEVER) {
        return status;
    }
    status = sweep(turn, &leases);
    leases.woke_at = 0; /* the reminder goes with this turn, unless it is set anew */
    return status == PDR_OK ? leases_close(turn, &leases) : status;
}

/* What is asked for. */

static int count_before(pdr_turn *turn, const struct leases *leases, int64_t arrival, int64_t *count)
{
    struct lease waiter;
    pdr_scan *scan = leases_scan(turn, leases, LEASES_LINE);
    int status;
    for (*count = 0; (status = leases_next(turn, scan, &waiter)) == PDR_OK && waiter.token < arrival; ++*count) {
    }
    return row_scanned(status);
}

/* One that waits asks again: it keeps its place, for what it wants now. */
static int ask_again(pdr_turn *turn, struct leases *leases, struct lease *waiter, enum leases_answer *answer,
                     struct lease *held, int64_t *place)
{
    bool waits = true;
    int status = put_lease(turn, leases, LEASES_LINE, waiter);
    status = status == PDR_OK ? move_on(turn, leases) : status;
    status = status == PDR_OK ? find(turn, waiter->holder, &waits, held) : status;
    *answer = waits ? LEASES_WAITS : LEASES_HOLDS;
    status = status == PDR_OK && waits ? count_before(turn, leases, held->token, place) : status;
    ++*place;
    return status;
}

static int stand_in_line(pdr_turn *turn, struct leases *leases, struct lease *waiter, int64_t *place)
{
    if (leases->waiters >= leases->kind->waiters_max) {
        return pdr_fail_status(turn, PDR_OVERLOADED, "at most %lld wait (limit %s)",
                               (long long)leases->kind->waiters_max, leases->kind->waiters_limit);
    }
    waiter->token = leases->arrivals++;
    leases->first = leases->waiters == 0 ? waiter->token : leases->first;
    *place = ++leases->waiters;
    int status = put_lease(turn, leases, LEASES_LINE, waiter);
    return status == PDR_OK ? put_name(turn, waiter, true) : status;
}

int leases_ask(pdr_turn *turn, struct leases *leases, const struct lease *wish, int64_t wait_ms,
               enum leases_answer *answer, struct lease *held, int64_t *place)
{
    struct lease asked = *wish;
    bool waits = false;
    int status = find(turn, wish->holder, &waits, held);
    *place = 0;
    asked.until_ms = leases->now_ms + wait_ms;
    if (status != PDR_OK && status != PDR_NOT_FOUND) {
        return status;
    }
    if (status == PDR_OK && !waits) {
        *answer = held->permits == wish->permits ? LEASES_HOLDS : LEASES_OTHERWISE;
        return *answer == LEASES_HOLDS ? leases_renew(turn, leases, held, wish->lease_ms) : PDR_OK;
    }
    if (status == PDR_OK && wait_ms > 0) {
        asked.token = held->token;
        return ask_again(turn, leases, &asked, answer, held, place);
    }
    if (status == PDR_NOT_FOUND && (leases->waiters == 0 || MUTATION(220)) && fits(leases, wish->permits)) {
        *answer = LEASES_HOLDS;
        *held = asked;
        return begin(turn, leases, held);
    }
    *answer = status == PDR_NOT_FOUND && wait_ms > 0 ? LEASES_WAITS : LEASES_REFUSED;
    return *answer == LEASES_WAITS ? stand_in_line(turn, leases, &asked, place) : PDR_OK;
}

int leases_renew(pdr_turn *turn, struct leases *leases, struct lease *lease, int64_t lease_ms)
{
    lease->lease_ms = lease_ms;
    lease->until_ms = leases->now_ms + lease_ms;
    return put_lease(turn, leases, LEASES_HELD, lease);
}

int leases_end(pdr_turn *turn, struct leases *leases, const struct lease *lease, enum lease_change how)
{
    int status = end(turn, leases, lease, how);
    return status == PDR_OK ? move_on(turn, leases) : status;
}

int leases_clear(pdr_turn *turn, struct leases *leases)
{
    struct lease lease;
    pdr_scan *scan = leases_scan(turn, leases, LEASES_HELD);
    int status;
    while ((status = leases_next(turn, scan, &lease)) == PDR_OK) {
        status = delete_lease(turn, LEASES_HELD, lease.token);
        status = status == PDR_OK ? delete_name(turn, &lease) : status;
        if (status != PDR_OK) {
            return status;
        }
    }
    leases->holders = leases->used = 0;
    leases->lowest = leases->token + 1;
    return row_scanned(status);
}

int leases_leave(pdr_turn *turn, struct leases *leases, struct pdr_bytes holder, bool *waited)
{
    struct lease waiter;
    int status = find(turn, holder, waited, &waiter);
    if (status != PDR_OK || !*waited) {
        *waited = false;
        return row_scanned(status);
    }
    status = step_out(turn, leases, &waiter);
    return status == PDR_OK && !MUTATION(222) ? move_on(turn, leases) : status;
}

int leases_resize(pdr_turn *turn, struct leases *leases, int64_t permits)
{
    leases->permits = permits;
    return sweep(turn, leases);
}
