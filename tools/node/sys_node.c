/* tools/node/sys_node.c: `_sys/node`, the node's own actor: status, ps, types. Served on the control core; what only a
 * core knows is asked of all cores by message, and the answers are put together here (a survey). */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "core/shard/activation.h"
#include "core/shard/shard.h"
#include "core/store/keys.h"
#include "tools/node/node_parts.h"

#define PS_LIMIT 1000
#define PS_BYTES_MAX (16u << 20) /* of one passive actor: counting stops there */
#define PS_AT_ONCE 4u            /* they read the store on the work pool, which others need too */

/* One row of `ps`. */
struct ps_row {
    char *address;
    bool active;
    uint32_t mailbox, turns;
    uint32_t shard; /* of a passive one */
    uint64_t bytes;
};

struct ps_rows {
    struct ps_row *rows;
    uint32_t count, capacity;
};

/* What one core adds. */
struct answer {
    struct core_stats stats;
    struct conn_stats conns;
    uint64_t active, queued, memory, connections, unapplied;
    struct ps_rows ps;
};

struct survey {
    struct list node;
    struct node *owner;
    struct call *call;
    unsigned awaited;
    bool wants_ps;
    struct pdr_bytes prefix, cursor; /* slices of the call */
    uint32_t limit;
    struct core_job job; /* the passive ones, from the store */
    struct ps_rows passive;
    enum pdr_status status;
    struct answer answers[];
};

struct question {
    struct message message;
    struct survey *survey;
    unsigned index;
};

static bool in_page(const struct survey *survey, struct pdr_bytes address)
{
    if (address.size < survey->prefix.size ||
        (survey->prefix.size > 0 && memcmp(address.data, survey->prefix.data, survey->prefix.size) != 0)) {
        return false;
    }
    return survey->cursor.size == 0 || pdr_bytes_compare(address, survey->cursor) > 0;
}

static struct ps_row *next_row(struct ps_rows *rows)
{
    if (rows->count == rows->capacity) {
        rows->capacity = rows->capacity == 0 ? 64 : rows->capacity * 2;
        rows->rows = mem_grow(rows->rows, rows->capacity * sizeof *rows->rows);
    }
    return &rows->rows[rows->count++];
}

static struct ps_row *add_row(struct ps_rows *rows, struct pdr_bytes address)
{
    struct ps_row *row = next_row(rows);
    *row = (struct ps_row){.address = mem_new(address.size + 1)};
    memcpy(row->address, address.data, address.size);
    return row;
}

static void free_rows(struct ps_rows *rows)
{
    for (uint32_t i = 0; i < rows->count; i++) {
        mem_free(rows->rows[i].address);
    }
    mem_free(rows->rows);
}

static int compare_rows(const void *a, const void *b)
{
    return strcmp(((const struct ps_row *)a)->address, ((const struct ps_row *)b)->address);
}

/* Keeps the first `limit` in order, so that a core with a million actors answers with a page. */
static void shrink(struct ps_rows *rows, uint32_t limit)
{
    if (rows->count > 0) {
        qsort(rows->rows, rows->count, sizeof *rows->rows, compare_rows);
    }
    while (rows->count > limit) {
        mem_free(rows->rows[--rows->count].address);
    }
}

/* On each core. */

struct walk {
    const struct survey *survey;
    struct ps_rows *rows;
};

static bool note_activation(struct hash_node *node, void *user)
{
    const struct activation *a = LIST_ITEM(node, struct activation, by_address);
    struct walk *walk = user;
    if (in_page(walk->survey, activation_address(a))) {
        struct ps_row *row = add_row(walk->rows, activation_address(a));
        row->active = true;
        row->mailbox = a->mailbox_count;
        row->turns = a->turns;
        row->bytes = a->values.bytes;
        if (walk->rows->count > 4 * (walk->survey->limit + 64)) {
            shrink(walk->rows, walk->survey->limit + 1);
        }
    }
    return true;
}

static void answered(struct message *message);

