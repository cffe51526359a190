/* tests/plugins/good.c: two types, nothing wrong with either. */
#include <perdure/actor.h>

static int greet(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_str(turn, pdr_arg_bytes(args, 0, pdr_str("hello")));
}

PDR_ACTOR(greeter, PDR_READER("greet", greet))
PDR_ACTOR_WITH(quiet, 16, NULL, NULL, PDR_DURABILITY_VOLATILE, PDR_METHOD_AS("greet", greet, PDR_DURABILITY_MEMORY))
PDR_PLUGIN("good", "1.0", &pdr_type_greeter, &pdr_type_quiet)
