/* net/client/client.c: calls: taken, written, answered or ended, each exactly once (include/perdure/client.h). */
#include "net/client/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <perdure/ref.h>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/system_type.h"
#include "core/env/clock.h"
#include "net/client/client_parts.h"
#include "net/wire/codec.h"
#include "net/wire/rpc.h"

#define OUTSTANDING_MAX 65536u
#define CONNECT_TIMEOUT_MS 5000u
#define NODE_DEFAULT "127.0.0.1:7077"

/* The end of a call. */

static void give_slot(struct pdr_client *c, struct slot *slot)
{
    slot->link->calls--;
    if (slot->is_detour) {
        detour_ended(c, slot);
    }
    client_session_ended(c, slot);
    slots_give(&c->slots, slot);
}

void client_end_call(struct pdr_client *c, struct slot *slot, const struct pdr_outcome *outcome)
{
    pdr_outcome_cb cb = slot->cb;
    void *user = slot->user;
    timer_cancel(&c->wheel, &slot->deadline);
    slot->cb = NULL;
    give_slot(c, slot);
    cb(user, outcome);
}

void client_fail_call(struct pdr_client *c, struct slot *slot, enum pdr_status status, const char *text)
{
    if (text != c->text) {
        snprintf(c->text, sizeof c->text, "%s", text);
    }
    struct pdr_outcome outcome = {
        .status = status, .code = pdr_str(pdr_status_wire(status)), .message = pdr_str(c->text)};
    client_end_call(c, slot, &outcome);
}

/* Callbacks may make new calls, which are not ended: they are unsent, and of a batch that has not left. */
void client_fail_calls(struct pdr_client *c, const struct link *link, enum pdr_status status, const char *text)
{
    uint64_t batch_end = link->batch;
    uint32_t count = c->slots.touched;
    for (uint32_t i = 0; i < count; i++) {
        struct slot *slot = &c->slots.table[i];
        if (slot->cb != NULL && slot->link == link && slot->batch < batch_end && !slot->is_held) {
            client_fail_call(c, slot, status, text);
        }
    }
}

/* Those that callbacks make meanwhile are refused. */
static void cancel_calls(struct pdr_client *c)
{
    for (uint32_t i = 0; i < c->slots.touched; i++) {
        if (c->slots.table[i].cb != NULL) {
            client_fail_call(c, &c->slots.table[i], PDR_CANCELLED, "the client was closed");
        }
    }
}

static void deadline_fired(struct timer *timer)
{
    struct slot *slot = LIST_ITEM(timer, struct slot, deadline);
    struct pdr_client *c = slot->client;
    const struct link *link = slot->link;
    bool leaves = link_is_usable(link); /* with this turn */
    bool sent = c->session.wanted ? slot->sent : !slot->is_held && (slot->batch < link->batch || leaves);
    if (sent) {
        snprintf(c->text, sizeof c->text, "no answer from %s within %" PRIu64 " ms; the call may have been applied",
                 link->address, slot->deadline_ms);
    } else {
        snprintf(c->text, sizeof c->text, "no connection to %s for %" PRIu64 " ms%s%s%s; the call was not sent",
                 link->address, slot->deadline_ms, link->why[0] != '\0' ? " (" : "", link->why,
                 link->why[0] != '\0' ? ")" : "");
    }
    client_fail_call(c, slot, sent ? PDR_DEADLINE : PDR_UNAVAILABLE, c->text);
}

/* The beginning of a call. */

/* What would be read as something else at the other end, or end the connection, is not sent. */
static enum pdr_status check(struct pdr_client *c, struct pdr_bytes to, struct pdr_bytes method, struct pdr_bytes args,
                             struct pdr_ref *ref)
{
    const char *why;
    if (pdr_ref_parse(to, ref, &why) != PDR_OK) {
        return client_refuse(c, PDR_INVALID, why);
    }
    if (method.size == 0 || method.size > PDR_METHOD_SIZE_MAX || memchr(method.data, '.', method.size) != NULL) {
        return client_refuse(c, PDR_INVALID, "a method's name has 1 to 64 characters and no '.'");
    }
    if (rpc_check_args(args, &why) != PDR_OK) {
        return client_refuse(c, PDR_TOO_LARGE, why);
    }
    if (args.size > 0 && (pdr_value_kind(args) != PDR_KIND_ARRAY ||
                          pdr_value_skip(args.data, args.size, LIMIT_DEPTH_MAX) != (int64_t)args.size)) {
        return client_refuse(c, PDR_INVALID, "the arguments must be one encoded array, or empty");
    }
    return PDR_OK;
}

