/* examples/07-two-phase-commit/two_phase.c: money moves between two purses, or stays: both agree, or neither changes.
 *
 * transfer/ID is the coordinator of one transfer (Gray 1978), purse/NAME takes part:
 *
 *     transfer                    purses
 *        |------ prepare ----------> |   each looks whether it can, and if so keeps the money ready: a *hold*
 *        |<----- vote -------------- |   after a yes it has to wait for the decision
 *        |                           |
 *     decides: commit, if both said yes
 *        |------ commit, abort ----> |   the hold becomes part of the balance, or goes
 *
 * Every arrow is a tell, and every turn is in one piece. So what a crash interrupts is either not begun, or done with
 * its messages on their way; they arrive once, and in order. No log is written here, and nothing is recovered.
 *
 * bank/NAME hears how each transfer ended. */
#include <perdure/actor.h>

#define PURSE_MAX 2000    /* nobody may own more */
#define PATIENCE_MS 60000 /* then a transfer whose purses have not answered is given up */

static int tell(pdr_turn *turn, struct pdr_bytes to, const char *method, pdr_value value)
{
    uint8_t room[128];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 1);
    pdr_write_value(&args, value);
    int status = pdr_tell(turn, to, method, pdr_written(&args));
    pdr_writer_release(&args);
    return status;
}

static pdr_value yes_or_no(bool yes)
{
    return pdr_bytes(yes ? "\xc3" : "\xc2", 1);
}

/* A purse. State: "balance"; "hold:ADDRESS", what the transfer at ADDRESS will add to it, or take from it. */

static struct pdr_bytes hold_key(pdr_turn *turn, uint8_t *room, size_t size)
{
    struct pdr_bytes transfer = pdr_caller(turn);
    size_t length = transfer.size < size - 5 ? transfer.size : size - 5;
    memcpy(room, "hold:", 5);
    memcpy(room + 5, transfer.data, length);
    return pdr_bytes(room, length + 5);
}

