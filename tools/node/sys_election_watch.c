/* tools/node/sys_election_watch.c: who watches an election hears who leads it, by events as of any actor.
 *
 * An event's number is its leader's token; that of "nobody leads" is the directory's index by then, which is above
 * every token before and below every one after. Who joins hears at once how it is, unless it says that it knows.
 * Nothing is kept: who was away hears of the newest, which is what an observer can act on. */
#include <string.h>

#include "core/base/mem.h"
#include "core/shard/core.h"
#include "tools/node/sys_election_parts.h"

struct election_watcher {
    struct list node;
    struct interest *interest;
    struct elections *elections;
    struct watch *watch;
};

/* On the control core. */

static void leave_here(struct message *message)
{
    struct watch *watch = LIST_ITEM(message, struct watch, message);
    struct election_watcher *watcher = watch->remote;
    if (watch->at->dead) {
        return; /* the world has ended: its owner frees it */
    }
    struct interest *interest = watcher->interest;
    list_remove(&watcher->node);
    interest_drop_if_idle(watcher->elections, interest);
    mem_free(watcher);
    watch->remote = NULL;
    watch_send_left(watch);
}

/* On the listener's core. */
static void leave(struct watch *watch)
{
    watch->message.deliver = leave_here;
    loop_post(watch->at->world.loop, &watch->message);
}

static void encode(const struct election_state *state, pdr_writer *out, uint8_t *room, size_t size)
{
    pdr_writer_init(out, room, size, 0);
    election_show(out, state);
}

static uint64_t number_of(const struct elections *e, const struct election_state *state)
{
    return state->token != 0 ? state->token : member_view(membership_member(e->node))->index;
}

void election_tell(struct elections *e, struct interest *interest)
{
    struct election_state state;
    uint8_t room[LIMIT_CAMPAIGN_BYTES_MAX + 64];
    pdr_writer event;
    election_state(e, pdr_bytes(interest->name, interest->name_size), &state);
    uint64_t seq = number_of(e, &state);
    if (list_empty(&interest->watchers) || state.token == interest->token || seq <= interest->told) {
        return;
    }
    interest->token = state.token;
    interest->told = seq;
    encode(&state, &event, room, sizeof room);
    for (struct list *at = interest->watchers.next; at != &interest->watchers; at = at->next) {
        watch_send(LIST_ITEM(at, struct election_watcher, node)->watch, seq, pdr_written(&event));
    }
    pdr_writer_release(&event);
}

/* Told what the others know already, or how it is now if they know nothing. */
static void catch_up(struct elections *e, struct election_watcher *watcher, uint64_t after)
{
    struct interest *interest = watcher->interest;
    struct election_state state;
    uint8_t room[LIMIT_CAMPAIGN_BYTES_MAX + 64];
    pdr_writer event;
    election_state(e, pdr_bytes(interest->name, interest->name_size), &state);
    uint64_t seq = number_of(e, &state);
    bool is_new = interest->told == 0 || state.token != interest->token;
    seq = is_new ? seq : interest->told;
    interest->told = seq > interest->told ? seq : interest->told;
    interest->token = state.token;
    if (seq <= after) {
        return;
    }
    encode(&state, &event, room, sizeof room);
    watch_send(watcher->watch, seq, pdr_written(&event));
    pdr_writer_release(&event);
}

void election_watch(struct elections *e, struct pdr_bytes name, struct call *call)
{
    struct watch *watch = call->listener;
    struct interest *interest = interest_find_or_make(e, name);
    struct election_watcher *watcher = mem_new(sizeof *watcher);
    uint64_t after = 0;
    election_tell(e, interest); /* so that all who watch know the same */
    pdr_value_uint(pdr_value_at(call->args, 0), &after);
    *watcher = (struct election_watcher){.interest = interest, .elections = e, .watch = watch};
    list_push_back(&interest->watchers, &watcher->node);
    watch->at = e->node->control;
    watch->leaving = false;
    watch->leave = leave;
    watch->remote = watcher;
    pdr_write_map(&call->reply, 1);
    pdr_write_cstr(&call->reply, "seq");
    pdr_write_uint(&call->reply, after);
    call_finish(call); /* first: events come behind the answer */
    catch_up(e, watcher, after);
}

void election_watchers_free(struct interest *interest)
{
    struct list *at;
    while ((at = list_pop(&interest->watchers)) != NULL) {
        mem_free(LIST_ITEM(at, struct election_watcher, node));
    }
}