static void asked(struct message *message)
{
    struct question *question = LIST_ITEM(message, struct question, message);
    struct survey *survey = question->survey;
    struct node *node = survey->owner;
    struct core *core = node->cores[question->index];
    if (!core->dead) {
        struct answer *answer = &survey->answers[question->index];
        answer->stats = core->stats;
        answer->conns = node->parts[question->index].conns.stats;
        answer->connections = node->parts[question->index].conns.count;
        answer->active = hash_count(&core->activations);
        answer->queued = core->queued;
        answer->memory = core->memory_used;
        answer->unapplied = core->unapplied_bytes;
        if (survey->wants_ps) {
            struct walk walk = {survey, &answer->ps};
            hash_each(&core->activations, note_activation, &walk);
            shrink(&answer->ps, survey->limit + 1);
        }
    }
    message->deliver = answered;
    loop_post(node->world.control_loop, message);
}

/* Answers. */

static void survey_free(struct survey *survey)
{
    list_remove(&survey->node);
    for (unsigned i = 0; i < survey->owner->world.cores; i++) {
        free_rows(&survey->answers[i].ps);
    }
    free_rows(&survey->passive);
    mem_free(survey);
}

static void put_uint(pdr_writer *out, const char *key, uint64_t value)
{
    pdr_write_cstr(out, key);
    pdr_write_uint(out, value);
}

static void put_str(pdr_writer *out, const char *key, const char *value)
{
    pdr_write_cstr(out, key);
    pdr_write_cstr(out, value);
}

static void put_labels(pdr_writer *out, const struct node *node)
{
    uint32_t count = 0;
    while (node->labels != NULL && node->labels[count] != NULL) {
        count++;
    }
    pdr_write_cstr(out, "labels");
    pdr_write_map(out, count);
    for (uint32_t i = 0; i < count; i++) {
        const char *equals = strchr(node->labels[i], '=');
        size_t size = equals != NULL ? (size_t)(equals - node->labels[i]) : strlen(node->labels[i]);
        pdr_write_str(out, pdr_bytes(node->labels[i], size));
        pdr_write_cstr(out, equals != NULL ? equals + 1 : "");
    }
}

static void put_members(pdr_writer *out, const struct node *node)
{
    pdr_write_cstr(out, "members");
    pdr_write_array(out, 1);
    pdr_write_map(out, 6);
    put_str(out, "name", node->name);
    put_str(out, "id", node->id);
    put_str(out, "address", node->address);
    put_str(out, "role", "single");
    put_str(out, "state", node->stop == STOP_NO ? "up" : "stopping");
    put_labels(out, node);
}

static void put_status(pdr_writer *out, const struct survey *survey)
{
    const struct node *node = survey->owner;
    struct answer sum = {0};
    for (unsigned i = 0; i < node->world.cores; i++) {
        const struct answer *a = &survey->answers[i];
        sum.active += a->active;
        sum.queued += a->queued;
        sum.memory += a->memory;
        sum.connections += a->connections;
        sum.unapplied += a->unapplied;
        sum.stats.calls += a->stats.calls;
        sum.stats.turns += a->stats.turns;
        sum.stats.entries += a->stats.entries;
        sum.stats.overloaded += a->stats.overloaded;
        sum.stats.deadlines += a->stats.deadlines;
        sum.stats.passivations += a->stats.passivations;
        sum.stats.evictions += a->stats.evictions;
        sum.conns.garbage += a->conns.garbage;
    }
    struct journal_stats journal;
    journal_stats(node->journal, &journal);
    pdr_write_map(out, 25);
    put_str(out, "cluster", node->cluster);
    put_str(out, "leader", node->name);
    put_str(out, "node", node->name);
    put_str(out, "version", node->identity.version);
    put_uint(out, "uptime_ms", (core_now_ns(node->control) - node->started_ns) / NS_PER_MS);
    put_members(out, node);
    put_uint(out, "shards", CLUSTER_SHARDS);
    put_uint(out, "lag", 0); /* entries behind the primary: there is one copy */
    put_uint(out, "cores", node->world.cores);
    put_uint(out, "actors", sum.active);
    put_uint(out, "calls", sum.stats.calls);
    put_uint(out, "turns", sum.stats.turns);
    put_uint(out, "entries", sum.stats.entries);
    put_uint(out, "waiting", sum.queued);
    put_uint(out, "overloaded", sum.stats.overloaded);
    put_uint(out, "deadlines", sum.stats.deadlines);
    put_uint(out, "passivations", sum.stats.passivations);
    put_uint(out, "evictions", sum.stats.evictions);
    put_uint(out, "memory_bytes", sum.memory);
    put_uint(out, "connections", sum.connections);
    put_uint(out, "garbage", sum.conns.garbage);
    put_uint(out, "unapplied_bytes", sum.unapplied);
    put_uint(out, "log_bytes", journal.bytes);
    put_uint(out, "log_groups", journal.groups);
    put_uint(out, "log_syncs", journal.syncs);
}

