/* tools/node/carry.c: rows to carries, copies to proposals. */
#include "tools/node/carry.h"

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "net/carry/carry.h"
#include "tools/node/links.h"
#include "tools/node/membership_parts.h"

/* Between two looks at all rows, when one has changed: a hundredth of a core, and of few shards no pause. */
#define LOOK_NS (2 * NS_PER_MS)
#define LOOK_SHARD_NS NS_PER_US
#define AGAIN_NS (50 * NS_PER_MS) /* ... while anything is under way */
#define IDLE_NS NS_PER_S          /* ... while nothing is */
#define PROPOSE_MS 2000u          /* how long an answer is waited for */
#define SETTLE_MS 300u            /* a row that should have changed by now is touched (R44) */
#define BACKOFF_MS 200u           /* after a carry that failed; doubles */
#define BACKOFF_MS_MAX 10000u
#define DROP_MS 1000u /* a copy that is not needed any more goes then */

enum carry_state {
    CARRY_IDLE,
    CARRY_COPYING, /* its core has the order */
    CARRY_SETTLING /* released for `order`; its row, once it is not that of `cv`, says what becomes of it */
};

/** A message to the core that has the shard, and perhaps back. */
struct carry_errand {
    struct message message;
    struct carry *carry; /* which keeps those that come back: a core may end, and never give one back */
    struct carrier *carrier;
    struct core *core;
    struct carry_order order;
    uint64_t rid;
    bool is_kept;
    void (*run)(struct carry_errand *errand); /* there, and then here */
};

/** What this process has under way for one shard. Never freed before the end, so that answers find it. */
struct carry {
    struct carries *all;
    struct carry_order order;
    uint64_t cv; /* of the row that it was given by */
    enum carry_state state;
    bool is_asked;       /* a proposal is out, ... */
    bool is_unsure;      /* ... or was, and may yet be applied */
    uint64_t asked_cv;   /* about the row of that version: about the same one again ... */
    uint64_t settle_ns;  /* ... not before */
    uint32_t backoff_ms; /* after the next failure */
    uint64_t again_ns;   /* no carry is begun before */
    /* What is here is deleted by rows that have no copy here, and are newer than those: */
    uint64_t known;      /* when this process became a member: an ADD of its last life may be under way */
    uint64_t dropped;    /* the last time */
    uint64_t drop_at_ns; /* not before */
    bool is_absent;      /* the row has no copy here */
    bool is_dropping;    /* its core deletes */
    struct carry_errand copying, dropping;
};

struct carries {
    struct membership *m;
    struct carry **at; /* by shard */
    uint32_t count;
    uint32_t busy; /* not IDLE */
    bool has_changed, is_known;
    bool is_dropping; /* one at a time */
    uint64_t looked_ns;
};

static uint64_t now_ns(const struct carries *c)
{
    return clock_now_ns(c->m->node->world.clock);
}

static uint64_t self_id(const struct carries *c)
{
    return c->m->options.node;
}

static const struct cluster_rows *rows_of(const struct carries *c)
{
    return &member_view(c->m->member)->rows;
}

static struct carry *carry_of(struct carries *c, uint32_t shard)
{
    if (shard >= c->count) {
        uint32_t count = shard + CLUSTER_SHARDS;
        c->at = mem_grow(c->at, count * sizeof(struct carry *));
        memset(c->at + c->count, 0, (count - c->count) * sizeof(struct carry *));
        c->count = count;
    }
    if (c->at[shard] == NULL) {
        c->at[shard] = mem_new(sizeof(struct carry));
        *c->at[shard] = (struct carry){.all = c, .order = {.shard = shard}, .backoff_ms = BACKOFF_MS};
    }
    return c->at[shard];
}

static void enter(struct carry *carry, enum carry_state state)
{
    carry->all->busy += (state != CARRY_IDLE);
    carry->all->busy -= (carry->state != CARRY_IDLE);
    carry->state = state;
}

