/* tools/node/sys_election_interest.c: elections that somebody here waits for or watches, and what the rows say of
 * them. */
#include "consensus/member.h"
#include "core/base/hash_bytes.h"
#include "core/base/mem.h"
#include "tools/node/sys_election_parts.h"

static uint64_t hash_of(struct pdr_bytes name)
{
    return hash_bytes(name, 0);
}

static struct interest *interest_find(const struct elections *e, struct pdr_bytes name)
{
    for (struct hash_node *at = hash_first(&e->interests, hash_of(name)); at != NULL; at = hash_next(at)) {
        struct interest *interest = LIST_ITEM(at, struct interest, by_name);
        if (pdr_bytes_equal(pdr_bytes(interest->name, interest->name_size), name)) {
            return interest;
        }
    }
    return NULL;
}

struct interest *interest_find_or_make(struct elections *e, struct pdr_bytes name)
{
    struct interest *interest = interest_find(e, name);
    if (interest == NULL) {
        interest = mem_new(sizeof *interest + name.size);
        list_init(&interest->dirty);
        list_init(&interest->waits);
        list_init(&interest->watchers);
        interest->name_size = (uint16_t)name.size;
        memcpy(interest->name, name.data, name.size);
        hash_insert(&e->interests, &interest->by_name, hash_of(name));
    }
    return interest;
}

void interest_drop_if_idle(struct elections *e, struct interest *interest)
{
    if (interest->holds == 0 && list_empty(&interest->waits) && list_empty(&interest->watchers)) {
        hash_remove(&e->interests, &interest->by_name);
        list_remove(&interest->dirty);
        mem_free(interest);
    }
}

static void note(struct elections *e, struct pdr_bytes name)
{
    struct interest *interest = name.size > 0 ? interest_find(e, name) : NULL;
    if (interest != NULL && list_alone(&interest->dirty)) {
        list_push_back(&e->dirty, &interest->dirty);
    }
}

void elections_changed(struct elections *e, const struct cluster_election *old, const struct cluster_election *now)
{
    note(e, old != NULL ? old->name : pdr_bytes(NULL, 0));
    note(e, now->name);
}

/* What the rows say. */

void election_state(const struct elections *e, struct pdr_bytes name, struct election_state *out)
{
    static const uint8_t nil[] = {0xc0};
    struct candidate leader;
    *out = (struct election_state){.value = pdr_bytes(nil, 1)};
    out->election = cluster_rows_election(&member_view(membership_member(e->node))->rows, name);
    if (out->election != NULL) {
        struct pdr_bytes rest = candidates_items(out->election->candidates);
        out->token = out->election->token;
        out->candidates = candidates_count(out->election->candidates);
        if (candidates_next(&rest, &leader)) {
            out->value = leader.value;
        }
    }
}

void election_show(pdr_writer *out, const struct election_state *state)
{
    pdr_write_map(out, 3);
    pdr_write_cstr(out, "token");
    pdr_write_uint(out, state->token);
    pdr_write_cstr(out, "value");
    pdr_write_raw(out, state->value.data, state->value.size);
    pdr_write_cstr(out, "candidates");
    pdr_write_uint(out, state->candidates);
}

static bool free_interest(struct hash_node *node, void *user)
{
    struct interest *interest = LIST_ITEM(node, struct interest, by_name);
    election_watchers_free(interest);
    hash_remove(user, node);
    mem_free(interest);
    return true;
}

void interests_free(struct elections *e)
{
    hash_each(&e->interests, free_interest, &e->interests);
    hash_release(&e->interests);
}
