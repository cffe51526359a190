/* tools/reference/main.c: writes what people read from the tables that the code itself uses, so that they can't
 * disagree. `pdr-reference PAGE` prints one page: of docs/reference, which is in the tree (the ctest cases
 * docs.reference.PAGE compare, and the target `reference` writes them anew), or a manual, or what bash completes, which
 * the build makes. */
#include <perdure/status.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "tools/node/config.h"
#include "tools/node/sys_metrics.h"
#include "tools/node/units.h"
#include "tools/perdure/commands.h"
#include "tools/reference/written.h"

#define WRITTEN                                                                                                        \
    "<!-- Written by tools/reference from %s; change it there, then: cmake --build BUILD --target reference -->\n"

/* In a table's cell a bar would end it, and <...> and _..._ would vanish unless they are code. */
static void print_cell(const char *text)
{
    bool code = false;
    for (; *text != 0; text++) {
        code ^= *text == '`';
        if (*text == '|' || (!code && strchr("<_", *text) != NULL)) {
            putchar('\\');
        }
        putchar(*text);
    }
}

/* commands.md */

static void print_flags(const struct command *command)
{
    if (command->flags->name == NULL) {
        return;
    }
    printf("\n| flag | |\n|---|---|\n");
    for (const struct flag *f = command->flags; f->name != NULL; f++) {
        printf("| `--%s%s%s` | ", f->name, f->argument != NULL ? " " : "", f->argument != NULL ? f->argument : "");
        print_cell(f->help);
        printf(" |\n");
    }
}

/* Help text as Markdown: what is indented by four is code there too. */
static void print_commands(void)
{
    printf("# Commands\n\n" WRITTEN "\n", "tools/perdure/commands.c");
    printf("One binary, `perdure`. Flags begin with `--` and may stand anywhere; `--flag VALUE` and `--flag=VALUE` are "
           "the\n"
           "same. `perdure COMMAND --help` prints what is here. How JSON stands for values: [json.md](json.md).\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        printf("\n## perdure %s\n\n", c->name);
        printf("`perdure %s`: ", c->usage);
        print_cell(c->summary);
        printf(".\n\n%s", c->text);
        print_flags(c);
    }
    char text[COMMAND_EXIT_TEXT_MAX];
    printf("\n## Exit status\n\n| status | when |\n|---|---|\n");
#define EXIT_LINE(name, status, when)                                                                                  \
    printf("| %d | ", status);                                                                                         \
    print_cell(command_exit_text(status, text, sizeof text));                                                          \
    printf(" |\n");
    EXIT_TABLE(EXIT_LINE)
#undef EXIT_LINE
    printf("\n## Environment\n\n| variable | |\n|---|---|\n");
#define ENVIRONMENT_LINE(name, text)                                                                                   \
    printf("| `%s` | ", name);                                                                                         \
    print_cell(text);                                                                                                  \
    printf(" |\n");
    ENVIRONMENT_TABLE(ENVIRONMENT_LINE)
#undef ENVIRONMENT_LINE
}

/* config.md */

static void print_config(void)
{
    printf("# Settings of a node\n\n" WRITTEN "\n", "tools/node/config_table.h");
    printf(
        "Flags of `perdure start`. Sizes have units (512KiB, 64MiB, 2GiB, or bytes), and so have times (500ms, 30s,\n"
        "5min, 2h, 1d). A value out of its range is refused with a sentence; nothing is silently cut.\n\n"
        "| flag | default | from | to | |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        printf("| `--%s %s` | %s | %s | %s | ", row->flag, row->argument, row->otherwise, row->least, row->most);
        print_cell(row->text);
        printf(" |\n");
    }
    printf("\n`PERDURE_NODE` (HOST:PORT) says which node the other commands talk to when `--node` does not.\n");
}

/* errors.md */

static const char *again(enum pdr_retry retry)
{
    switch (retry) {
    case PDR_RETRY_LATER:
        return "yes, after a pause (`retry_ms`, where the error has it)";
    case PDR_RETRY_REROUTE:
        return "yes, at once, elsewhere";
    default:
        return "no: it would fail the same way";
    }
}

static void print_error(enum pdr_status status, const char *name)
{
    if (status != PDR_OK && status != PDR_ACTOR) {
        printf("| `%s` | `PDR_%s` | %d | %s | %s |\n", pdr_status_wire(status), name, pdr_status_http(status),
               again(pdr_status_retry(status)), pdr_status_text(status));
    }
}

static void print_errors(void)
{
    printf("# Errors\n\n" WRITTEN "\n", "include/perdure/status.h");
    printf("A call that fails is answered with a map: `{\"code\": ..., \"message\": ...}`, with `\"retry_ms\"` where "
           "waiting\n"
           "helps. The platform's codes are below; any other code is an actor's own (`enum pdr_status` has PDR_ACTOR "
           "for it).\n\n"
           "| code | in C | HTTP | again? | |\n|---|---|---|---|---|\n");
#define ERROR_LINE(name, wire, http, retry, text) print_error(PDR_##name, #name);
    PDR_STATUS_TABLE(ERROR_LINE)
#undef ERROR_LINE
    printf("\nAfter `deadline_exceeded` and `unavailable` nobody can say whether the call was applied: to call again "
           "is safe\n"
           "when the method may run twice, and always under a session ([exactly once](../concepts/sessions.md)).\n");
}

