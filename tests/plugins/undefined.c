/* tests/plugins/undefined.c: calls a function that this node does not have. */
#include <perdure/actor.h>

int pdr_of_tomorrow(pdr_turn *turn);

static int tomorrow(pdr_turn *turn, const pdr_args *args)
{
    return pdr_of_tomorrow(turn);
}

PDR_ACTOR(prophet, PDR_METHOD("tomorrow", tomorrow))
PDR_PLUGIN("undefined", "1.0", &pdr_type_prophet)
