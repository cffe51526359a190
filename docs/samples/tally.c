/* docs/samples/tally.c: a type in C, as README.md and docs/start.md show it. */
#include <perdure/actor.h>

/* [tally] */
/* tally/NAME: a number that outlives every process that touches it. */
static int add(pdr_turn *turn, const pdr_args *args)
{
    int64_t n = 0;
    pdr_get_int(turn, "n", &n);
    n += pdr_arg_int(args, 0, 1);
    pdr_put_int(turn, "n", n);
    return pdr_reply_int(turn, n);
}

PDR_ACTOR(tally, PDR_METHOD("add", add))
/* [/tally] */

PDR_PLUGIN("tally", "1.0", &pdr_type_tally)
