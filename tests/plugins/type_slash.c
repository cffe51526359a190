/* tests/plugins/type_slash.c: a name with a slash in it. */
#include <perdure/actor.h>

static int nothing(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_nil(turn);
}

static const struct pdr_method methods[] = {{"fine", nothing, 0, 0}, {NULL, NULL, 0, 0}};
static const struct pdr_actor_type type = {.abi = PDR_ACTOR_ABI, .name = "a/b", .methods = methods};
PDR_PLUGIN("type_slash", "1.0", &type)
