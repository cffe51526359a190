/* tools/node/sys_directory_ask.c: a call to `_sys/directory`, from its arguments to a read of the directory, a command,
 * and the answer.
 *
 *     call --read--> rows of now --begin--> a command --propose--> applied --> rows that show it --show--> answer
 *                                     '---- none -------------------------------------------------^            */
#include "tools/node/sys_directory_ask.h"

#include <stdarg.h>
#include <stdio.h>

#include "consensus/placement_rows.h"
#include "core/base/mem.h"
#include "tools/node/membership.h"
#include "tools/node/sys_directory_show.h"

#define LOOK_NS (2 * NS_PER_MS) /* whether the rows have come so far */
#define LATE_MS 50u             /* before the caller's deadline: so that it hears why */
#define PAGE_MAX 1000u
#define TEXT(bytes) (int)((bytes).size < 100 ? (bytes).size : 100), (const char *)(bytes).data

struct ask;

struct ask_method {
    const char *name;
    /* Looks at arguments and rows. False: call_fail has said why. `command->kind` 0: there is nothing to change. */
    bool (*begin)(struct ask *ask, struct command *command);
    void (*show)(struct ask *ask, pdr_writer *out);
    bool wants_loads; /* of all members, which the leader alone knows */
};

struct ask {
    struct list node; /* of the node's asks */
    struct node *owner;
    struct call *call;
    const struct ask_method *method;
    struct timer timer;
    bool has_changed;
    uint64_t dir_index; /* at which the rows show what it waits for */
    uint64_t about;     /* a member */
    uint32_t shard, limit;
    pdr_writer labels;
};

static const struct cluster_rows *rows_of(const struct ask *ask)
{
    return &member_view(membership_member(ask->owner))->rows;
}

static bool load_of(void *member, uint64_t node, uint64_t *load)
{
    return member_load_of(member, node, load);
}

static struct directory_seen seen_by(const struct ask *ask)
{
    struct member *member = membership_member(ask->owner);
    return (struct directory_seen){rows_of(ask), member_view(member)->index, member_leader(member), load_of, member};
}

/* Arguments. */

static pdr_value argument(const struct ask *ask, uint32_t index)
{
    return pdr_value_at(ask->call->args, index);
}

/* Always false. */
__attribute__((format(printf, 3, 4))) static bool refuse(struct ask *ask, enum pdr_status status, const char *format,
                                                         ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    call_fail(ask->call, status, "%s: %s", ask->method->name, text);
    return false;
}

static bool take_node(struct ask *ask, pdr_value value, uint64_t *node)
{
    struct pdr_bytes name = {"", 0};
    if (!pdr_value_bytes(value, &name)) {
        return refuse(ask, PDR_INVALID, "a node is named by its name or its id");
    }
    const struct cluster_member *member = directory_find_member(rows_of(ask), name);
    if (member == NULL) {
        return refuse(ask, PDR_NOT_FOUND, "there is no node %.*s; `perdure status` lists them", TEXT(name));
    }
    *node = member->node;
    return true;
}

static bool take_actor(struct ask *ask, pdr_value value, struct pdr_ref *ref)
{
    struct pdr_bytes address = {"", 0};
    const char *why = "the first argument is the actor's address, TYPE/KEY";
    if (!pdr_value_bytes(value, &address) || pdr_ref_parse(address, ref, &why) != PDR_OK) {
        return refuse(ask, PDR_INVALID, "%s", why);
    }
    return true;
}

/* TYPE/KEY, or the shard's number. */
static bool take_shard(struct ask *ask, pdr_value value)
{
    uint64_t number;
    struct pdr_ref ref;
    if (pdr_value_uint(value, &number)) {
        ask->shard = number < UINT32_MAX ? (uint32_t)number : UINT32_MAX;
    } else if (!take_actor(ask, value, &ref)) {
        return false;
    } else if (!directory_place(rows_of(ask), ref.type, ref.key, &ask->shard)) {
        return refuse(ask, PDR_UNAVAILABLE, "there is no group yet for type %.*s", TEXT(ref.type));
    }
    if (directory_group_of(rows_of(ask), ask->shard) == NULL) {
        return refuse(ask, PDR_NOT_FOUND, "there is no such shard");
    }
    return true;
}