static enum pdr_status check_room(struct pdr_client *c, const struct link *link)
{
    if (link_unsent(link) + c->session.kept_bytes > LIMIT_UNSENT_BYTES_MAX) {
        return client_refuse(c, PDR_OVERLOADED, "8388608 bytes wait to be sent to the node (limit unsent_bytes_max)");
    }
    return PDR_OK;
}

/* Takes back what did not fit memory. */
static enum pdr_status check_written(struct pdr_client *c, pdr_writer *out, size_t size_before)
{
    if (!out->failed) {
        return PDR_OK;
    }
    out->size = size_before;
    out->failed = false;
    return client_refuse(c, PDR_OVERLOADED, "this process has no memory for the call");
}

static enum pdr_status write_call(struct pdr_client *c, struct slot *slot, pdr_writer *out, struct pdr_bytes to,
                                  struct pdr_bytes method, struct pdr_bytes args)
{
    size_t before = out->size;
    uint32_t msgid = slots_msgid(&c->slots, slot);
    if (c->session.wanted) {
        bool is_kept = client_session_call(c, slot, to, method, args);
        enum pdr_status status = check_written(c, out, before);
        return is_kept ? status : client_refuse(c, PDR_OVERLOADED, "this process has no memory for the call");
    }
    slot->within = slot->deadline_ms != c->deadline_ms && !link_is_addressed(to);
    if (slot->within) {
        codec_request_within(out, msgid, to, method, args, slot->deadline_ms);
    } else {
        codec_request(out, msgid, to, method, args);
    }
    return check_written(c, out, before);
}

/* It is counted as its link's; on a detour, as that's. Returns where to write it. */
static pdr_writer *begin_call(struct pdr_client *c, struct slot *slot, struct link *link, uint64_t actor,
                              struct pdr_bytes to)
{
    struct detour *detour = detour_find(c, actor);
    slot->link = link;
    slot->batch = link->batch;
    slot->actor = actor;
    slot->is_detour = slot->is_held = false;
    link->calls++;
    return detour == NULL ? &link->out : detour_join(detour, slot, to);
}

/* System actors are the node's own. */
static struct link *choose(struct pdr_client *c, const struct pdr_ref *ref, uint64_t *actor)
{
    bool is_system = type_is_system(ref->type);
    *actor = SLOT_SYSTEM;
    return is_system ? &c->home : ways_choose(c, ref, actor);
}

enum pdr_status pdr_client_call(pdr_client *c, struct pdr_bytes to, const char *method, struct pdr_bytes args,
                                const struct pdr_call_options *options, pdr_outcome_cb cb, void *user)
{
    uint64_t deadline_ms = options != NULL && options->deadline_ms > 0 ? options->deadline_ms : c->deadline_ms;
    uint64_t actor;
    struct pdr_bytes name = pdr_str(method);
    struct pdr_ref ref;
    if (c->is_closing) {
        return client_refuse(c, PDR_CANCELLED, "the client is being closed");
    }
    if (deadline_ms > PDR_DEADLINE_MS_MAX) {
        return client_refuse(c, PDR_INVALID, "a deadline is at most 86400000 ms (limit deadline_ms_max)");
    }
    enum pdr_status status = check(c, to, name, args, &ref);
    if (status != PDR_OK) {
        return status;
    }
    struct link *link = choose(c, &ref, &actor);
    status = check_room(c, link);
    if (status != PDR_OK) {
        return status;
    }
    struct slot *slot = slots_take(&c->slots);
    if (slot == NULL) {
        return client_refuse(c, PDR_OVERLOADED, "too many calls have no answer yet (option outstanding_max)");
    }
    slot->deadline_ms = deadline_ms;
    pdr_writer *out = begin_call(c, slot, link, actor, to);
    status = out != NULL ? write_call(c, slot, out, to, name, args)
                         : client_refuse(c, PDR_CANCELLED, "the client is being closed");
    if (status != PDR_OK) {
        give_slot(c, slot);
        return status;
    }
    c->is_active = true;
    slot->client = c;
    slot->cb = cb;
    slot->user = user;
    slot->deadline.fire = deadline_fired;
    timer_set(&c->wheel, &slot->deadline, loop_now_ns(c->loop) + deadline_ms * NS_PER_MS);
    return PDR_OK;
}

