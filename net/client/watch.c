/* net/client/watch.c: watches: asked for on every new connection, behind the last event that came.
 *
 * A watch is in the client's list until it ends or nobody wants it. While the node has not answered `_sys/conn.watch`
 * it is `asking`, and the answer's callback holds on to it: one that is not wanted any more is freed there. */
#include <string.h>

#include <perdure/ref.h>

#include "core/base/mem.h"
#include "core/env/clock.h"
#include "net/client/client_parts.h"

#define ASK_AGAIN_MS 1000u

struct watch {
    struct list node;
    struct pdr_client *client;
    pdr_event_cb event;
    pdr_outcome_cb ended;
    void *user;
    struct timer again; /* the node could not watch just now */
    bool asking, unwanted;
    bool has_after;
    uint64_t after;
    size_t size;
    char address[]; /* TYPE/KEY */
};

static struct pdr_bytes address_of(const struct watch *watch)
{
    return pdr_bytes(watch->address, watch->size);
}

static struct watch *find(struct pdr_client *c, struct pdr_bytes address)
{
    for (struct list *at = c->watches.next; at != &c->watches; at = at->next) {
        struct watch *watch = LIST_ITEM(at, struct watch, node);
        if (pdr_bytes_equal(address_of(watch), address)) {
            return watch;
        }
    }
    return NULL;
}

static void take_out(struct watch *watch)
{
    list_remove(&watch->node);
    timer_cancel(&watch->client->wheel, &watch->again);
    watch->client->watch_count--;
}

static void end(struct watch *watch, const struct pdr_outcome *outcome)
{
    pdr_outcome_cb ended = watch->ended;
    void *user = watch->user;
    take_out(watch);
    mem_free(watch);
    ended(user, outcome);
}

/* Asking. */

static void ask_later(struct watch *watch)
{
    struct pdr_client *c = watch->client;
    uint64_t ms = ASK_AGAIN_MS / 2 + rng_below(&c->home.backoff.rng, ASK_AGAIN_MS / 2 + 1);
    timer_set(&c->wheel, &watch->again, loop_now_ns(c->loop) + ms * NS_PER_MS);
}

static void tell_unwatch(struct pdr_client *c, struct pdr_bytes address)
{
    pdr_writer args = {0};
    pdr_write_array(&args, 1);
    pdr_write_str(&args, address);
    enum pdr_status told = pdr_client_tell(c, pdr_str("_sys/conn"), "unwatch", pdr_written(&args));
    (void)told; /* without a connection there is nothing to end */
    pdr_writer_release(&args);
}

/* The answer to a question that nobody has any more. Whoever has asked anew meanwhile keeps what the node has begun. */
static void drop(struct watch *watch, const struct pdr_outcome *outcome)
{
    if (outcome->status == PDR_OK && find(watch->client, address_of(watch)) == NULL) {
        tell_unwatch(watch->client, address_of(watch));
    }
    mem_free(watch);
}

/* A session that is over ends calls, not watches: they are the connection's. */
static bool is_final(enum pdr_status status)
{
    return pdr_status_retry(status) == PDR_RETRY_NEVER && status != PDR_SESSION;
}

static void on_answer(void *user, const struct pdr_outcome *outcome)
{
    struct watch *watch = user;
    struct pdr_client *c = watch->client;
    watch->asking = false;
    if (watch->unwanted) {
        drop(watch, outcome);
    } else if (outcome->status == PDR_OK) {
        /* Where it began, so that what a cut connection swallows before the first event is not lost either. */
        bool knows = pdr_value_uint(pdr_value_get(outcome->result, "seq"), &watch->after);
        watch->has_after |= knows;
    } else if (c->is_closing || is_final(outcome->status)) {
        end(watch, outcome);
    } else if (c->home.state == LINK_OPEN) {
        if (outcome->status == PDR_DEADLINE) {
            tell_unwatch(c, address_of(watch)); /* it may have begun all the same, and is asked for anew */
        }
        ask_later(watch);
    } /* else the next connection asks */
}