static bool option(const struct ask *ask, uint32_t index, const char *name)
{
    bool on = false;
    pdr_value_bool(pdr_value_get(argument(ask, index), name), &on);
    return on;
}

/* What is read. */

static bool begin_nothing(struct ask *ask, struct command *command)
{
    return true;
}

static void show_status(struct ask *ask, pdr_writer *out)
{
    struct directory_seen seen = seen_by(ask);
    directory_show_status(out, &seen);
}

static void show_all_members(struct ask *ask, pdr_writer *out)
{
    struct directory_seen seen = seen_by(ask);
    directory_show_members(out, &seen);
}

static bool begin_shard(struct ask *ask, struct command *command)
{
    return take_shard(ask, argument(ask, 0));
}

static void show_shard(struct ask *ask, pdr_writer *out)
{
    struct directory_seen seen = seen_by(ask);
    directory_show_shard(out, &seen, ask->shard);
}

/* [{"from": N, "limit": N}] */
static bool begin_shards(struct ask *ask, struct command *command)
{
    uint64_t from = 0, limit = PAGE_MAX;
    pdr_value_uint(pdr_value_get(argument(ask, 0), "from"), &from);
    pdr_value_uint(pdr_value_get(argument(ask, 0), "limit"), &limit);
    if (limit == 0 || limit > PAGE_MAX || from > UINT32_MAX) {
        return refuse(ask, PDR_INVALID, "limit is 1 to 1000, and from a shard's number");
    }
    ask->shard = (uint32_t)from;
    ask->limit = (uint32_t)limit;
    return true;
}

static void show_shards_page(struct ask *ask, pdr_writer *out)
{
    struct directory_seen seen = seen_by(ask);
    directory_show_shards(out, &seen, ask->shard, ask->limit);
}

/* Nodes that leave. */

static void show_node(struct ask *ask, pdr_writer *out)
{
    struct directory_seen seen = seen_by(ask);
    directory_show_node(out, &seen, ask->about);
}

/* [NODE, {"undo": BOOL}]; may be asked again, to hear how far it is. */
static bool begin_drain(struct ask *ask, struct command *command)
{
    bool draining = !option(ask, 1, "undo");
    if (!take_node(ask, argument(ask, 0), &ask->about)) {
        return false;
    }
    *command = (struct command){.kind = COMMAND_DRAIN, .drain = {ask->about, draining}};
    if (cluster_rows_member(rows_of(ask), ask->about)->draining == draining) {
        command->kind = 0;
    }
    return true;
}

static bool begin_remove(struct ask *ask, struct command *command)
{
    if (!take_node(ask, argument(ask, 0), &ask->about)) {
        return false;
    }
    const struct cluster_member *member = cluster_rows_member(rows_of(ask), ask->about);
    if (member->state != MEMBER_REMOVED && !member->draining) {
        return refuse(ask, PDR_INVALID, "node %.*s must be empty first: drain it", TEXT(member->name));
    }
    *command = (struct command){.kind = COMMAND_EXPEL, .expel = {ask->about}};
    if (member->state == MEMBER_REMOVED) {
        command->kind = 0;
    }
    return true;
}

/* Shards. */

static bool may_have(struct ask *ask, const struct cluster_group *group, uint64_t node)
{
    const struct cluster_member *member = cluster_rows_member(rows_of(ask), node);
    if (member->state != MEMBER_UP || member->draining) {
        return refuse(ask, PDR_INVALID, "node %.*s is %s; it gets no shards", TEXT(member->name),
                      cluster_member_state(member));
    }
    if (!placement_rows_fits(member, group)) {
        return refuse(ask, PDR_INVALID, "node %.*s has not the labels that group %.*s asks for", TEXT(member->name),
                      TEXT(group->name));
    }
    return true;
}