enum pdr_status pdr_client_tell(pdr_client *c, struct pdr_bytes to, const char *method, struct pdr_bytes args)
{
    struct pdr_bytes name = pdr_str(method);
    struct pdr_ref ref;
    uint64_t actor;
    if (!link_is_usable(ways_default(c))) {
        return client_refuse(c, PDR_UNAVAILABLE, "there is no connection to the node");
    }
    enum pdr_status status = check(c, to, name, args, &ref);
    if (status != PDR_OK) {
        return status;
    }
    struct link *link = choose(c, &ref, &actor);
    if (!link_is_usable(link)) {
        return client_refuse(c, PDR_UNAVAILABLE, "there is no connection to the node");
    }
    status = check_room(c, link);
    if (status != PDR_OK) {
        return status;
    }
    size_t before = link->out.size;
    codec_notification(&link->out, to, name, args);
    return check_written(c, &link->out, before);
}

uint32_t pdr_client_outstanding(const pdr_client *c)
{
    return c->slots.outstanding;
}

const char *pdr_client_refusal(const pdr_client *c)
{
    return c->refusal;
}

/* The loop. */

static void on_timer(void *user)
{
    struct pdr_client *c = user;
    timerwheel_advance(&c->wheel, loop_now_ns(c->loop));
}

static bool on_before_sleep(void *user)
{
    struct pdr_client *c = user;
    client_flush(c);
    loop_set_timer(c->loop, timerwheel_next_ns(&c->wheel));
    return false;
}

/* Opening and closing. */

static enum pdr_status set_options(struct pdr_client *c, const struct pdr_client_options *options, uint32_t *slots_max,
                                   const char **why)
{
    const char *node = options->node != NULL ? options->node : getenv("PERDURE_NODE");
    node = node != NULL && node[0] != '\0' ? node : NODE_DEFAULT;
    c->deadline_ms = options->deadline_ms > 0 ? options->deadline_ms : PDR_DEADLINE_MS_DEFAULT;
    c->connect_timeout_ms = options->connect_timeout_ms > 0 ? options->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    c->session.wanted = options->session;
    c->skips_map = options->one_connection;
    *slots_max = options->outstanding_max > 0 ? options->outstanding_max : LIMIT_OUTSTANDING_MAX;
    if (c->deadline_ms > PDR_DEADLINE_MS_MAX || c->connect_timeout_ms > PDR_DEADLINE_MS_MAX) {
        *why = "the options deadline_ms and connect_timeout_ms are at most 86400000";
        return PDR_INVALID;
    }
    if (*slots_max > OUTSTANDING_MAX) {
        *why = "the option outstanding_max is at most 65536";
        return PDR_INVALID;
    }
    if (c->session.wanted && *slots_max > SESSION_NUMBERS_MAX) {
        *why = "under a session the option outstanding_max is at most 4096 (limit session_span)";
        return PDR_INVALID;
    }
    return nodes_read(&c->nodes, node, why);
}

static void client_free(struct pdr_client *c)
{
    slots_release(&c->slots);
    ways_release(c);
    link_release(&c->home);
    mem_free(c);
}

/* The last thing that happens to a client. */
static void say_goodbye(struct message *message)
{
    struct pdr_client *c = LIST_ITEM(message, struct pdr_client, goodbye);
    struct loop *loop = c->loop;
    struct transport *transport = c->transport;
    void (*release_world)(struct loop *, struct transport *, void (*)(void *), void *) = c->release_world;
    void (*closed)(void *) = c->closed;
    void *user = c->closed_user;
    loop_own(loop, NULL, NULL, NULL);
    loop_set_timer(loop, LOOP_NEVER);
    client_free(c);
    if (release_world != NULL) {
        release_world(loop, transport, closed, user);
    } else if (closed != NULL) {
        closed(user);
    }
}

