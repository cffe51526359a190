/* tools/node/sys_election.c: a call to `election/NAME`, from its arguments to its answer.
 *
 *     campaign --> CAMPAIGN --applied--> ROWS --stands--> KEEP --kept--> ROWS --> elected? else WAIT for a change
 *     keep ----------------------------------------------> KEEP --kept--> ROWS --> how it stands
 *     resign ----> RESIGN ----applied--> ROWS --> true
 *     leader ----> read -----------------> ROWS --> who leads; WAIT for another, if asked to
 *
 * ROWS: until this node's copy has come to the dir_index of that answer. What is answered after KEEP was so at a moment
 * behind the call's coming, and the lease is counted from then at the earliest: so whoever called may count it from
 * when it sent the call. A CAMPAIGN that has just been applied needs no KEEP for that. */
#include "tools/node/sys_election.h"

#include <stdarg.h>
#include <stdio.h>

#include "consensus/member.h"
#include "core/base/mem.h"
#include "core/shard/core.h"
#include "tools/node/sys_election_ask.h"

#define LATE_MS 50u  /* before the caller's deadline: so that it hears why */
#define AGAIN_MS 20u /* something of the owner's is being ended */
#define TEXT(bytes) (int)((bytes).size < 100 ? (bytes).size : 100), (const char *)(bytes).data

/* The way of a call. */

static const struct member *member_of(const struct elections *e)
{
    return membership_member(e->node);
}

static uint64_t now_ns(const struct election_ask *ask)
{
    return core_now_ns(ask->elections->node->control);
}

static void set_timer(struct election_ask *ask, uint64_t at_ns)
{
    timer_set(&ask->elections->node->control->wheel, &ask->timer, at_ns);
}

static uint64_t last_of(const struct elections *e, const struct call *call)
{
    uint64_t now_ns = core_now_ns(e->node->control);
    uint64_t left = call->deadline_ns > now_ns ? call->deadline_ns - now_ns : 0;
    return now_ns + (left > 2 * LATE_MS * NS_PER_MS ? left - LATE_MS * NS_PER_MS : left / 2);
}

static uint64_t last_ns(const struct election_ask *ask)
{
    return last_of(ask->elections, ask->call);
}

uint64_t election_left_ms(const struct elections *e, const struct call *call)
{
    return (last_of(e, call) - core_now_ns(e->node->control)) / NS_PER_MS + 1;
}

static uint64_t left_ms(const struct election_ask *ask)
{
    return election_left_ms(ask->elections, ask->call);
}

static void leave_stage(struct election_ask *ask)
{
    struct interest *interest = ask->interest;
    list_remove(&ask->at);
    timer_cancel(&ask->elections->node->control->wheel, &ask->timer);
    ask->interest = NULL;
    if (interest != NULL) {
        interest_drop_if_idle(ask->elections, interest);
    }
}

static void finish(struct election_ask *ask)
{
    leave_stage(ask);
    list_remove(&ask->all);
    call_finish(ask->call);
    mem_free(ask);
}

