/* core/shard/session_home.c: sessions at their home shard: opened, taken over, and over (R80, R82). */
#include "core/base/check.h"
#include "core/base/hash_bytes.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/cluster_map.h"
#include "core/shard/commit.h"
#include "core/shard/duty.h"
#include "core/shard/lease.h"
#include "core/shard/sessions_parts.h"

#define DROPS_A_TIME 64u
#define AGAIN_MS 500u /* the disk is full, or behind */
/* When a shard comes from elsewhere connections may have its sessions of which it knows nothing, and calls of theirs
 * may run: they must be heard of, or over, before a session may end. */
#define OPENED_IDLE_MS_MIN 120000u

static void idle_fired(struct timer *timer);
static void begin_drops(struct core *core, uint64_t delay_ms);

static void begin_idle_after(struct core *core, struct session_home *home, uint64_t idle_ms)
{
    home->core = core;
    home->idle.fire = idle_fired; /* it may be set: good-byes come twice, or from who was never counted */
    timer_set(&core->wheel, &home->idle, core_now_ns(core) + idle_ms * NS_PER_MS);
}

static void begin_idle(struct core *core, struct session_home *home)
{
    begin_idle_after(core, home, core->limits.session_idle_ms);
}

/* Somebody on another node has it, and says so again and again: to count would be to trust that good-byes come. */
static void touch(struct core *core, struct session_home *home)
{
    if (home->holders == 0) {
        timer_cancel(&core->wheel, &home->idle);
        begin_idle(core, home);
    }
}

/* A count begins anew each time the shard is opened: who was counted before has nothing to be counted off. */
static uint64_t life_of(const struct shard *shard)
{
    return shard->life + 1ull;
}

static void hold(struct core *core, struct session_home *home, struct call *call)
{
    if (call->from_node == 0) {
        call->session.held_life = life_of(core->shards[call->shard]);
        timer_cancel(&core->wheel, &home->idle);
        home->holders++;
    } else {
        touch(core, home);
    }
    home->holder_node = call->from_node;
    home->holder_life = call->from_life;
    home->holder_core = call->home;
    home->holder = call->session.n;
}

static void reply_id(struct call *call, const struct session_id *id)
{
    uint8_t bytes[SESSION_ID_SIZE];
    session_id_encode(bytes, id);
    pdr_write_bin(&call->reply, pdr_bytes(bytes, sizeof bytes));
}

/* Open. */

static void opened(struct gate_wait *wait, enum pdr_status status)
{
    struct call *call = LIST_ITEM(wait, struct call, gate);
    if (status != PDR_OK) {
        pdr_writer_clear(&call->reply);
        call_fail(call, status, "the session could not be made durable");
    }
    call_finish(call); /* the entry vouches for it */
}

static struct session_id new_id(struct core *core, const struct shard *shard)
{
    uint64_t drawn[] = {rng_next(&core->rng), shard->id, shard->epoch, shard->last_seq};
    return (struct session_id){shard->id, shard->epoch, shard->last_seq + 1,
                               hash_bytes(pdr_bytes(drawn, sizeof drawn), core->session_secret)};
}

static void open_session(struct core *core, struct shard *shard, struct call *call)
{
    struct rows rows = {0};
    if (core->session_homes >= core->limits.sessions_max) {
        core->stats.overloaded++;
        call->retry_ms = 1000;
        call_fail(call, PDR_OVERLOADED, "too many sessions are open (limit sessions = %u a core)",
                  core->limits.sessions_max);
    }
    if (call->status != PDR_OK || commit_admits(core, shard, call) != PDR_OK) {
        call_finish(call);
        return;
    }
    struct session_id id = new_id(core, shard);
    session_put_home(&rows, &id);
    uint64_t seq = commit_rows(core, shard, NULL, NULL, &rows);
    CHECK(seq == id.seq);
    hold(core, session_find(&shard->sessions, &id)->home, call);
    reply_id(call, &id);
    call->state = CALL_GATED;
    call->gate.open = opened;
    CHECK(commit_gate(shard, &call->gate, seq));
}

/* Resumed: the newest connection has it; the one before is told. */

struct notice {
    struct message message;
    struct core *core; /* whose it is now */
    struct session_id id;
    struct core *holder_core;
    struct session_holder holder;
};