static enum pdr_status ask(struct watch *watch)
{
    pdr_writer args = {0};
    pdr_write_array(&args, 2);
    pdr_write_str(&args, address_of(watch));
    pdr_write_map(&args, watch->has_after ? 2 : 1);
    pdr_write_cstr(&args, "seq");
    pdr_write_bool(&args, true);
    if (watch->has_after) {
        pdr_write_cstr(&args, "after");
        pdr_write_uint(&args, watch->after);
    }
    timer_cancel(&watch->client->wheel, &watch->again);
    enum pdr_status status =
        pdr_client_call(watch->client, pdr_str("_sys/conn"), "watch", pdr_written(&args), NULL, on_answer, watch);
    watch->asking = status == PDR_OK;
    pdr_writer_release(&args);
    return status;
}

static void ask_or_later(struct watch *watch)
{
    if (!watch->asking && ask(watch) != PDR_OK) {
        ask_later(watch);
    }
}

static void again_fired(struct timer *timer)
{
    struct watch *watch = LIST_ITEM(timer, struct watch, again);
    if (watch->client->home.state == LINK_OPEN) {
        ask_or_later(watch);
    } /* else the next connection asks */
}

void watches_ask(struct pdr_client *c)
{
    for (struct list *at = c->watches.next; at != &c->watches; at = at->next) {
        ask_or_later(LIST_ITEM(at, struct watch, node));
    }
}

/* Events. */

void watches_take(struct pdr_client *c, const struct frame *frame)
{
    struct watch *watch = find(c, frame->target);
    uint64_t seq = 0;
    if (watch == NULL) {
        return; /* it was on its way when nobody wanted it any more */
    }
    if (pdr_value_uint(pdr_value_at(frame->args, 1), &seq)) {
        watch->after = seq;
        watch->has_after = true;
    }
    watch->event(watch->user, pdr_value_at(frame->args, 0), seq);
}

void watches_end(struct pdr_client *c)
{
    struct pdr_outcome outcome = {.status = PDR_CANCELLED,
                                  .code = pdr_str(pdr_status_wire(PDR_CANCELLED)),
                                  .message = pdr_str("the client was closed")};
    while (!list_empty(&c->watches)) {
        end(LIST_ITEM(c->watches.next, struct watch, node), &outcome);
    }
}

/* include/perdure/client.h */

enum pdr_status pdr_client_watch(pdr_client *c, struct pdr_bytes to, const struct pdr_watch_options *options,
                                 pdr_event_cb event, pdr_outcome_cb ended, void *user)
{
    struct pdr_ref ref;
    const char *why;
    if (pdr_ref_parse(to, &ref, &why) != PDR_OK) {
        return client_refuse(c, PDR_INVALID, why);
    }
    if (find(c, to) != NULL) {
        return client_refuse(c, PDR_INVALID, "this client watches that actor already");
    }
    if (c->watch_count == PDR_WATCHES_MAX) {
        return client_refuse(c, PDR_OVERLOADED, "a client watches at most 1024 actors (PDR_WATCHES_MAX)");
    }
    struct watch *watch = mem_new(sizeof *watch + to.size);
    *watch = (struct watch){.client = c, .event = event, .ended = ended, .user = user, .size = to.size};
    memcpy(watch->address, to.data, to.size);
    timer_init(&watch->again, again_fired);
    if (options != NULL && options->after != NULL) {
        watch->has_after = true;
        watch->after = *options->after;
    }
    enum pdr_status status = ask(watch);
    if (status != PDR_OK) {
        mem_free(watch);
        return status;
    }
    list_push_back(&c->watches, &watch->node);
    c->watch_count++;
    return PDR_OK;
}

void pdr_client_unwatch(pdr_client *c, struct pdr_bytes to)
{
    struct watch *watch = find(c, to);
    if (watch == NULL) {
        return;
    }
    take_out(watch);
    tell_unwatch(c, to);
    watch->unwanted = true;
    if (!watch->asking) {
        mem_free(watch);
    }
}
