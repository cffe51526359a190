/* actors/native/plugin.c: actor types out of shared objects. */
#include "actors/native/plugin.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdio.h>

#include "actors/builtin/builtin.h"
#include "core/base/mem.h"
#include "core/base/system_type.h"

#define TYPES_MAX 256u
#define METHODS_MAX 1024u
#define MEMORY_MAX (16u << 20)

struct plugins {
    void **handles;
    uint32_t handle_count;
    const struct pdr_actor_type **types; /* ends with NULL */
    uint32_t type_count;
    char why[512];
};

struct plugins *plugins_new(void)
{
    struct plugins *plugins = mem_new(sizeof *plugins);
    plugins->types = mem_new(sizeof *plugins->types);
    return plugins;
}

void plugins_free(struct plugins *plugins)
{
    while (plugins->handle_count > 0) {
        dlclose(plugins->handles[--plugins->handle_count]);
    }
    mem_free(plugins->handles);
    mem_free(plugins->types);
    mem_free(plugins);
}

const struct pdr_actor_type *const *plugins_types(const struct plugins *plugins)
{
    return plugins->types;
}

/* What is being checked: each function below returns false with plugins->why set. */
struct check {
    struct plugins *plugins;
    const char *path;
};

PDR_PRINTF(2, 3) static bool refuse(const struct check *check, const char *format, ...)
{
    char what[400];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const char *path = check->path;
    size_t size = strlen(path); /* its end tells more than its beginning */
    snprintf(check->plugins->why, sizeof check->plugins->why, "plugin %s%s: %s", size > 80 ? "..." : "",
             size > 80 ? path + size - 77 : path, what);
    return false;
}

static bool is_type_name(const char *name)
{
    char address[PDR_TYPE_SIZE_MAX + 8];
    struct pdr_ref ref;
    return (size_t)snprintf(address, sizeof address, "%s/x", name) < sizeof address &&
           pdr_ref_parse(pdr_str(address), &ref, NULL) == PDR_OK && pdr_bytes_equal(ref.type, pdr_str(name));
}

static bool is_method_name(const char *name)
{
    char call[PDR_METHOD_SIZE_MAX + 8];
    struct pdr_ref ref;
    struct pdr_bytes method;
    return (size_t)snprintf(call, sizeof call, "t/x.%s", name) < sizeof call &&
           pdr_ref_parse_call(pdr_str(call), &ref, &method, NULL) == PDR_OK && pdr_bytes_equal(method, pdr_str(name));
}

static bool check_durability(const struct check *check, const char *type, const char *method, enum pdr_durability how)
{
    if ((unsigned)how <= PDR_DURABILITY_VOLATILE) {
        return true;
    }
    return refuse(check, "type %.64s%s%.64s: its durability is %d, which is none of enum pdr_durability", type,
                  *method != 0 ? ", method " : "", method, (int)how);
}

static bool check_method(const struct check *check, const struct pdr_actor_type *type, uint32_t k)
{
    const struct pdr_method *m = &type->methods[k];
    if (k >= METHODS_MAX) {
        return refuse(check, "type %s has more than %u methods, or its list does not end with PDR_ACTOR's NULL",
                      type->name, METHODS_MAX);
    }
    if (!is_method_name(m->name)) {
        return refuse(check, "type %s: \"%.80s\" cannot name a method: [A-Za-z_][A-Za-z0-9_-]{0,63}", type->name,
                      m->name);
    }
    if (m->run == NULL) {
        return refuse(check, "type %s: method %s has no function", type->name, m->name);
    }
    if ((m->flags & ~(unsigned)(PDR_METHOD_READER | PDR_METHOD_INTERLEAVE)) != 0) {
        return refuse(check, "type %s: method %s has flags that this node does not know", type->name, m->name);
    }
    if (m->flags == PDR_METHOD_INTERLEAVE) {
        return refuse(check, "type %s: method %s interleaves and is no reader: PDR_READER_INTERLEAVED is both",
                      type->name, m->name);
    }
    for (uint32_t i = 0; i < k; i++) {
        if (strcmp(type->methods[i].name, m->name) == 0) {
            return refuse(check, "type %s has two methods %s", type->name, m->name);
        }
    }
    return check_durability(check, type->name, m->name, m->durability);
}

