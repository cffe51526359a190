/* tools/perdure/cmd_cluster.c: `perdure status`. */
#include <inttypes.h>

#include "tools/node/units.h"
#include "tools/perdure/remote.h"
#include "tools/perdure/table.h"

#define DIRECTORY_MS_MAX 2000u /* to be asked for in a status: longer than it is without a leader when one is lost */

const struct flag status_flags[] = {
    {"metrics", NULL, "print the node's counters and latencies instead, as the text that Prometheus reads"},
    JSON_FLAG,
    REMOTE_FLAGS,
    {NULL, NULL, NULL}};

static int64_t int_of(pdr_value map, const char *key)
{
    int64_t number = 0;
    pdr_value_int(pdr_value_get(map, key), &number);
    return number;
}

static struct pdr_bytes text_of(pdr_value map, const char *key)
{
    struct pdr_bytes text = {"", 0};
    pdr_value_bytes(pdr_value_get(map, key), &text);
    return text;
}

/* {"zone": "a", "gpu": "h100"} as zone=a gpu=h100. */
static void put_labels(struct table *table, pdr_value labels)
{
    struct pdr_bytes items = pdr_value_items(labels), text;
    pdr_writer line = {0};
    for (uint32_t i = pdr_value_count(labels) * 2; i > 0; i--) {
        if (pdr_value_bytes(pdr_value_next(&items), &text)) {
            pdr_write_raw(&line, text.data, text.size);
            pdr_write_raw(&line, i % 2 == 0 ? "=" : " ", i > 1);
        }
    }
    table_text(table, pdr_written(&line));
    pdr_writer_release(&line);
}

/* Per mille of a core, as cores: 1.25. */
static void put_load(struct table *table, pdr_value load)
{
    char text[32] = "-";
    uint64_t mille;
    if (pdr_value_uint(load, &mille)) {
        snprintf(text, sizeof text, "%.2f", (double)mille / 1000);
    }
    table_text(table, pdr_str(text));
}

/* With `counts`, how much each has of the shards. `old`: as the directory had it when it was last heard of, for while
 * it has no leader nobody is found to be down. */
static void print_members(pdr_value members, bool counts, bool old)
{
    static const char *const few[] = {"NAME", "ID", "ADDRESS", "ROLE", "STATE", "LABELS", NULL};
    static const char *const last[] = {"NAME", "ID", "ADDRESS", "ROLE", "LAST STATE", "LABELS", NULL};
    static const char *const all[] = {"NAME",   "ID",    "ADDRESS", "ROLE",   "STATE",
                                      "COPIES", "LEADS", "LOAD",    "LABELS", NULL};
    static const char *const keys[] = {"name", "id", "address", "role", "state", NULL};
    struct pdr_bytes items = pdr_value_items(members);
    struct table table;
    table_init(&table, counts ? all : old ? last : few);
    table.right[5] = table.right[6] = table.right[7] = counts;
    for (uint32_t i = pdr_value_count(members); i > 0; i--) {
        pdr_value member = pdr_value_next(&items);
        for (unsigned k = 0; keys[k] != NULL; k++) {
            table_text(&table, text_of(member, keys[k]));
        }
        if (counts) {
            table_number(&table, int_of(member, "copies"));
            table_number(&table, int_of(member, "leads"));
            put_load(&table, pdr_value_get(member, "load"));
        }
        put_labels(&table, pdr_value_get(member, "labels"));
    }
    table_print(&table, 0, stdout);
    table_release(&table);
}

static void print_line(struct table *table, const char *name, const char *text)
{
    table_text(table, pdr_str(name));
    table_text(table, pdr_str(text));
}

/* What the directory says of its shards, or why it does not. */
static void print_directory(struct table *table, pdr_value directory, struct pdr_bytes why)
{
    char text[400];
    bool paused = false;
    pdr_value_bool(pdr_value_get(directory, "paused"), &paused);
    if (directory.size == 0) {
        snprintf(text, sizeof text, "%.*s", (int)why.size, (const char *)why.data);
    } else {
        snprintf(text, sizeof text,
                 "%" PRId64 " of %" PRId64 " shards assigned, %" PRId64 " without a primary, %" PRId64
                 " short of copies, %" PRId64 " moving%s",
                 int_of(directory, "assigned"), int_of(directory, "shards"), int_of(directory, "headless"),
                 int_of(directory, "short"), int_of(directory, "moving"), paused ? "; rebalancing is paused" : "");
    }
    print_line(table, "directory", text);
}