/* Active and passive ones merged by address; an active one hides its row of the store. */
static void put_ps(pdr_writer *out, struct survey *survey)
{
    struct ps_rows all = {0};
    for (unsigned i = 0; i <= survey->owner->world.cores; i++) {
        struct ps_rows *from = i < survey->owner->world.cores ? &survey->answers[i].ps : &survey->passive;
        for (uint32_t k = 0; k < from->count; k++) {
            *next_row(&all) = from->rows[k];
        }
        from->count = 0;
    }
    if (all.count > 0) {
        qsort(all.rows, all.count, sizeof *all.rows, compare_rows);
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < all.count; i++) {
        if (kept > 0 && strcmp(all.rows[kept - 1].address, all.rows[i].address) == 0) {
            struct ps_row *other = &all.rows[kept - 1], *row = &all.rows[i];
            other->bytes = row->bytes > other->bytes ? row->bytes : other->bytes;
            if (row->active) {
                other->active = true;
                other->mailbox = row->mailbox;
                other->turns = row->turns;
            }
            mem_free(row->address);
        } else {
            all.rows[kept++] = all.rows[i];
        }
    }
    all.count = kept;
    bool more = kept > survey->limit;
    uint32_t shown = more ? survey->limit : kept;
    pdr_write_map(out, 2);
    pdr_write_cstr(out, "actors");
    pdr_write_array(out, shown);
    for (uint32_t i = 0; i < shown; i++) {
        pdr_write_map(out, 5);
        put_str(out, "address", all.rows[i].address);
        put_str(out, "state", all.rows[i].active ? "active" : "passive");
        put_uint(out, "mailbox", all.rows[i].mailbox);
        put_uint(out, "turns", all.rows[i].turns);
        put_uint(out, "bytes", all.rows[i].bytes);
    }
    pdr_write_cstr(out, "next");
    if (more) {
        pdr_write_cstr(out, all.rows[shown - 1].address);
    } else {
        pdr_write_nil(out);
    }
    free_rows(&all);
}

static void conclude(struct survey *survey)
{
    struct call *call = survey->call;
    if (survey->owner->stop == STOP_DONE) { /* the journal may be gone */
        call_fail(call, PDR_UNAVAILABLE, "the node is stopping");
    } else if (survey->status != PDR_OK) {
        call_fail(call, survey->status, "the store could not be read");
    } else if (survey->wants_ps) {
        put_ps(&call->reply, survey);
    } else {
        put_status(&call->reply, survey);
    }
    survey_free(survey);
    call_finish(call);
}

/* The passive ones: one seek an actor, shard by shard, since the store is in order of shards. */

struct passive_walk {
    struct survey *survey;
    struct pdr_bytes address;
    uint64_t bytes;
    uint8_t data[KEYS_ADDRESS_MAX];
    bool found;
};

static bool first_row(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct passive_walk *walk = user;
    struct keys_state_parts parts;
    walk->found = keys_state_parse(key, &parts);
    if (walk->found) {
        memcpy(walk->data, parts.address.data, parts.address.size);
        walk->address = pdr_bytes(walk->data, parts.address.size);
    }
    return false;
}

static bool add_bytes(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct passive_walk *walk = user;
    struct keys_state_parts parts;
    if (keys_state_parse(key, &parts)) {
        walk->bytes += parts.user_key.size + value.size;
    }
    return walk->bytes < PS_BYTES_MAX;
}

