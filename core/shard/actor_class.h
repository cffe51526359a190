/* core/shard/actor_class.h: code for actors as a core knows it; filled in by actors/ (native types, later guests).
 *
 * Classes are made before the core threads start and never change, so every core reads them without a lock. */
#ifndef CORE_SHARD_ACTOR_CLASS_H
#define CORE_SHARD_ACTOR_CLASS_H

#include <perdure/actor.h>

struct turn;
struct actor_class;

struct class_method {
    struct pdr_bytes name;
    bool reader;
    bool interleaves;               /* a reader that may run while another turn of the actor waits */
    enum pdr_durability durability; /* never DEFAULT */
    const void *code;               /* the class's own */
};

struct class_ops {
    int (*run)(const struct actor_class *cls, const struct class_method *method, struct turn *turn,
               const struct pdr_args *args);
    int (*activate)(const struct actor_class *cls, struct turn *turn);  /* NULL: none */
    int (*passivate)(const struct actor_class *cls, struct turn *turn); /* NULL: none */
};

struct actor_class {
    const struct class_ops *ops;
    struct pdr_bytes name;
    const struct class_method *methods;
    uint32_t method_count;
    uint32_t events_kept; /* events that each of its actors keeps */
    uint32_t memory_size; /* of an activation's volatile struct */
    bool has_activate, has_passivate;
    bool reentrant;       /* a chain of calls may come back to an actor that waits for it */
    bool has_interleaved; /* some method interleaves */
    bool logged;          /* some method writes to the log; else nothing is ever read from the store */
    bool forgets;         /* some method that is no reader writes nothing down: what it emits is gone after a crash */
    uint32_t index;       /* of this class among all of the node: 0, 1, ... */
    const void *code;
};

/** NULL if there is no such type. */
typedef const struct actor_class *(*class_find)(void *registry, struct pdr_bytes name);

#endif