/* What is in the purse, and what is on hold to come and to go. */
static int look(pdr_turn *turn, int64_t *balance, int64_t *coming, int64_t *going)
{
    struct pdr_bytes key;
    pdr_value hold;
    *balance = *coming = *going = 0;
    int status = pdr_get_int(turn, "balance", balance);
    if (status != PDR_OK && status != PDR_NOT_FOUND) {
        return status;
    }
    pdr_scan *scan = pdr_scan_open(turn, pdr_str("hold:"), pdr_str("hold;"));
    while (scan != NULL && (status = pdr_scan_next(scan, &key, &hold)) == PDR_OK) {
        int64_t amount = 0;
        pdr_value_int(hold, &amount);
        *(amount > 0 ? coming : going) += amount;
    }
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

/* [prepare] */
/* prepare [amount]: can it be added, or taken if it is negative? After a yes it can, until the transfer has decided. */
static int prepare(pdr_turn *turn, const pdr_args *args)
{
    int64_t amount = pdr_arg_int(args, 0, 0), balance, coming, going;
    uint8_t room[600];
    int status = look(turn, &balance, &coming, &going);
    bool can = amount > 0 ? balance + coming + amount <= PURSE_MAX : balance + going + amount >= 0;
    if (status == PDR_OK && can) {
        status = pdr_put(turn, hold_key(turn, room, sizeof room), pdr_arg(args, 0));
    }
    return status == PDR_OK ? tell(turn, pdr_caller(turn), "vote", yes_or_no(can)) : status;
}
/* [/prepare] */

/* commit, abort: whoever said no has no hold, and nothing to do. */
static int settle(pdr_turn *turn, bool is_commit)
{
    uint8_t room[600];
    struct pdr_bytes key = hold_key(turn, room, sizeof room);
    pdr_value hold;
    int64_t amount = 0, balance = 0;
    int status = pdr_get(turn, key, &hold);
    if (status != PDR_OK) {
        return status == PDR_NOT_FOUND ? PDR_OK : status;
    }
    if (is_commit) {
        pdr_value_int(hold, &amount);
        pdr_get_int(turn, "balance", &balance);
        status = pdr_put_int(turn, "balance", balance + amount);
    }
    return status == PDR_OK ? pdr_delete(turn, key) : status;
}

static int commit(pdr_turn *turn, const pdr_args *args)
{
    return settle(turn, true);
}

static int abort_(pdr_turn *turn, const pdr_args *args)
{
    return settle(turn, false);
}

/* fill [amount]: sets the balance. */
static int fill(pdr_turn *turn, const pdr_args *args)
{
    int64_t amount = pdr_arg_int(args, 0, 0);
    if (amount < 0 || amount > PURSE_MAX) {
        return pdr_fail(turn, "bad_amount", "a purse holds 0 to %d", PURSE_MAX);
    }
    int status = pdr_put_int(turn, "balance", amount);
    return status == PDR_OK ? pdr_reply_int(turn, amount) : status;
}

/* content -> [balance, what is on hold to come, to go] */
static int content(pdr_turn *turn, const pdr_args *args)
{
    int64_t balance, coming, going;
    uint8_t room[64];
    pdr_writer reply;
    int status = look(turn, &balance, &coming, &going);
    pdr_writer_init(&reply, room, sizeof room, 0);
    pdr_write_array(&reply, 3);
    pdr_write_int(&reply, balance);
    pdr_write_int(&reply, coming);
    pdr_write_int(&reply, going);
    return status == PDR_OK ? pdr_reply(turn, pdr_written(&reply)) : status;
}

PDR_ACTOR(purse, PDR_METHOD("fill", fill), PDR_METHOD("prepare", prepare), PDR_METHOD("commit", commit),
          PDR_METHOD("abort", abort_), PDR_READER("content", content))

/* A transfer. State: "from", "to", "bank"; "yes", how many purses can; "outcome", once it is decided. */

static bool is_decided(pdr_turn *turn)
{
    struct pdr_bytes outcome;
    return pdr_get(turn, pdr_str("outcome"), &outcome) == PDR_OK;
}

/* [decide] */
static int decide(pdr_turn *turn, bool is_commit)
{
    const char *verb = is_commit ? "commit" : "abort", *names[] = {"from", "to"};
    struct pdr_bytes address;
    int status = pdr_put(turn, pdr_str("outcome"), pdr_str(is_commit ? "committed" : "aborted"));
    for (int i = 0; i < 2 && status == PDR_OK; i++) {
        status = pdr_get(turn, pdr_str(names[i]), &address);
        status = status == PDR_OK ? pdr_tell(turn, address, verb, pdr_bytes(NULL, 0)) : status;
    }
    status = status == PDR_OK ? pdr_get(turn, pdr_str("bank"), &address) : status;
    status = status == PDR_OK ? tell(turn, address, "decided", yes_or_no(is_commit)) : status;
    return status == PDR_OK ? pdr_reminder_cancel(turn, "give_up") : status;
}

/* vote [yes]: of one of the two purses. */
static int vote(pdr_turn *turn, const pdr_args *args)
{
    bool yes = false;
    int64_t count = 0;
    pdr_value_bool(pdr_arg(args, 0), &yes);
    if (is_decided(turn)) {
        return PDR_OK; /* the other one has said no */
    }
    if (!yes) {
        return decide(turn, false);
    }
    pdr_get_int(turn, "yes", &count);
    return count == 1 ? decide(turn, true) : pdr_put_int(turn, "yes", 1);
}
/* [/decide] */

/* For the reminder: a purse that is out of reach must not block the other for ever. */
static int give_up(pdr_turn *turn, const pdr_args *args)
{
    return is_decided(turn) ? PDR_OK : decide(turn, false);
}

static int prepare_both(pdr_turn *turn, struct pdr_bytes from, struct pdr_bytes to, int64_t amount)
{
    uint8_t room[16];
    pdr_writer value;
    pdr_writer_init(&value, room, sizeof room, 0);
    pdr_write_int(&value, -amount);
    int status = tell(turn, from, "prepare", pdr_written(&value));
    pdr_writer_clear(&value);
    pdr_write_int(&value, amount);
    return status == PDR_OK ? tell(turn, to, "prepare", pdr_written(&value)) : status;
}

/* begin [from, to, amount, bank] -> true, or false if it had begun: who has not heard the answer may ask again. */
static int begin(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0}, old;
    struct pdr_bytes from = pdr_arg_bytes(args, 0, none), to = pdr_arg_bytes(args, 1, none);
    int64_t amount = pdr_arg_int(args, 2, 0);
    if (pdr_get(turn, pdr_str("from"), &old) == PDR_OK) {
        return pdr_reply_bool(turn, false);
    }
    if (amount <= 0 || amount > PURSE_MAX || pdr_bytes_equal(from, to)) {
        return pdr_fail(turn, "bad_transfer", "begin takes two purses, and an amount of 1 to %d", PURSE_MAX);
    }
    int status = pdr_put(turn, pdr_str("from"), from);
    status = status == PDR_OK ? pdr_put(turn, pdr_str("to"), to) : status;
    status = status == PDR_OK ? pdr_put(turn, pdr_str("bank"), pdr_arg_bytes(args, 3, none)) : status;
    status = status == PDR_OK ? pdr_reminder_in(turn, "give_up", PATIENCE_MS, 0, "give_up", none) : status;
    status = status == PDR_OK ? prepare_both(turn, from, to, amount) : status;
    return status == PDR_OK ? pdr_reply_bool(turn, true) : status;
}

static int outcome(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes text;
    return pdr_get(turn, pdr_str("outcome"), &text) == PDR_OK ? pdr_reply_str(turn, text) : pdr_reply_nil(turn);
}

PDR_ACTOR(transfer, PDR_METHOD("begin", begin), PDR_METHOD("vote", vote), PDR_METHOD("give_up", give_up),
          PDR_READER("outcome", outcome))

/* The bank: counts outcomes, and has an event for each. */

static int decided(pdr_turn *turn, const pdr_args *args)
{
    bool committed = false;
    int64_t count = 0;
    pdr_value_bool(pdr_arg(args, 0), &committed);
    const char *name = committed ? "committed" : "aborted";
    pdr_get_int(turn, name, &count);
    int status = pdr_put_int(turn, name, count + 1);
    return status == PDR_OK ? pdr_emit(turn, pdr_arg(args, 0)) : status;
}

/* counts -> [committed, aborted] */
static int counts(pdr_turn *turn, const pdr_args *args)
{
    int64_t committed = 0, aborted = 0;
    uint8_t room[32];
    pdr_writer reply;
    pdr_get_int(turn, "committed", &committed);
    pdr_get_int(turn, "aborted", &aborted);
    pdr_writer_init(&reply, room, sizeof room, 0);
    pdr_write_array(&reply, 2);
    pdr_write_int(&reply, committed);
    pdr_write_int(&reply, aborted);
    return pdr_reply(turn, pdr_written(&reply));
}

PDR_ACTOR(bank, PDR_METHOD("decided", decided), PDR_READER("counts", counts))
PDR_PLUGIN("two_phase", "1.0", &pdr_type_purse, &pdr_type_transfer, &pdr_type_bank)
