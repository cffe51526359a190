/* tests/plugins/type_name.c: a name that no address may have. */
#include <perdure/actor.h>

static int nothing(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_nil(turn);
}

static const struct pdr_method methods[] = {{"fine", nothing, 0, 0}, {NULL, NULL, 0, 0}};
static const struct pdr_actor_type type = {.abi = PDR_ACTOR_ABI, .name = "Upper Case", .methods = methods};
PDR_PLUGIN("type_name", "1.0", &type)