/* [TYPE/KEY or shard, NODE] */
static bool begin_move(struct ask *ask, struct command *command)
{
    if (!take_shard(ask, argument(ask, 0)) || !take_node(ask, argument(ask, 1), &ask->about)) {
        return false;
    }
    const struct cluster_group *group = directory_group_of(rows_of(ask), ask->shard);
    const struct cluster_shard *shard = cluster_rows_shard(rows_of(ask), ask->shard);
    if (shard == NULL) {
        return refuse(ask, PDR_UNAVAILABLE, "the shard has no home yet");
    }
    if (group->node != 0 && group->node != ask->about) {
        return refuse(ask, PDR_INVALID, "group %.*s is pinned to another node; `perdure pin` pins it elsewhere",
                      TEXT(group->name));
    }
    if (!may_have(ask, group, ask->about)) {
        return false;
    }
    *command = (struct command){.kind = COMMAND_TARGETS,
                                .targets = {shard->shard, shard->cv, directory_moved(shard, ask->about)}};
    if (shard->targets.at[0] == ask->about) {
        command->kind = 0; /* it is there, or on its way */
    }
    return true;
}

/* Labels in order of their names. */
static bool take_labels(struct ask *ask, pdr_value map, struct pairs *out)
{
    struct pair pairs[LIMIT_LABELS_MAX];
    struct pdr_bytes items = pdr_value_items(map);
    uint32_t count = pdr_value_kind(map) == PDR_KIND_MAP ? pdr_value_count(map) : 0;
    if (count > LIMIT_LABELS_MAX) {
        return refuse(ask, PDR_INVALID, "too many labels");
    }
    for (uint32_t i = 0; i < count; i++) {
        struct pair pair;
        if (!pdr_value_bytes(pdr_value_next(&items), &pair.key) ||
            !pdr_value_bytes(pdr_value_next(&items), &pair.value)) {
            return refuse(ask, PDR_INVALID, "labels are texts");
        }
        uint32_t at = i;
        for (; at > 0 && pdr_bytes_compare(pairs[at - 1].key, pair.key) > 0; at--) {
            pairs[at] = pairs[at - 1];
        }
        pairs[at] = pair;
    }
    pdr_write_map(&ask->labels, count);
    for (uint32_t i = 0; i < count; i++) {
        pdr_write_str(&ask->labels, pairs[i].key);
        pdr_write_str(&ask->labels, pairs[i].value);
    }
    *out = (struct pairs){pdr_written(&ask->labels)};
    return true;
}

/* The group of the pin of that actor's tag; NULL: it has none. */
static const struct cluster_group *pin_of(const struct ask *ask, const struct pdr_ref *ref, char *name, size_t size)
{
    struct pdr_bytes tag = pdr_ref_tag(ref->key);
    int used = snprintf(name, size, "%.*s/%.*s", (int)ref->type.size, (const char *)ref->type.data, (int)tag.size,
                        (const char *)tag.data);
    return cluster_rows_group(rows_of(ask), pdr_bytes(name, (size_t)used));
}

static void regroup(struct command *command, const struct cluster_group *group, uint64_t node, struct pairs labels)
{
    *command = (struct command){.kind = COMMAND_REGROUP,
                                .regroup = {group->name, group->replicas, group->min_isr, labels, node}};
}

/* [TYPE/KEY, {"node": NODE, "labels": {K: V}, "empty": BOOL}]. A pin that there is is changed. */
static bool begin_pin(struct ask *ask, struct command *command)
{
    char name[CLUSTER_GROUP_NAME_MAX + 1];
    struct pdr_ref ref;
    struct pairs labels;
    pdr_value wanted = argument(ask, 1), node = pdr_value_get(wanted, "node");
    if (!take_actor(ask, argument(ask, 0), &ref) || !take_labels(ask, pdr_value_get(wanted, "labels"), &labels) ||
        (node.size > 0 && !take_node(ask, node, &ask->about))) {
        return false;
    }
    if (ask->about == 0 && pairs_count(labels) == 0) {
        return refuse(ask, PDR_INVALID, "to a node, or to nodes with labels?");
    }
    const struct cluster_group *group = pin_of(ask, &ref, name, sizeof name);
    if (group != NULL) {
        regroup(command, group, ask->about, labels);
        return true;
    }
    if (!option(ask, 1, "empty")) {
        return refuse(ask, PDR_INVALID,
                      "a pin gives these actors a shard of its own, and state that they have would not come along; say "
                      "\"empty\" if they have none");
    }
    *command = (struct command){.kind = COMMAND_PIN, .pin = {ref.type, pdr_ref_tag(ref.key), ask->about, labels}};
    return true;
}