/* Only of those that are shown. */
static enum pdr_status measure(struct store *store, struct store_cursor *cursor, struct ps_row *row)
{
    uint8_t from[KEYS_STATE_SIZE_MAX], to[KEYS_STATE_SIZE_MAX];
    struct passive_walk walk = {.bytes = 0};
    struct pdr_bytes address = pdr_str(row->address);
    size_t from_size = keys_state_prefix(from, row->shard, 0, address),
           to_size = keys_state_end(to, row->shard, 0, address);
    enum pdr_status status =
        store->ops->cursor_scan(cursor, pdr_bytes(from, from_size), pdr_bytes(to, to_size), add_bytes, &walk);
    row->bytes = walk.bytes;
    return status;
}

/* Up to limit + 1 actors of a shard behind the cursor. */
static enum pdr_status walk_shard(struct survey *survey, struct store *store, struct store_cursor *cursor,
                                  uint32_t shard)
{
    uint8_t from[KEYS_STATE_SIZE_MAX], to[KEYS_STATE_SIZE_MAX], end[KEYS_STATE_SIZE_MAX];
    struct passive_walk walk = {.survey = survey};
    struct pdr_bytes start = pdr_bytes_compare(survey->cursor, survey->prefix) > 0 ? survey->cursor : survey->prefix;
    size_t from_size = start.size == 0 ? keys_state_prefix(from, shard, 0, pdr_str("!")) - 2
                                       : keys_state_prefix(from, shard, 0, start) - 1;
    uint32_t found = 0;
    memset(to, 0xff, sizeof to);
    size_t to_size = keys_state_prefix(to, shard, 0, pdr_str("~")); /* behind every type's first letter */
    while (found <= survey->limit) {
        walk.found = false;
        enum pdr_status status =
            store->ops->cursor_scan(cursor, pdr_bytes(from, from_size), pdr_bytes(to, to_size), first_row, &walk);
        if (status != PDR_OK || !walk.found) {
            return status;
        }
        size_t end_size = keys_state_end(end, shard, 0, walk.address);
        if (in_page(survey, walk.address)) {
            add_row(&survey->passive, walk.address)->shard = shard;
            found++;
        } else if (pdr_bytes_compare(walk.address, survey->prefix) > 0 &&
                   (walk.address.size < survey->prefix.size ||
                    memcmp(walk.address.data, survey->prefix.data, survey->prefix.size) != 0)) {
            return PDR_OK; /* beyond the prefix */
        }
        memcpy(from, end, end_size);
        from_size = end_size;
    }
    return PDR_OK;
}

static void passive_run(struct job *job)
{
    struct survey *survey = LIST_ITEM(job, struct survey, job.job);
    struct store *store = survey->owner->store;
    struct store_cursor *cursor = store->ops->cursor_new(store);
    if (cursor == NULL) {
        survey->status = PDR_OVERLOADED;
        return;
    }
    for (uint32_t shard = 0; shard < CLUSTER_SHARDS && survey->status == PDR_OK; shard++) {
        survey->status = walk_shard(survey, store, cursor, shard);
        shrink(&survey->passive, survey->limit + 1);
    }
    for (uint32_t i = 0; i < survey->passive.count && survey->status == PDR_OK; i++) {
        survey->status = measure(store, cursor, &survey->passive.rows[i]);
    }
    store->ops->cursor_free(cursor);
}

static void passive_done(struct job *job)
{
    struct survey *survey = LIST_ITEM(job, struct survey, job.job);
    list_remove(&survey->job.node);
    conclude(survey);
}

static void passive_discard(struct core_job *job) {} /* sys_node_free has the survey */

static void answered(struct message *message)
{
    struct question *question = LIST_ITEM(message, struct question, message);
    struct survey *survey = question->survey;
    struct core *control = survey->owner->control;
    mem_free(question);
    if (--survey->awaited > 0 || control->dead) {
        return;
    }
    if (!survey->wants_ps) {
        conclude(survey);
        return;
    }
    survey->job =
        (struct core_job){.job = {passive_run, passive_done, {0}}, .core = control, .discard = passive_discard};
    list_push_back(&control->jobs, &survey->job.node);
    work_submit(control->world.work, control->world.loop, &survey->job.job);
}

