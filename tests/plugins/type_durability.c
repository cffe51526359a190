/* tests/plugins/type_durability.c: a durability that does not exist. */
#include <perdure/actor.h>

static int nothing(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_nil(turn);
}

static const struct pdr_method methods[] = {{"fine", nothing, 0, 0}, {NULL, NULL, 0, 0}};
static const struct pdr_actor_type type = {
    .abi = PDR_ACTOR_ABI, .name = "odd", .methods = methods, .durability = (enum pdr_durability)9};
PDR_PLUGIN("type_durability", "1.0", &type)
