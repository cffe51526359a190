/* tests/simulation/sim_knot.c: an actor that looks out for who runs while its turns wait. What must not be is noted in
 * its memory, and told by whoever is answered next. */
#include <perdure/actor.h>
#include <stdio.h>

#include "tests/simulation/sim_types.h"

struct knot {
    int64_t outer;  /* token of the turn that is under way, and of those inside of its wait; 0: none */
    int64_t inside; /* turns inside of its wait */
    bool half_done; /* between two places where others may look in */
    int64_t stamps; /* how often that was over */
    int64_t wrong;  /* the first of enum sim_knot_wrong */
};

static struct knot *knot_of(pdr_turn *turn)
{
    return pdr_memory(turn);
}

static void must(pdr_turn *turn, bool is_right, enum sim_knot_wrong wrong)
{
    struct knot *knot = knot_of(turn);
    if (!is_right && knot->wrong == 0) {
        knot->wrong = wrong;
    }
}

/* The answer of all methods: `n`, or -wrong. */
static int answer(pdr_turn *turn, int64_t n)
{
    int64_t wrong = knot_of(turn)->wrong;
    return pdr_reply_int(turn, wrong != 0 ? -wrong : n);
}

static int64_t number(pdr_turn *turn, const char *key, int *status)
{
    int64_t n = 0;
    int got = pdr_get_int(turn, key, &n);
    *status = *status == PDR_OK && got != PDR_NOT_FOUND ? got : *status;
    return n;
}

static const char *named(char *key, size_t size, const char *what, int64_t n)
{
    snprintf(key, size, "%s-%lld", what, (long long)n);
    return key;
}

/* pad [i, bytes]: with a few of them the state does not stay in memory whole. */
static int pad(pdr_turn *turn, const pdr_args *args)
{
    static const uint8_t row[40000];
    char key[32];
    int64_t size = pdr_arg_int(args, 1, 0);
    int status = pdr_put(turn, pdr_str(named(key, sizeof key, "pad", pdr_arg_int(args, 0, 0))),
                         pdr_bytes(row, size < (int64_t)sizeof row ? (size_t)size : sizeof row));
    return status == PDR_OK ? answer(turn, 0) : status;
}

