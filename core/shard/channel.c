/* core/shard/channel.c: a go-back-n protocol, with numbers that can be taken back. */
#include "core/shard/channel.h"

#include "core/base/check.h"

uint64_t channel_out_next(struct channel_out *out)
{
    return ++out->last;
}

void channel_out_undo(struct channel_out *out, uint64_t n)
{
    CHECK(n > out->sent); /* what left was committed */
    if (n <= out->last) {
        out->last = n - 1;
    }
}

bool channel_out_send(struct channel_out *out, uint64_t n)
{
    CHECK(n <= out->last);
    if (n != out->sent + 1) {
        return false;
    }
    out->sent = n;
    return true;
}

void channel_out_acked(struct channel_out *out, uint64_t n)
{
    if (n > out->acked) {
        out->acked = n;
    }
    if (out->sent < out->acked) {
        out->sent = out->acked;
    }
}

void channel_out_refused(struct channel_out *out, uint64_t n)
{
    if (n > out->acked && n <= out->sent) {
        out->sent = n - 1;
    }
}

uint64_t channel_out_settle(struct channel_out *out, uint64_t rows_max)
{
    if (out->settling > 0 || !channel_out_owes(out)) {
        return 0;
    }
    out->settling = out->acked - out->settled > rows_max ? out->settled + rows_max : out->acked;
    return out->settling;
}

void channel_out_settled(struct channel_out *out, bool committed)
{
    CHECK(out->settling > 0);
    if (committed) {
        out->settled = out->settling;
    }
    out->settling = 0;
}

void channel_out_found(struct channel_out *out, uint64_t n, bool settled)
{
    if (settled) {
        out->sent = out->acked = out->settled = n;
    }
    if (n > out->last) {
        out->last = n;
    }
}

enum channel_verdict channel_in_judge(const struct channel_in *in, uint64_t n)
{
    return n <= in->last ? CHANNEL_AGAIN : n == in->last + 1 ? CHANNEL_TAKE : CHANNEL_NEED;
}

void channel_in_take(struct channel_in *in, uint64_t n, uint64_t seq)
{
    CHECK(n == in->last + 1);
    in->last = n;
    in->seq = seq;
}

void channel_in_undo(struct channel_in *in, uint64_t n)
{
    if (n <= in->last) {
        in->last = n - 1;
    }
}