/* The tag keeps its shard, for its actors' state is there; that is placed as others are from here. */
static bool begin_unpin(struct ask *ask, struct command *command)
{
    char name[CLUSTER_GROUP_NAME_MAX + 1];
    struct pdr_ref ref;
    struct pairs none;
    if (!take_actor(ask, argument(ask, 0), &ref) || !take_labels(ask, pdr_bytes(NULL, 0), &none)) {
        return false;
    }
    const struct cluster_group *group = pin_of(ask, &ref, name, sizeof name);
    if (group == NULL) {
        return refuse(ask, PDR_NOT_FOUND, "it is not pinned");
    }
    regroup(command, group, 0, none);
    return true;
}

static void show_pin(struct ask *ask, pdr_writer *out)
{
    struct directory_seen seen = seen_by(ask);
    struct pdr_ref ref;
    if (!take_actor(ask, argument(ask, 0), &ref) || !directory_place(seen.rows, ref.type, ref.key, &ask->shard)) {
        pdr_write_nil(out);
        return;
    }
    directory_show_shard(out, &seen, ask->shard);
}

/* [BOOL] */
static bool begin_pause(struct ask *ask, struct command *command)
{
    bool paused;
    if (!pdr_value_bool(argument(ask, 0), &paused)) {
        return refuse(ask, PDR_INVALID, "true or false?");
    }
    *command = (struct command){.kind = COMMAND_PAUSE, .pause = {paused}};
    return true;
}

static const struct ask_method methods[] = {
    {"status", begin_nothing, show_status, true}, {"members", begin_nothing, show_all_members, true},
    {"shard", begin_shard, show_shard, false},    {"shards", begin_shards, show_shards_page, false},
    {"drain", begin_drain, show_node, false},     {"remove", begin_remove, show_node, false},
    {"move", begin_move, show_shard, false},      {"pin", begin_pin, show_pin, false},
    {"unpin", begin_unpin, show_pin, false},      {"pause", begin_pause, show_status, false},
};

const char *directory_ask_names(void)
{
    return "status, members, shard, shards, types, map, drain, remove, move, pin, unpin and pause";
}

/* Its way. */

static void finish(struct ask *ask)
{
    list_remove(&ask->node);
    pdr_writer_release(&ask->labels);
    call_finish(ask->call);
    mem_free(ask);
}

static void answered(void *user, const struct member_answer *answer);

static uint64_t left_ms(const struct ask *ask)
{
    uint64_t now_ns = core_now_ns(ask->owner->control), deadline_ns = ask->call->deadline_ns;
    uint64_t left = deadline_ns > now_ns ? (deadline_ns - now_ns) / NS_PER_MS : 0;
    return left > 2 * LATE_MS ? left - LATE_MS : left / 2 + 1;
}

/* The rows are there. */
static void go_on(struct ask *ask)
{
    struct command command = {.kind = 0};
    if (!ask->has_changed && !ask->method->begin(ask, &command)) {
        finish(ask);
        return;
    }
    if (!ask->has_changed && command.kind != 0) {
        ask->has_changed = true;
        ask->call->is_read = false;
        member_propose(membership_member(ask->owner), &command, left_ms(ask), answered, ask);
        return;
    }
    ask->method->show(ask, &ask->call->reply);
    finish(ask);
}

