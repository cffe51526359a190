/* core/shard/tells_out.c: the sender's end: rows of the outbox in the entry of the turn that tells, numbers, what is on
 * its way, and the deletion of what was acknowledged (R87, R89). */
#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/cluster_map.h"
#include "core/shard/commit.h"
#include "core/shard/tells_parts.h"

#define RETRY_MS 100u /* a tell was not taken: the other side is full, starting, or without space */
#define SETTLE_MS 20u /* acknowledged rows are deleted that late, or with the next entry that tells */
#define SETTLE_MAX 256u
#define SETTLE_ROWS_MAX 4096u /* deletions in one entry */

void tell_insert(struct list *list, struct call *call)
{
    struct list *at = list->prev;
    while (at != list && LIST_ITEM(at, struct call, tell.node)->tell.number > call->tell.number) {
        at = at->prev;
    }
    list_push_front(at, &call->tell.node);
}

static void settled(struct gate_wait *wait, enum pdr_status status);

struct tell_out *tell_out_of(struct core *core, struct shard *shard, uint32_t to)
{
    struct tell_out **slot = &tells_of(shard, to)->out[to];
    if (*slot == NULL) {
        struct tell_out *out = mem_new(sizeof *out);
        out->core = core;
        out->from = shard;
        out->to = to;
        list_init(&out->held);
        list_init(&out->blocked_node);
        list_init(&out->unsettled_node);
        list_init(&out->settling.node);
        out->settling.open = settled;
        *slot = out;
    }
    return *slot;
}

/* In the turn. */

static uint32_t place(const struct core *core, const struct call *call)
{
    struct pdr_ref ref = tell_ref(call->address, call->type_size);
    return cluster_map_place(core->map, ref.type, ref.key, call->key_hash);
}

enum pdr_status tells_admit(struct turn *turn, struct call *call)
{
    struct core *core = turn->activation->core;
    struct shard *shard = turn->activation->shard;
    if (turn->durability == PDR_DURABILITY_VOLATILE || call_is_system(call)) {
        return PDR_OK;
    }
    bool is_told = turn->call != NULL && turn->call->tell.role == TELL_PENDING;
    call->shard = place(core, call);
    if (turn_bytes(turn) + call->address.size + call->args.size > PDR_TURN_BYTES_MAX) {
        return turn_fail(turn, PDR_TOO_LARGE, NULL, "a turn writes and tells at most %u bytes (limit turn_bytes_max)",
                         PDR_TURN_BYTES_MAX);
    }
    if (!tells_fit(core, core->tells->out_bytes, call, is_told)) {
        return turn_fail(turn, PDR_OVERLOADED, NULL,
                         "no memory for a tell that waits (limit memory = %llu bytes a core)",
                         (unsigned long long)core->limits.memory_max);
    }
    if (call->shard == shard->id) {
        const struct tell_queue *queue = tell_queue_find(core, call->address);
        uint32_t tells_max = core->limits.tells_max * (is_told ? TELL_SHARE : 1);
        if (queue != NULL && queue->count + turn->outbox_count >= tells_max) {
            return turn_fail(turn, PDR_OVERLOADED, NULL, "too many tells wait for %.*s (limit tells = %u)",
                             (int)call->address.size, (const char *)call->address.data, tells_max);
        }
        return PDR_OK;
    }
    const struct tell_out *out = tells_of(shard, call->shard)->out[call->shard];
    uint32_t outbox_max = core->limits.outbox_max * (is_told ? TELL_SHARE : 1);
    if (out != NULL && out->count + turn->outbox_count >= outbox_max) {
        return turn_fail(turn, PDR_OVERLOADED, NULL,
                         "too many tells from this shard to that of %.*s are not taken yet (limit outbox = %u)",
                         (int)call->address.size, (const char *)call->address.data, outbox_max);
    }
    return PDR_OK;
}

static void committed(struct gate_wait *wait, enum pdr_status status);

