/* tests/plugins/same_name.c: its type has the name of one in good.c. */
#include <perdure/actor.h>

static int greet(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_nil(turn);
}

PDR_ACTOR(greeter, PDR_METHOD("greet", greet))
PDR_PLUGIN("same_name", "1.0", &pdr_type_greeter)