static bool check_type(const struct check *check, const struct pdr_actor_type *type)
{
    if (type->abi != PDR_ACTOR_ABI) {
        return refuse(check,
                      "a type in it was built for actor ABI %u, and this node has %u: build it again with this "
                      "version's perdure/actor.h",
                      type->abi, PDR_ACTOR_ABI);
    }
    if (type->name == NULL || !is_type_name(type->name)) {
        return refuse(check, "\"%.80s\" cannot name a type: [a-z_][a-z0-9_-]{0,63}",
                      type->name == NULL ? "" : type->name);
    }
    if (type->name[0] == '_' || type_is_system(pdr_str(type->name))) {
        return refuse(check, "type %s: names that begin with _ are the system's, and so is \"election\"", type->name);
    }
    if (type->methods == NULL || type->methods[0].name == NULL) {
        return refuse(check, "type %s has no methods", type->name);
    }
    if (type->memory_size > MEMORY_MAX) {
        return refuse(check, "type %s: its memory is %lu bytes an actor, and at most %u are allowed", type->name,
                      type->memory_size, MEMORY_MAX);
    }
    if ((type->flags & ~(unsigned)PDR_TYPE_REENTRANT) != 0) {
        return refuse(check, "type %s has flags that this node does not know", type->name);
    }
    for (uint32_t k = 0; type->methods[k].name != NULL; k++) {
        if (!check_method(check, type, k)) {
            return false;
        }
    }
    return check_durability(check, type->name, "", type->durability);
}

/* `count` types of this plugin come before it. */
static bool check_unique(const struct check *check, const struct pdr_plugin *plugin, uint32_t count)
{
    const char *name = plugin->types[count]->name;
    for (uint32_t i = 0; builtin_types[i] != NULL; i++) {
        if (strcmp(builtin_types[i]->name, name) == 0) {
            return refuse(check, "type %s is builtin already: give it another name", name);
        }
    }
    for (uint32_t i = 0; i < check->plugins->type_count + count; i++) {
        const struct pdr_actor_type *other =
            i < check->plugins->type_count ? check->plugins->types[i] : plugin->types[i - check->plugins->type_count];
        if (strcmp(other->name, name) == 0) {
            return refuse(check,
                          "type %s is there already: every plugin may be loaded once, and types of two need different "
                          "names",
                          name);
        }
    }
    return true;
}

static bool check_plugin(const struct check *check, const struct pdr_plugin *plugin, uint32_t *count)
{
    if (plugin->abi != PDR_ACTOR_ABI) { /* first: with another one nothing else means what we think */
        return refuse(check,
                      "it was built for actor ABI %u, and this node has %u: build it again with this version's "
                      "perdure/actor.h",
                      plugin->abi, PDR_ACTOR_ABI);
    }
    if (plugin->size != sizeof *plugin) {
        return refuse(check, "its struct pdr_plugin has %u bytes, and this node's has %zu: define it with PDR_PLUGIN",
                      plugin->size, sizeof *plugin);
    }
    if (plugin->name == NULL || plugin->version == NULL || plugin->types == NULL || plugin->types[0] == NULL) {
        return refuse(check, "it has no name, no version or no types: define it with PDR_PLUGIN");
    }
    for (*count = 0; plugin->types[*count] != NULL; ++*count) {
        if (*count >= TYPES_MAX) {
            return refuse(check, "it has more than %u types, or its list does not end with PDR_PLUGIN's NULL",
                          TYPES_MAX);
        }
        if (!check_type(check, plugin->types[*count]) || !check_unique(check, plugin, *count)) {
            return false;
        }
    }
    return true;
}

/* dlerror names the file first; `refuse` does so too. */
static const char *loader_says(const char *path)
{
    const char *text = dlerror();
    size_t size = strlen(path);
    if (text == NULL) {
        return "it cannot be loaded";
    }
    return strncmp(text, path, size) == 0 && strncmp(text + size, ": ", 2) == 0 ? text + size + 2 : text;
}

static void keep(struct plugins *plugins, void *handle, const struct pdr_plugin *plugin, uint32_t count)
{
    plugins->handles = mem_grow(plugins->handles, (plugins->handle_count + 1) * sizeof *plugins->handles);
    plugins->handles[plugins->handle_count++] = handle;
    plugins->types = mem_grow(plugins->types, (plugins->type_count + count + 1) * sizeof *plugins->types);
    memcpy(plugins->types + plugins->type_count, plugin->types, (count + 1) * sizeof *plugins->types);
    plugins->type_count += count;
}

enum pdr_status plugins_load(struct plugins *plugins, const char *path, const char **why)
{
    struct check check = {plugins, path};
    char here[4200];
    uint32_t count = 0;
    *why = plugins->why;
    if ((size_t)snprintf(here, sizeof here, "%s%s", strchr(path, '/') == NULL ? "./" : "", path) >= sizeof here) {
        refuse(&check, "its path is too long");
        return PDR_INVALID;
    }
    void *handle = dlopen(here, RTLD_NOW | RTLD_LOCAL); /* now: a missing function is told here, not in a turn */
    if (handle == NULL) {
        refuse(&check, "%s", loader_says(here));
        return PDR_INVALID;
    }
    const struct pdr_plugin *plugin = dlsym(handle, "pdr_plugin");
    if (plugin == NULL) {
        refuse(&check, "it exports no pdr_plugin: end one of its files with PDR_PLUGIN(...)");
    }
    if (plugin == NULL || !check_plugin(&check, plugin, &count)) {
        dlclose(handle);
        return PDR_INVALID;
    }
    keep(plugins, handle, plugin, count);
    return PDR_OK;
}