static void join(struct tell_out *out, struct call *call, uint64_t n)
{
    call->tell.role = TELL_SENT;
    call->tell.from = out->from->id;
    call->tell.accept_seq = out->from->life;
    call->tell.number = n;
    list_init(&call->tell.node);
    call->finish = tell_answered;
    call->gate.open = committed;
    out->count++;
    out->core->tells->out_bytes += tell_charge(call);
}

static void number_sent(struct turn *turn, struct call *call)
{
    struct core *core = turn->activation->core;
    struct tell_out *out = tell_out_of(core, turn->activation->shard, call->shard);
    uint8_t key[12];
    join(out, call, channel_out_next(&out->n));
    struct tell_row row = {
        .receiver = call->address, .sender = call->caller, .method = call->method, .args = call->args};
    tell_row_put(&turn->rows, KEYS_OUTBOX, tell_outbox_key(key, call->shard, call->tell.number), &row);
}

/* R92: within a shard the sender's entry is the receiver's, too. */
static void number_own(struct turn *turn, struct call *call, uint32_t index)
{
    uint64_t number = tell_number(turn->activation->shard, index);
    tell_enlist(tell_queue_of(turn->activation->core, call->address), call, number);
    tell_put_pending(&turn->rows, call, number, false);
}

static void number_all(struct turn *turn)
{
    const struct shard *shard = turn->activation->shard;
    uint32_t index = 0;
    for (struct list *node = turn->outbox.next; node != &turn->outbox; node = node->next) {
        struct call *call = LIST_ITEM(node, struct call, node);
        if (call->tell.role != TELL_NONE || call_is_system(call)) {
            continue;
        }
        if (call->shard == shard->id) {
            number_own(turn, call, index++);
        } else {
            number_sent(turn, call);
        }
    }
}

/* The turn of a tell: the entry that has its effects says that it has run; or that it has begun, and can't again. */
static void mark_own(struct turn *turn, bool final)
{
    struct call *call = turn->call;
    uint8_t key[TELL_NUMBER_KEY_MAX];
    if (final && MUTATION(31)) {
        return; /* last_entry_over does it, in an entry of its own */
    }
    rows_delete(&turn->rows, KEYS_PENDING, tell_pending_key(key, call->address, call->tell.number, call->tell.begun));
    if (!final) {
        tell_put_pending(&turn->rows, call, call->tell.number, true);
        call->tell.begun = turn->tell_marked = true;
    }
}

static void settle_channel(struct tell_out *out, struct rows *rows)
{
    uint8_t key[12], floor[8];
    uint64_t from = out->n.settled + 1, to = channel_out_settle(&out->n, SETTLE_ROWS_MAX);
    if (to == 0) {
        return; /* an entry of before is under way; then it is looked at again */
    }
    for (uint64_t n = from; n <= to; n++) {
        rows_delete(rows, KEYS_OUTBOX, tell_outbox_key(key, out->to, n));
    }
    put_be64(floor, to);
    rows_put(rows, KEYS_OUTBOX, tell_outbox_key(key, out->to, 0), pdr_bytes(floor, sizeof floor));
    commit_gate(out->from, &out->settling, out->from->last_seq + 1);
}

/* The deletion of what was acknowledged joins the entry that is about to be made, the shard's next. */
static void settle(struct shard_tells *tells, struct rows *rows)
{
    struct list *node;
    uint32_t before = rows->count;
    while (rows->count - before < SETTLE_ROWS_MAX && (node = list_pop(&tells->unsettled)) != NULL) {
        settle_channel(LIST_ITEM(node, struct tell_out, unsettled_node), rows);
    }
    if (list_empty(&tells->unsettled)) {
        list_remove(&tells->node);
    }
}

