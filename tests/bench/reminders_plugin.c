/* tests/bench/reminders_plugin.c: an actor that sets many reminders in one turn, for reminders.py. */
#include <stdio.h>

#include <perdure/actor.h>

/* many/K: fill(n, span_ms, first_ms) sets n reminders, evenly over span_ms, the first of them first_ms from now. */
static int fill(pdr_turn *turn, const pdr_args *args)
{
    int64_t n = pdr_arg_int(args, 0, 0), span_ms = pdr_arg_int(args, 1, 0), first_ms = pdr_arg_int(args, 2, 0);
    int status = PDR_OK;
    for (int64_t i = 0; i < n && status == PDR_OK; i++) {
        char name[24];
        snprintf(name, sizeof name, "r%lld", (long long)i);
        uint64_t delay_ms = (uint64_t)(first_ms + span_ms * i / n);
        status = pdr_reminder_in(turn, name, delay_ms, 0, "fire", pdr_bytes(NULL, 0));
    }
    return status != PDR_OK ? status : pdr_reply_int(turn, n);
}

static int fire(pdr_turn *turn, const pdr_args *args)
{
    int64_t n = 0;
    pdr_get_int(turn, "fired", &n);
    return pdr_put_int(turn, "fired", n + 1);
}

static int fired(pdr_turn *turn, const pdr_args *args)
{
    int64_t n = 0;
    pdr_get_int(turn, "fired", &n);
    return pdr_reply_int(turn, n);
}

PDR_ACTOR(many, PDR_METHOD("fill", fill), PDR_METHOD("fire", fire), PDR_READER("fired", fired))

PDR_PLUGIN("reminders", "1.0", &pdr_type_many)
