/* tests/e2e/edges.c: a plugin that goes up to a limit and one beyond. edge/NAME: each method takes how much. */
#include <perdure/actor.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char bytes[2 << 20];

/* write KEYS BYTES [FIRST]: that many keys, each of that many bytes with its value. */
static int write(pdr_turn *turn, const pdr_args *args)
{
    int64_t keys = pdr_arg_int(args, 0, 1), size = pdr_arg_int(args, 1, 1), first = pdr_arg_int(args, 2, 0);
    for (int64_t i = first; i < first + keys; i++) {
        char key[9];
        snprintf(key, sizeof key, "%08d", (int)i);
        int status = pdr_put(turn, pdr_str(key), pdr_bytes(bytes, (size_t)size - 8));
        if (status != PDR_OK) {
            return status;
        }
    }
    return pdr_reply_int(turn, keys);
}

/* key BYTES */
static int key(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_put(turn, pdr_bytes(bytes, (size_t)pdr_arg_int(args, 0, 1)), pdr_str("v"));
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

/* forget KEY */
static int forget(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0};
    int status = pdr_delete(turn, pdr_arg_bytes(args, 0, none));
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

/* An array of one string, of `size` bytes together. */
static struct pdr_bytes argument(pdr_writer *out, int64_t size)
{
    pdr_writer_init(out, NULL, 0, 0);
    pdr_write_array(out, 1);
    pdr_write_bin(out, pdr_bytes(bytes, (size_t)size - 6));
    return pdr_written(out);
}

/* tells COUNT BYTES */
static int tells(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0};
    int64_t count = pdr_arg_int(args, 0, 1), size = pdr_arg_int(args, 1, 0);
    int status = PDR_OK;
    for (int64_t i = 0; i < count && status == PDR_OK; i++) {
        pdr_writer out = {0};
        status = pdr_tell(turn, pdr_str("edge/told"), "nothing", size == 0 ? none : argument(&out, size));
        if (size > 0) {
            pdr_writer_release(&out);
        }
    }
    return status == PDR_OK ? pdr_reply_int(turn, count) : status;
}

/* timers COUNT BYTES */
static int timers(pdr_turn *turn, const pdr_args *args)
{
    int64_t count = pdr_arg_int(args, 0, 1), size = pdr_arg_int(args, 1, 6);
    int status = PDR_OK;
    for (int64_t i = 0; i < count && status == PDR_OK; i++) {
        pdr_writer out;
        char name[16];
        snprintf(name, sizeof name, "t%d", (int)i);
        status = pdr_timer_set(turn, name, 3600000, 0, "nothing", argument(&out, size));
        pdr_writer_release(&out);
    }
    return status == PDR_OK ? pdr_reply_int(turn, count) : status;
}

static int nothing(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_nil(turn);
}

/* chain N: calls edge/c(N-1), which calls edge/c(N-2), ... */
static int chain(pdr_turn *turn, const pdr_args *args)
{
    int64_t left = pdr_arg_int(args, 0, 0);
    char to[32];
    pdr_writer out;
    if (left == 0) {
        return pdr_reply_bool(turn, true);
    }
    snprintf(to, sizeof to, "edge/c%d", (int)left - 1);
    pdr_writer_init(&out, NULL, 0, 0);
    pdr_write_array(&out, 1);
    pdr_write_int(&out, left - 1);
    int status = pdr_call(turn, pdr_str(to), "chain", pdr_written(&out), NULL);
    pdr_writer_release(&out);
    return status == PDR_OK ? pdr_reply_bool(turn, true) : status;
}

/* result BYTES: of the encoded result */
static int result(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_bin(turn, pdr_bytes(bytes, (size_t)pdr_arg_int(args, 0, 6) - 5));
}

PDR_ACTOR(edge, PDR_METHOD("write", write), PDR_METHOD("key", key), PDR_METHOD("forget", forget),
          PDR_METHOD_AS("write_volatile", write, PDR_DURABILITY_VOLATILE), PDR_METHOD("tells", tells),
          PDR_METHOD_AS("tells_volatile", tells, PDR_DURABILITY_VOLATILE), PDR_METHOD("timers", timers),
          PDR_METHOD("nothing", nothing), PDR_METHOD("chain", chain), PDR_READER("result", result))
PDR_PLUGIN("edges", "1.0", &pdr_type_edge)
