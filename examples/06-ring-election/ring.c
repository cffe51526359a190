/* examples/06-ring-election/ring.c: an election in a ring, after LeLann (1977), and Chang and Roberts (1979).
 *
 * peer/RING-K is a process that has a number of its own, and knows one other: the next in the ring. All run the same
 * program, nobody sees the whole, and in the end all agree on the peer with the greatest number:
 *
 *   - each sends its number to the next;
 *   - a number greater than a peer's own is passed on, a smaller one goes no further;
 *   - so the one number that comes back to its own peer is the greatest, and that peer leads.
 *
 * What the paper asks of its links, that no message is lost, doubled or overtaken, is what pdr_tell promises, across
 * crashes, too. So there is nothing about failures in here.
 *
 * ring/RING builds a ring and starts it: elect [numbers], one for each peer -> nil; won: the winner tells it. */
#include <inttypes.h>
#include <perdure/actor.h>
#include <stdio.h>

#define PEERS_MAX 1000

/* Tells, or calls, with numbers as the arguments. */
static pdr_writer numbers(void *room, size_t size, int count, const int64_t *values)
{
    pdr_writer writer;
    pdr_writer_init(&writer, room, size, 0);
    pdr_write_array(&writer, (uint32_t)count);
    for (int i = 0; i < count; i++) {
        pdr_write_int(&writer, values[i]);
    }
    return writer;
}

static int tell(pdr_turn *turn, struct pdr_bytes to, const char *method, int count, const int64_t *values)
{
    uint8_t room[64];
    pdr_writer args = numbers(room, sizeof room, count, values);
    return pdr_tell(turn, to, method, pdr_written(&args));
}

/* A peer. */

static int tell_next(pdr_turn *turn, const char *method, int count, const int64_t *values)
{
    struct pdr_bytes next;
    int status = pdr_get(turn, pdr_str("next"), &next);
    return status == PDR_OK ? tell(turn, next, method, count, values) : status;
}

/* join [number, next, ring] */
static int join(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0};
    int status = pdr_put_int(turn, "number", pdr_arg_int(args, 0, 0));
    status = status == PDR_OK ? pdr_put(turn, pdr_str("next"), pdr_arg_bytes(args, 1, none)) : status;
    return status == PDR_OK ? pdr_put(turn, pdr_str("ring"), pdr_arg_bytes(args, 2, none)) : status;
}

/* start: goes once around, ahead of all numbers, and wakes everybody. */
static int start(pdr_turn *turn, const pdr_args *args)
{
    int64_t number = 0, is_awake = 0;
    pdr_get_int(turn, "awake", &is_awake);
    pdr_get_int(turn, "number", &number);
    if (is_awake) {
        return PDR_OK; /* it has been around */
    }
    int status = pdr_put_int(turn, "awake", 1);
    status = status == PDR_OK ? tell_next(turn, "start", 0, NULL) : status;
    return status == PDR_OK ? tell_next(turn, "candidate", 1, &number) : status;
}

/* [candidate] */
/* candidate [number]: somebody's number, on its way around. */
static int candidate(pdr_turn *turn, const pdr_args *args)
{
    int64_t theirs = pdr_arg_int(args, 0, 0), mine = 0, heard = 0;
    pdr_get_int(turn, "number", &mine);
    pdr_get_int(turn, "heard", &heard);
    int status = pdr_put_int(turn, "heard", heard + 1);
    if (status != PDR_OK || theirs < mine) {
        return status; /* a smaller one goes no further */
    }
    if (theirs > mine) {
        return tell_next(turn, "candidate", 1, &theirs);
    }
    int64_t leader_and_messages[] = {mine, 0}; /* my own: it was greater than all others */
    return tell_next(turn, "elected", 2, leader_and_messages);
}
/* [/candidate] */

