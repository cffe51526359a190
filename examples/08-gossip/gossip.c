/* examples/08-gossip/gossip.c: thousands of actors find their average, and none of them ever sees more than one other
 * at a time: push-sum (Kempe, Dobra and Gehrke 2003).
 *
 * gossip/K holds a sum and a weight, at first a value of its own and 1. Again and again it keeps half of both, and
 * sends the other half to an actor drawn by chance. Sums and weights only wander, so their totals stay; they mix, so
 * after some log(n) rounds sum / weight is nearly the same everywhere: the total of all values by the number of actors.
 *
 * The paper has rounds. Here an actor sends whenever it has received: there is one message under way for each actor,
 * which needs no clock, and goes as fast as the machine does, and no faster.
 *
 * Nothing of this is worth a disk: the type is volatile. It lives in memory, its messages arrive at most once, and who
 * loses some of it starts anew. */
#include <inttypes.h>
#include <perdure/actor.h>
#include <stdio.h>

struct gossip {
    double sum, weight;
    uint64_t actors, sent;
};

/* set [value, actors]: they are gossip/0 and so on. */
static int set(pdr_turn *turn, const pdr_args *args)
{
    struct gossip *own = pdr_memory(turn);
    int64_t actors = pdr_arg_int(args, 1, 0);
    if (actors < 1) {
        return pdr_fail(turn, "too_few", "set takes a value, and how many actors there are");
    }
    *own = (struct gossip){.sum = (double)pdr_arg_int(args, 0, 0), .weight = 1, .actors = (uint64_t)actors};
    return PDR_OK;
}

/* [hear] */
/* hear [sum, weight, hops]: adds them to its own, and sends on half of that, with one hop less; the last keeps it. */
static int hear(pdr_turn *turn, const pdr_args *args)
{
    struct gossip *own = pdr_memory(turn);
    double sum = 0, weight = 0;
    int64_t hops = pdr_arg_int(args, 2, 0);
    char somebody[32];
    uint8_t room[32];
    pdr_writer half;

    pdr_value_float(pdr_arg(args, 0), &sum);
    pdr_value_float(pdr_arg(args, 1), &weight);
    own->sum += sum;
    own->weight += weight;
    if (hops == 0 || own->actors == 0) {
        return PDR_OK;
    }
    own->sum /= 2;
    own->weight /= 2;
    own->sent++;
    pdr_writer_init(&half, room, sizeof room, 0);
    pdr_write_array(&half, 3);
    pdr_write_float(&half, own->sum);
    pdr_write_float(&half, own->weight);
    pdr_write_int(&half, hops - 1);
    snprintf(somebody, sizeof somebody, "gossip/%" PRIu64, pdr_random(turn) % own->actors);
    return pdr_tell(turn, pdr_str(somebody), "hear", pdr_written(&half));
}
/* [/hear] */

/* look -> [estimate, messages sent] */
static int look(pdr_turn *turn, const pdr_args *args)
{
    const struct gossip *own = pdr_memory(turn);
    uint8_t room[32];
    pdr_writer reply;
    pdr_writer_init(&reply, room, sizeof room, 0);
    pdr_write_array(&reply, 2);
    pdr_write_float(&reply, own->sum / own->weight);
    pdr_write_uint(&reply, own->sent);
    return pdr_reply(turn, pdr_written(&reply));
}

PDR_ACTOR_WITH(gossip, sizeof(struct gossip), NULL, NULL, PDR_DURABILITY_VOLATILE, PDR_METHOD("set", set),
               PDR_METHOD("hear", hear), PDR_READER("look", look))
PDR_PLUGIN("gossip", "1.0", &pdr_type_gossip)
