/* echo/NAME: answers its argument. Keeps nothing. */
#include <perdure/actor.h>

static int ping(pdr_turn *turn, const pdr_args *args)
{
    if (pdr_arg_count(args) == 0) {
        return pdr_reply_nil(turn);
    }
    return pdr_reply(turn, pdr_arg(args, 0));
}

PDR_ACTOR_WITH(echo, 0, NULL, NULL, PDR_DURABILITY_VOLATILE, PDR_READER("ping", ping))