__attribute__((format(printf, 3, 4))) static void fail(struct election_ask *ask, enum pdr_status status,
                                                       const char *format, ...)
{
    char text[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    call_fail(ask->call, status, "%s: %s", ask->method->name, text);
    finish(ask);
}

static void fail_unanswered(struct election_ask *ask, enum letter_outcome outcome)
{
    fail(ask, PDR_UNAVAILABLE, "%s",
         outcome == LETTER_NOWHERE
             ? "nobody leads the directory; most of its voters are down, or this node is cut off from them"
             : "no answer came from the directory's leader; it may have been done: ask again, which does no harm");
}

/* Until this node's rows have come to dir_index. */
static void wait_for_rows(struct election_ask *ask, uint64_t dir_index)
{
    struct list *at = ask->elections->behind.prev;
    if (ask->elections->is_stopped) {
        fail(ask, PDR_UNAVAILABLE, "this node stops");
        return;
    }
    ask->stage = WAITS_FOR_ROWS;
    ask->dir_index = dir_index;
    while (at != &ask->elections->behind && LIST_ITEM(at, struct election_ask, at)->dir_index > dir_index) {
        at = at->prev;
    }
    list_push_front(at, &ask->at);
    set_timer(ask, last_ns(ask));
}

static void wait_for_change(struct election_ask *ask)
{
    uint64_t last = last_ns(ask);
    ask->stage = WAITS_FOR_CHANGE;
    ask->interest = interest_find_or_make(ask->elections, ask->name);
    list_push_back(&ask->interest->waits, &ask->at);
    set_timer(ask, ask->has_wait && ask->wait_ns < last ? ask->wait_ns : last);
}

static void proposed(void *user, const struct member_answer *answer)
{
    struct election_ask *ask = user;
    ask->was_kept = ask->was_refused = false;
    if (answer->outcome != LETTER_DONE) {
        fail_unanswered(ask, answer->outcome);
    } else if (answer->code != DIRECTORY_DONE && answer->code != DIRECTORY_ALREADY) {
        fail(ask, directory_code_status(answer->code), "%.*s", TEXT(answer->text));
    } else {
        ask->may_have_made = answer->code == DIRECTORY_DONE;
        wait_for_rows(ask, answer->dir_index);
    }
}

static void propose(struct election_ask *ask, const struct command *command)
{
    ask->stage = ASKS_DIRECTORY;
    ask->call->is_read = false;
    member_propose(membership_member(ask->elections->node), command, left_ms(ask), proposed, ask);
}

static void read_is_over(void *user, const struct member_answer *answer)
{
    struct election_ask *ask = user;
    if (answer->outcome != LETTER_DONE) {
        fail_unanswered(ask, LETTER_NOWHERE);
    } else {
        wait_for_rows(ask, answer->dir_index);
    }
}

static void was_kept(void *user, const struct member_kept *kept)
{
    struct election_ask *ask = user;
    if (kept->outcome != LETTER_DONE) {
        fail_unanswered(ask, LETTER_NOWHERE);
        return;
    }
    ask->may_have_made = false;
    ask->was_kept = kept->kept;
    ask->was_refused = !kept->kept;
    wait_for_rows(ask, kept->dir_index);
}

static void keep(struct election_ask *ask)
{
    ask->stage = ASKS_DIRECTORY;
    member_keep(membership_member(ask->elections->node), ask->owner, left_ms(ask), was_kept, ask);
}

/* Campaign and keep. */

struct standing {
    struct candidate candidate;
    uint32_t ahead;
    bool stands;
    uint64_t token; /* it leads under; 0: it does not */
};

static struct standing standing_of(const struct election_ask *ask)
{
    struct standing out = {.stands = false};
    struct election_state state;
    election_state(ask->elections, ask->name, &state);
    if (state.election != NULL) {
        out.stands = candidates_find(state.election->candidates, ask->owner, &out.candidate, &out.ahead);
        out.token = out.stands && out.ahead == 0 ? state.token : 0;
    }
    return out;
}

static void answer_standing(struct election_ask *ask, const struct standing *s)
{
    pdr_writer *out = &ask->call->reply;
    pdr_write_map(out, 6);
    pdr_write_cstr(out, "elected");
    pdr_write_bool(out, s->token != 0);
    pdr_write_cstr(out, "token");
    pdr_write_uint(out, s->token);
    pdr_write_cstr(out, "standing");
    pdr_write_bool(out, s->stands);
    pdr_write_cstr(out, "ahead");
    pdr_write_uint(out, s->stands ? s->ahead : 0);
    pdr_write_cstr(out, "id");
    pdr_write_uint(out, ask->owner);
    pdr_write_cstr(out, "lease_ms");
    pdr_write_uint(out, s->stands ? s->candidate.lease_ms : 0);
    finish(ask);
}

static void begin_campaign(struct election_ask *ask)
{
    struct standing s = standing_of(ask);
    if (ask->token != 0 || (s.stands && pdr_bytes_equal(s.candidate.value, ask->value))) {
        keep(ask);
        return;
    }
    struct command command = {.kind = COMMAND_CAMPAIGN,
                              .campaign = {.name = ask->name,
                                           .owner = ask->owner,
                                           .node = membership_self(ask->elections->node),
                                           .lease_ms = ask->lease_ms,
                                           .value = ask->value}};
    propose(ask, &command);
}

static void rest(struct election_ask *ask)
{
    ask->stage = RESTS;
    set_timer(ask, now_ns(ask) + AGAIN_MS * NS_PER_MS);
}

/* Its lease counts from the call on. */
static bool is_sure(const struct election_ask *ask, const struct standing *s)
{
    return ask->was_kept || (ask->may_have_made && s->candidate.order == ask->dir_index);
}

static void seen_campaign(struct election_ask *ask)
{
    struct standing s = standing_of(ask);
    if ((!s.stands && ask->token == 0) || (s.stands && ask->was_refused)) {
        rest(ask); /* it has lapsed, or resigned, meanwhile; or something of the owner's is being ended */
    } else if (s.stands && !is_sure(ask, &s)) {
        keep(ask);
    } else if (s.token != ask->token || (ask->has_wait && now_ns(ask) >= ask->wait_ns)) {
        answer_standing(ask, &s);
    } else {
        wait_for_change(ask);
    }
}

static void seen_keep(struct election_ask *ask)
{
    struct standing s = standing_of(ask);
    if (!s.stands) {
        fail(ask, PDR_NOT_FOUND, "it does not stand in election %.*s", TEXT(ask->name));
    } else if (ask->was_refused) {
        rest(ask);
    } else {
        answer_standing(ask, &s);
    }
}

/* The others. */

static void begin_resign(struct election_ask *ask)
{
    struct command command = {.kind = COMMAND_RESIGN,
                              .resign = {.name = ask->name, .owner = ask->owner, .token = ask->token}};
    propose(ask, &command);
}

static void seen_resign(struct election_ask *ask)
{
    pdr_write_bool(&ask->call->reply, true);
    finish(ask);
}

static void begin_leader(struct election_ask *ask)
{
    ask->stage = ASKS_DIRECTORY;
    member_read(membership_member(ask->elections->node), left_ms(ask), read_is_over, ask);
}

static void seen_leader(struct election_ask *ask)
{
    struct election_state state;
    election_state(ask->elections, ask->name, &state);
    if (ask->has_wait && state.token == ask->token && now_ns(ask) < ask->wait_ns && now_ns(ask) < last_ns(ask)) {
        wait_for_change(ask);
        return;
    }
    election_show(&ask->call->reply, &state);
    finish(ask);
}

static const struct election_method methods[] = {
    {"campaign", election_take_campaign, begin_campaign, seen_campaign},
    {"keep", election_take_keep, keep, seen_keep},
    {"resign", election_take_resign, begin_resign, seen_resign},
    {"leader", election_take_leader, begin_leader, seen_leader},
};

/* A node that has just started may not be a member yet. */
static void begin_or_rest(struct election_ask *ask)
{
    if (member_is_registered(member_of(ask->elections))) {
        ask->method->begin(ask);
    } else {
        rest(ask);
    }
}

/* Time. */

static void fire(struct timer *timer)
{
    struct election_ask *ask = LIST_ITEM(timer, struct election_ask, timer);
    enum stage stage = ask->stage;
    leave_stage(ask);
    if (stage == WAITS_FOR_ROWS) {
        fail(ask, PDR_UNAVAILABLE, "this node's copy of the directory is behind");
    } else if (stage == RESTS && now_ns(ask) + AGAIN_MS * NS_PER_MS >= last_ns(ask)) {
        fail(ask, PDR_UNAVAILABLE, "%s",
             member_is_registered(member_of(ask->elections)) ? "its earlier candidacy is being ended: ask again"
                                                             : "this node has not joined its cluster yet");
    } else if (stage == RESTS) {
        begin_or_rest(ask);
    } else if (ask->method->begin == begin_leader) {
        ask->has_wait = false;
        seen_leader(ask);
    } else {
        struct standing s = standing_of(ask);
        answer_standing(ask, &s);
    }
}

/* How it is has changed: of who stands in it only whether it leads is news. */
static void wake(struct interest *interest)
{
    struct list these, *at;
    list_init(&these);
    list_splice(&these, &interest->waits);
    while ((at = list_pop(&these)) != NULL) {
        struct election_ask *ask = LIST_ITEM(at, struct election_ask, at);
        struct standing s = standing_of(ask);
        list_push_back(&interest->waits, &ask->at);
        if (ask->method->begin == begin_leader) {
            leave_stage(ask);
            seen_leader(ask);
        } else if (!s.stands || s.token != ask->token) {
            leave_stage(ask);
            answer_standing(ask, &s);
        }
    }
}

void elections_tick(struct elections *e)
{
    struct list *at;
    if (e->is_stopped) {
        return;
    }
    while (!list_empty(&e->behind)) {
        struct election_ask *ask = LIST_ITEM(e->behind.next, struct election_ask, at);
        if (ask->dir_index > member_view(member_of(e))->index) {
            break;
        }
        leave_stage(ask);
        ask->method->seen(ask);
    }
    while ((at = list_pop(&e->dirty)) != NULL) {
        struct interest *interest = LIST_ITEM(at, struct interest, dirty);
        interest->holds++;
        election_tell(e, interest);
        wake(interest);
        interest->holds--;
        interest_drop_if_idle(e, interest);
    }
}

void elections_stop(struct elections *e, bool all)
{
    struct list these, *at;
    e->is_stopped = true;
    if (all) {
        election_keeps_stop(e);
    }
    list_init(&these);
    list_splice(&these, &e->asks);
    while ((at = list_pop(&these)) != NULL) {
        struct election_ask *ask = LIST_ITEM(at, struct election_ask, all);
        list_push_back(&e->asks, at);
        if (all || ask->stage != ASKS_DIRECTORY) {
            fail(ask, PDR_UNAVAILABLE, "this node stops");
        }
    }
}

/* Its beginning. */

static bool may_ask(struct elections *e, struct call *call)
{
    const struct member *member = member_of(e);
    if (e->node->membership == NULL) {
        call_fail(call, PDR_INVALID, "%.*s: this node is alone, and has no directory for elections",
                  TEXT(call->method));
    } else if (member == NULL || e->is_stopped) {
        call_fail(call, PDR_UNAVAILABLE, "%.*s: this node stops", TEXT(call->method));
    } else if (call->is_watch && !member_is_registered(member)) {
        call_fail(call, PDR_UNAVAILABLE, "%.*s: this node has not joined its cluster yet", TEXT(call->method));
    } else {
        return true;
    }
    return false;
}

static void begin(struct elections *e, struct call *call, struct pdr_bytes name, const struct election_method *method)
{
    struct election_ask *ask = mem_new(sizeof *ask);
    *ask = (struct election_ask){.elections = e, .call = call, .method = method, .name = name};
    list_init(&ask->at);
    timer_init(&ask->timer, fire);
    list_push_back(&e->asks, &ask->all);
    if (method->take(ask)) {
        begin_or_rest(ask);
    } else {
        finish(ask);
    }
}

void sys_election(void *user, struct call *call)
{
    struct node *node = user;
    struct elections *e = node->elections;
    struct pdr_bytes name =
        pdr_bytes((const char *)call->address.data + call->type_size + 1, call->address.size - call->type_size - 1);
    if (!may_ask(e, call)) {
        call_finish(call);
        return;
    }
    if (call->is_watch) {
        election_watch(e, name, call);
        return;
    }
    if (pdr_bytes_equal(call->method, pdr_str("keep_all"))) {
        election_keep_all(e, call);
        return;
    }
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (pdr_bytes_equal(call->method, pdr_str(methods[i].name))) {
            begin(e, call, name, &methods[i]);
            return;
        }
    }
    call_fail(call, PDR_NOT_FOUND, "an election has campaign, keep, keep_all, resign and leader");
    call_finish(call);
}

void elections_init(struct node *node)
{
    struct elections *e = mem_new(sizeof *e);
    e->node = node;
    hash_init(&e->interests);
    list_init(&e->dirty);
    list_init(&e->behind);
    list_init(&e->asks);
    list_init(&e->keeps);
    node->elections = e;
}

void elections_free(struct node *node)
{
    struct elections *e = node->elections;
    struct list *at;
    while ((at = list_pop(&e->asks)) != NULL) {
        struct election_ask *ask = LIST_ITEM(at, struct election_ask, all);
        call_discard(ask->call);
        mem_free(ask);
    }
    election_keeps_free(e);
    interests_free(e);
    mem_free(e);
    node->elections = NULL;
}
