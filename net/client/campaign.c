/* net/client/campaign.c: a client that stands in elections, and knows by its own clock how long it may lead.
 *
 *     ASKS --it stands--> STANDS --elected--> LEADS    `campaign` waits for what is not known yet;
 *      ^                     |                  |      one `keep` renews all that the client stands in
 *      +--- lapsed, or gone -+------------------+      (docs/concepts/elections.md)
 *
 * What the directory grants counts from when it was asked, less the drift of clocks: `until_ns`. A candidacy whose time
 * is over on this clock is given up, whatever an answer that is under way may say: each life of one has a number, and
 * answers to an earlier life are not looked at. The loop's time is that of the beginning of its turn: too early where a
 * call is sent, which is the safe side; and timers that are due fire before anything that came meanwhile is read. */
#include <string.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/env/clock.h"
#include "net/client/client_parts.h"

#define DRIFT_PERCENT 1u /* as consensus/lease.h: this clock against the directory's */
#define WAIT_MS 20000u   /* for news, before asking anew */
#define ANSWER_MS 10000u /* beyond that */
#define AGAIN_MS 100u    /* after a failure */

struct pdr_campaign {
    struct list node;
    struct pdr_client *client;
    struct pdr_campaign_events events;
    void *user;
    uint32_t lease_ms, margin_ms;
    uint32_t holds;     /* questions that have no answer yet, of all lives; and events that are being told */
    bool is_over;       /* to be freed when those are */
    bool is_silent;     /* pdr_campaign_end was called all the same */
    uint64_t life;      /* of its candidacy */
    uint64_t id;        /* ... which stands under it */
    bool stands;        /* an answer in this life said so, to a question sent at ... */
    uint64_t stands_ns; /* ... */
    uint64_t until_ns;  /* if it stands: it may think so before then; margin and drift are taken off */
    uint64_t token;     /* it leads under; 0: it does not */
    struct timer lapse, again;
    size_t address_size, value_size;
    uint8_t data[]; /* address, value */
};

/* A question under way. */
struct question {
    struct pdr_campaign *campaign;
    uint64_t life, sent_ns;
};

static uint64_t now_of(const struct pdr_client *c)
{
    return loop_now_ns(c->loop);
}

static struct pdr_bytes address_of(const struct pdr_campaign *m)
{
    return pdr_bytes(m->data, m->address_size);
}

static void free_if_done(struct pdr_campaign *m)
{
    if (m->is_over && m->holds == 0) {
        mem_free(m);
    }
}

static void put_uint(pdr_writer *out, const char *key, uint64_t value)
{
    pdr_write_cstr(out, key);
    pdr_write_uint(out, value);
}

/* Asking. */

static void answered(void *user, const struct pdr_outcome *outcome);

static void ask_soon(struct pdr_campaign *m)
{
    timer_set(&m->client->wheel, &m->again, now_of(m->client) + AGAIN_MS * NS_PER_MS);
}

/* At first for an answer at once, so that renewals may begin; then for what is news. */
static void write_question(const struct pdr_campaign *m, pdr_writer *args)
{
    pdr_write_array(args, 2);
    pdr_write_raw(args, m->data + m->address_size, m->value_size);
    pdr_write_map(args, 4);
    put_uint(args, "id", m->id);
    put_uint(args, "lease_ms", m->lease_ms);
    put_uint(args, "token", m->token);
    put_uint(args, "wait_ms", m->stands ? WAIT_MS : 0);
}

static void ask(struct pdr_campaign *m)
{
    uint8_t room[LIMIT_CAMPAIGN_BYTES_MAX + 64];
    pdr_writer args;
    struct pdr_call_options options = {.deadline_ms = m->stands ? WAIT_MS + ANSWER_MS : ANSWER_MS};
    struct question *question = mem_new(sizeof *question);
    *question = (struct question){m, m->life, now_of(m->client)};
    pdr_writer_init(&args, room, sizeof room, 0);
    write_question(m, &args);
    if (pdr_client_call(m->client, address_of(m), "campaign", pdr_written(&args), &options, answered, question) ==
        PDR_OK) {
        m->holds++;
    } else {
        mem_free(question);
        ask_soon(m);
    }
    pdr_writer_release(&args);
}

