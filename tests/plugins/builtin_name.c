/* tests/plugins/builtin_name.c: its type has the name of a builtin one. */
#include <perdure/actor.h>

static int add(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_int(turn, 1);
}

PDR_ACTOR(counter, PDR_METHOD("add", add))
PDR_PLUGIN("builtin_name", "1.0", &pdr_type_counter)
