/* tools/node/sys_election_keep.c: `keep_all [[id, ...]]`: a client renews all that it stands in by one call; answered
 * with those that were not kept. What each stands in is not looked at: that is told by other calls. */
#include "core/base/mem.h"
#include "core/shard/core.h"
#include "tools/node/sys_election_parts.h"

struct keep_all;

struct keep_one {
    struct keep_all *all;
    uint64_t id;
    bool refused;
};

struct keep_all {
    struct list node;
    struct call *call;
    uint32_t count, waiting;
    bool failed; /* the directory has no leader */
    struct keep_one ones[];
};

static void finish(struct keep_all *all)
{
    list_remove(&all->node);
    call_finish(all->call);
    mem_free(all);
}

static void answer(struct keep_all *all)
{
    pdr_writer *out = &all->call->reply;
    uint32_t refused = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        refused += all->ones[i].refused;
    }
    pdr_write_array(out, refused);
    for (uint32_t i = 0; i < all->count; i++) {
        if (all->ones[i].refused) {
            pdr_write_uint(out, all->ones[i].id);
        }
    }
    finish(all);
}

static void was_kept(void *user, const struct member_kept *kept)
{
    struct keep_one *one = user;
    struct keep_all *all = one->all;
    one->refused = !kept->kept;
    all->failed = all->failed || kept->outcome != LETTER_DONE;
    if (--all->waiting > 0) {
        return;
    }
    if (all->failed) {
        call_fail(all->call, PDR_UNAVAILABLE, "keep_all: nobody leads the directory, or this node is cut off from it");
        finish(all);
    } else {
        answer(all);
    }
}

static bool read_ids(struct keep_all *all, pdr_value ids)
{
    struct pdr_bytes rest = pdr_value_items(ids);
    for (uint32_t i = 0; i < all->count; i++) {
        all->ones[i] = (struct keep_one){.all = all};
        if (!pdr_value_uint(pdr_value_next(&rest), &all->ones[i].id)) {
            return false;
        }
    }
    return true;
}

void election_keep_all(struct elections *e, struct call *call)
{
    pdr_value ids = pdr_value_at(call->args, 0);
    uint32_t count = pdr_value_kind(ids) == PDR_KIND_ARRAY ? pdr_value_count(ids) : 0;
    if (count == 0 || count > LETTER_OWNERS_MAX) {
        call_fail(call, PDR_INVALID, "keep_all takes a list of 1 to %u ids", LETTER_OWNERS_MAX);
        call_finish(call);
        return;
    }
    struct keep_all *all = mem_new(sizeof *all + count * sizeof *all->ones);
    *all = (struct keep_all){.call = call, .count = count, .waiting = count};
    list_push_back(&e->keeps, &all->node);
    if (!read_ids(all, ids)) {
        call_fail(call, PDR_INVALID, "keep_all: an id is a number");
        finish(all);
        return;
    }
    uint64_t left_ms = election_left_ms(e, call);
    for (uint32_t i = 0; i < count; i++) {
        member_keep(membership_member(e->node), all->ones[i].id, left_ms, was_kept, &all->ones[i]);
    }
}

void election_keeps_stop(struct elections *e)
{
    while (!list_empty(&e->keeps)) {
        struct keep_all *all = LIST_ITEM(e->keeps.next, struct keep_all, node);
        call_fail(all->call, PDR_UNAVAILABLE, "keep_all: this node stops");
        finish(all);
    }
}

void election_keeps_free(struct elections *e)
{
    struct list *at;
    while ((at = list_pop(&e->keeps)) != NULL) {
        call_discard(LIST_ITEM(at, struct keep_all, node)->call);
        mem_free(LIST_ITEM(at, struct keep_all, node));
    }
}
