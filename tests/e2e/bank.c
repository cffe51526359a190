/* tests/e2e/bank.c: a plugin that uses what perdure/actor.h offers. account/NAME: money that calls others, waits, and
 * fails in its own words. */
#include <perdure/actor.h>

struct memory {
    int64_t turns;
};

static int64_t balance(pdr_turn *turn)
{
    int64_t n = 0;
    pdr_get_int(turn, "balance", &n);
    return n;
}

static int deposit(pdr_turn *turn, const pdr_args *args)
{
    int64_t n = balance(turn) + pdr_arg_int(args, 0, 0);
    pdr_put_int(turn, "balance", n);
    return pdr_reply_int(turn, n);
}

static int withdraw(pdr_turn *turn, const pdr_args *args)
{
    int64_t have = balance(turn), want = pdr_arg_int(args, 0, 0);
    pdr_put_int(turn, "balance", have - want); /* undone when the turn fails */
    if (want > have) {
        return pdr_fail(turn, "insufficient_funds", "%lld is more than the balance of %lld", (long long)want,
                        (long long)have);
    }
    return pdr_reply_int(turn, have - want);
}

static int show(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_int(turn, balance(turn));
}

static int illegal(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_put_int(turn, "balance", 1);
    return status == PDR_OK ? pdr_reply_int(turn, 1) : status;
}

/* transfer OTHER AMOUNT: a call to another actor inside the turn */
static int transfer(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0}, other = pdr_arg_bytes(args, 0, none);
    int64_t amount = pdr_arg_int(args, 1, 0), theirs = 0;
    pdr_writer out;
    pdr_value reply;
    if (balance(turn) < amount) {
        return pdr_fail(turn, "insufficient_funds", "not enough");
    }
    pdr_put_int(turn, "balance", balance(turn) - amount);
    pdr_writer_init(&out, NULL, 0, 0);
    pdr_write_array(&out, 1);
    pdr_write_int(&out, amount);
    int status = pdr_call(turn, other, "deposit", pdr_written(&out), &reply);
    pdr_writer_release(&out);
    if (status != PDR_OK) {
        return status;
    }
    pdr_value_int(reply, &theirs);
    return pdr_reply_int(turn, theirs);
}

static int call_myself(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_ref self = pdr_self(turn);
    struct pdr_bytes me = pdr_bytes(self.type.data, self.type.size + 1 + self.key.size), none = {NULL, 0};
    return pdr_call(turn, me, "show", none, NULL);
}

static int tell_other(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0};
    int status = pdr_tell(turn, pdr_arg_bytes(args, 0, none), "add", none);
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int whoami(pdr_turn *turn, const pdr_args *args)
{
    return pdr_reply_str(turn, pdr_self(turn).key);
}

static int turns(pdr_turn *turn, const pdr_args *args)
{
    struct memory *memory = pdr_memory(turn);
    return pdr_reply_int(turn, ++memory->turns);
}

static int nap(pdr_turn *turn, const pdr_args *args)
{
    int status = pdr_sleep(turn, (uint64_t)pdr_arg_int(args, 0, 10));
    return status == PDR_OK ? pdr_reply_bool(turn, true) : status;
}

static int tick(pdr_turn *turn, const pdr_args *args)
{
    pdr_put_int(turn, "balance", balance(turn) + 1);
    return pdr_reply_nil(turn);
}

static int start_ticking(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0};
    int status = pdr_timer_set(turn, "t", 10, 10, "tick", none);
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int stop_ticking(pdr_turn *turn, const pdr_args *args)
{
    pdr_timer_cancel(turn, "t");
    return pdr_reply_int(turn, balance(turn));
}

static int wake(pdr_turn *turn)
{
    struct memory *memory = pdr_memory(turn);
    memory->turns = 100;
    return PDR_OK;
}

PDR_ACTOR_WITH(account, sizeof(struct memory), wake, NULL, PDR_DURABILITY_SYNC, PDR_METHOD("deposit", deposit),
               PDR_METHOD("withdraw", withdraw), PDR_READER("show", show), PDR_READER("illegal", illegal),
               PDR_METHOD("transfer", transfer), PDR_METHOD("call_myself", call_myself),
               PDR_METHOD("tell_other", tell_other), PDR_READER("whoami", whoami), PDR_METHOD("turns", turns),
               PDR_METHOD("nap", nap), PDR_METHOD("tick", tick), PDR_METHOD("start_ticking", start_ticking),
               PDR_METHOD("stop_ticking", stop_ticking), PDR_METHOD_AS("deposit_fast", deposit, PDR_DURABILITY_MEMORY))
PDR_PLUGIN("bank", "1.0", &pdr_type_account)
