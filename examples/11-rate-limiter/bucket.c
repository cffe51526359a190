/* bucket/NAME: a token bucket: so many tokens at most, which come back evenly over a time.
 *
 * limit [tokens, per_ms] -> nil: that many in that time; also how many it holds, and it is full now
 * take [n = 1] -> 0: taken; else nothing was, and in so many milliseconds there will be enough; `no_limit`
 * left -> how many there are
 *
 * It counts in parts of a token: per_ms of them are one, so each millisecond brings back `tokens` parts, exactly. */
#include <perdure/actor.h>

#define TOKENS_MAX 1000000
#define PER_MS_MAX 86400000

struct bucket {
    int64_t tokens, per_ms, parts, at_ms;
};

static int read_bucket(pdr_turn *turn, struct bucket *b)
{
    if (pdr_get_int(turn, "tokens", &b->tokens) != PDR_OK || pdr_get_int(turn, "per_ms", &b->per_ms) != PDR_OK ||
        pdr_get_int(turn, "parts", &b->parts) != PDR_OK || pdr_get_int(turn, "at_ms", &b->at_ms) != PDR_OK) {
        return pdr_fail(turn, "no_limit", "nobody has given this bucket a limit");
    }
    int64_t full = b->tokens * b->per_ms, now_ms = pdr_wall_ms(turn);
    int64_t since_ms = now_ms > b->at_ms ? now_ms - b->at_ms : 0; /* a clock that jumps back brings nothing */
    since_ms = since_ms < b->per_ms ? since_ms : b->per_ms;       /* by then it is full */
    b->parts = b->parts + since_ms * b->tokens < full ? b->parts + since_ms * b->tokens : full;
    b->at_ms = now_ms;
    return PDR_OK;
}

static int write_bucket(pdr_turn *turn, const struct bucket *b)
{
    int status = pdr_put_int(turn, "parts", b->parts);
    return status == PDR_OK ? pdr_put_int(turn, "at_ms", b->at_ms) : status;
}

static int limit(pdr_turn *turn, const pdr_args *args)
{
    struct bucket b = {pdr_arg_int(args, 0, 0), pdr_arg_int(args, 1, 1000), 0, pdr_wall_ms(turn)};
    if (b.tokens < 1 || b.tokens > TOKENS_MAX || b.per_ms < 1 || b.per_ms > PER_MS_MAX) {
        return pdr_fail(turn, "bad_limit", "limit takes 1 to %d tokens, and 1 to %d ms", TOKENS_MAX, PER_MS_MAX);
    }
    b.parts = b.tokens * b.per_ms;
    int status = pdr_put_int(turn, "tokens", b.tokens);
    status = status == PDR_OK ? pdr_put_int(turn, "per_ms", b.per_ms) : status;
    return status == PDR_OK ? write_bucket(turn, &b) : status;
}

/* [take] */
static int take(pdr_turn *turn, const pdr_args *args)
{
    struct bucket b;
    int64_t n = pdr_arg_int(args, 0, 1);
    int status = read_bucket(turn, &b);
    if (status != PDR_OK) {
        return status;
    }
    if (n < 1 || n > b.tokens) {
        return pdr_fail(turn, "bad_take", "this bucket gives 1 to %lld tokens", (long long)b.tokens);
    }
    int64_t missing = n * b.per_ms - b.parts;
    if (missing > 0) {
        return pdr_reply_int(turn, (missing + b.tokens - 1) / b.tokens); /* nothing to write down: time goes on */
    }
    b.parts -= n * b.per_ms;
    status = write_bucket(turn, &b);
    return status == PDR_OK ? pdr_reply_int(turn, 0) : status;
}
/* [/take] */

static int left(pdr_turn *turn, const pdr_args *args)
{
    struct bucket b;
    int status = read_bucket(turn, &b);
    return status == PDR_OK ? pdr_reply_int(turn, b.parts / b.per_ms) : status;
}

PDR_ACTOR(bucket, PDR_METHOD("limit", limit), PDR_METHOD_AS("take", take, PDR_DURABILITY_MEMORY),
          PDR_READER("left", left))
PDR_PLUGIN("bucket", "1.0", &pdr_type_bucket)
