/* tests/plugins/second.c: fine by itself; may be loaded beside good.c. */
#include <perdure/actor.h>

static int nothing(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_nil(turn);
}

PDR_ACTOR(idler, PDR_METHOD("nothing", nothing))
PDR_PLUGIN("second", "1.0", &pdr_type_idler)