/* limits.md */

static void print_limit(const char *name, unsigned long long value, const char *unit, const char *text)
{
    char size[48];
    if (strcmp(unit, "bytes") == 0) {
        units_print_bytes(value, size, sizeof size);
    } else {
        snprintf(size, sizeof size, "%llu", value);
    }
    bool has_unit = strcmp(unit, "bytes") == 0 && strchr(size, 'B') != NULL;
    printf("| `%s` | %s%s%s | ", name, size, has_unit ? "" : " ", has_unit ? "" : unit);
    print_cell(text);
    printf(" |\n");
}

static void print_limits(void)
{
    static const char columns[] = "\n| limit | value | what it bounds, and what happens at it |\n|---|---|---|\n";
    printf("# Limits\n\n" WRITTEN "\n", "core/base/limits.h");
    printf("Everything that could grow is bounded. What a node can be told is in [config.md](config.md); what is fixed "
           "is\n"
           "here. At a limit the answer is an error that names it, as `(limit payload_bytes_max)`, or the connection "
           "ends with\n"
           "`_sys/conn.closed [{\"code\", \"message\"}]`.\n");
#define LIMIT_LINE(name, value, unit, text) print_limit(#name, (unsigned long long)(value), unit, text);
    printf("\n## Of a connection\n%s", columns);
    LIMIT_WIRE_TABLE(LIMIT_LINE)
    printf("\n## Of a link between nodes\n%s", columns);
    LIMIT_PEER_TABLE(LIMIT_LINE)
    printf("\n## Of an actor, and of a turn\n%s", columns);
    LIMIT_ACTOR_TABLE(LIMIT_LINE)
    printf("\n## Of a node\n%s", columns);
    LIMIT_NODE_TABLE(LIMIT_LINE)
    printf("\n## Of a cluster\n%s", columns);
    LIMIT_CLUSTER_TABLE(LIMIT_LINE)
#undef LIMIT_LINE
    printf(
        "\nWhat an actor keeps on disk has no bound of its own, only each of its keys and values: how large it is "
        "would\n"
        "have to be read before each write, since a write does not say what it replaces. `perdure ps` measures it. "
        "In\n"
        "memory a large actor is bounded by what it has written and the store has not taken yet.\n"
        "\n"
        "Of the descriptors that the process may have (`ulimit -n`, raised to the hard limit), 640, or half of them "
        "if that\n"
        "is less, are kept for the files of log and store. Connections that would take one of these wait until others "
        "end;\n"
        "the log of the node says so (`listener.paused`).\n");
}

/* metrics.md */

static const char *labels_of(const struct metrics_row *row)
{
    return row->label != NULL ? row->label : row->kind == METRICS_TIME || row->kind == METRICS_SIZE ? "le" : "";
}

static void print_metrics(void)
{
    printf("# Metrics\n\n" WRITTEN "\n",
           "the tables of core/shard/core_stats.h, net/conn/conn.h and tools/node/sys_metrics.c");
    printf(
        "`perdure status --metrics` prints them, and `_sys/node.metrics []` returns them as one string: the text "
        "format "
        "of\n"
        "Prometheus, version 0.0.4. What to watch: [guides/operate.md](../guides/operate.md).\n\n"
        "All begin at 0 with the process. `_us` is microseconds, `_ns` nanoseconds, `_ms` milliseconds. A histogram is "
        "the\n"
        "sum over all cores; its buckets double, times from 0.25 us on. What the operating system or the store does "
        "not\n"
        "tell is left out.\n\n"
        "| metric | kind | labels | |\n|---|---|---|---|\n");
    const struct metrics_row *row;
    for (size_t i = 0; (row = metrics_row_at(i)) != NULL; i++) {
        char name[128];
        metrics_name(row, name, sizeof name);
        printf("| `%s` | %s | %s | ", name, metrics_type(row), labels_of(row));
        print_cell(row->help);
        printf(" |\n");
    }
}

static const struct page {
    const char *name;
    void (*print)(void);
} pages[] = {
    {"commands", print_commands},
    {"config", print_config},
    {"errors", print_errors},
    {"limits", print_limits},
    {"metrics", print_metrics},
    {"perdure.1", manual_print_perdure},
    {"perdure-bench.1", manual_print_bench},
    {"perdure.bash", completion_print_perdure},
    {"perdure-bench.bash", completion_print_bench},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < sizeof pages / sizeof *pages; i++) {
        if (strcmp(argv[1], pages[i].name) == 0) {
            pages[i].print();
            return fflush(stdout) == 0 ? 0 : 1;
        }
    }
    fprintf(stderr, "usage: pdr-reference PAGE\nPAGE is one of");
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++) {
        fprintf(stderr, " %s", pages[i].name);
    }
    fprintf(stderr, "\n");
    return 2;
}
