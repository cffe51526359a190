/* examples/12-saga/trip.c: a trip is booked in steps, and what was booked is given back if a later step fails: a saga
 * (Garcia-Molina and Salem 1987).
 *
 *     trip/ID        stock/flights     stock/hotels      stock/cars
 *        |-- reserve ---->|                 |                 |
 *        |<-- answer -----|                 |                 |
 *        |-- reserve ---------------------->|                 |
 *        |<-- answer -----------------------|                 |
 *        |-- reserve ---------------------------------------->|
 *        |                                                    (no, or nothing within the trip's patience:)
 *        |-- give_back -------------------->|
 *        |-- give_back -->|
 *
 * Unlike a two-phase commit nothing is held while others think: each step is done when it is done, others see it, and
 * undoing it is a step of its own. What a saga must not do is forget. Its state, its messages and its patience, a
 * reminder, are one commit with each turn, so it goes on where it was, whatever was killed. */
#include <perdure/actor.h>
#include <stdio.h>

static const char *const steps[] = {"stock/flights", "stock/hotels", "stock/cars"};
#define STEPS 3

static const struct pdr_bytes none = {NULL, 0};

static int tell(pdr_turn *turn, struct pdr_bytes to, const char *method, int64_t value)
{
    uint8_t room[16];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 1);
    pdr_write_int(&args, value);
    return pdr_tell(turn, to, method, pdr_written(&args));
}

static int64_t number(pdr_turn *turn, const char *key)
{
    int64_t n = 0;
    pdr_get_int(turn, key, &n);
    return n;
}

/* A trip. State: "step", which is under way; "state": nothing, BOOKING, and then how it ended. */

enum { BOOKING = 1, BOOKED, REFUSED, TOO_LATE };
static const char *const state_names[] = {"unknown", "booking", "booked", "refused", "too late"};

/* {"state": text}, for who watches. */
static int end(pdr_turn *turn, int64_t state)
{
    uint8_t room[32];
    pdr_writer event;
    pdr_writer_init(&event, room, sizeof room, 0);
    pdr_write_cstr(&event, state_names[state]);
    int status = pdr_put_int(turn, "state", state);
    status = status == PDR_OK ? pdr_reminder_cancel(turn, "patience") : status;
    return status == PDR_OK ? pdr_emit(turn, pdr_written(&event)) : status;
}

/* [compensate] */
/* Undoes what was done, the last first. */
static int compensate(pdr_turn *turn, int64_t why)
{
    int status = end(turn, why);
    for (int64_t k = number(turn, "step"); k-- > 0 && status == PDR_OK;) {
        status = pdr_tell(turn, pdr_str(steps[k]), "give_back", none);
    }
    return status;
}

/* answer [yes]: of the step under way. */
static int answer(pdr_turn *turn, const pdr_args *args)
{
    int64_t step = number(turn, "step");
    bool yes = pdr_arg_int(args, 0, 0) != 0;
    if (number(turn, "state") != BOOKING) { /* patience was over: an answer that comes too late is given back, too */
        return yes ? pdr_tell(turn, pdr_caller(turn), "give_back", none) : PDR_OK;
    }
    if (!yes) {
        return compensate(turn, REFUSED);
    }
    int status = pdr_put_int(turn, "step", step + 1);
    if (status != PDR_OK || step + 1 == STEPS) {
        return status == PDR_OK ? end(turn, BOOKED) : status;
    }
    return pdr_tell(turn, pdr_str(steps[step + 1]), "reserve", none);
}

/* For the reminder. */
static int lose_patience(pdr_turn *turn, const pdr_args *args)
{
    return number(turn, "state") == BOOKING ? compensate(turn, TOO_LATE) : PDR_OK;
}
/* [/compensate] */

/* book [patience in ms] -> what `state` says: it may be asked again. */
static int book(pdr_turn *turn, const pdr_args *args)
{
    int64_t patience_ms = pdr_arg_int(args, 0, 60000);
    if (number(turn, "state") != 0) {
        return pdr_reply_str(turn, pdr_str(state_names[number(turn, "state")]));
    }
    if (patience_ms <= 0) {
        return pdr_fail(turn, "bad_patience", "patience is a number of milliseconds above 0");
    }
    int status = pdr_put_int(turn, "state", BOOKING);
    status = status == PDR_OK ? pdr_reminder_in(turn, "patience", (uint64_t)patience_ms, 0, "lose_patience", none)
                              : status;
    status = status == PDR_OK ? pdr_tell(turn, pdr_str(steps[0]), "reserve", none) : status;
    return status == PDR_OK ? pdr_reply_str(turn, pdr_str(state_names[BOOKING])) : status;
}

static int state(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_str(turn, pdr_str(state_names[number(turn, "state")]));
}

PDR_ACTOR(trip, PDR_METHOD("book", book), PDR_METHOD("answer", answer), PDR_METHOD("lose_patience", lose_patience),
          PDR_READER("state", state))

/* What there is to book. State: "free"; "away": nobody answers at the desk, and requests lie there, by their order. */

static int answer_one(pdr_turn *turn, struct pdr_bytes trip)
{
    int64_t free_ones = number(turn, "free");
    int status = free_ones > 0 ? pdr_put_int(turn, "free", free_ones - 1) : PDR_OK;
    return status == PDR_OK ? tell(turn, trip, "answer", free_ones > 0) : status;
}

/* reserve: of a trip. */
static int reserve(pdr_turn *turn, const pdr_args *args)
{
    char key[32];
    if (number(turn, "away") == 0) {
        return answer_one(turn, pdr_caller(turn));
    }
    int64_t count = number(turn, "requests");
    snprintf(key, sizeof key, "request:%08lld", (long long)count);
    int status = pdr_put_int(turn, "requests", count + 1);
    return status == PDR_OK ? pdr_put(turn, pdr_str(key), pdr_caller(turn)) : status;
}

static int give_back(pdr_turn *turn, const pdr_args *args)
{
    return pdr_put_int(turn, "free", number(turn, "free") + 1);
}

/* away [yes]: 0: somebody is at the desk again, and answers what lies there. */
static int away(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes key, trip;
    int64_t yes = pdr_arg_int(args, 0, 1);
    int status = pdr_put_int(turn, "away", yes);
    pdr_scan *scan = status == PDR_OK && yes == 0 ? pdr_scan_open(turn, pdr_str("request:"), pdr_str("request;"))
                                                  : NULL;
    while (scan != NULL && (status = pdr_scan_next(scan, &key, &trip)) == PDR_OK) {
        status = answer_one(turn, trip);
        status = status == PDR_OK ? pdr_delete(turn, key) : status;
        if (status != PDR_OK) {
            break;
        }
    }
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

/* fill [n] */
static int fill(pdr_turn *turn, const pdr_args *args)
{
    return pdr_put_int(turn, "free", pdr_arg_int(args, 0, 0));
}

static int free_(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_int(turn, number(turn, "free"));
}

/* requests -> how many have ever been left at the desk */
static int requests(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_int(turn, number(turn, "requests"));
}

PDR_ACTOR(stock, PDR_METHOD("reserve", reserve), PDR_METHOD("give_back", give_back), PDR_METHOD("away", away),
          PDR_METHOD("fill", fill), PDR_READER("free", free_), PDR_READER("requests", requests))
PDR_PLUGIN("trip", "1.0", &pdr_type_trip, &pdr_type_stock)
