/* actors/registry.c: native types as classes: names checked once, defaults filled in, durations settled. */
#include "actors/registry.h"

#include <stdio.h>

#include "actors/builtin/builtin.h"
#include "actors/context.h"
#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/base/system_type.h"
#include "core/shard/watch.h"

#define METHODS_MAX 1024u

struct native_class {
    struct actor_class cls;
    struct class_method methods[];
};

struct registry {
    struct native_class **classes; /* sorted by name */
    uint32_t count;
    char why[256];
};

struct registry *registry_new(void)
{
    return mem_new(sizeof(struct registry));
}

void registry_free(struct registry *registry)
{
    for (uint32_t i = 0; i < registry->count; i++) {
        mem_free(registry->classes[i]);
    }
    mem_free(registry->classes);
    mem_free(registry);
}

static uint32_t position(const struct registry *registry, struct pdr_bytes name, bool *found)
{
    uint32_t low = 0, high = registry->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int order = pdr_bytes_compare(registry->classes[middle]->cls.name, name);
        if (order == 0) {
            *found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *found = false;
    return low;
}

const struct actor_class *registry_find(void *user, struct pdr_bytes name)
{
    const struct registry *registry = user;
    bool found;
    uint32_t i = position(registry, name, &found);
    return found ? &registry->classes[i]->cls : NULL;
}

uint32_t registry_count(const struct registry *registry)
{
    return registry->count;
}

const struct actor_class *registry_at(const struct registry *registry, uint32_t i)
{
    return &registry->classes[i]->cls;
}

static enum pdr_status refuse(struct registry *registry, const char **why, const char *type, const char *what)
{
    snprintf(registry->why, sizeof registry->why, "type %.80s: %s", type != NULL ? type : "(without a name)", what);
    *why = registry->why;
    return PDR_INVALID;
}

/* NULL: fine. */
static const char *fault_of(const struct pdr_actor_type *type, uint32_t *methods)
{
    struct pdr_ref ref;
    const char *why;
    char address[PDR_TYPE_SIZE_MAX + 8];
    if (type->abi != PDR_ACTOR_ABI) {
        return "it was built against another version of perdure/actor.h";
    }
    if (type->name == NULL || (size_t)snprintf(address, sizeof address, "%s/x", type->name) >= sizeof address ||
        pdr_ref_parse(pdr_str(address), &ref, &why) != PDR_OK) {
        return "a type's name is [a-z_][a-z0-9_-]{0,63}";
    }
    if (type->name[0] == '_' || type_is_system(pdr_str(type->name))) {
        return "names that begin with _ are the system's, and so is \"election\"";
    }
    if (type->methods == NULL || type->methods[0].name == NULL) {
        return "it has no methods";
    }
    if (type->memory_size > (16u << 20)) {
        return "its volatile memory is over 16 MiB an actor";
    }
    if (type->events_kept > EVENTS_KEPT_MAX) {
        return "it keeps more than 65,536 events an actor";
    }
    for (*methods = 0; type->methods[*methods].name != NULL; ++*methods) {
        const struct pdr_method *m = &type->methods[*methods];
        char call[PDR_TYPE_SIZE_MAX + PDR_METHOD_SIZE_MAX + 8];
        struct pdr_bytes method;
        if ((size_t)snprintf(call, sizeof call, "t/x.%s", m->name) >= sizeof call ||
            pdr_ref_parse_call(pdr_str(call), &ref, &method, &why) != PDR_OK ||
            !pdr_bytes_equal(method, pdr_str(m->name))) {
            return "a method's name is [A-Za-z_][A-Za-z0-9_-]{0,63}";
        }
        if ((m->flags & (PDR_METHOD_READER | PDR_METHOD_INTERLEAVE)) == PDR_METHOD_INTERLEAVE) {
            return "a method that interleaves must be a reader";
        }
        if (m->run == NULL || *methods >= METHODS_MAX) {
            return "a method has no function, or there are more than 1,024";
        }
        for (uint32_t k = 0; k < *methods; k++) {
            if (strcmp(type->methods[k].name, m->name) == 0) {
                return "two of its methods have the same name";
            }
        }
    }
    return NULL;
}

static enum pdr_durability settle(enum pdr_durability own, enum pdr_durability type)
{
    if (own != PDR_DURABILITY_DEFAULT) {
        return own;
    }
    return type != PDR_DURABILITY_DEFAULT ? type : PDR_DURABILITY_SYNC;
}

static struct native_class *new_class(const struct pdr_actor_type *type, uint32_t methods)
{
    struct native_class *native = mem_new(sizeof *native + methods * sizeof native->methods[0]);
    native->cls = (struct actor_class){
        .ops = &native_class_ops,
        .name = pdr_str(type->name),
        .methods = native->methods,
        .method_count = methods,
        .events_kept = type->events_kept > 0 ? type->events_kept : EVENTS_KEPT_DEFAULT,
        .memory_size = (uint32_t)type->memory_size,
        .has_activate = type->activate != NULL,
        .has_passivate = type->passivate != NULL,
        .reentrant = (type->flags & PDR_TYPE_REENTRANT) != 0,
        .code = type,
    };
    for (uint32_t i = 0; i < methods; i++) {
        const struct pdr_method *m = &type->methods[i];
        native->methods[i] = (struct class_method){
            .name = pdr_str(m->name),
            .reader = (m->flags & PDR_METHOD_READER) != 0,
            .interleaves = (m->flags & PDR_METHOD_INTERLEAVE) != 0,
            .durability = settle(m->durability, type->durability),
            .code = m,
        };
        native->cls.has_interleaved |= native->methods[i].interleaves;
        native->cls.logged |= native->methods[i].durability != PDR_DURABILITY_VOLATILE;
        native->cls.forgets |= native->methods[i].durability == PDR_DURABILITY_VOLATILE && !native->methods[i].reader;
    }
    return native;
}

enum pdr_status registry_add(struct registry *registry, const struct pdr_actor_type *type, const char **why)
{
    uint32_t methods;
    bool found;
    const char *fault = fault_of(type, &methods);
    if (fault != NULL) {
        return refuse(registry, why, type->name, fault);
    }
    uint32_t i = position(registry, pdr_str(type->name), &found);
    if (found) {
        return refuse(registry, why, type->name, "there is one of that name already");
    }
    registry->classes = mem_grow(registry->classes, (registry->count + 1) * sizeof *registry->classes);
    memmove(registry->classes + i + 1, registry->classes + i, (registry->count - i) * sizeof *registry->classes);
    registry->classes[i] = new_class(type, methods);
    registry->classes[i]->cls.index = registry->count;
    registry->count++;
    return PDR_OK;
}

void registry_add_builtin(struct registry *registry)
{
    for (uint32_t i = 0; builtin_types[i] != NULL; i++) {
        const char *why;
        CHECK(registry_add(registry, builtin_types[i], &why) == PDR_OK);
    }
}
