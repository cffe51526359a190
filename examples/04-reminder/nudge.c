/* nudge/NAME: a note to oneself that comes at its time, whatever happens to the node meanwhile. */
#include <perdure/actor.h>

/* in [milliseconds, text] */
static int in(pdr_turn *turn, const pdr_args *args)
{
    uint8_t room[512];
    pdr_writer again;
    pdr_writer_init(&again, room, sizeof room, sizeof room);
    pdr_write_array(&again, 1);
    pdr_write_value(&again, pdr_arg(args, 1));
    int status = pdr_reminder_in(turn, "nudge", (uint64_t)pdr_arg_int(args, 0, 0), 0, "note", pdr_written(&again));
    return status == PDR_OK ? pdr_reply_str(turn, pdr_str("noted")) : status;
}

/* Runs when it is due. What it writes commits together with the reminder's end: it happens once. */
static int note(pdr_turn *turn, const pdr_args *args)
{
    int64_t count = 0;
    pdr_get_int(turn, "count", &count);
    int status = pdr_put_int(turn, "count", count + 1);
    return status == PDR_OK ? pdr_put(turn, pdr_str("last"), pdr_arg(args, 0)) : status;
}

/* every [cron expression]: "0 9 * * mon-fri" is nine o'clock (UTC) on working days. */
static int every(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes text = pdr_arg_bytes(args, 0, pdr_str(""));
    char expression[128] = "";
    if (text.size >= sizeof expression) {
        return pdr_fail(turn, "too_long", "a cron expression of at most %zu bytes", sizeof expression - 1);
    }
    memcpy(expression, text.data, text.size);
    int status = pdr_reminder_cron(turn, "every", expression, "note",
                                   pdr_bytes("\x91\xa6"
                                             "cronly",
                                             8));
    return status == PDR_OK ? pdr_reply_str(turn, pdr_str("noted")) : status;
}

static int stop(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_reminder_cancel(turn, "every");
    return status == PDR_OK ? pdr_reply_str(turn, pdr_str("stopped")) : status;
}

static int count(pdr_turn *turn, const pdr_args *args)
{
    int64_t n = 0;
    pdr_get_int(turn, "count", &n);
    return pdr_reply_int(turn, n);
}

static int last(pdr_turn *turn, const pdr_args *args)
{
    pdr_value text;
    int status = pdr_get(turn, pdr_str("last"), &text);
    return status == PDR_OK ? pdr_reply(turn, text) : pdr_reply_nil(turn);
}

PDR_ACTOR(nudge, PDR_METHOD("in", in), PDR_METHOD("note", note), PDR_METHOD("every", every), PDR_METHOD("stop", stop),
          PDR_READER("count", count), PDR_READER("last", last))
PDR_PLUGIN("nudge", "1.0", &pdr_type_nudge)