/* elected [leader, messages]: the last lap. Everybody learns who leads; the messages that each has heard are summed. */
static int elected(pdr_turn *turn, const pdr_args *args)
{
    int64_t leader = pdr_arg_int(args, 0, 0), mine = 0, heard = 0;
    struct pdr_bytes ring;
    pdr_get_int(turn, "number", &mine);
    pdr_get_int(turn, "heard", &heard);
    int64_t leader_and_messages[] = {leader, pdr_arg_int(args, 1, 0) + heard};
    int status = pdr_put_int(turn, "leader", leader);
    if (status != PDR_OK || leader != mine) {
        return status == PDR_OK ? tell_next(turn, "elected", 2, leader_and_messages) : status;
    }
    status = pdr_get(turn, pdr_str("ring"), &ring);
    return status == PDR_OK ? tell(turn, ring, "won", 2, leader_and_messages) : status;
}

static int leader(pdr_turn *turn, const pdr_args *args)
{
    int64_t leader;
    return pdr_get_int(turn, "leader", &leader) == PDR_OK ? pdr_reply_int(turn, leader) : pdr_reply_nil(turn);
}

PDR_ACTOR(peer, PDR_METHOD("join", join), PDR_METHOD("start", start), PDR_METHOD("candidate", candidate),
          PDR_METHOD("elected", elected), PDR_READER("leader", leader))

/* The ring, for whoever wants one built, and watches who wins. */

static struct pdr_bytes peer_name(char *room, size_t size, struct pdr_bytes ring, uint32_t k)
{
    snprintf(room, size, "peer/%.*s-%" PRIu32, (int)ring.size, (const char *)ring.data, k);
    return pdr_str(room);
}

/* Calls, so that each has joined before the first one starts. */
static int call_join(pdr_turn *turn, int64_t number, uint32_t k, uint32_t next)
{
    char name[PDR_KEY_SIZE_MAX + 32], next_name[sizeof name], ring[sizeof name];
    struct pdr_bytes key = pdr_self(turn).key;
    uint8_t room[64];
    pdr_writer args;
    snprintf(ring, sizeof ring, "ring/%.*s", (int)key.size, (const char *)key.data);
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 3);
    pdr_write_int(&args, number);
    pdr_write_str(&args, peer_name(next_name, sizeof next_name, key, next));
    pdr_write_cstr(&args, ring);
    int status = pdr_call(turn, peer_name(name, sizeof name, key, k), "join", pdr_written(&args), NULL);
    pdr_writer_release(&args);
    return status;
}

static int elect(pdr_turn *turn, const pdr_args *args)
{
    char name[PDR_KEY_SIZE_MAX + 32];
    uint32_t count = pdr_value_count(pdr_arg(args, 0));
    struct pdr_bytes rest = pdr_value_items(pdr_arg(args, 0));
    if (count == 0 || count > PEERS_MAX) {
        return pdr_fail(turn, "bad_ring", "elect takes an array of 1 to %d numbers, no two the same", PEERS_MAX);
    }
    for (uint32_t k = 0; k < count; k++) {
        int64_t number;
        if (!pdr_value_int(pdr_value_next(&rest), &number)) {
            return pdr_fail(turn, "bad_ring", "what is at %" PRIu32 " is not a number", k);
        }
        int status = call_join(turn, number, k, (k + 1) % count);
        if (status != PDR_OK) {
            return status;
        }
    }
    return tell(turn, peer_name(name, sizeof name, pdr_self(turn).key, 0), "start", 0, NULL);
}

/* won [leader, messages]: an event for who watches. */
static int won(pdr_turn *turn, const pdr_args *args)
{
    uint8_t room[64];
    pdr_writer event;
    pdr_writer_init(&event, room, sizeof room, 0);
    pdr_write_map(&event, 2);
    pdr_write_cstr(&event, "leader");
    pdr_write_value(&event, pdr_arg(args, 0));
    pdr_write_cstr(&event, "messages");
    pdr_write_value(&event, pdr_arg(args, 1));
    return pdr_emit(turn, pdr_written(&event));
}

PDR_ACTOR(ring, PDR_METHOD("elect", elect), PDR_METHOD("won", won))
PDR_PLUGIN("ring", "1.0", &pdr_type_peer, &pdr_type_ring)
