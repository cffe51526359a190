/* core/shard/session_ask.c: what a shard knows of sessions whose home is elsewhere goes when the home says that they
 * are over. Between shards of one node a session's end is a message; between nodes messages are lost, so each shard
 * asks, once in session_idle_ms, and a record is dropped for no other reason. */
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/cluster_map.h"
#include "core/shard/sessions_parts.h"

#define IDS_A_CALL 256u

/** A shard's question, under way. */
struct session_asking {
    struct core *core;
    uint32_t shard, count, capacity;
    uint32_t from, to; /* those in the call that is out */
    struct session_id *ids;
};

static int compare(const void *a, const void *b)
{
    const struct session_id *x = a, *y = b;
    const uint64_t left[] = {x->shard, x->epoch, x->seq, x->random}, right[] = {y->shard, y->epoch, y->seq, y->random};
    for (int i = 0; i < 4; i++) {
        if (left[i] != right[i]) {
            return left[i] < right[i] ? -1 : 1;
        }
    }
    return 0;
}

static void collect(struct session *session, void *user)
{
    struct session_asking *asking = user;
    if (!session->has_part || session->over || session->home != NULL) {
        return;
    }
    if (asking->count == asking->capacity) {
        asking->capacity = asking->capacity == 0 ? 64 : asking->capacity * 2;
        asking->ids = mem_grow(asking->ids, asking->capacity * sizeof *asking->ids);
    }
    asking->ids[asking->count++] = session->name->id;
}

static void end(struct core *core)
{
    mem_free(core->session_asking->ids);
    mem_free(core->session_asking);
    core->session_asking = NULL;
}

static void ask_next(struct session_asking *asking);

static void drop(struct session_asking *asking, pdr_value said)
{
    struct core *core = asking->core;
    struct session_id id;
    struct pdr_bytes bytes;
    bool is_asked = pdr_value_bytes(said, &bytes) && session_id_decode(bytes, &id) &&
                    bsearch(&id, asking->ids + asking->from, asking->to - asking->from, sizeof id, compare) != NULL;
    struct shard *shard = core->shards[asking->shard];
    if (is_asked && shard != NULL && sessions_is_over_in(core, shard, &id)) {
        sessions_begin_drops(core);
    }
}

static void told(struct call *call)
{
    struct session_asking *asking = call->owner;
    if (call->status == PDR_OK && !asking->core->frozen) {
        struct pdr_bytes rest = pdr_value_items(pdr_written(&call->reply));
        while (rest.size > 0) {
            drop(asking, pdr_value_next(&rest));
        }
    } /* else it is asked again, some time */
    call_free(&call->home->calls, call);
    ask_next(asking);
}

static void write_ids(pdr_writer *out, const struct session_id *ids, uint32_t count)
{
    uint8_t bytes[SESSION_ID_SIZE];
    pdr_write_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        session_id_encode(bytes, &ids[i]);
        pdr_write_bin(out, pdr_bytes(bytes, sizeof bytes));
    }
}

/* All of one home that fit a call. */
static void ask_next(struct session_asking *asking)
{
    static const char address[] = "_sys/conn";
    struct core *core = asking->core;
    struct pdr_bytes none = pdr_bytes(NULL, 0);
    struct pdr_ref ref = {pdr_bytes(address, 4), pdr_bytes(address + 5, 4)};
    const struct session_id *first = &asking->ids[asking->to];
    pdr_writer args;
    asking->from = asking->to;
    while (asking->to < asking->count && asking->to - asking->from < IDS_A_CALL &&
           asking->ids[asking->to].shard == first->shard) {
        asking->to++;
    }
    if (asking->from == asking->to || core->stopping) {
        end(core);
        return;
    }
    pdr_writer_init(&args, NULL, 0, 0);
    write_ids(&args, first, asking->to - asking->from);
    struct call *call =
        call_new(&core->calls, core, &ref, pdr_str(address), pdr_str("ask"), pdr_written(&args), none, NULL, 0, 0);
    pdr_writer_release(&args);
    if (call == NULL) {
        end(core);
        return;
    }
    call->kind = CALL_SESSION_ASK;
    call->shard = first->shard;
    call->deadline_ns = core_now_ns(core) + LIMIT_DEADLINE_MS_DEFAULT * NS_PER_MS;
    call->owner = asking;
    call->finish = told;
    core->world.route(core->world.router, core, call);
}

static struct shard *next_shard(struct core *core)
{
    for (uint32_t n = 0; n < core->shard_count; n++) {
        struct shard *shard = core->shards[core->session_ask_turn++ % core->shard_count];
        if (shard != NULL) {
            return shard;
        }
    }
    return NULL;
}

/* One shard after another, so that each has its turn once in session_idle_ms, and no tick has to do with all. */
static void set_timer(struct core *core)
{
    uint64_t shards = core->shard_count / (core->world.core_count > 0 ? core->world.core_count : 1);
    timer_set(&core->wheel, &core->session_ask_timer,
              core_now_ns(core) + core->limits.session_idle_ms * NS_PER_MS / (shards > 0 ? shards : 1));
}

static void fire(struct timer *timer)
{
    struct core *core = LIST_ITEM(timer, struct core, session_ask_timer);
    struct shard *shard = core->session_asking == NULL && !core->stopping ? next_shard(core) : NULL;
    set_timer(core);
    if (shard == NULL) {
        return;
    }
    struct session_asking *asking = mem_new(sizeof *asking);
    *asking = (struct session_asking){.core = core, .shard = shard->id};
    core->session_asking = asking;
    session_each(&shard->sessions, collect, asking);
    if (asking->count > 0) {
        qsort(asking->ids, asking->count, sizeof *asking->ids, compare);
    }
    ask_next(asking);
}

void sessions_ask_start(struct core *core)
{
    timer_init(&core->session_ask_timer, fire);
    if (core->map->self != 0) {
        set_timer(core);
    }
}

void sessions_ask_free(struct core *core)
{
    if (core->session_asking != NULL) {
        end(core);
    }
}

/* At the home. */

void sessions_tell_over(struct core *core, struct shard *shard, struct call *call)
{
    struct session_id over[IDS_A_CALL];
    struct pdr_bytes rest = pdr_value_items(call->args), bytes;
    uint32_t count = 0;
    if (pdr_value_count(call->args) > IDS_A_CALL) {
        call_fail(call, PDR_INVALID, "at most %u sessions are asked about at once", IDS_A_CALL);
    }
    while (call->status == PDR_OK && rest.size > 0) {
        struct session_id id;
        if (!pdr_value_bytes(pdr_value_next(&rest), &bytes) || !session_id_decode(bytes, &id) ||
            id.shard != shard->id) {
            call_fail(call, PDR_INVALID, "what is asked about is no session of this shard");
            break;
        }
        const struct session *session = session_find(&shard->sessions, &id);
        if (session == NULL || session->home == NULL) {
            over[count++] = id;
        }
    }
    if (call->status == PDR_OK) {
        write_ids(&call->reply, over, count);
    }
    call_finish(call);
}
