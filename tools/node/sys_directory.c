/* tools/node/sys_directory.c: `_sys/directory`: who is in the cluster, where an actor lives, which types there are. A
 * node that is alone answers for itself, in the shape that many nodes have; a member's answers are in
 * sys_directory_ask.c. */
#include "tools/node/sys_directory.h"

#include "core/shard/shard.h"
#include "tools/node/show.h"
#include "tools/node/sys_directory_ask.h"
#include "tools/node/sys_inspect.h"
#include "tools/node/sys_map.h"

#define GROUP "default" /* the placement group of all types */

static void put_str(pdr_writer *out, const char *key, const char *value)
{
    pdr_write_cstr(out, key);
    pdr_write_cstr(out, value);
}

static void put_names(pdr_writer *out, const char *key, const struct node *node)
{
    pdr_write_cstr(out, key);
    pdr_write_array(out, 1);
    pdr_write_cstr(out, node->name);
}

static void members(struct node *node, struct call *call)
{
    show_members(&call->reply, node);
    call_finish(call);
}

/* The epoch is known to the shard's core alone. */
static void tell_shard(struct message *message)
{
    struct node *node;
    struct pdr_ref ref;
    struct pdr_bytes address;
    struct call *call = sys_at_owner(message, &node, &ref, &address);
    if (call == NULL) {
        return;
    }
    pdr_writer *out = &call->reply;
    pdr_write_map(out, 6);
    put_str(out, "group", GROUP);
    pdr_write_cstr(out, "shard");
    pdr_write_uint(out, call->shard);
    pdr_write_cstr(out, "epoch");
    pdr_write_uint(out, call->at->shards[call->shard]->epoch);
    put_str(out, "primary", node->name);
    put_str(out, "address", node->address);
    put_names(out, "in_sync", node);
    call_finish(call);
}

static void shard(struct node *node, struct call *call)
{
    sys_send_to_owner(node, call, tell_shard);
}

static void types(struct node *node, struct call *call)
{
    pdr_writer *out = &call->reply;
    uint32_t count = registry_count(node->registry);
    pdr_write_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        pdr_write_map(out, 3);
        pdr_write_cstr(out, "name");
        pdr_write_str(out, registry_at(node->registry, i)->name);
        put_str(out, "group", GROUP);
        put_names(out, "nodes", node);
    }
    call_finish(call);
}

void sys_directory(void *user, struct call *call)
{
    static const struct {
        const char *name;
        void (*run)(struct node *node, struct call *call);
        bool is_own; /* every node answers for itself */
    } methods[] = {
        {"members", members, false}, {"shard", shard, false}, {"types", types, true}, {"map", sys_map, true}};
    struct node *node = user;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (node->membership != NULL && !methods[i].is_own) {
            continue;
        }
        if (pdr_bytes_equal(call->method, pdr_str(methods[i].name))) {
            methods[i].run(user, call);
            return;
        }
    }
    if (directory_ask(node, call)) {
        return;
    }
    call_fail(call, PDR_NOT_FOUND, "_sys/directory has %s", directory_ask_names());
    call_finish(call);
}