static void look(struct timer *timer)
{
    struct ask *ask = LIST_ITEM(timer, struct ask, timer);
    const struct member *member = membership_member(ask->owner);
    uint64_t now_ns = core_now_ns(ask->owner->control);
    if (member == NULL || now_ns + LATE_MS * NS_PER_MS / 2 >= ask->call->deadline_ns) {
        call_fail(ask->call, PDR_UNAVAILABLE, "%s: this node's copy of the directory is behind%s", ask->method->name,
                  ask->has_changed ? ", so it cannot show yet what was done" : "");
        finish(ask);
    } else if (member_view(member)->index >= ask->dir_index) {
        go_on(ask);
    } else {
        timer_set(&ask->owner->control->wheel, timer, now_ns + LOOK_NS);
    }
}

static void fail_unanswered(struct ask *ask, enum letter_outcome outcome)
{
    if (outcome == LETTER_NOWHERE) {
        call_fail(ask->call, PDR_UNAVAILABLE,
                  "%s: nothing was done: nobody leads the directory; most of its voters are down, or this node is cut "
                  "off from them",
                  ask->method->name);
    } else {
        call_fail(
            ask->call, PDR_UNAVAILABLE,
            "%s: no answer came from the directory's leader; it may have been done: ask again, which does no harm",
            ask->method->name);
    }
}

static void answered(void *user, const struct member_answer *answer)
{
    struct ask *ask = user;
    bool is_done = !ask->has_changed || answer->code == DIRECTORY_DONE || answer->code == DIRECTORY_ALREADY;
    if (answer->outcome != LETTER_DONE) {
        fail_unanswered(ask, answer->outcome);
        finish(ask);
    } else if (!is_done) {
        call_fail(ask->call, directory_code_status(answer->code), "%s: %.*s", ask->method->name, TEXT(answer->text));
        finish(ask);
    } else {
        ask->dir_index = answer->dir_index;
        timer_init(&ask->timer, look);
        look(&ask->timer);
    }
}

/* From the moment a node serves until it is in: who starts nodes and then asks need not know of that moment. */
static void await_joined(struct timer *timer)
{
    struct ask *ask = LIST_ITEM(timer, struct ask, timer);
    struct member *member = membership_member(ask->owner);
    uint64_t now_ns = core_now_ns(ask->owner->control);
    if (member != NULL && member_is_registered(member)) {
        if (ask->method->wants_loads) {
            member_ask_loads(member);
        }
        member_read(member, left_ms(ask), answered, ask);
    } else if (member != NULL && now_ns + LATE_MS * NS_PER_MS / 2 < ask->call->deadline_ns) {
        timer_set(&ask->owner->control->wheel, timer, now_ns + LOOK_NS);
    } else {
        call_fail(ask->call, PDR_UNAVAILABLE, "%s: this node %s", ask->method->name,
                  member == NULL ? "stops" : "has not joined its cluster yet");
        finish(ask);
    }
}

bool directory_ask(struct node *node, struct call *call)
{
    const struct ask_method *method = NULL;
    for (size_t i = 0; i < sizeof methods / sizeof *methods && method == NULL; i++) {
        method = pdr_bytes_equal(call->method, pdr_str(methods[i].name)) ? &methods[i] : NULL;
    }
    if (method == NULL) {
        return false;
    }
    if (node->membership == NULL) {
        call_fail(call, PDR_INVALID, "%s: this node is alone; it is in no cluster", method->name);
        call_finish(call);
        return true;
    }
    struct ask *ask = mem_new(sizeof *ask);
    *ask = (struct ask){.owner = node, .call = call, .method = method};
    timer_init(&ask->timer, await_joined);
    pdr_writer_init(&ask->labels, NULL, 0, LIMIT_COMMAND_BYTES_MAX);
    list_push_back(&node->asks, &ask->node);
    await_joined(&ask->timer);
    return true;
}

void directory_asks_init(struct node *node)
{
    list_init(&node->asks);
}

void directory_asks_free(struct node *node)
{
    struct list *at;
    while ((at = list_pop(&node->asks)) != NULL) {
        struct ask *ask = LIST_ITEM(at, struct ask, node);
        pdr_writer_release(&ask->labels);
        call_discard(ask->call);
        mem_free(ask);
    }
}