static void again(struct timer *timer)
{
    ask(LIST_ITEM(timer, struct pdr_campaign, again));
}

/* Time. */

static void lapse(struct timer *timer);

static void set_keep(struct pdr_client *c);

/* Granted, to a question that was sent then. */
static void grant(struct pdr_campaign *m, uint64_t sent_ns)
{
    uint64_t lease_ns = m->lease_ms * NS_PER_MS;
    uint64_t kept_ns = lease_ns - lease_ns * DRIFT_PERCENT / 100 - m->margin_ms * NS_PER_MS;
    uint64_t from_ns = MUTATION(216) ? now_of(m->client) : sent_ns;
    if (from_ns + kept_ns > m->until_ns) {
        m->until_ns = from_ns + kept_ns;
        timer_set(&m->client->wheel, &m->lapse, m->until_ns);
    }
}

static void ignore(void *user, const struct pdr_outcome *outcome) {}

static enum pdr_status send_resign(struct pdr_campaign *m, uint64_t id, pdr_outcome_cb done, void *user)
{
    uint8_t room[64];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 1);
    pdr_write_map(&args, 1);
    put_uint(&args, "id", id);
    enum pdr_status status = pdr_client_call(m->client, address_of(m), "resign", pdr_written(&args), NULL, done, user);
    pdr_writer_release(&args);
    return status;
}

static uint64_t draw_id(struct pdr_client *c)
{
    return (rng_next(&c->campaigns.rng) >> 11) | 1; /* exact in JSON, too */
}

/* This life of the candidacy is over: what is under way is about nothing any more. */
static void begin_anew(struct pdr_campaign *m, const char *why)
{
    uint64_t token = m->token, life = ++m->life, id = m->id;
    m->stands = false;
    m->token = m->until_ns = 0;
    m->id = MUTATION(218) ? m->id : draw_id(m->client);
    timer_cancel(&m->client->wheel, &m->lapse);
    timer_cancel(&m->client->wheel, &m->again);
    (void)!send_resign(m, id, ignore, NULL); /* so that nobody waits for what is given up; it lapses anyway */
    m->holds++;                              /* `lost` may end it */
    if (token != 0 && m->events.lost != NULL) {
        m->events.lost(m->user, token, why);
    }
    m->holds--;
    if (!m->is_over && m->life == life && !m->client->is_closing) {
        ask(m);
    }
    free_if_done(m);
}

static void lapse(struct timer *timer)
{
    begin_anew(LIST_ITEM(timer, struct pdr_campaign, lapse),
               "no renewal of its lease was answered in time; another may lead before long");
}

/* Answers. */

static void end(struct pdr_campaign *m, const struct pdr_outcome *outcome)
{
    uint64_t token = m->token;
    m->is_over = true;
    m->client->campaigns.count--;
    list_remove(&m->node);
    timer_cancel(&m->client->wheel, &m->lapse);
    timer_cancel(&m->client->wheel, &m->again);
    m->holds++; /* it stays until both have been told */
    if (token != 0 && m->events.lost != NULL) {
        m->events.lost(m->user, token, outcome->status == PDR_CANCELLED ? "the client was closed" : "it was refused");
    }
    if (!m->is_silent) {
        m->events.ended(m->user, outcome);
    }
    m->holds--;
    free_if_done(m);
}

static bool get_bool(pdr_value map, const char *key)
{
    bool is = false;
    pdr_value_bool(pdr_value_get(map, key), &is);
    return is;
}

