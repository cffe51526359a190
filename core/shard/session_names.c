/* core/shard/session_names.c: sessions by id, and their parts by shard. */
#include "core/shard/session_names.h"

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/shard/session.h"

#define BITS_MIN 2u /* most sessions of a node with many call few shards */

void session_names_init(struct session_names *names)
{
    *names = (struct session_names){0};
    hash_init(&names->by_id);
}

void session_names_release(struct session_names *names)
{
    CHECK(hash_count(&names->by_id) == 0);
    hash_release(&names->by_id);
}

static struct session_name *search(struct session_names *names, const struct session_id *id)
{
    struct hash_node *node = hash_first(&names->by_id, id->random);
    for (; node != NULL; node = hash_next(node)) {
        struct session_name *name = LIST_ITEM(node, struct session_name, by_id);
        if (session_id_equal(&name->id, id)) {
            names->name = name;
            return name;
        }
    }
    return NULL;
}

struct session_name *session_names_find(struct session_names *names, const struct session_id *id)
{
    struct session_name *last = names->name;
    return last != NULL && session_id_equal(&last->id, id) ? last : search(names, id);
}

/* What was found last may be gone. */
static void forget_last(struct session_names *names)
{
    names->name = NULL;
    names->part = NULL;
    names->ahead = NULL;
}

/* Parts: linear probing, with deletion by moving up (Knuth 6.4, algorithm R). */

static size_t size_of(const struct session_name *name)
{
    return sizeof *name + (sizeof *name->parts << name->bits);
}

static uint32_t next_of(const struct session_name *name, uint32_t place)
{
    return (place + 1) & ((1u << name->bits) - 1);
}

struct session *session_names_part(struct session_names *names, const struct session_id *id, uint32_t shard)
{
    const struct session_name *name = session_names_find(names, id);
    struct session *part = names->part;
    if (name == NULL || (part != NULL && part->name == name && part->shard == shard)) {
        return name != NULL ? part : NULL;
    }
    uint32_t place = session_name_place(name, shard);
    while ((part = name->parts[place]) != NULL && part->shard != shard) {
        place = next_of(name, place);
    }
    names->part = part;
    return part;
}

static void put(struct session_name *name, struct session *session)
{
    uint32_t place = session_name_place(name, session->shard);
    while (name->parts[place] != NULL) {
        CHECK(name->parts[place]->shard != session->shard);
        place = next_of(name, place);
    }
    name->parts[place] = session;
}

static void widen(struct session_name *name)
{
    struct session **old = name->parts;
    uint32_t places = 1u << name->bits;
    name->bits++;
    name->parts = mem_new(2 * places * sizeof(struct session *));
    for (uint32_t i = 0; i < places; i++) {
        if (old[i] != NULL) {
            put(name, old[i]);
        }
    }
    mem_free(old);
}

static void take_out(struct session_name *name, const struct session *session)
{
    uint32_t hole = session_name_place(name, session->shard);
    while (name->parts[hole] != session) {
        CHECK(name->parts[hole] != NULL);
        hole = next_of(name, hole);
    }
    uint32_t mask = (1u << name->bits) - 1;
    for (uint32_t i = next_of(name, hole); name->parts[i] != NULL; i = next_of(name, i)) {
        uint32_t home = session_name_place(name, name->parts[i]->shard);
        if (((i - home) & mask) >= ((i - hole) & mask)) { /* its search passes the hole */
            name->parts[hole] = name->parts[i];
            hole = i;
        }
    }
    name->parts[hole] = NULL;
}

/* What leads to the place of a part is the same for all calls of a connection, and in the cache; the place itself need
 * not be, and to wait for it here would be the very wait that this is to save. So it is asked for, and looked at when
 * the next call comes. Of the part a call touches what is up to the end of the first record, if those before are
 * acknowledged. */
void session_names_prefetch(struct session_names *names, const struct session_id *id, uint32_t shard)
{
    const char *part = names->ahead != NULL ? (const char *)*names->ahead : NULL;
    if (part != NULL) {
        __builtin_prefetch(part, 1);
        __builtin_prefetch(part + 64, 1);
        __builtin_prefetch(part + offsetof(struct session, near[1]) - 1, 1); /* two lines, as a rule; or three */
    }
    const struct session_name *name = session_names_find(names, id);
    names->ahead = name != NULL ? &name->parts[session_name_place(name, shard)] : NULL;
    __builtin_prefetch(names->ahead);
}

/* Names. */

static struct session_name *name_new(struct session_names *names, const struct session_id *id)
{
    struct session_name *name = mem_new(sizeof *name);
    name->id = *id;
    name->bits = BITS_MIN;
    name->parts = mem_new((1u << name->bits) * sizeof(struct session *));
    hash_insert(&names->by_id, &name->by_id, id->random);
    names->bytes += size_of(name);
    return name;
}

void session_names_add(struct session_names *names, const struct session_id *id, struct session *session)
{
    struct session_name *name = session_names_find(names, id);
    names->ahead = NULL;
    if (name == NULL) {
        name = name_new(names, id);
    }
    if (2 * (name->count + 1) > 1u << name->bits) {
        size_t before = size_of(name);
        widen(name);
        names->bytes += size_of(name) - before;
    }
    put(name, session);
    name->count++;
    session->name = name;
}

void session_names_remove(struct session_names *names, struct session *session)
{
    struct session_name *name = session->name;
    forget_last(names);
    session->name = NULL;
    take_out(name, session);
    name->count--;
    if (name->count == 0) {
        names->bytes -= size_of(name);
        hash_remove(&names->by_id, &name->by_id);
        mem_free(name->parts);
        mem_free(name);
    }
}