static void post(struct core *to, const struct notice *what, void (*deliver)(struct message *message))
{
    struct notice *notice = mem_new(sizeof *notice);
    *notice = *what;
    notice->core = to;
    notice->message.deliver = deliver;
    loop_post(to->world.loop, &notice->message);
}

static void taken(struct message *message)
{
    struct notice *notice = LIST_ITEM(message, struct notice, message);
    const struct core_world *world = &notice->core->world;
    if (!notice->core->dead && world->session_taken != NULL) {
        world->session_taken(world->flush_user, &notice->id, &notice->holder);
    }
    mem_free(notice);
}

static void resume_session(struct core *core, struct shard *shard, struct call *call)
{
    struct session *session = session_find(&shard->sessions, &call->session.id);
    call->is_leased = true;
    if (session == NULL || session->home == NULL) {
        call_fail(call, PDR_SESSION, "the session is unknown or over; what was unanswered under it may have happened");
        lease_finish(call);
        return;
    }
    struct session_home *home = session->home;
    if (home->holder_core != NULL) {
        struct session_holder holder = {home->holder_node, home->holder_life, home->holder};
        post(home->holder_core, &(struct notice){.id = session->name->id, .holder = holder}, taken);
    }
    hold(core, home, call);
    reply_id(call, &session->name->id);
    lease_finish(call);
}

static void touch_session(struct core *core, struct shard *shard, struct call *call)
{
    struct session *session = session_find(&shard->sessions, &call->session.id);
    if (session == NULL || session->home == NULL) {
        call_fail(call, PDR_SESSION, "the session is over");
    } else {
        touch(core, session->home);
    }
    call_finish(call);
}

void sessions_serve(struct core *core, struct call *call)
{
    struct shard *shard = core->shards[call->shard];
    CHECK(shard != NULL);
    call->is_read = true;
    switch (call->kind) {
    case CALL_SESSION_OPEN:
        open_session(core, shard, call);
        break;
    case CALL_SESSION_RESUME:
        resume_session(core, shard, call);
        break;
    case CALL_SESSION_TOUCH:
        touch_session(core, shard, call);
        break;
    default:
        sessions_tell_over(core, shard, call);
        break;
    }
}

static void left(struct message *message)
{
    struct notice *notice = LIST_ITEM(message, struct notice, message);
    struct core *core = notice->core;
    struct shard *shard = core->dead ? NULL : core->shards[notice->id.shard];
    bool is_ours = shard != NULL && life_of(shard) == notice->holder.life;
    struct session *session = is_ours ? session_find(&shard->sessions, &notice->id) : NULL;
    struct session_home *home = session != NULL ? session->home : NULL;
    if (home != NULL) {
        CHECK(home->holders > 0);
        home->holders--;
        if (home->holder_core == notice->holder_core && home->holder == notice->holder.number) {
            home->holder_core = NULL;
        }
        if (home->holders == 0) {
            begin_idle(core, home);
        }
    }
    mem_free(notice);
}

void sessions_leave(struct core *from, struct core *home, const struct session_id *id, uint64_t holder, uint64_t life)
{
    post(home, &(struct notice){.holder_core = from, .id = *id, .holder = {.number = holder, .life = life}}, left);
}

/* Over: the home forgets it first; when that is durable every shard does. */

struct session_over {
    struct gate_wait gate;
    struct core *core;
    struct shard *shard;
    struct session_id id;
};

bool sessions_is_over_in(struct core *core, struct shard *shard, const struct session_id *id)
{
    struct session *session = session_find(&shard->sessions, id);
    if (session == NULL || !session->has_part || session->over) {
        return false;
    }
    session_is_over(&shard->sessions, session);
    list_push_back(&core->sessions_over, &session->over_node);
    return true;
}

void sessions_begin_drops(struct core *core)
{
    begin_drops(core, 0);
}

static void begin_drops(struct core *core, uint64_t delay_ms)
{
    if (!timer_is_set(&core->session_timer) && !list_empty(&core->sessions_over)) {
        timer_set(&core->wheel, &core->session_timer, core_now_ns(core) + delay_ms * NS_PER_MS);
    }
}

static void is_over(struct message *message)
{
    struct notice *notice = LIST_ITEM(message, struct notice, message);
    struct core *core = notice->core;
    for (uint32_t id = 0; !core->dead && id < core->shard_count; id++) {
        if (core->shards[id] != NULL && sessions_is_over_in(core, core->shards[id], &notice->id)) {
            begin_drops(core, 0);
        }
    }
    mem_free(notice);
}

