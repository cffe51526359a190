/* examples/03-transfer/account.c: account/NAME holds money, and can send some to another account.
 *
 * deposit AMOUNT -> the balance after it
 * balance -> the balance
 * transfer TO AMOUNT -> whether it arrived; if not, it is back in the account
 *
 * A transfer takes the money out, and that commits before the call to the other account leaves: so money can be under
 * way, but never in two places. If the node dies in that moment, it stays under way: what closes this gap are durable
 * messages, as in 07-two-phase-commit. */
#include <perdure/actor.h>

static int read_balance(pdr_turn *turn, int64_t *balance)
{
    *balance = 0;
    int status = pdr_get_int(turn, "balance", balance);
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

static int change(pdr_turn *turn, int64_t by, int64_t *balance)
{
    int status = read_balance(turn, balance);
    if (status == PDR_OK && __builtin_add_overflow(*balance, by, balance)) {
        return pdr_fail(turn, "overflow", "nobody has that much");
    }
    if (status == PDR_OK && *balance < 0) {
        return pdr_fail(turn, "insufficient_funds", "the balance is %lld", (long long)(*balance - by));
    }
    return status == PDR_OK ? pdr_put_int(turn, "balance", *balance) : status;
}

static int deposit(pdr_turn *turn, const pdr_args *args)
{
    int64_t amount = pdr_arg_int(args, 0, 0), balance;
    if (amount <= 0) {
        return pdr_fail(turn, "bad_amount", "an amount is a whole number above 0");
    }
    int status = change(turn, amount, &balance);
    return status == PDR_OK ? pdr_reply_int(turn, balance) : status;
}

static int balance(pdr_turn *turn, const pdr_args *args)
{
    int64_t n;
    int status = read_balance(turn, &n);
    return status == PDR_OK ? pdr_reply_int(turn, n) : status;
}

/* [transfer] */
static int transfer(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes nobody = {NULL, 0}, to = pdr_arg_bytes(args, 0, nobody);
    int64_t amount = pdr_arg_int(args, 1, 0), left;
    uint8_t room[16];
    pdr_writer deposit_args;

    if (amount <= 0) {
        return pdr_fail(turn, "bad_amount", "an amount is a whole number above 0");
    }
    int status = change(turn, -amount, &left);
    if (status != PDR_OK) {
        return status;
    }
    pdr_writer_init(&deposit_args, room, sizeof room, 0);
    pdr_write_array(&deposit_args, 1);
    pdr_write_int(&deposit_args, amount);
    status = pdr_call(turn, to, "deposit", pdr_written(&deposit_args), NULL); /* commits, calls, waits */
    if (status == PDR_OK) {
        return pdr_reply_bool(turn, true);
    }
    if (status == PDR_DEADLINE || status == PDR_UNAVAILABLE) {
        return status; /* it may have arrived: to put it back could make two of it */
    }
    status = change(turn, amount, &left); /* it did not arrive: back into the account */
    return status == PDR_OK ? pdr_reply_bool(turn, false) : status;
}
/* [/transfer] */

PDR_ACTOR(account, PDR_METHOD("deposit", deposit), PDR_READER("balance", balance), PDR_METHOD("transfer", transfer))
PDR_PLUGIN("account", "1.0", &pdr_type_account)