static struct survey *ask_cores(struct node *node, struct call *call)
{
    unsigned cores = node->world.cores;
    struct survey *survey = mem_new(sizeof *survey + cores * sizeof survey->answers[0]);
    survey->owner = node;
    survey->call = call;
    survey->awaited = cores;
    list_push_back(&node->surveys, &survey->node);
    return survey;
}

static void send_questions(struct survey *survey)
{
    struct node *node = survey->owner;
    unsigned cores = node->world.cores;
    for (unsigned i = 0; i < cores; i++) {
        struct question *question = mem_new(sizeof *question);
        *question = (struct question){{.deliver = asked}, survey, i};
        loop_post(node->world.core_loops[i], &question->message);
    }
}

/* Methods. */

static void status(struct node *node, struct call *call)
{
    send_questions(ask_cores(node, call));
}

static uint32_t ps_under_way(const struct node *node)
{
    uint32_t count = 0;
    for (const struct list *at = node->surveys.next; at != &node->surveys; at = at->next) {
        count += LIST_ITEM(at, struct survey, node)->wants_ps;
    }
    return count;
}

static void ps(struct node *node, struct call *call)
{
    if (ps_under_way(node) >= PS_AT_ONCE) {
        call->retry_ms = 200;
        call_fail(call, PDR_OVERLOADED, "%u others list actors at this moment (limit ps_at_once)", PS_AT_ONCE);
        call_finish(call);
        return;
    }
    struct pdr_bytes items = pdr_value_items(call->args), none = {NULL, 0};
    pdr_value prefix = pdr_value_next(&items), cursor = pdr_value_next(&items), limit = pdr_value_next(&items);
    int64_t n = 100;
    struct survey *survey = ask_cores(node, call);
    survey->prefix = survey->cursor = none;
    pdr_value_bytes(prefix, &survey->prefix);
    pdr_value_bytes(cursor, &survey->cursor);
    pdr_value_int(limit, &n);
    if (n < 1 || n > PS_LIMIT || survey->prefix.size > KEYS_ADDRESS_MAX || survey->cursor.size > KEYS_ADDRESS_MAX) {
        survey_free(survey);
        call_fail(call, PDR_INVALID, "ps takes a prefix, a cursor (the last page's \"next\") and a limit of 1 to %d",
                  PS_LIMIT);
        call_finish(call);
        return;
    }
    survey->limit = (uint32_t)n;
    survey->wants_ps = true;
    send_questions(survey);
}

static void types(struct node *node, struct call *call)
{
    pdr_writer *out = &call->reply;
    uint32_t count = registry_count(node->registry);
    pdr_write_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        const struct actor_class *cls = registry_at(node->registry, i);
        pdr_write_map(out, 2);
        pdr_write_cstr(out, "name");
        pdr_write_str(out, cls->name);
        pdr_write_cstr(out, "methods");
        pdr_write_array(out, cls->method_count);
        for (uint32_t k = 0; k < cls->method_count; k++) {
            pdr_write_str(out, cls->methods[k].name);
        }
    }
    call_finish(call);
}

static void handle(void *user, struct call *call)
{
    static const struct {
        const char *name;
        void (*run)(struct node *node, struct call *call);
    } methods[] = {{"status", status}, {"ps", ps}, {"types", types}};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (pdr_bytes_equal(call->method, pdr_str(methods[i].name))) {
            methods[i].run(user, call);
            return;
        }
    }
    call_fail(call, PDR_NOT_FOUND, "_sys/node has status, ps and types");
    call_finish(call);
}

void sys_node_init(struct node *node)
{
    list_init(&node->surveys);
    node->system[0] = (struct system_actor){"node", handle, node};
    node->system[1] = (struct system_actor){NULL, NULL, NULL};
}

void sys_node_free(struct node *node)
{
    while (!list_empty(&node->surveys)) {
        struct survey *survey = LIST_ITEM(node->surveys.next, struct survey, node);
        call_discard(survey->call);
        survey_free(survey);
    }
}
