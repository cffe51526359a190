/* tests/plugins/type_abi.c: its type says another ABI than the plugin. */
#include <perdure/actor.h>

static int nothing(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_nil(turn);
}

static const struct pdr_method methods[] = {{"fine", nothing, 0, 0}, {NULL, NULL, 0, 0}};
static const struct pdr_actor_type type = {.abi = 7, .name = "fine", .methods = methods};
PDR_PLUGIN("type_abi", "1.0", &type)
