/* tests/plugins/method_interleave.c: interleaves, and is no reader. */
#include <perdure/actor.h>

static int nothing(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_nil(turn);
}

static const struct pdr_method methods[] = {
    {"fine", nothing, 0, 0}, {"strange", nothing, PDR_METHOD_INTERLEAVE, 0}, {NULL, NULL, 0, 0}};
static const struct pdr_actor_type type = {.abi = PDR_ACTOR_ABI, .name = "tested", .methods = methods};
PDR_PLUGIN("method_interleave", "1.0", &type)
