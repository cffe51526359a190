/* tools/reference/manual.c: manual pages, in the mdoc macros, from the tables of the commands. */
#include <ctype.h>
#include <perdure/version.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "tools/bench/settings.h"
#include "tools/perdure/commands.h"
#include "tools/reference/written.h"

/* A full stop behind a word, and more to come: a manual's source begins a line there. */
static bool ends_sentence(const char *text, size_t size, size_t i)
{
    return text[i] == '.' && i > 0 && text[i - 1] != ' ' && i + 2 < size && text[i + 1] == ' ';
}

/* Text that roff obeys nothing of; `code` becomes bold. */
static void put_text(const char *text, size_t size)
{
    bool code = false, begins = true;
    for (size_t i = 0; i < size; i++) {
        if (begins && strchr(".'", text[i]) != NULL) {
            printf("\\&");
        }
        begins = false;
        if (ends_sentence(text, size, i)) {
            printf(".\n");
            i++;
            begins = true;
        } else if (text[i] == '`') {
            code = !code;
            printf(code ? "\\fB" : "\\fR");
        } else if (text[i] == '\\') {
            printf("\\e");
        } else if (text[i] == '-' && (code || (i + 1 < size && text[i + 1] == '-') || (i > 0 && text[i - 1] == '-'))) {
            printf("\\-");
        } else {
            putchar(text[i]);
        }
    }
}

static void put_line(const char *text)
{
    put_text(text, strlen(text));
    printf("\n");
}

/* Paragraphs with blank lines between them; what is behind `indent` blanks stands as it is. */
static void put_paragraphs(const char *text, size_t indent)
{
    bool literal = false;
    while (*text != 0) {
        size_t size = strcspn(text, "\n");
        bool now = size > indent && strspn(text, " ") >= indent;
        if (now != literal) {
            printf(now ? ".Bd -literal -offset indent\n" : ".Ed\n");
        }
        literal = now;
        if (size == 0) {
            bool before_example = strspn(text + 1, " ") >= indent;
            printf(before_example || text[1] == 0 ? "" : ".Pp\n");
        } else {
            put_text(text + (now ? indent : 0), size - (now ? indent : 0));
            printf("\n");
        }
        text += size + (text[size] == '\n');
    }
    printf(literal ? ".Ed\n" : "");
}

static void put_head(const char *title, const char *name, const char *what)
{
    printf(".\\\" Written by tools/reference from the tables of the commands.\n");
    printf(".Dd %s\n.Dt %s 1\n.Os \"perdure %s\"\n", PDR_DATE, title, PDR_VERSION);
    printf(".Sh NAME\n.Nm %s\n.Nd %s\n", name, what);
}

/* One flag of a list; lines of its help flow together. */
static void put_flag(const char *name, const char *argument, const char *help)
{
    printf(".It Fl Fl %s%s%s\n", name, argument != NULL ? " Ar " : "", argument != NULL ? argument : "");
    size_t size = strcspn(help, "\n");
    put_text(help, size);
    for (help += size; *help == '\n'; help += size) {
        printf("\n");
        size = strcspn(++help, "\n");
        put_text(help, size);
    }
    printf(".\n");
}

/* "call TYPE/KEY METHOD [ARG...] [FLAG...]" as macros. */
static void put_usage(const char *usage)
{
    size_t size = strcspn(usage, " ");
    printf(".Nm perdure\n.Cm %.*s\n", (int)size, usage);
    for (usage += size; *usage != 0; usage += size) {
        usage += strspn(usage, " ");
        size = strcspn(usage, " ");
        bool optional = usage[0] == '[';
        int inner = (int)strcspn(usage + optional, ".] ");
        bool repeated = usage[optional + inner] == '.';
        printf(optional ? ".Op Ar %.*s%s\n" : ".Ar %.*s%s\n", inner, usage + optional, repeated ? " ..." : "");
    }
}