enum pdr_status tells_write(struct turn *turn, bool final)
{
    struct activation *a = turn->activation;
    bool is_told = turn->call != NULL && turn->call->tell.role == TELL_PENDING;
    bool tells = turn->outbox_count > 0 && turn->durability != PDR_DURABILITY_VOLATILE;
    bool writes = turn->writes.count > 0 || turn->rows.count > 0 || tells;
    bool begins = is_told && !final && writes && !turn->call->tell.begun && turn->durability != PDR_DURABILITY_VOLATILE;
    turn->tell_marked = false;
    if (!tells && !begins && !(is_told && final)) {
        return PDR_OK;
    }
    if (a->core->refusing) {
        return turn_fail(turn, PDR_NO_SPACE, NULL, "the disk under the data directory is full");
    }
    if (is_told && (final || begins)) {
        mark_own(turn, final);
    }
    if (tells) {
        number_all(turn);
        if (a->shard->tells != NULL) {
            settle(a->shard->tells, &turn->rows);
        }
    }
    return PDR_OK;
}

/* On the way. */

static void forget(struct tell_out *out, struct call *call)
{
    struct core *core = out->core;
    out->count--;
    core->tells->out_bytes -= tell_charge(call);
    tell_free(core, call);
}

static void send_held(struct tell_out *out)
{
    struct core *core = out->core;
    while (!list_empty(&out->held) && list_alone(&out->blocked_node) && !core->stopping) {
        struct call *call = LIST_ITEM(out->held.next, struct call, tell.node);
        if (call->tell.number <= out->n.acked) {
            list_remove(&call->tell.node);
            forget(out, call); /* its own answer was lost with a link; one behind it has been taken, so it was too */
            continue;
        }
        if (!channel_out_send(&out->n, call->tell.number)) {
            return; /* one before it is still on its way back */
        }
        list_remove(&call->tell.node);
        call->status = PDR_OK;
        core->tells->in_flight++;
        core->world.route(core->world.router, core, call);
    }
}

static void committed(struct gate_wait *wait, enum pdr_status status)
{
    struct call *call = LIST_ITEM(wait, struct call, gate);
    struct core *core = call->home;
    if (core->dead) {
        call_discard(call);
        return;
    }
    struct tell_out *out = tell_out_of(core, core->shards[call->tell.from], call->shard);
    if (status == PDR_MOVED) {
        forget(out, call); /* whether it is sent is for the next owner to see */
        return;
    }
    if (status != PDR_OK) {
        channel_out_undo(&out->n, call->tell.number);
        forget(out, call);
        return;
    }
    tell_insert(&out->held, call);
    send_held(out);
}

void tells_leave(struct shard *shard, struct call *call, uint64_t seq)
{
    if (MUTATION(30) || !commit_gate(shard, &call->gate, seq)) {
        call->gate.open(&call->gate, PDR_OK);
    }
}

/* Answers. */

static void owe(struct tell_out *out)
{
    struct shard_tells *shard = out->from->tells;
    struct tells *tells = out->core->tells;
    if (out->from->state != DUTY_OPEN) {
        return; /* tells_out_resume looks at it again */
    }
    if (list_alone(&out->unsettled_node)) {
        list_push_back(&shard->unsettled, &out->unsettled_node);
    }
    if (list_alone(&shard->node)) {
        list_push_back(&tells->unsettled, &shard->node);
    }
    if (!timer_is_set(&tells->settle)) {
        timer_set(&out->core->wheel, &tells->settle, core_now_ns(out->core) + SETTLE_MS * NS_PER_MS);
    }
}

static void settled(struct gate_wait *wait, enum pdr_status status)
{
    struct tell_out *out = LIST_ITEM(wait, struct tell_out, settling);
    if (out->core->dead) {
        return;
    }
    channel_out_settled(&out->n, status == PDR_OK);
    if (channel_out_owes(&out->n)) {
        owe(out);
    }
}

static void settle_all(struct tells *tells)
{
    struct core *core = tells->core;
    tells->unsettled_count = 0;
    while (!core->refusing && !core->frozen && !list_empty(&tells->unsettled)) {
        struct shard_tells *shard = LIST_ITEM(tells->unsettled.next, struct shard_tells, node);
        struct rows rows = {0};
        settle(shard, &rows);
        if (rows.count > 0) {
            commit_rows(core, shard->shard, NULL, NULL, &rows);
        }
    }
}

