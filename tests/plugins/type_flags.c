/* tests/plugins/type_flags.c: flags of a type from another time. */
#include <perdure/actor.h>

static int nothing(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_nil(turn);
}

static const struct pdr_method methods[] = {{"fine", nothing, 0, 0}, {NULL, NULL, 0, 0}};
static const struct pdr_actor_type type = {
    .abi = PDR_ACTOR_ABI, .name = "tested", .methods = methods, .flags = 1u << 9};
PDR_PLUGIN("type_flags", "1.0", &type)