/* That of a candidacy that was there already may be shorter than what is asked for now. */
static void take_lease(struct pdr_campaign *m, pdr_value result)
{
    uint64_t lease_ms;
    if (pdr_value_uint(pdr_value_get(result, "lease_ms"), &lease_ms) && lease_ms < m->lease_ms && lease_ms > 0) {
        m->lease_ms = (uint32_t)lease_ms;
        m->margin_ms = m->margin_ms < m->lease_ms / 2 ? m->margin_ms : m->lease_ms / 2;
    }
}

static void was_answered(struct pdr_campaign *m, const struct question *question, pdr_value result)
{
    uint64_t token = 0, life = m->life;
    pdr_value_uint(pdr_value_get(result, "token"), &token);
    take_lease(m, result);
    if (!get_bool(result, "standing") || (m->token != 0 && token != m->token)) {
        begin_anew(m, "it was made to resign, or its lease was over in the directory");
        return;
    }
    if (!m->stands) {
        m->stands = true;
        m->stands_ns = question->sent_ns;
    }
    grant(m, question->sent_ns);
    if (now_of(m->client) >= m->until_ns) {
        begin_anew(m, "the answer came too late");
        return;
    }
    set_keep(m->client);
    if (token != m->token && m->token == 0) {
        m->token = token;
        m->holds++;
        if (m->events.elected != NULL) {
            m->events.elected(m->user, token);
        }
        m->holds--;
    }
    if (!m->is_over && m->life == life && !m->client->is_closing) {
        ask(m);
    }
}

static void answered(void *user, const struct pdr_outcome *outcome)
{
    struct question question = *(struct question *)user;
    struct pdr_campaign *m = question.campaign;
    bool is_stale = question.life != m->life && !MUTATION(217);
    mem_free(user);
    if (m->is_over || is_stale) {
        /* nobody asks any more */
    } else if (outcome->status == PDR_OK) {
        was_answered(m, &question, outcome->result);
    } else if (m->client->is_closing || pdr_status_retry(outcome->status) == PDR_RETRY_NEVER) {
        end(m, outcome);
    } else {
        ask_soon(m);
    }
    m->holds--; /* last: what was told may have ended it */
    free_if_done(m);
}

/* Renewals: one call for all that stand. Each has an id of its own, so that what is not stood in any more lapses. */

struct renewal {
    struct pdr_client *client;
    uint64_t sent_ns;
};

static bool is_among(uint64_t id, pdr_value ids)
{
    struct pdr_bytes rest = pdr_value_items(ids);
    uint64_t one;
    for (uint32_t i = pdr_value_count(ids); i > 0 && pdr_value_uint(pdr_value_next(&rest), &one); i--) {
        if (one == id) {
            return true;
        }
    }
    return false;
}

static void was_kept(void *user, const struct pdr_outcome *outcome)
{
    struct renewal renewal = *(struct renewal *)user;
    struct pdr_client *c = renewal.client;
    mem_free(user);
    c->campaigns.keeping = false;
    if (c->is_closing) {
        return;
    }
    for (struct list *at = c->campaigns.all.next; outcome->status == PDR_OK && at != &c->campaigns.all; at = at->next) {
        struct pdr_campaign *m = LIST_ITEM(at, struct pdr_campaign, node);
        bool is_about = m->stands && m->stands_ns <= renewal.sent_ns && now_of(c) < m->until_ns;
        if (is_about && !is_among(m->id, outcome->result)) {
            grant(m, renewal.sent_ns);
        }
    }
    if (outcome->status == PDR_OK) {
        set_keep(c);
    } else {
        timer_set(&c->wheel, &c->campaigns.timer, now_of(c) + AGAIN_MS * NS_PER_MS);
    }
}