static void settle_due(struct timer *timer)
{
    struct tells *tells = LIST_ITEM(timer, struct tells, settle);
    settle_all(tells);
    if (!list_empty(&tells->unsettled)) { /* no space now */
        timer_set(&tells->core->wheel, timer, core_now_ns(tells->core) + RETRY_MS * NS_PER_MS);
    }
}

static void retry_after(struct core *core, uint64_t delay_ms)
{
    struct timer *timer = &core->tells->retry;
    if (!timer_is_set(timer)) {
        timer_set(&core->wheel, timer, core_now_ns(core) + delay_ms * NS_PER_MS);
    }
}

void tell_out_block(struct tell_out *out)
{
    if (list_alone(&out->blocked_node)) {
        list_push_back(&out->core->tells->blocked, &out->blocked_node);
    }
    retry_after(out->core, RETRY_MS / 2 + rng_below(&out->core->rng, RETRY_MS));
}

static void retry_due(struct timer *timer)
{
    struct tells *tells = LIST_ITEM(timer, struct tells, retry);
    struct list blocked, *node;
    if (!tells->open) {
        retry_after(tells->core, 1);
        return;
    }
    list_init(&blocked);
    list_splice(&blocked, &tells->blocked);
    while ((node = list_pop(&blocked)) != NULL) {
        send_held(LIST_ITEM(node, struct tell_out, blocked_node));
    }
}

void tell_answered(struct call *call)
{
    struct core *core = call->home;
    struct shard *from = core->shards[call->tell.from];
    core->tells->in_flight--;
    if (!shard_serves(from) || from->life != call->tell.accept_seq) { /* its rows tell the next owner all */
        core->tells->out_bytes -= tell_charge(call);
        tell_free(core, call);
        return;
    }
    struct tell_out *out = tell_out_of(core, from, call->shard);
    if (call->status == PDR_OK) {
        channel_out_acked(&out->n, call->tell.number);
        forget(out, call);
        owe(out);
        if (++core->tells->unsettled_count >= SETTLE_MAX) {
            settle_all(core->tells);
        }
        return;
    }
    channel_out_refused(&out->n, call->tell.number);
    if (core->frozen) {
        forget(out, call); /* its row stays */
        return;
    }
    core->stats.tells_repeated++;
    tell_insert(&out->held, call);
    tell_out_block(out);
}

void tell_sent_again(struct tell_out *out, struct call *call, uint64_t n)
{
    join(out, call, n);
    tell_insert(&out->held, call);
    tell_out_block(out);
}

void tell_out_forget(struct tell_out *out)
{
    struct list *node;
    while ((node = list_pop(&out->held)) != NULL) {
        forget(out, LIST_ITEM(node, struct call, tell.node));
    }
}

void tells_out_close(struct core *core, struct shard *shard)
{
    struct shard_tells *tells = shard->tells;
    for (uint32_t to = 0; tells != NULL && to < tells->count; to++) {
        if (tells->out[to] != NULL) {
            tell_out_forget(tells->out[to]);
            list_remove(&tells->out[to]->blocked_node);
            list_remove(&tells->out[to]->unsettled_node);
            CHECK(list_alone(&tells->out[to]->settling.node));
            mem_free(tells->out[to]);
        }
    }
    if (tells != NULL) {
        list_remove(&tells->node);
        mem_free(tells->out);
        mem_free(tells->in);
        mem_free(tells);
        shard->tells = NULL;
    }
}

void tells_out_resume(struct core *core, struct shard *shard)
{
    struct shard_tells *tells = shard->tells;
    for (uint32_t to = 0; tells != NULL && to < tells->count; to++) {
        if (tells->out[to] != NULL && channel_out_owes(&tells->out[to]->n)) {
            owe(tells->out[to]);
        }
    }
}

void tells_out_init(struct tells *tells)
{
    list_init(&tells->blocked);
    list_init(&tells->unsettled);
    timer_init(&tells->retry, retry_due);
    timer_init(&tells->settle, settle_due);
}
