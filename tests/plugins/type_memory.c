/* tests/plugins/type_memory.c: more volatile memory than an actor may have. */
#include <perdure/actor.h>

static int nothing(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_nil(turn);
}

static const struct pdr_method methods[] = {{"fine", nothing, 0, 0}, {NULL, NULL, 0, 0}};
static const struct pdr_actor_type type = {
    .abi = PDR_ACTOR_ABI, .name = "greedy", .methods = methods, .memory_size = 1ul << 30};
PDR_PLUGIN("type_memory", "1.0", &type)