/* The ids of all that stand; the first of them, or NULL. */
static const struct pdr_campaign *write_ids(const struct pdr_client *c, pdr_writer *args)
{
    const struct pdr_campaign *first = NULL;
    uint32_t count = 0;
    for (const struct list *at = c->campaigns.all.next; at != &c->campaigns.all; at = at->next) {
        const struct pdr_campaign *m = LIST_ITEM(at, const struct pdr_campaign, node);
        count += m->stands;
        first = first == NULL && m->stands ? m : first;
    }
    pdr_write_array(args, 1);
    pdr_write_array(args, count);
    for (const struct list *at = c->campaigns.all.next; at != &c->campaigns.all; at = at->next) {
        const struct pdr_campaign *m = LIST_ITEM(at, const struct pdr_campaign, node);
        if (m->stands) {
            pdr_write_uint(args, m->id);
        }
    }
    return first;
}

static uint64_t keep_every_ns(const struct pdr_client *c)
{
    uint64_t least_ms = LIMIT_CAMPAIGN_LEASE_MS_MAX;
    for (const struct list *at = c->campaigns.all.next; at != &c->campaigns.all; at = at->next) {
        const struct pdr_campaign *m = LIST_ITEM(at, const struct pdr_campaign, node);
        least_ms = m->stands && m->lease_ms < least_ms ? m->lease_ms : least_ms;
    }
    return least_ms * NS_PER_MS / 3;
}

static void keep(struct timer *timer)
{
    struct campaigns *campaigns = LIST_ITEM(timer, struct campaigns, timer);
    struct pdr_client *c = LIST_ITEM(campaigns, struct pdr_client, campaigns);
    struct pdr_call_options options = {.deadline_ms = keep_every_ns(c) / NS_PER_MS};
    uint8_t room[256];
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, 0);
    const struct pdr_campaign *first = write_ids(c, &args);
    if (first != NULL && !campaigns->keeping) {
        struct renewal *renewal = mem_new(sizeof *renewal);
        *renewal = (struct renewal){c, now_of(c)};
        campaigns->keeping = pdr_client_call(c, address_of(first), "keep_all", pdr_written(&args), &options, was_kept,
                                             renewal) == PDR_OK;
        if (!campaigns->keeping) {
            mem_free(renewal);
            timer_set(&c->wheel, timer, now_of(c) + AGAIN_MS * NS_PER_MS);
        }
    }
    pdr_writer_release(&args);
}

static void set_keep(struct pdr_client *c)
{
    uint64_t due_ns = now_of(c) + keep_every_ns(c);
    bool is_sooner = !timer_is_set(&c->campaigns.timer) || c->campaigns.timer.at_ms > due_ns / NS_PER_MS;
    if (!c->campaigns.keeping && is_sooner) {
        timer_set(&c->wheel, &c->campaigns.timer, due_ns);
    }
}

void campaigns_init(struct pdr_client *c, uint64_t seed)
{
    list_init(&c->campaigns.all);
    timer_init(&c->campaigns.timer, keep);
    rng_seed(&c->campaigns.rng, seed);
}

void campaigns_end(struct pdr_client *c)
{
    static const struct pdr_outcome closed = {
        PDR_CANCELLED, {"cancelled", 9}, {"the client was closed", 21}, 0, {NULL, 0}};
    timer_cancel(&c->wheel, &c->campaigns.timer);
    while (!list_empty(&c->campaigns.all)) {
        end(LIST_ITEM(c->campaigns.all.next, struct pdr_campaign, node), &closed);
    }
}

/* Beginning and end. */