static void wait_longer(struct carry *carry)
{
    carry->again_ns = now_ns(carry->all) + carry->backoff_ms * NS_PER_MS;
    carry->backoff_ms = carry->backoff_ms * 2 < BACKOFF_MS_MAX ? carry->backoff_ms * 2 : BACKOFF_MS_MAX;
}

static bool is_up(const struct carries *c, uint64_t node)
{
    const struct cluster_member *member = cluster_rows_member(rows_of(c), node);
    return member != NULL && member->state == MEMBER_UP;
}

/* To the core that has the shard, and back. */

static void let_go(struct carry_errand *errand)
{
    if (!errand->is_kept) {
        mem_free(errand);
    }
}

static void run_errand(struct message *message)
{
    struct carry_errand *errand = LIST_ITEM(message, struct carry_errand, message);
    if (errand->core->dead) {
        let_go(errand);
    } else {
        errand->run(errand);
    }
}

/* `kept`: of `carry`, for what comes back; NULL: one that is freed there. */
static void to_core(struct carry *carry, struct carry_errand *kept, const struct carry_order *order,
                    void (*run)(struct carry_errand *errand))
{
    struct node *node = carry->all->m->node;
    struct carry_errand *errand = kept != NULL ? kept : mem_new(sizeof *errand);
    uint32_t index = order->shard % node->world.cores;
    *errand = (struct carry_errand){.message = {.deliver = run_errand},
                                    .carry = carry,
                                    .carrier = node_links_carrier(node, index),
                                    .core = node->cores[index],
                                    .order = *order,
                                    .is_kept = kept != NULL,
                                    .run = run};
    loop_post(node->world.core_loops[index], &errand->message);
}

static void to_control(struct carry_errand *errand, void (*run)(struct carry_errand *errand))
{
    errand->run = run;
    loop_post(errand->carry->all->m->node->world.control_loop, &errand->message);
}

static void resume_there(struct carry_errand *errand)
{
    carrier_resume(errand->carrier, errand->order.shard, errand->order.epoch);
    let_go(errand);
}

/* Nothing that was proposed can come of it any more. */
static void resume(struct carry *carry)
{
    to_core(carry, NULL, &carry->order, resume_there);
    enter(carry, CARRY_IDLE);
    wait_longer(carry);
}

/* Proposals. */

static void answered(void *user, const struct member_answer *answer)
{
    struct carry *carry = user;
    carry->is_asked = false;
    carry->is_unsure = carry->is_unsure ||
                       (answer->outcome != LETTER_NOWHERE && !(MUTATION(193) && answer->outcome == LETTER_UNKNOWN));
    bool is_done = answer->outcome == LETTER_DONE && answer->code == DIRECTORY_DONE;
    if (!is_done) {
        LOG_DEBUG("carry.not_proposed", "shard=%u outcome=%u why=\"%.*s\"", carry->order.shard,
                  (unsigned)answer->outcome, (int)answer->text.size, (const char *)answer->text.data);
    }
    carry->settle_ns = now_ns(carry->all) + SETTLE_MS * NS_PER_MS;
    carry->all->has_changed = true;
    if (carry->state == CARRY_SETTLING && !carry->is_unsure) {
        resume(carry); /* nobody has heard of it */
    }                  /* else the row says what came of it; if none comes, another proposal settles it */
}

static void propose(struct carry *carry, const struct command *command)
{
    carry->is_asked = true; /* the answer may come before the call returns */
    carry->asked_cv = command->cas.cv;
    member_propose(carry->all->m->member, command, PROPOSE_MS, answered, carry);
}

static bool may_propose(const struct carry *carry, const struct cluster_shard *row)
{
    return !carry->is_asked && (row->cv > carry->asked_cv || now_ns(carry->all) >= carry->settle_ns);
}

static void propose_add(struct carry *carry, uint64_t rid)
{
    const struct carry_order *order = &carry->order;
    propose(carry, &(struct command){.kind = COMMAND_ADD, .add = {order->shard, carry->cv, order->node, rid}});
}