static void put_command(const struct command *command)
{
    printf(".Ss perdure %s\n", command->name);
    put_usage(command->usage);
    printf(".Pp\n%c", toupper((unsigned char)command->summary[0]));
    put_text(command->summary + 1, strlen(command->summary + 1));
    printf(".\n.Pp\n");
    put_paragraphs(command->text, 4);
    if (command->flags->name != NULL) {
        printf(".Bl -tag -width Ds\n");
        for (const struct flag *f = command->flags; f->name != NULL; f++) {
            put_flag(f->name, f->argument, f->help);
        }
        printf(".El\n");
    }
}

static void put_exits(void)
{
    char text[COMMAND_EXIT_TEXT_MAX];
    printf(".Sh EXIT STATUS\n.Bl -tag -width Ds\n");
#define EXIT_ITEM(name, status, when)                                                                                  \
    printf(".It %d\n", status);                                                                                        \
    put_line(command_exit_text(status, text, sizeof text));
    EXIT_TABLE(EXIT_ITEM)
#undef EXIT_ITEM
    printf(".El\n");
}

static void put_environment(void)
{
    printf(".Sh ENVIRONMENT\n.Bl -tag -width PERDURE_NODE\n");
#define ENVIRONMENT_ITEM(name, text)                                                                                   \
    printf(".It Ev %s\n", name);                                                                                       \
    put_line(text);
    ENVIRONMENT_TABLE(ENVIRONMENT_ITEM)
#undef ENVIRONMENT_ITEM
    printf(".El\n");
}

void manual_print_perdure(void)
{
    put_head("PERDURE", "perdure", "actors that are called by name and outlive their processes");
    printf(".Sh SYNOPSIS\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        put_usage(c->usage);
    }
    printf(".Sh DESCRIPTION\n"
           ".Nm\nruns durable actors, and calls them.\n"
           "An actor has an address, TYPE/KEY; any name may be called, and nobody makes or destroys actors by hand.\n"
           "Flags begin with\n.Ql \\-\\-\nand may stand anywhere behind the command;\n.Fl Fl flag Ar VALUE\nand\n"
           ".Fl Fl flag Ns = Ns Ar VALUE\nare the same, and\n.Fl Fl\nalone ends them.\n"
           "Sizes and times have units: 64MiB, 30s.\n"
           ".Sh COMMANDS\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        put_command(c);
    }
    put_environment();
    put_exits();
    printf(".Sh SEE ALSO\n.Xr perdure-bench 1\n");
}

void manual_print_bench(void)
{
    put_head("PERDURE-BENCH", "perdure-bench", "measure a Perdure node, and the floor it stands on");
    printf(".Sh SYNOPSIS\n.Nm\n.Ar WORKLOAD ...\n.Op Fl Fl start | Fl Fl node Ar HOST:PORT\n.Op Ar OPTION ...\n");
    printf(".Sh DESCRIPTION\n");
    put_paragraphs(bench_intro, 2);
    printf(".Pp\nThe workloads, all of which\n.Ar all\nnames, are:\n.Bl -tag -width Ds\n");
    for (const struct workload *w = workloads; w->name != NULL; w++) {
        printf(".It %s\n", w->name);
        put_line(w->summary);
    }
    printf(".El\n.Pp\nThe options are:\n.Bl -tag -width Ds\n");
    for (const struct bench_flag *f = bench_flags; f->name != NULL; f++) {
        put_flag(f->name + strspn(f->name, "-"), f->argument, f->help);
    }
    printf(".El\n.Sh ENVIRONMENT\n.Bl -tag -width PERDURE_NODE\n.It Ev PERDURE_NODE\n");
    put_line("HOST:PORT of the node to measure, where --node does not say it");
    printf(".El\n.Sh EXIT STATUS\n");
    put_paragraphs(bench_exits, 2);
    printf(".Sh EXAMPLES\n");
    put_paragraphs(bench_examples, 2);
    printf(".Sh SEE ALSO\n.Xr perdure 1\n");
}
