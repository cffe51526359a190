/* consensus/candidacies.c: candidates by owner and by slot; the rows say who there is. */
#include "consensus/candidacies.h"

#include "consensus/lease.h"
#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/env/clock.h"

void candidacies_init(struct candidacies *c)
{
    *c = (struct candidacies){.look_ns = UINT64_MAX};
    hash_init(&c->owners);
    list_init(&c->all);
}

/* Owners. */

static struct candidacy_owner *find(const struct candidacies *c, uint64_t id)
{
    struct hash_node *node = hash_first(&c->owners, id);
    return node != NULL ? LIST_ITEM(node, struct candidacy_owner, by_id) : NULL;
}

static struct candidacy_owner *find_or_make(struct candidacies *c, uint64_t id)
{
    struct candidacy_owner *owner = find(c, id);
    if (owner == NULL) {
        owner = mem_new(sizeof *owner);
        *owner = (struct candidacy_owner){.id = id, .look_ns = UINT64_MAX};
        list_init(&owner->candidacies);
        list_push_back(&c->all, &owner->node);
        hash_insert(&c->owners, &owner->by_id, id);
    }
    return owner;
}

static void drop_if_idle(struct candidacies *c, struct candidacy_owner *owner)
{
    if (list_empty(&owner->candidacies) && owner->asked == 0) {
        hash_remove(&c->owners, &owner->by_id);
        list_remove(&owner->node);
        mem_free(owner);
    }
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t heard_ns(const struct candidacy *candidacy)
{
    uint64_t kept_ns = candidacy->owner->kept_ns;
    return kept_ns > candidacy->since_ns ? kept_ns : candidacy->since_ns;
}

static uint64_t end_ns(const struct candidacy *candidacy)
{
    return heard_ns(candidacy) + candidacy->lease_ms * NS_PER_MS;
}

/* Rows. */

static struct list *slot_of(struct candidacies *c, uint32_t slot)
{
    if (slot >= c->slot_capacity) {
        uint32_t capacity = c->slot_capacity == 0 ? 16 : 2 * c->slot_capacity;
        capacity = capacity > slot ? capacity : slot + 1;
        struct list *slots = mem_new(capacity * sizeof *slots);
        for (uint32_t i = 0; i < capacity; i++) {
            list_init(&slots[i]);
            if (i < c->slot_count) {
                list_splice(&slots[i], &c->slots[i]);
            }
        }
        mem_free(c->slots);
        c->slots = slots;
        c->slot_capacity = capacity;
    }
    c->slot_count = slot >= c->slot_count ? slot + 1 : c->slot_count;
    return &c->slots[slot];
}

static void remove_one(struct candidacies *c, struct candidacy *candidacy)
{
    struct candidacy_owner *owner = candidacy->owner;
    owner->ending -= candidacy->is_ending;
    list_remove(&candidacy->of_owner);
    list_remove(&candidacy->of_slot);
    mem_free(candidacy);
    c->count--;
    drop_if_idle(c, owner);
}

static void add_one(struct candidacies *c, struct list *slot, uint64_t moment_ns, uint32_t number,
                    const struct candidate *candidate)
{
    struct candidacy *candidacy = mem_new(sizeof *candidacy);
    struct candidacy_owner *owner = find_or_make(c, candidate->owner);
    *candidacy = (struct candidacy){.owner = owner,
                                    .order = candidate->order,
                                    .since_ns = MUTATION(211) ? 0 : moment_ns,
                                    .slot = number,
                                    .lease_ms = candidate->lease_ms};
    list_push_back(slot, &candidacy->of_slot);
    list_push_back(&owner->candidacies, &candidacy->of_owner);
    owner->look_ns = least(end_ns(candidacy), owner->look_ns);
    c->look_ns = least(owner->look_ns, c->look_ns);
    c->count++;
}

/* Both are in order of arrival: who is known and not in the row has gone, who is behind all that are known is new. */
void candidacies_row(struct candidacies *c, uint64_t moment_ns, const struct cluster_election *election)
{
    struct list *slot = slot_of(c, election->slot), *at = slot->next;
    struct pdr_bytes rest = candidates_items(election->candidates);
    struct candidate candidate;
    while (candidates_next(&rest, &candidate)) {
        while (at != slot && LIST_ITEM(at, struct candidacy, of_slot)->order < candidate.order) {
            struct candidacy *gone = LIST_ITEM(at, struct candidacy, of_slot);
            at = at->next;
            remove_one(c, gone);
        }
        if (at == slot) {
            add_one(c, slot, moment_ns, election->slot, &candidate);
        } else {
            CHECK(LIST_ITEM(at, struct candidacy, of_slot)->order == candidate.order);
            at = at->next;
        }
    }
    while (at != slot) {
        struct candidacy *gone = LIST_ITEM(at, struct candidacy, of_slot);
        at = at->next;
        remove_one(c, gone);
    }
}

/* Renewals. */

void candidacies_asked(struct candidacies *c, uint64_t id)
{
    struct candidacy_owner *owner = find(c, id);
    if (owner != NULL) {
        owner->asked++;
    }
}

static void look_anew(struct candidacy_owner *owner)
{
    owner->look_ns = UINT64_MAX;
    for (struct list *at = owner->candidacies.next; at != &owner->candidacies; at = at->next) {
        const struct candidacy *candidacy = LIST_ITEM(at, const struct candidacy, of_owner);
        if (!candidacy->is_ending && end_ns(candidacy) < owner->look_ns) {
            owner->look_ns = end_ns(candidacy);
        }
    }
}

bool candidacies_answered(struct candidacies *c, uint64_t id, bool granted, uint64_t moment_ns)
{
    struct candidacy_owner *owner = find(c, id);
    if (owner == NULL) {
        return false;
    }
    owner->asked -= owner->asked > 0 && !MUTATION(212); /* it may have come to be known between the two */
    if (list_empty(&owner->candidacies)) {
        drop_if_idle(c, owner);
        return false;
    }
    if (!granted || owner->ending > 0) {
        return false;
    }
    owner->kept_ns = moment_ns;
    look_anew(owner);
    return true;
}

/* The end. */

uint32_t candidacies_over(struct candidacies *c, candidacies_passed passed, void *user, struct candidacy_place *out,
                          uint32_t max)
{
    uint32_t count = 0;
    uint64_t look_ns = UINT64_MAX;
    struct list *node = c->all.next;
    if (!passed(user, c->look_ns, 0)) {
        return 0;
    }
    for (; node != &c->all && count < max; node = node->next) {
        struct candidacy_owner *owner = LIST_ITEM(node, struct candidacy_owner, node);
        if (owner->asked > 0 || !passed(user, owner->look_ns, 0)) {
            look_ns = least(owner->look_ns, look_ns);
            continue;
        }
        for (struct list *at = owner->candidacies.next; at != &owner->candidacies && count < max; at = at->next) {
            struct candidacy *candidacy = LIST_ITEM(at, struct candidacy, of_owner);
            if (!candidacy->is_ending && passed(user, heard_ns(candidacy), candidacy->lease_ms * NS_PER_MS)) {
                candidacy->is_ending = true;
                owner->ending++;
                out[count++] = (struct candidacy_place){candidacy->slot, candidacy->order};
            }
        }
        look_anew(owner);
        look_ns = least(owner->look_ns, look_ns);
    }
    c->look_ns = node == &c->all ? look_ns : c->look_ns;
    return count;
}

uint64_t candidacies_first_end_ns(const struct candidacies *c)
{
    uint64_t first_ns = UINT64_MAX;
    for (const struct list *node = c->all.next; node != &c->all; node = node->next) {
        const struct candidacy_owner *owner = LIST_ITEM(node, const struct candidacy_owner, node);
        for (const struct list *at = owner->candidacies.next; at != &owner->candidacies; at = at->next) {
            const struct candidacy *candidacy = LIST_ITEM(at, const struct candidacy, of_owner);
            uint64_t drift_ns = candidacy->lease_ms * NS_PER_MS * LEASE_DRIFT_PERCENT / 100;
            first_ns = least(end_ns(candidacy) + drift_ns, first_ns);
        }
    }
    return first_ns;
}

void candidacies_ended(struct candidacies *c, uint32_t number, uint64_t order)
{
    struct list *slot = slot_of(c, number);
    for (struct list *at = slot->next; at != slot; at = at->next) {
        struct candidacy *candidacy = LIST_ITEM(at, struct candidacy, of_slot);
        if (candidacy->order == order && candidacy->is_ending) {
            candidacy->is_ending = false;
            candidacy->owner->ending--;
            if (!MUTATION(213)) {
                look_anew(candidacy->owner);
            }
            c->look_ns = least(candidacy->owner->look_ns, c->look_ns);
            return;
        }
    }
}

void candidacies_release(struct candidacies *c)
{
    struct list *node;
    while ((node = list_pop(&c->all)) != NULL) {
        struct candidacy_owner *owner = LIST_ITEM(node, struct candidacy_owner, node);
        struct list *at;
        while ((at = list_pop(&owner->candidacies)) != NULL) {
            mem_free(LIST_ITEM(at, struct candidacy, of_owner));
        }
        hash_remove(&c->owners, &owner->by_id);
        mem_free(owner);
    }
    hash_release(&c->owners);
    mem_free(c->slots);
}