static void propose_transfer(struct carry *carry, const struct cluster_shard *row, uint64_t node)
{
    propose(carry, &(struct command){.kind = COMMAND_TRANSFER, .transfer = {row->shard, row->cv, node}});
}

static void propose_remove(struct carry *carry, const struct cluster_shard *row, uint64_t rid)
{
    propose(carry, &(struct command){.kind = COMMAND_REMOVE, .remove = {row->shard, row->cv, rid}});
}

/* Copies. */

static bool is_ours(const struct carries *c, const struct cluster_shard *row)
{
    return row->primary == self_id(c) && row->isr.count == 1;
}

static void copied(struct carry_errand *errand)
{
    struct carry *carry = errand->carry;
    uint64_t rid = errand->rid;
    if (carry->all->m->member == NULL) {
        return;
    }
    const struct cluster_shard *row = cluster_rows_shard(rows_of(carry->all), carry->order.shard);
    if (rid == 0) {
        enter(carry, CARRY_IDLE);
        wait_longer(carry);
    } else if (row == NULL || row->cv != carry->cv || !is_up(carry->all, carry->order.node)) {
        resume(carry); /* it is about a row that is no more */
    } else {
        enter(carry, CARRY_SETTLING);
        carry->is_unsure = false;
        propose_add(carry, rid);
    }
    carry->all->has_changed = true;
}

static void ended_there(void *user, const struct carry_order *order, uint64_t rid, const char *why)
{
    struct carry_errand *errand = user;
    errand->rid = rid;
    to_control(errand, copied);
}

static void begin_there(struct carry_errand *errand)
{
    carrier_send(errand->carrier, &errand->order, ended_there, errand);
}

static void begin(struct carry *carry, const struct cluster_shard *row, uint64_t version)
{
    carry->order = (struct carry_order){row->shard, row->epoch, version, row->targets.at[0]};
    carry->cv = row->cv;
    enter(carry, CARRY_COPYING);
    to_core(carry, &carry->copying, &carry->order, begin_there);
}

/* Copies that are not needed any more. */

static void dropped(struct carry_errand *errand)
{
    errand->carry->is_dropping = errand->carry->all->is_dropping = false;
    errand->carry->all->has_changed = true;
}

static void dropped_there(void *user, uint32_t shard)
{
    to_control(user, dropped);
}

static void drop_there(struct carry_errand *errand)
{
    carrier_drop(errand->carrier, errand->order.shard, errand->order.version, dropped_there, errand);
}

static void consider_drop(struct carry *carry, uint32_t shard, uint64_t version)
{
    struct carries *c = carry->all;
    if (version <= carry->known || version <= carry->dropped || carry->is_dropping) {
        return;
    }
    if (!carry->is_absent) {
        carry->is_absent = true;
        carry->drop_at_ns = now_ns(c) + DROP_MS * NS_PER_MS;
    }
    if (!c->is_dropping && now_ns(c) >= carry->drop_at_ns) {
        carry->is_dropping = c->is_dropping = true;
        carry->dropped = version;
        to_core(carry, &carry->dropping, &(struct carry_order){.shard = shard, .version = version}, drop_there);
    }
}

/* Rows. */

/* Two copies and more, all of them the same: nobody serves it. */
static void settle_copies(struct carry *carry, const struct cluster_shard *row)
{
    struct carries *c = carry->all;
    uint64_t first = row->targets.count > 0 ? row->targets.at[0] : 0;
    const struct copy *heir = first != self_id(c) ? copies_of(&row->isr, first) : NULL;
    if (heir != NULL && !ids_have(&row->lost, heir->rid) && is_up(c, first)) {
        propose_transfer(carry, row, first);
        return;
    }
    for (uint32_t i = 0; i < row->isr.count; i++) {
        if (row->isr.at[i].node != self_id(c)) {
            propose_remove(carry, row, row->isr.at[i].rid);
            return;
        }
    }
}