static void print_status(pdr_value status, pdr_value directory, struct pdr_bytes why)
{
    static const char *const no_titles[] = {"", "", NULL};
    struct pdr_bytes cluster = text_of(status, "cluster"), node = text_of(status, "node"),
                     leader = text_of(status, "leader"), version = text_of(status, "version");
    char text[400], up[48], memory[48], log[48];
    struct table table;
    units_print_duration_about((uint64_t)int_of(status, "uptime_ms"), up, sizeof up);
    units_print_bytes_about((uint64_t)int_of(status, "memory_bytes"), memory, sizeof memory);
    units_print_bytes_about((uint64_t)int_of(status, "log_bytes"), log, sizeof log);
    table_init(&table, no_titles);
    snprintf(text, sizeof text, "%.*s, %s%.*s", (int)cluster.size, (const char *)cluster.data,
             leader.size > 0 ? "leader " : "no leader", (int)leader.size, (const char *)leader.data);
    print_line(&table, "cluster", text);
    snprintf(text, sizeof text, "%.*s, perdure %.*s, up %s", (int)node.size, (const char *)node.data, (int)version.size,
             (const char *)version.data, up);
    print_line(&table, "node", text);
    snprintf(text, sizeof text,
             "%" PRId64 "; of %" PRId64 " copies it leads %" PRId64 ", %" PRId64 " short of others; lag %" PRId64,
             int_of(status, "shards"), int_of(status, "copies"), int_of(status, "copies_led"),
             int_of(status, "copies_short"), int_of(status, "lag"));
    print_line(&table, "shards", text);
    snprintf(text, sizeof text, "%" PRId64 " in memory, %s", int_of(status, "actors"), memory);
    print_line(&table, "actors", text);
    snprintf(text, sizeof text, "%" PRId64 " answered, %" PRId64 " waiting, %" PRId64 " refused",
             int_of(status, "calls"), int_of(status, "waiting"), int_of(status, "overloaded"));
    print_line(&table, "calls", text);
    snprintf(text, sizeof text, "%s written in %" PRId64 " syncs", log, int_of(status, "log_syncs"));
    print_line(&table, "log", text);
    if (directory.size > 0 || why.size > 0) {
        print_directory(&table, directory, why);
    }
    table_print(&table, 0, stdout);
    table_release(&table);
}

/* The directory answers only while it has a leader; what the node knows by itself is shown all the same, and soon: who
 * asks during an outage shall not wait for its end. */
static pdr_value ask_directory(struct remote *remote, struct pdr_outcome *outcome)
{
    struct pdr_bytes none = {NULL, 0};
    uint64_t asked_ms = remote->options.deadline_ms;
    struct pdr_call_options options = {.deadline_ms = asked_ms < DIRECTORY_MS_MAX ? asked_ms : DIRECTORY_MS_MAX};
    pdr_blocking_call(remote->client, pdr_str("_sys/directory"), "status", none, &options, outcome);
    return outcome->status == PDR_OK ? outcome->result : none;
}

static void show(struct remote *remote, pdr_value status)
{
    struct pdr_outcome outcome;
    pdr_value directory = ask_directory(remote, &outcome);
    bool is_alone = outcome.status == PDR_INVALID; /* as a node says that is in no cluster */
    bool is_heard = directory.size > 0;
    print_status(status, directory, is_heard || is_alone ? pdr_bytes("", 0) : outcome.message);
    printf("\n");
    print_members(pdr_value_get(is_heard ? directory : status, "members"), is_heard, !is_heard && !is_alone);
}

/* All that the node says, and what the directory says as "directory": nil where there is none. */
static int print_all(struct remote *remote, pdr_value status)
{
    struct pdr_outcome outcome;
    struct pdr_bytes items = pdr_value_items(status);
    pdr_writer all = {0};
    uint32_t count = pdr_value_count(status);
    pdr_write_map(&all, count + 1);
    for (uint32_t i = 0; i < 2 * count; i++) {
        pdr_write_value(&all, pdr_value_next(&items));
    }
    pdr_write_cstr(&all, "directory");
    pdr_value directory = ask_directory(remote, &outcome);
    if (directory.size > 0) {
        pdr_write_value(&all, directory);
    } else {
        pdr_write_nil(&all);
    }
    int printed = remote_print(pdr_written(&all));
    pdr_writer_release(&all);
    return printed;
}

/* One string, of lines. */
static int print_metrics(struct remote *remote)
{
    struct pdr_outcome outcome;
    struct pdr_bytes none = {NULL, 0}, text = {"", 0};
    int status = remote_call(remote, "_sys/node", "metrics", none, &outcome);
    if (status == EXIT_DONE && pdr_value_bytes(outcome.result, &text)) {
        fwrite(text.data, 1, text.size, stdout);
    }
    return status;
}

int cmd_status(const struct words *words)
{
    struct remote remote;
    struct pdr_outcome outcome;
    struct pdr_bytes none = {NULL, 0};
    int status = remote_open(&remote, command_find("status"), words);
    if (status != EXIT_DONE) {
        return status;
    }
    if (words_flag(words, "metrics") != NULL) {
        status = print_metrics(&remote);
        remote_close(&remote);
        return status;
    }
    status = remote_call(&remote, "_sys/node", "status", none, &outcome);
    if (status == EXIT_DONE) { /* it lives until the next call, and another is made */
        pdr_writer copy = {0};
        pdr_write_value(&copy, outcome.result);
        if (remote_for_people(words)) {
            show(&remote, pdr_written(&copy));
        } else {
            status = print_all(&remote, pdr_written(&copy));
        }
        pdr_writer_release(&copy);
    }
    remote_close(&remote);
    return status;
}
