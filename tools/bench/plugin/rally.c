/* tools/bench/plugin/rally.c: the actors of W5, a plugin as users write them: one actor plays, the other hits back.
 *
 *     rally/NAME.play(peer, hits): calls peer.hit(a ball of 100 bytes) so many times, and wants the same ball back each
 *     time; answers how many messages that were, a call and its reply counting as two.
 *
 * Nothing is durable, as nothing is in the peers' actors either. */
#include <perdure/actor.h>
#include <string.h>

#define BALL_SIZE 100u
#define HITS_MAX 1000000

static int hit(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_bin(turn, pdr_arg_bytes(args, 0, pdr_bytes(NULL, 0)));
}

static void write_ball(pdr_writer *args, uint8_t *ball)
{
    for (uint32_t i = 0; i < BALL_SIZE; i++) {
        ball[i] = (uint8_t)('a' + i % 26);
    }
    pdr_write_array(args, 1);
    pdr_write_bin(args, pdr_bytes(ball, BALL_SIZE));
}

static int play(pdr_turn *turn, const pdr_args *args)
{
    uint8_t ball[BALL_SIZE], room[BALL_SIZE + 16];
    struct pdr_bytes peer = pdr_arg_bytes(args, 0, pdr_bytes(NULL, 0)), back;
    int64_t hits = pdr_arg_int(args, 1, 1);
    pdr_writer writer;
    pdr_value reply;
    if (hits < 1 || hits > HITS_MAX) {
        return pdr_fail_status(turn, PDR_INVALID, "a rally has 1 to %d hits", HITS_MAX);
    }
    pdr_writer_init(&writer, room, sizeof room, 0);
    write_ball(&writer, ball);
    for (int64_t i = 0; i < hits; i++) {
        int status = pdr_call(turn, peer, "hit", pdr_written(&writer), &reply);
        if (status != PDR_OK) {
            return status;
        }
        if (!pdr_value_bytes(reply, &back) || back.size != BALL_SIZE || memcmp(back.data, ball, BALL_SIZE) != 0) {
            return pdr_fail(turn, "lost", "another ball came back");
        }
    }
    return pdr_reply_int(turn, 2 * hits);
}

PDR_ACTOR_WITH(rally, 0, NULL, NULL, PDR_DURABILITY_VOLATILE, PDR_READER("hit", hit), PDR_METHOD("play", play))
PDR_PLUGIN("bench_rally", "1", &pdr_type_rally)