static void tell_all(struct core *core, const struct session_id *id)
{
    const struct core_world *world = &core->world;
    for (unsigned i = 0; i < world->core_count; i++) {
        post(world->cores[i], &(struct notice){.id = *id}, is_over);
    }
    if (world->core_count == 0) {
        post(core, &(struct notice){.id = *id}, is_over);
    }
}

/* Undone: it is there again, and tries to end again. */
static void revive(struct session_over *over)
{
    struct core *core = over->core;
    struct session *session = session_get(&over->shard->sessions, &over->id);
    session_open(&over->shard->sessions, session, over->id.seq);
    core->session_homes++;
    sessions_account(core, over->shard);
    begin_idle(core, session->home);
}

static void over_durable(struct gate_wait *wait, enum pdr_status status)
{
    struct session_over *over = LIST_ITEM(wait, struct session_over, gate);
    if (!over->core->dead && status != PDR_MOVED) {
        if (status == PDR_OK) {
            tell_all(over->core, &over->id);
        } else {
            revive(over);
        }
    }
    mem_free(over);
}

static bool may_commit(const struct core *core)
{
    return core->settled && !core->refusing && core->uncommitted_bytes < core->limits.uncommitted_bytes_max &&
           core->unapplied_bytes < core->limits.unapplied_bytes_max;
}

static void idle_fired(struct timer *timer)
{
    struct session_home *home = LIST_ITEM(timer, struct session_home, idle);
    struct core *core = home->core;
    struct shard *shard = core->shards[home->session->shard];
    if (core->frozen) {
        return;
    }
    if (!may_commit(core) || shard->state != DUTY_OPEN) {
        timer_set(&core->wheel, timer, core_now_ns(core) + AGAIN_MS * NS_PER_MS);
        return;
    }
    struct session_over *over = mem_new(sizeof *over);
    struct rows rows = {0};
    *over = (struct session_over){
        .core = core, .shard = shard, .id = home->session->name->id, .gate = {.open = over_durable}};
    session_delete_home(&rows, &over->id);
    CHECK(commit_gate(shard, &over->gate, commit_rows(core, shard, NULL, NULL, &rows)));
}

void sessions_drop(struct timer *timer)
{
    struct core *core = LIST_ITEM(timer, struct core, session_timer);
    if (core->frozen) {
        return;
    }
    if (!may_commit(core)) {
        begin_drops(core, AGAIN_MS);
        return;
    }
    for (uint32_t n = 0; n < DROPS_A_TIME && !list_empty(&core->sessions_over); n++) {
        struct session *session = LIST_ITEM(core->sessions_over.next, struct session, over_node);
        struct rows rows = {0};
        if (core->shards[session->shard]->state != DUTY_OPEN) { /* about to be closed, as a rule */
            list_remove(&session->over_node);
            list_push_back(&core->sessions_over, &session->over_node);
            continue;
        }
        session_delete_part(&rows, &session->name->id);
        commit_rows(core, core->shards[session->shard], NULL, NULL, &rows); /* which takes it off the list */
    }
    begin_drops(core, 1);
}

/* Start. */

static void start_session(struct session *session, void *user)
{
    struct core *core = user;
    if (session->home != NULL) {
        uint64_t idle_ms = core->limits.session_idle_ms;
        begin_idle_after(core, session->home,
                         core->is_member && idle_ms < OPENED_IDLE_MS_MIN ? OPENED_IDLE_MS_MIN : idle_ms);
    }
    if (session->over && core->map->self != 0) {
        session->over = false; /* its home may be on another node: sessions_ask */
    } else if (session->over) {
        session_is_over(&core->shards[session->shard]->sessions, session);
        list_push_back(&core->sessions_over, &session->over_node);
    }
}

void sessions_open(struct core *core, struct shard *shard)
{
    session_each(&shard->sessions, start_session, core);
    core->session_homes += shard->sessions.homes;
    sessions_account(core, shard);
    begin_drops(core, 1);
}

void sessions_start(struct core *core)
{
    for (uint32_t id = 0; id < core->shard_count; id++) {
        if (core->shards[id] != NULL) {
            sessions_open(core, core->shards[id]);
        }
    }
    sessions_ask_start(core);
}
