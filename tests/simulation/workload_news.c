/* tests/simulation/workload_news.c: clients watch one actor, and have it emit. Its n-th event says n, for it counts
 * in its state and emits the count in the same turn. So an event that is heard tells what is durable, whatever
 * crashes: whoever asks later must be answered as much; and each watch must hear every number, in order, over lost
 * connections too. */
#include "tests/simulation/workload.h"

#define KEPT 200 /* fewer than the actor keeps, by what may be published and not known yet */

struct news_ledger {
    int64_t heard; /* by anybody */
    int64_t known; /* the newest number that was heard or answered */
};

struct news_op {
    struct op op;
    int64_t floor; /* heard when it began */
};

struct news_workload {
    struct workload base;
    bool watches;
    uint64_t last;  /* number heard */
    int64_t target; /* in finish: to be heard before the end; 0: nothing published yet */
};

static struct pdr_bytes address(void)
{
    return pdr_str("sim_news/n");
}

static void heard(void *user, pdr_value event, uint64_t seq)
{
    struct news_workload *own = user;
    struct news_ledger *ledger = own->base.ledger;
    struct sim *sim = own->base.sim;
    int64_t n = -1;
    pdr_value_int(event, &n);
    SIM_CHECK(sim, n == (int64_t)seq, "sim_news: event %llu says %lld", (unsigned long long)seq, (long long)n);
    bool was_kept = n + KEPT > ledger->known; /* what lies before it: else it was away for too long */
    SIM_CHECK(sim, own->last == 0 || seq == own->last + 1 || (seq > own->last && !was_kept),
              "sim_news: client %u heard event %llu after event %llu of %lld", own->base.index, (unsigned long long)seq,
              (unsigned long long)own->last, (long long)ledger->known);
    own->last = seq;
    ledger->heard = n > ledger->heard ? n : ledger->heard;
    ledger->known = n > ledger->known ? n : ledger->known;
}

static void watch_ended(void *user, const struct pdr_outcome *outcome)
{
    struct news_workload *own = user;
    SIM_CHECK(own->base.sim, outcome->status == PDR_CANCELLED, "sim_news: a watch was ended for good: %.*s",
              (int)outcome->message.size, (const char *)outcome->message.data);
}

static void begin(struct workload *w, bool publishes)
{
    struct news_workload *own = (struct news_workload *)w;
    if (!own->watches && w->client->real != NULL) {
        own->watches = pdr_client_watch(w->client->real, address(), NULL, heard, watch_ended, own) == PDR_OK;
    }
    struct news_op *op = op_begin(w);
    op->floor = ((struct news_ledger *)w->ledger)->heard;
    pdr_write_array(&op->op.args, 0);
    op_call(&op->op, address(), publishes ? "publish" : "get");
}

static void step(struct workload *w)
{
    begin(w, sim_chance(w->sim, 60));
}

static void ended(struct workload *w, struct op *base, enum fate fate, const struct pdr_outcome *outcome)
{
    const struct news_op *op = (struct news_op *)base;
    struct news_ledger *ledger = w->ledger;
    int64_t n = -1;
    if (fate != FATE_DONE) {
        return;
    }
    pdr_value_int(outcome->result, &n);
    SIM_CHECK(w->sim, n >= op->floor, "sim_news: answered %lld, but event %lld had been heard before it was asked",
              (long long)n, (long long)op->floor);
    ledger->known = n > ledger->known ? n : ledger->known;
    if (op->op.is_final) {
        ((struct news_workload *)w)->target = n;
    }
}

/* The last that was published is heard in the end. */
static bool finish(struct workload *w)
{
    struct news_workload *own = (struct news_workload *)w;
    if (own->target > 0 && (!own->watches || own->last >= (uint64_t)own->target)) {
        return true;
    }
    begin(w, own->target == 0 || own->last == 0);
    return false;
}

const struct workload_class workload_news = {
    .name = "sim_news",
    .size = sizeof(struct news_workload),
    .ledger_size = sizeof(struct news_ledger),
    .op_size = sizeof(struct news_op),
    .final_pause_ns = 50 * NS_PER_MS,
    .step = step,
    .ended = ended,
    .finish = finish,
};
