/* tools/node/sys_inspect.h: what `_sys/node.inspect` answers about one actor, by parts. A part is a function that
 * writes its keys into the answer's map, from what the actor's core and the store have of it; its row is in
 * sys_inspect.c. */
#ifndef TOOLS_NODE_SYS_INSPECT_H
#define TOOLS_NODE_SYS_INSPECT_H

#include "core/shard/activation.h"
#include "tools/node/node_parts.h"

/** An actor, on its core's thread. */
struct inspected {
    struct core *core;
    const struct shard *shard;
    const struct activation *activation; /* NULL: passive */
    struct pdr_bytes address;
    uint32_t type_size;
    const struct state *rows; /* the platform's all, of its own perhaps only the first */
    uint64_t count, bytes;    /* of its own rows */
    bool exact;               /* counted to the end */
    bool in_memory;           /* `rows` is what the activation has, and all there is */
    bool wants_values;
    uint64_t now_ns;
};

struct inspect_part {
    uint32_t keys; /* of the map */
    void (*put)(pdr_writer *out, const struct inspected *actor);
};

/** Methods: control core, as in sys_node.c. */
void sys_inspect(struct node *node, struct call *call);
void sys_cancel(struct node *node, struct call *call);

/** Hands a call about the actor args[0] to the core that owns it, where `deliver` gets its message. */
void sys_send_to_owner(struct node *node, struct call *call, void (*deliver)(struct message *message));
/** First thing in `deliver`: the call, and its node and actor; NULL: the core is dead, and the call gone. */
struct call *sys_at_owner(struct message *message, struct node **node, struct pdr_ref *ref, struct pdr_bytes *address);

#endif
