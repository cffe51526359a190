/* counter/NAME: a number that outlives every process that touches it.
 *
 * add [n = 1] -> the new value; get -> the value; reset [n = 0] -> the value before. */
#include <perdure/actor.h>

/* The value so far: 0 for a counter that nobody has touched. */
static int read_number(pdr_turn *turn, int64_t *n)
{
    *n = 0;
    int status = pdr_get_int(turn, "n", n);
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

/* An argument that is there must be an integer: a typing error is not taken for 1. */
static int read_argument(pdr_turn *turn, const pdr_args *args, int64_t otherwise, int64_t *out)
{
    enum pdr_kind kind = pdr_value_kind(pdr_arg(args, 0));
    if (kind != PDR_KIND_NONE && kind != PDR_KIND_NIL && kind != PDR_KIND_INT) {
        return pdr_fail_status(turn, PDR_INVALID, "the argument must be an integer");
    }
    *out = pdr_arg_int(args, 0, otherwise);
    return PDR_OK;
}

static int add(pdr_turn *turn, const pdr_args *args)
{
    int64_t n = 0, by = 0;
    int status = read_argument(turn, args, 1, &by);
    if (status == PDR_OK) {
        status = read_number(turn, &n);
    }
    if (status != PDR_OK) {
        return status;
    }
    if (__builtin_add_overflow(n, by, &n)) {
        return pdr_fail(turn, "overflow", "the sum is beyond 64 bits");
    }
    status = pdr_put_int(turn, "n", n);
    return status == PDR_OK ? pdr_reply_int(turn, n) : status;
}

static int get(pdr_turn *turn, const pdr_args *args)
{
    int64_t n;
    int status = read_number(turn, &n);
    return status == PDR_OK ? pdr_reply_int(turn, n) : status;
}

static int reset(pdr_turn *turn, const pdr_args *args)
{
    int64_t before = 0, n = 0;
    int status = read_argument(turn, args, 0, &n);
    if (status == PDR_OK) {
        status = read_number(turn, &before);
    }
    if (status == PDR_OK) {
        status = pdr_put_int(turn, "n", n);
    }
    return status == PDR_OK ? pdr_reply_int(turn, before) : status;
}

PDR_ACTOR(counter, PDR_METHOD("add", add), PDR_READER("get", get), PDR_METHOD("reset", reset))