enum pdr_status client_open_on(struct loop *loop, struct transport *transport, const struct pdr_client_options *options,
                               uint64_t seed, pdr_client **out, const char **why)
{
    static const struct pdr_client_options defaults;
    uint32_t slots_max;
    struct pdr_client *c = mem_new(sizeof *c);
    enum pdr_status status = set_options(c, options != NULL ? options : &defaults, &slots_max, why);
    if (status != PDR_OK) {
        mem_free(c);
        return status;
    }
    c->loop = loop;
    c->transport = transport;
    c->refusal = "";
    c->goodbye.deliver = say_goodbye;
    timerwheel_init(&c->wheel, loop_now_ns(loop));
    link_init(&c->home, c, seed);
    client_session_init(c);
    slots_init(&c->slots, slots_max, c->session.wanted);
    list_init(&c->watches);
    campaigns_init(c, rng_next(&c->home.backoff.rng));
    ways_init(c);
    map_ask_init(c);
    if (!home_connect(c, why)) {
        client_free(c);
        return PDR_INVALID;
    }
    map_ask_start(c);
    loop_own(loop, c, on_timer, on_before_sleep);
    loop_set_timer(loop, timerwheel_next_ns(&c->wheel));
    *out = c;
    return PDR_OK;
}

static bool has_stream(const struct pdr_client *c)
{
    bool has = c->home.stream != NULL;
    for (uint32_t i = 0; !has && i < c->owner_count; i++) {
        has = c->owners[i]->stream != NULL;
    }
    return has;
}

void client_link_closed(struct pdr_client *c)
{
    if (!has_stream(c)) {
        loop_post(c->loop, &c->goodbye);
    }
}

void pdr_client_close(pdr_client *c, void (*closed)(void *user), void *user)
{
    CHECK(!c->is_closing); /* closed twice */
    client_flush(c);
    c->is_closing = true;
    c->closed = closed;
    c->closed_user = user;
    timer_cancel(&c->wheel, &c->map_timer);
    timer_cancel(&c->wheel, &c->session.again);
    bool waits = link_close(&c->home);
    for (uint32_t i = 0; i < c->owner_count; i++) {
        waits |= link_close(c->owners[i]);
    }
    if (!waits) {
        loop_post(c->loop, &c->goodbye);
    }
    cancel_calls(c);
    watches_end(c);
    campaigns_end(c);
}

void client_discard(pdr_client *c)
{
    c->is_closing = true;
    timer_cancel(&c->wheel, &c->home.timer);
    for (uint32_t i = 0; i < c->owner_count; i++) {
        timer_cancel(&c->wheel, &c->owners[i]->timer);
    }
    cancel_calls(c);
    watches_end(c);
    campaigns_end(c);
    loop_own(c->loop, NULL, NULL, NULL);
    client_free(c);
}

/* For those who give it a world. */

void client_set_release(pdr_client *c, void (*release_world)(struct loop *loop, struct transport *transport,
                                                             void (*closed)(void *user), void *user))
{
    c->release_world = release_world;
}

void client_on_change(pdr_client *c, void (*changed)(void *user), void *user)
{
    c->changed = changed;
    c->changed_user = user;
}

void client_flush(pdr_client *c)
{
    client_session_acknowledge(c);
    link_flush(&c->home);
    for (uint32_t i = 0; i < c->owner_count; i++) {
        link_flush(c->owners[i]);
    }
}

bool client_is_connected(const pdr_client *c)
{
    return c->home.state == LINK_OPEN;
}

const char *client_address(const pdr_client *c)
{
    return c->nodes.text;
}

const char *client_why(const pdr_client *c)
{
    return c->is_all_tried ? c->home.why : "";
}

bool client_is_flushed(const pdr_client *c)
{
    uint64_t unsent = link_unsent(&c->home);
    for (uint32_t i = 0; i < c->owner_count; i++) {
        unsent += link_unsent(c->owners[i]);
    }
    return unsent == 0;
}