/* May wait for the disk. */
static int read_pad(pdr_turn *turn, int64_t i)
{
    char key[32];
    struct pdr_bytes row;
    int status = pdr_get(turn, pdr_str(named(key, sizeof key, "pad", i)), &row);
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

/* relay/r<depth>.carry [own address, token, ms, depth]: comes back as `again`. */
static int go_round(pdr_turn *turn, int64_t token, int64_t ms, int64_t depth)
{
    uint8_t room[128];
    char to[32], own[64];
    pdr_writer out;
    struct pdr_ref self = pdr_self(turn);
    int size = snprintf(own, sizeof own, "sim_knot/%.*s", (int)self.key.size, (const char *)self.key.data);
    int to_size = snprintf(to, sizeof to, "sim_relay/r%lld", (long long)depth);
    pdr_writer_init(&out, room, sizeof room, sizeof room);
    pdr_write_array(&out, 4);
    pdr_write_str(&out, pdr_bytes(own, (size_t)size));
    pdr_write_int(&out, token);
    pdr_write_int(&out, ms);
    pdr_write_int(&out, depth);
    return pdr_call(turn, pdr_bytes(to, (size_t)to_size), "carry", pdr_written(&out), NULL);
}

/* Two writes that are one, with reads between them. */
static int stamp(pdr_turn *turn, int64_t token)
{
    struct knot *knot = knot_of(turn);
    knot->half_done = true;
    int status = pdr_put_int(turn, "first", token);
    status = status == PDR_OK ? read_pad(turn, token % SIM_KNOT_PADS) : status;
    status = status == PDR_OK ? pdr_put_int(turn, "last", token) : status;
    status = status == PDR_OK ? read_pad(turn, (token + 1) % SIM_KNOT_PADS) : status;
    knot->half_done = false;
    knot->stamps++;
    return status;
}

static int go_on_tour(pdr_turn *turn, int64_t token, int64_t ms, int64_t depth)
{
    char key[32];
    int status = stamp(turn, token);
    if (status == PDR_OK) {
        status = go_round(turn, token, ms, depth);
        must(turn, knot_of(turn)->inside == 0, SIM_KNOT_NOT_ALONE);
    }
    if (status == PDR_OK) {
        must(turn, number(turn, "inner", &status) == token, SIM_KNOT_LOST);
    }
    return status == PDR_OK ? pdr_put_int(turn, named(key, sizeof key, "done", token), 1) : status;
}

/* tour [token, ms, depth, fails] -> token */
static int tour(pdr_turn *turn, const pdr_args *args)
{
    struct knot *knot = knot_of(turn);
    int64_t token = pdr_arg_int(args, 0, 0);
    must(turn, knot->outer == 0 && knot->inside == 0, SIM_KNOT_ENTERED);
    knot->outer = token;
    int status = go_on_tour(turn, token, pdr_arg_int(args, 1, 0), pdr_arg_int(args, 2, 0));
    must(turn, knot->outer == token, SIM_KNOT_ENTERED);
    knot->outer = 0;
    if (status == PDR_OK && pdr_arg_int(args, 3, 0) != 0) {
        return pdr_fail(turn, "asked_to_fail", "as agreed");
    }
    return status == PDR_OK ? answer(turn, token) : status;
}

static int run_inside(pdr_turn *turn, int64_t token, int64_t ms, int64_t depth)
{
    struct knot *knot = knot_of(turn);
    int64_t level = knot->inside;
    int status = ms > 0 ? pdr_sleep(turn, (uint64_t)ms) : PDR_OK;
    if (status == PDR_OK && depth > 0) {
        status = go_round(turn, token, ms, depth - 1);
    }
    must(turn, knot->inside == level, SIM_KNOT_NOT_ALONE);
    return status == PDR_OK ? pdr_put_int(turn, "inner", token) : status;
}

/* again [token, ms, depth]: inside of the tour of that token, or, if that was given up meanwhile, by itself. */
static int again(pdr_turn *turn, const pdr_args *args)
{
    struct knot *knot = knot_of(turn);
    int64_t token = pdr_arg_int(args, 0, 0);
    bool is_outermost = knot->outer == 0;
    must(turn, is_outermost ? knot->inside == 0 : knot->outer == token, SIM_KNOT_ENTERED);
    knot->outer = token;
    knot->inside++;
    int status = run_inside(turn, token, pdr_arg_int(args, 1, 0), pdr_arg_int(args, 2, 0));
    knot->inside--;
    knot->outer = is_outermost ? 0 : knot->outer;
    return status == PDR_OK ? answer(turn, token) : status;
}

/* look [ms] -> 0: what a reader finds, and finds again after a while. */
static int look(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes held = {NULL, 0};
    uint8_t copy[16];
    int64_t stamps = knot_of(turn)->stamps;
    must(turn, !knot_of(turn)->half_done, SIM_KNOT_HALF_DONE); /* before it waits itself: then others go on */
    int status = pdr_get(turn, pdr_str("first"), &held);
    int64_t first = 0, last = number(turn, "last", &status);
    if (status != PDR_OK && status != PDR_NOT_FOUND) {
        return status;
    }
    pdr_value_int(held, &first);
    must(turn, first == last || knot_of(turn)->stamps != stamps, SIM_KNOT_HALF_DONE); /* a get may wait, too */
    size_t size = held.size < sizeof copy ? held.size : sizeof copy;
    if (size > 0) {
        memcpy(copy, held.data, size);
    }
    int64_t ms = pdr_arg_int(args, 0, 0);
    status = ms > 0 ? pdr_sleep(turn, (uint64_t)ms) : PDR_OK;
    status = status == PDR_OK ? read_pad(turn, ms % SIM_KNOT_PADS) : status;
    must(turn, size == 0 || memcmp(copy, held.data, size) == 0, SIM_KNOT_LOST);
    return status == PDR_OK ? answer(turn, 0) : status;
}

/* walk [ms] -> 0: what a scan finds after a while is not older than what a get finds. */
static int walk(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes key, value;
    int64_t scanned = 0, ms = pdr_arg_int(args, 0, 0);
    pdr_scan *scan = pdr_scan_open(turn, pdr_str("first"), pdr_str("m"));
    int status = pdr_scan_next(scan, &key, &value);
    if (status == PDR_OK) {
        status = pdr_sleep(turn, (uint64_t)ms);
    }
    while (status == PDR_OK) {
        status = pdr_scan_next(scan, &key, &value); /* inner, last */
        if (status == PDR_OK && pdr_bytes_equal(key, pdr_str("last"))) {
            pdr_value_int(value, &scanned);
        }
    }
    if (status != PDR_NOT_FOUND) {
        return status;
    }
    int64_t stamps = knot_of(turn)->stamps;
    status = PDR_OK;
    int64_t got = number(turn, "last", &status);
    must(turn, status != PDR_OK || scanned == 0 || got == scanned || stamps != knot_of(turn)->stamps, SIM_KNOT_LOST);
    return status == PDR_OK ? answer(turn, 0) : status;
}

/* done [token] -> whether the last part of its tour is there */
static int done(pdr_turn *turn, const pdr_args *args)
{
    char key[32];
    int status = PDR_OK;
    int64_t n = number(turn, named(key, sizeof key, "done", pdr_arg_int(args, 0, 0)), &status);
    return status == PDR_OK ? answer(turn, n) : status;
}

PDR_ACTOR_AS(sim_knot, PDR_TYPE_REENTRANT, sizeof(struct knot), NULL, NULL, PDR_DURABILITY_DEFAULT,
             PDR_METHOD("pad", pad), PDR_METHOD("tour", tour), PDR_METHOD("again", again),
             PDR_READER_INTERLEAVED("look", look), PDR_READER_INTERLEAVED("walk", walk), PDR_READER("done", done))

/* sim_relay: carry [back, token, ms, depth]: calls back.again, after a while. */
static int carry(pdr_turn *turn, const pdr_args *args)
{
    uint8_t room[32];
    pdr_writer out;
    struct pdr_bytes back = pdr_arg_bytes(args, 0, pdr_str("sim_knot/none"));
    int64_t ms = pdr_arg_int(args, 2, 0);
    int status = ms > 0 ? pdr_sleep(turn, (uint64_t)ms) : PDR_OK;
    pdr_writer_init(&out, room, sizeof room, sizeof room);
    pdr_write_array(&out, 3);
    pdr_write_int(&out, pdr_arg_int(args, 1, 0));
    pdr_write_int(&out, ms);
    pdr_write_int(&out, pdr_arg_int(args, 3, 0));
    return status == PDR_OK ? pdr_call(turn, back, "again", pdr_written(&out), NULL) : status;
}

PDR_ACTOR_WITH(sim_relay, 0, NULL, NULL, PDR_DURABILITY_VOLATILE, PDR_METHOD("carry", carry))
