/* consensus/lease_holder.c: renewals that were sent, what was granted for each, and the longest that counts. */
#include "consensus/lease_holder.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/mutation.h"

void lease_holder_init(struct lease_holder *holder, uint64_t node, uint64_t incarnation, uint64_t now_ns)
{
    CHECK(incarnation >= 1 && incarnation < UINT64_C(1) << 32);
    *holder = (struct lease_holder){.node = node, .incarnation = incarnation, .due_ns = now_ns, .checked_ns = now_ns};
    /* A grant to the process before this one, late on its way, must not be taken for one of ours. */
    holder->renew_no = MUTATION(113) ? 0 : incarnation << 32;
}

bool lease_holder_renew(struct lease_holder *holder, uint64_t now_ns, uint64_t feed_index, struct lease_renew *out)
{
    if (now_ns < holder->due_ns) {
        return false;
    }
    holder->due_ns = now_ns + LEASE_RENEW_NS;
    uint64_t renew_no = ++holder->renew_no;
    holder->sent[renew_no % LEASE_HOLDER_SENT] = (struct lease_sent){.renew_no = renew_no, .sent_ns = now_ns};
    *out = (struct lease_renew){holder->node, holder->incarnation, renew_no, feed_index};
    return true;
}

void lease_holder_hurry(struct lease_holder *holder)
{
    holder->due_ns = 0;
}

/* R10: L * (1 - RHO), rounded down. */
static uint64_t worth_ns(uint64_t length_ns)
{
    uint64_t length = length_ns < LEASE_HOLDER_LENGTH_NS_MAX ? length_ns : LEASE_HOLDER_LENGTH_NS_MAX;
    return MUTATION(110) ? length : length * (100 - LEASE_DRIFT_PERCENT) / 100;
}

bool lease_holder_granted(struct lease_holder *holder, uint64_t now_ns, const struct lease_grant *grant)
{
    struct lease_sent *sent = &holder->sent[grant->renew_no % LEASE_HOLDER_SENT];
    if (grant->renew_no == 0 || sent->renew_no != grant->renew_no) {
        return false;
    }
    uint64_t end_ns = (MUTATION(111) ? now_ns : sent->sent_ns) + worth_ns(grant->length_ns);
    /* A copy of it, or another leader's word on the same renewal: each is true by itself, the longer one is kept. */
    if (end_ns > sent->end_ns) {
        sent->end_ns = end_ns;
        sent->dir_index = grant->dir_index;
    }
    return end_ns > now_ns;
}

bool lease_holder_sent(const struct lease_holder *holder, uint64_t renew_no)
{
    return renew_no >> 32 == holder->incarnation && renew_no <= holder->renew_no;
}

void lease_holder_drop(struct lease_holder *holder)
{
    memset(holder->sent, 0, sizeof holder->sent);
}

/* Every grant is a promise of its own, with its own index: one whose index the node has reached counts although a later
 * one asks for more. For what the feed says in between was decided when the earlier one was over, or by this node. */
uint64_t lease_holder_until(const struct lease_holder *holder, uint64_t applied)
{
    uint64_t until = 0;
    for (unsigned i = 0; i < LEASE_HOLDER_SENT; i++) {
        const struct lease_sent *sent = &holder->sent[i];
        if (sent->end_ns > until && (applied >= sent->dir_index || MUTATION(114) || MUTATION(167))) {
            until = sent->end_ns;
        }
    }
    return until;
}

struct lease_notice lease_holder_check(struct lease_holder *holder, uint64_t now_ns, uint64_t applied)
{
    bool held = lease_holder_valid(holder, now_ns, applied);
    uint64_t gap_ns = now_ns > holder->checked_ns ? now_ns - holder->checked_ns : 0;
    struct lease_notice notice = {
        .ended = holder->held && !held,
        .began = !holder->held && held,
        .stalled_ns = gap_ns > LEASE_HOLDER_STALL_NS ? gap_ns : 0,
    };
    holder->held = held;
    holder->checked_ns = now_ns;
    return notice;
}