/* Released for an ADD that was proposed. */
static void settle_add(struct carry *carry, const struct cluster_shard *row)
{
    if (row->epoch > carry->order.epoch) {
        carry->backoff_ms = BACKOFF_MS;
        enter(carry, CARRY_IDLE); /* a map tells its core */
    } else if (row->cv > carry->cv && is_ours(carry->all, row)) {
        resume(carry);
    } else if (row->cv == carry->cv && may_propose(carry, row)) {
        propose(carry, &(struct command){.kind = COMMAND_TOUCH, .touch = {row->shard, row->cv}});
    }
}

static bool may_begin(const struct carry *carry, const struct cluster_shard *row)
{
    const struct carries *c = carry->all;
    return carry->state == CARRY_IDLE && !carry->is_asked && row->targets.count > 0 &&
           row->targets.at[0] != self_id(c) && c->busy < CARRIES_MAX && now_ns(c) >= carry->again_ns &&
           c->m->node->stop == STOP_NO && is_up(c, row->targets.at[0]);
}

static void look_at(struct carry *carry, const struct entry *entry)
{
    const struct cluster_shard *row = &entry->shard;
    struct carries *c = carry->all;
    bool is_here = copies_have(&row->isr, self_id(c)) && !(MUTATION(192) && row->primary != self_id(c));
    carry->is_absent = carry->is_absent && !is_here;
    if (carry->state == CARRY_COPYING) {
        return; /* its core will say */
    }
    if (carry->state == CARRY_SETTLING) {
        settle_add(carry, row);
    }
    if (row->primary == self_id(c) && row->isr.count > 1 && may_propose(carry, row)) {
        settle_copies(carry, row);
    } else if (is_ours(c, row) && may_begin(carry, row)) {
        begin(carry, row, entry->changed);
    } else if (!is_here && carry->state == CARRY_IDLE) {
        consider_drop(carry, row->shard, entry->changed);
    }
}

/* The view has all that the directory knew when this process became a member. */
static void note_known(struct carries *c)
{
    const struct cluster_member *member = cluster_rows_member(rows_of(c), self_id(c));
    const struct row_list *shards = &rows_of(c)->of[ROW_SHARD];
    struct entry probe = {.kind = ROW_MEMBER, .member = {.node = self_id(c)}};
    const struct cluster_row *row = cluster_rows_find(rows_of(c), &probe);
    if (member == NULL || !member_is_registered(c->m->member) ||
        member_view(c->m->member)->index < row->entry.changed) {
        return;
    }
    c->is_known = true;
    for (uint32_t i = 0; i < shards->count; i++) {
        const struct entry *shard = &shards->at[i]->entry;
        carry_of(c, shard->shard.shard)->known = shard->changed;
    }
}

static void look(struct carries *c)
{
    const struct row_list *shards = &rows_of(c)->of[ROW_SHARD];
    for (uint32_t i = 0; i < shards->count; i++) {
        const struct entry *entry = &shards->at[i]->entry;
        look_at(carry_of(c, entry->shard.shard), entry);
    }
}

/* Time. */

void carries_changed(struct carries *c)
{
    c->has_changed = true;
}

uint64_t carries_due_ns(const struct carries *c)
{
    uint64_t changed_ns = LOOK_NS + c->count * LOOK_SHARD_NS;
    return c->looked_ns + (c->has_changed ? changed_ns : c->busy > 0 ? AGAIN_NS : IDLE_NS);
}

void carries_tick(struct carries *c)
{
    if (now_ns(c) < carries_due_ns(c)) {
        return;
    }
    c->looked_ns = now_ns(c);
    c->has_changed = false;
    if (!c->is_known) {
        note_known(c);
    }
    if (c->is_known) {
        look(c);
    }
}

struct carries *carries_new(struct membership *m)
{
    struct carries *c = mem_new(sizeof *c);
    c->m = m;
    return c;
}

void carries_free(struct carries *c)
{
    for (uint32_t shard = 0; shard < c->count; shard++) {
        mem_free(c->at[shard]);
    }
    mem_free(c->at);
    mem_free(c);
}
