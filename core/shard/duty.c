/* core/shard/duty.c: maps to duties: which shards are opened, released, closed; and calls at the door. */
#include "core/shard/duty.h"

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/cluster_map.h"
#include "core/shard/apply.h"
#include "core/shard/commit.h"
#include "core/shard/duty_parts.h"
#include "core/shard/install.h"
#include "core/shard/lease.h"
#include "core/shard/mailbox.h"
#include "core/shard/replicas.h"
#include "core/shard/tells.h"
#include "core/shard/turn.h"

/* Shards. */

static struct duty *duty_new(struct core *core, struct shard *shard)
{
    struct duty *duty = mem_new(sizeof *duty);
    duty->core = core;
    duty->shard = shard;
    list_init(&duty->node);
    list_init(&duty->waiting);
    list_init(&duty->parked);
    list_init(&duty->leaving);
    return duty;
}

struct shard *shard_new(struct core *core, uint32_t id)
{
    struct shard *shard = mem_new(sizeof *shard);
    shard->id = id;
    list_init(&shard->gate);
    session_table_init(&shard->sessions, id, &core->session_names);
    return shard;
}

void shards_grow(struct core *core, uint32_t count)
{
    static const struct keys_meta none;
    uint32_t first = core->shard_count;
    core->shards = mem_grow(core->shards, count * sizeof(struct shard *));
    memset(core->shards + first, 0, (count - first) * sizeof(struct shard *));
    core->shard_count = count;
    apply_grow(core->apply, count);
    for (uint32_t id = first; id < count; id++) {
        if (id % core->core_count != core->index) {
            continue;
        }
        struct shard *shard = shard_new(core, id);
        shard->state = core->is_member ? DUTY_CLOSED : DUTY_OPEN;
        shard->rid = first > 0 ? rng_next(&core->rng) | 1 : 0; /* else recovery gives it one */
        shard->duty = core->is_member ? duty_new(core, shard) : NULL;
        core->shards[id] = shard;
        apply_shard(core->apply, id, shard->gen, &none);
    }
}

void shards_free(struct core *core)
{
    for (uint32_t id = 0; id < core->shard_count; id++) {
        if (core->shards[id] != NULL) {
            if (core->shards[id]->duty != NULL) {
                install_discard(core->shards[id]->duty);
            }
            history_release(&core->shards[id]->history);
            mem_free(core->shards[id]->duty);
            mem_free(core->shards[id]);
        }
    }
    mem_free(core->shards);
}

/* Maps. */

/* R43: of two rows the one with the higher cv is newer; an epoch is served once, from its beginning (R34). */
static void take_row(struct core *core, struct shard *shard, const struct cluster_owner *row, struct list *closed)
{
    struct duty *duty = shard->duty;
    CHECK(duty != NULL);
    if (row->cv < duty->cv || row->epoch <= shard->epoch) {
        return;
    }
    duty->cv = row->cv;
    duty->epoch = row->node == core->map->self ? row->epoch : 0;
    if (shard->state == DUTY_CLOSED && duty->install == NULL && duty->epoch > 0) {
        duty_open(duty);
    } else if (shard->state == DUTY_CLOSING && duty->epoch == 0) {
        duty_send_away(duty, false);
    } else if (shard->state != DUTY_CLOSED && shard->state != DUTY_CLOSING) {
        list_remove(&duty->node);
        list_push_back(closed, &duty->node);
    }
}

static void take_row_of(struct core *core, uint32_t id, struct list *closed)
{
    struct shard *shard = core->shards[id];
    switch (replicas_take_row(core, shard, cluster_map_row(core->map, id))) {
    case REPLICAS_NO:
        take_row(core, shard, &core->map->owners[id], closed);
        break;
    case REPLICAS_CLOSE:
        shard->duty->epoch = 0;
        list_remove(&shard->duty->node);
        list_push_back(closed, &shard->duty->node);
        core->rows_wait = true;
        break;
    case REPLICAS_LATER:
        core->rows_wait = true;
        break;
    case REPLICAS_TAKEN:
        if (!cluster_map_is_here(core->map, id) && shard->duty->epoch == 0 && shard->state != DUTY_OPENING) {
            duty_send_away(shard->duty, false); /* it was to be led here, and is not any more */
        }
        break;
    }
}

static void take_rows(struct core *core)
{
    const struct cluster_map *map = core->map;
    if (core->frozen) {
        return;
    }
    if (map->owner_count > core->shard_count && !core->applying) { /* a step has pointers into what grows */
        CHECK(map->owner_count <= CORE_SHARDS_MAX);
        shards_grow(core, map->owner_count);
    }
    core->rows_wait = false;
    uint32_t count = map->owner_count < core->shard_count ? map->owner_count : core->shard_count;
    struct list closed;
    list_init(&closed);
    for (uint32_t id = core->index; id < count; id += core->core_count) {
        take_row_of(core, id, &closed);
    }
    if (!list_empty(&closed)) {
        duty_close(core, &closed);
    }
    replicas_settle(core);
}