static enum pdr_status check(struct pdr_client *c, struct pdr_bytes name, pdr_value value,
                             const struct pdr_campaign_options *options)
{
    if (c->is_closing) {
        return client_refuse(c, PDR_CANCELLED, "the client is being closed");
    }
    if (c->session.wanted) {
        return client_refuse(c, PDR_INVALID, "a candidacy is a session of its own: open a client without `session`");
    }
    if (name.size == 0 || name.size > PDR_KEY_SIZE_MAX) {
        return client_refuse(c, PDR_INVALID, "the name of an election has 1 to 512 bytes (limit name_bytes_max)");
    }
    if (value.size > 0 && pdr_value_skip(value.data, value.size, LIMIT_DEPTH_MAX) != (int64_t)value.size) {
        return client_refuse(c, PDR_INVALID, "a candidate's value must be one encoded value");
    }
    if (value.size > LIMIT_CAMPAIGN_BYTES_MAX) {
        return client_refuse(c, PDR_TOO_LARGE, "a candidate's value has at most 512 bytes (limit campaign_bytes_max)");
    }
    if (options->lease_ms < LIMIT_CAMPAIGN_LEASE_MS_MIN || options->lease_ms > LIMIT_CAMPAIGN_LEASE_MS_MAX ||
        options->margin_ms > options->lease_ms / 2) {
        return client_refuse(c, PDR_INVALID, "lease_ms is 500 to 600,000, and margin_ms at most half of it");
    }
    if (c->campaigns.count >= PDR_CAMPAIGNS_MAX) {
        return client_refuse(c, PDR_OVERLOADED, "a client stands in at most 2048 elections");
    }
    return PDR_OK;
}

static struct pdr_campaign *make(struct pdr_client *c, struct pdr_bytes name, pdr_value value)
{
    static const char prefix[] = "election/", nil[] = {(char)0xc0};
    value = value.size > 0 ? value : pdr_bytes(nil, 1);
    size_t size = sizeof prefix - 1 + name.size;
    struct pdr_campaign *m = mem_new(sizeof *m + size + value.size);
    m->client = c;
    m->address_size = size;
    m->value_size = value.size;
    memcpy(m->data, prefix, sizeof prefix - 1);
    memcpy(m->data + sizeof prefix - 1, name.data, name.size);
    memcpy(m->data + size, value.data, value.size);
    timer_init(&m->lapse, lapse);
    timer_init(&m->again, again);
    return m;
}

enum pdr_status pdr_campaign_begin(pdr_client *c, struct pdr_bytes name, pdr_value value,
                                   const struct pdr_campaign_options *options, const struct pdr_campaign_events *events,
                                   void *user, pdr_campaign **out)
{
    struct pdr_campaign_options o = options != NULL ? *options : (struct pdr_campaign_options){0};
    struct pdr_ref ref;
    const char *why;
    o.lease_ms = o.lease_ms == 0 ? PDR_CAMPAIGN_LEASE_MS_DEFAULT : o.lease_ms;
    o.margin_ms = o.margin_ms == 0 ? o.lease_ms / 10 : o.margin_ms;
    enum pdr_status status = check(c, name, value, &o);
    if (status != PDR_OK) {
        return status;
    }
    struct pdr_campaign *m = make(c, name, value);
    if (pdr_ref_parse(address_of(m), &ref, &why) != PDR_OK) {
        mem_free(m);
        return client_refuse(c, PDR_INVALID, why);
    }
    m->events = *events;
    m->user = user;
    m->lease_ms = o.lease_ms;
    m->margin_ms = o.margin_ms;
    m->id = draw_id(c);
    list_push_back(&c->campaigns.all, &m->node);
    c->campaigns.count++;
    ask(m);
    *out = m;
    return PDR_OK;
}

uint64_t pdr_campaign_left_ms(const pdr_campaign *m)
{
    uint64_t now_ns = now_of(m->client);
    return m->token != 0 && now_ns < m->until_ns ? (m->until_ns - now_ns) / NS_PER_MS : 0;
}

enum pdr_status pdr_campaign_end(pdr_campaign *m, pdr_outcome_cb done, void *user)
{
    struct pdr_client *c = m->client;
    if (m->is_over) {
        m->is_silent = true; /* from inside of its last event but one */
        return client_refuse(c, PDR_CANCELLED, "it has ended");
    }
    m->is_over = true;
    c->campaigns.count--;
    list_remove(&m->node);
    timer_cancel(&c->wheel, &m->lapse);
    timer_cancel(&c->wheel, &m->again);
    enum pdr_status status = send_resign(m, m->id, done != NULL ? done : ignore, user);
    free_if_done(m);
    return status;
}
