/* core/shard/state.h: an actor's state in memory: a sorted map, of which the store may hold more.
 *
 * An entry is known by (kind, key): the actor's own are KEYS_USER; the platform's come before them. This is the overlay
 * of replication.md (section 1): it has the newest values, also those not committed or not applied yet. `complete` says
 * that it has every key of the actor's own, `all_reminders` the same of KEYS_REMINDER, and events are always all here;
 * then nothing is ever read from the store. Otherwise a key that is not here must be looked up, and a deleted one stays
 * as a tombstone until the deletion is applied. */
#ifndef CORE_SHARD_STATE_H
#define CORE_SHARD_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>

#include "core/store/keys.h"

struct state_entry {
    uint64_t seq; /* of the log entry that wrote it; 0: read from the store */
    uint32_t value_size;
    uint16_t key_size;
    uint8_t kind; /* enum keys_kind */
    bool deleted : 1;
    bool is_volatile : 1; /* by a method that writes nothing down: gone with the activation */
    uint8_t data[];       /* key, value */
};

struct state {
    union { /* sorted; one needs no array, and most actors have one */
        struct state_entry *only;
        struct state_entry **many;
    };
    uint32_t count;
    uint32_t capacity;            /* of `many`; 0: there is no array, but `only` */
    uint32_t bytes;               /* keys and values of all entries */
    uint32_t volatile_bytes : 30; /* of those that are volatile */
    uint32_t complete : 1;
    uint32_t all_reminders : 1;
    uint64_t removed_seq; /* newest log entry with a deletion that left no tombstone */
};

static inline struct pdr_bytes entry_key(const struct state_entry *e)
{
    return pdr_bytes(e->data, e->key_size);
}
static inline struct pdr_bytes entry_value(const struct state_entry *e)
{
    return pdr_bytes(e->data + e->key_size, e->value_size);
}

/** `count` of them, sorted. */
static inline struct state_entry **state_entries(struct state *state)
{
    return state->capacity == 0 ? &state->only : state->many;
}
static inline struct state_entry *state_entry_at(const struct state *state, uint32_t i)
{
    return state->capacity == 0 ? state->only : state->many[i];
}

/** Does it have all there is of that kind? */
static inline bool state_has_all(const struct state *state, enum keys_kind kind)
{
    return kind == KEYS_USER ? state->complete : kind != KEYS_REMINDER || state->all_reminders;
}

/** `complete`: in every kind. */
void state_init(struct state *state, bool complete);
void state_release(struct state *state);

/** NULL if there is none (a tombstone is one). */
struct state_entry *state_find(const struct state *state, enum keys_kind kind, struct pdr_bytes key);
/** Index of the first entry >= (kind, key), or > with `after`. */
uint32_t state_lower_bound(const struct state *state, enum keys_kind kind, struct pdr_bytes key, bool after);
/** Entries of that kind, tombstones too. */
uint32_t state_count(const struct state *state, enum keys_kind kind);
/** Bytes of their keys and values. Looks at each. */
size_t state_kind_bytes(const struct state *state, enum keys_kind kind);

/** A free-standing entry; NULL if there is no memory. */
struct state_entry *state_entry_new(enum keys_kind kind, struct pdr_bytes key, struct pdr_bytes value, bool deleted);
/** Takes `entry`; returns the one it replaces, which is now the caller's, or NULL. */
struct state_entry *state_insert(struct state *state, struct state_entry *entry);
/** Takes the entry out and hands it over; NULL if there is none. */
struct state_entry *state_remove(struct state *state, enum keys_kind kind, struct pdr_bytes key);
/** Takes out every entry of that kind that the store has too (seq <= applied, not volatile), and such tombstones of
 * any kind; gives each to `drop`, which frees it then or later. What there is of that kind is then not all here. */
void state_drop_applied(struct state *state, enum keys_kind kind, uint64_t applied_seq,
                        void (*drop)(void *user, struct state_entry *entry), void *user);
/** Frees all entries of that kind (KEYS_USER or KEYS_REMINDER), the last ones here; they are then not all here. */
void state_drop_last(struct state *state, enum keys_kind kind);
/** Empties without freeing the entries: they were moved elsewhere. */
void state_forget(struct state *state);

#endif