void core_take_map(struct core *core, const struct cluster_map *map)
{
    CHECK(core->is_member && map->self == core->map->self && map->cores == core->map->cores);
    core->map = map;
    if (core->world.journal != NULL) { /* the control core only routes by it */
        take_rows(core);
    }
    if (core->world.map_taken != NULL) {
        core->world.map_taken(core->world.router, core);
    }
}

struct map_message {
    struct message message;
    struct core *core;
    const struct cluster_map *map;
    void (*used)(void *user, struct core *core, const struct cluster_map *map);
    void *user;
};

static void map_arrived(struct message *message)
{
    struct map_message *m = LIST_ITEM(message, struct map_message, message);
    const struct cluster_map *old = m->map;
    if (!m->core->dead) {
        old = m->core->map;
        core_take_map(m->core, m->map);
    }
    m->used(m->user, m->core, old);
    mem_free(m);
}

void core_post_map(struct core *core, const struct cluster_map *map,
                   void (*used)(void *user, struct core *core, const struct cluster_map *map), void *user)
{
    struct map_message *m = mem_new(sizeof *m);
    *m =
        (struct map_message){.message = {.deliver = map_arrived}, .core = core, .map = map, .used = used, .user = user};
    loop_post(core->world.loop, &m->message);
}

void duty_begin(struct core *core, struct shard *shard)
{
    struct duty *duty = shard->duty;
    if (shard->state == DUTY_CLOSED && duty->install == NULL) {
        duty_open(duty);
    } /* else when that is over */
}

void duty_give_up(struct core *core, struct shard *shard)
{
    struct duty *duty = shard->duty;
    struct list closed;
    list_init(&closed);
    if (shard->state == DUTY_CLOSING) {
        duty_send_away(duty, false);
    } else if (shard->state != DUTY_CLOSED) {
        list_remove(&duty->node);
        list_push_back(&closed, &duty->node);
        duty_close(core, &closed);
    }
}

/* Released: for a move that is planned. */

static void look_again(struct timer *timer) {} /* that there is a tick is all */

void shard_release(struct core *core, uint32_t id, void (*done)(void *user, uint32_t shard, enum pdr_status status),
                   void *user)
{
    struct shard *shard = id < core->shard_count ? core->shards[id] : NULL;
    if (!core->is_member || shard == NULL || shard->state != DUTY_OPEN || core->frozen) {
        done(user, id, PDR_INVALID);
        return;
    }
    struct duty *duty = shard->duty;
    shard->state = DUTY_RELEASING;
    tells_pause(core, shard);
    duty->released = done;
    duty->released_user = user;
    duty->at_ns = core_now_ns(core) + SHARD_RELEASE_MS * NS_PER_MS;
    list_push_back(&core->changing, &duty->node);
    if (!timer_is_set(&core->duty_timer) && shard->copy == NULL) {
        timer_init(&core->duty_timer, look_again);
        timer_set(&core->wheel, &core->duty_timer, duty->at_ns);
    }
}

static void go_on(struct duty *duty, enum pdr_status status)
{
    struct core *core = duty->core;
    void (*released)(void *, uint32_t, enum pdr_status) = duty->released;
    duty->released = NULL;
    duty->shard->state = DUTY_OPEN;
    list_remove(&duty->node);
    list_splice(&core->runnable, &duty->parked);
    tells_resume(core, duty->shard);
    core_take_lease(core, core->lease_until_ns); /* reads that ran before it was released may leave again */
    if (released != NULL) {
        released(duty->released_user, duty->shard->id, status);
    }
    duty_let_in(duty);
}

void shard_resume(struct core *core, uint32_t id)
{
    struct shard *shard = id < core->shard_count ? core->shards[id] : NULL;
    if (shard != NULL && (shard->state == DUTY_RELEASING || shard->state == DUTY_RELEASED)) {
        go_on(shard->duty, PDR_CANCELLED);
    }
}

static bool has_any(const struct list *turns, const struct shard *shard)
{
    for (const struct list *node = turns->next; node != turns; node = node->next) {
        if (LIST_ITEM(node, struct turn, node)->activation->shard == shard) {
            return true;
        }
    }
    return false;
}

bool duty_has_turns(const struct core *core, const struct shard *shard)
{
    return has_any(&core->waiting, shard) || has_any(&core->ready, shard);
}

static void released(struct duty *duty)
{
    void (*done)(void *, uint32_t, enum pdr_status) = duty->released;
    duty->released = NULL;
    duty->shard->state = DUTY_RELEASED;
    list_remove(&duty->node);
    done(duty->released_user, duty->shard->id, PDR_OK);
}

void duty_end_release(struct core *core, struct shard *shard)
{
    released(shard->duty);
}

static void release_step(struct duty *duty)
{
    struct core *core = duty->core;
    struct shard *shard = duty->shard;
    bool is_drained = shard->commit_seq == shard->last_seq && list_empty(&shard->gate) && !duty_has_turns(core, shard);
    if (is_drained) {
        released(duty);
    } else if (shard->copy != NULL) {
        return; /* how long that may take its machine knows */
    } else if (core_now_ns(core) >= duty->at_ns) {
        go_on(duty, PDR_DEADLINE);
    } else if (!timer_is_set(&core->duty_timer)) {
        timer_set(&core->wheel, &core->duty_timer, duty->at_ns);
    }
}

/* Each tick. */

void duty_go_on(struct core *core)
{
    if (core->frozen || core->world.journal == NULL) {
        return;
    }
    if (core->map->owner_count > core->shard_count || core->rows_wait) {
        take_rows(core);
    }
    for (struct list *node = core->changing.next, *next; node != &core->changing; node = next) {
        struct duty *duty = LIST_ITEM(node, struct duty, node);
        next = node->next;
        if (duty->shard->state == DUTY_RELEASING) {
            release_step(duty);
        } else if (duty->shard->state == DUTY_OPENING) {
            duty_open_step(duty);
        } else if (duty->install != NULL) {
            install_step(duty);
        } else if (duty_close_step(duty) && duty->epoch > 0) {
            duty_open(duty);
        }
    }
}

/* Those of a shard that stands still: nobody may say any more what becomes of it. */
static void send_parked_away(struct duty *duty)
{
    for (struct list *node = duty->parked.next; node != &duty->parked; node = node->next) {
        struct activation *a = LIST_ITEM(node, struct activation, node);
        struct call *call;
        while ((call = mailbox_pop(a)) != NULL) {
            call_fail(call, PDR_UNAVAILABLE, "the node is stopping");
            call_finish(call);
        }
    }
}

void duty_stop(struct core *core)
{
    lease_stop(core);
    for (uint32_t id = 0; id < core->shard_count; id++) {
        if (core->shards[id] != NULL) {
            send_parked_away(core->shards[id]->duty);
            duty_send_away(core->shards[id]->duty, true);
        }
    }
}

void duty_discard(struct core *core)
{
    struct list *node;
    for (uint32_t id = 0; core->is_member && id < core->shard_count; id++) {
        while (core->shards[id] != NULL && (node = list_pop(&core->shards[id]->duty->waiting)) != NULL) {
            struct call *call = LIST_ITEM(node, struct call, node);
            timer_cancel(&core->wheel, &call->timer);
            call_discard(call);
        }
    }
}

/* Calls and activations of shards that are not open. */

static bool is_waited_for(const struct call *call)
{
    return call->chain_count > 0;
}

static bool has_nested(const struct activation *a)
{
    const struct call *call = NULL;
    while ((call = mailbox_next(a, call)) != NULL) {
        if (is_waited_for(call)) {
            return true;
        }
    }
    return false;
}

/* While a shard is released, what its own turns call runs, or they would never end. */
static bool enters_released(struct duty *duty, struct call *call)
{
    struct core *core = duty->core;
    if (call->kind != CALL_ACTOR || call->tell.role != TELL_NONE) {
        duty_wait(duty, call);
        return false;
    }
    if (is_waited_for(call) && duty->shard->state == DUTY_RELEASING) {
        struct activation *a = activation_find(core, call->address, activation_hash(call->address));
        for (struct list *node = duty->parked.next; a != NULL && node != &duty->parked; node = node->next) {
            if (node == &a->node) {
                list_remove(node);
                list_push_back(&core->runnable, node);
                break;
            }
        }
    }
    return true;
}

/* Of several copies a machine says when: until then calls stay here, in their order. */
static bool is_to_be_open(const struct core *core, const struct shard *shard)
{
    bool is_shared = shard->copy != NULL && cluster_map_is_here(core->map, shard->id);
    return shard->state == DUTY_OPENING || shard->duty->epoch > 0 || is_shared;
}

bool duty_admits(struct core *core, struct call *call)
{
    struct shard *shard = call->shard < core->shard_count ? core->shards[call->shard] : NULL;
    if (shard != NULL && shard->state == DUTY_OPEN) {
        shard->arrived++;
        return true;
    }
    if (core->frozen) {
        call_fail(call, PDR_UNAVAILABLE, "the node is stopping");
        call_finish(call);
        return false;
    }
    if (shard != NULL && shard_serves(shard)) {
        return enters_released(shard->duty, call);
    }
    if (shard != NULL && is_to_be_open(core, shard) && !core->stopping) {
        duty_wait(shard->duty, call);
    } else {
        turn_abandon(call, false);
        call_finish(call);
    }
    return false;
}

bool duty_parks(struct activation *a)
{
    const struct shard *shard = a->shard;
    if (shard->state == DUTY_CLOSING || (shard->state == DUTY_RELEASING && has_nested(a))) {
        return false;
    }
    list_push_back(&shard->duty->parked, &a->node);
    return true;
}

struct call *duty_pop(struct activation *a)
{
    struct call *call = NULL;
    while (a->shard->state == DUTY_RELEASING && (call = mailbox_next(a, call)) != NULL) {
        if (!is_waited_for(call)) {
            continue;
        }
        if (mailbox_take(a, call)) {
            return call;
        }
        call = NULL; /* it was too late, and is gone: from the beginning */
    }
    return NULL;
}

void duty_leave(struct activation *a)
{
    list_remove(&a->node);
    list_push_back(&a->shard->duty->leaving, &a->node);
}

void duty_gone(struct shard *shard)
{
    shard->duty->left--;
}
