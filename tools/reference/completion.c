/* tools/reference/completion.c: what bash completes: tables of commands and flags, and the few functions that use them.
 * Types, addresses and methods come from the node, which has 300 ms to answer; without one nothing is offered. */
#include <stdio.h>
#include <string.h>

#include "tools/bench/settings.h"
#include "tools/perdure/commands.h"
#include "tools/reference/written.h"

static const char perdure_head[] =
    "# Completion of perdure for bash. Written by tools/reference from the table of the commands.\n"
    "\n"
    "_perdure_ask() { # ARG...: what the node says, if it does at once\n"
    "    \"$_perdure\" \"$@\" \"${_perdure_node[@]}\" --deadline 300ms </dev/null 2>/dev/null\n"
    "}\n"
    "\n"
    "_perdure_types() {\n"
    "    _perdure_ask types | sed -n 's/.*\"name\":\"\\([^\"]*\\)\".*/\\1/p'\n"
    "}\n"
    "\n"
    "_perdure_methods() { # TYPE\n"
    "    _perdure_ask types | grep -F \"\\\"name\\\":\\\"$1\\\"\" | sed -n 's/.*\"methods\":\\[\\([^]]*\\)\\].*/\\1/p' "
    "|\n"
    "        tr ',' '\\n' | tr -d '\"'\n"
    "}\n"
    "\n"
    "# Those that bash would have to quote, or would split, are left out.\n"
    "_perdure_addresses() { # BEGINNING\n"
    "    if [[ $1 == */* ]]; then\n"
    "        _perdure_ask ps \"$1\" --limit 64 | sed -n 's/.*\"address\":\"\\([A-Za-z0-9_./+-]*\\)\".*/\\1/p'\n"
    "    else\n"
    "        _perdure_types | sed 's|$|/|'\n"
    "    fi\n"
    "}\n"
    "\n"
    "_perdure_dead() {\n"
    "    _perdure_ask ps --dead --limit 64 | sed -n 's/.*\"id\":\"\\{0,1\\}\\([A-Za-z0-9_./+-]*\\).*/\\1/p'\n"
    "}\n"
    "\n";

static const char perdure_body[] =
    "# Words for what KIND stands for in a usage or behind a flag.\n"
    "_perdure_offer() { # KIND BEGINNING ADDRESS\n"
    "    case $1 in\n"
    "        TYPE/KEY | TYPE/PREFIX) _perdure_addresses \"$2\" ;;\n"
    "        METHOD) _perdure_methods \"${3%%/*}\" ;;\n"
    "        ID) _perdure_dead ;;\n"
    "        COMMAND) _perdure_commands ;;\n"
    "        LEVEL) printf '%s\\n' debug info warn error ;;\n"
    "        DIR) compgen -d -- \"$2\" ;;\n"
    "        FILE) compgen -f -- \"$2\" ;;\n"
    "    esac\n"
    "}\n"
    "\n"
    "# Words are split at blanks alone: bash would split HOST:PORT and --flag=VALUE as well.\n"
    "_perdure_complete() {\n"
    "    local _perdure=$1 line=${COMP_LINE:0:COMP_POINT} words word command= kind= flag= count=0 "
    "address=\n"
    "    local end= _perdure_node=()\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=('')\n"
    "    local last=$((${#words[@]} - 1))\n"
    "    local current=${words[last]}\n"
    "    COMPREPLY=()\n"
    "    for word in \"${words[@]:1:last-1}\"; do\n"
    "        if [[ -z $command ]]; then\n"
    "            command=$word\n"
    "        elif [[ -n $flag ]]; then\n"
    "            [[ $flag == --node ]] && _perdure_node=(--node \"$word\")\n"
    "            flag=\n"
    "        elif [[ -z $end && $word == -- ]]; then\n"
    "            end=1\n"
    "        elif [[ -z $end && $word == --*=* ]]; then\n"
    "            [[ $word == --node=* ]] && _perdure_node=(\"$word\")\n"
    "        elif [[ -z $end && $word == --* ]]; then\n"
    "            [[ -n $(_perdure_value \"$command\" \"$word\") ]] && flag=$word\n"
    "        else\n"
    "            ((count++ == 0)) && address=$word\n"
    "        fi\n"
    "    done\n"
    "    local before=\n"
    "    if [[ -z $command ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$(_perdure_commands) --help --version\" -- \"$current\")\n"
    "        return\n"
    "    elif [[ -n $flag ]]; then\n"
    "        kind=$(_perdure_value \"$command\" \"$flag\")\n"
    "    elif [[ -z $end && $current == --*=* ]]; then\n"
    "        kind=$(_perdure_value \"$command\" \"${current%%=*}\")\n"
    "        before=${current%%=*}=\n"
    "    elif [[ -z $end && $current == -* ]]; then\n"
    "        mapfile -t COMPREPLY < <(compgen -W \"$(_perdure_flags \"$command\") --help\" -- \"$current\")\n"
    "        return\n"
    "    else\n"
    "        kind=$(_perdure_argument \"$command\" $((count + 1)))\n"
    "    fi\n"
    "    [[ -n $kind ]] || return\n"
    "    local IFS=$'\\n' beginning=${current#\"$before\"}\n"
    "    mapfile -t COMPREPLY < <(compgen -W \"$(_perdure_offer \"$kind\" \"$beginning\" \"$address\")\" -- "
    "\"$beginning\")\n"
    "    [[ $kind == DIR || $kind == FILE ]] && compopt -o filenames 2>/dev/null\n"
    "    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == */ ]] && compopt -o nospace 2>/dev/null\n"
    "    return 0\n"
    "}\n"
    "\n"
    "complete -F _perdure_complete perdure\n";

/* A function that prints the name of every command. */
static void print_names(void)
{
    printf("_perdure_commands() {\n    printf '%%s\\n'");
    for (const struct command *c = commands; c->name != NULL; c++) {
        printf(" %s", c->name);
    }
    printf("\n}\n\n");
}

static void print_flags(void)
{
    printf("_perdure_flags() { # COMMAND\n    case $1 in\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        printf("        %s) printf '%%s\\n'", c->name);
        for (const struct flag *f = c->flags; f->name != NULL; f++) {
            printf(" --%s", f->name);
        }
        printf(" ;;\n");
    }
    printf("    esac\n}\n\n");
}

static void print_values(void)
{
    printf("_perdure_value() { # COMMAND FLAG: what it takes\n    case \"$1 $2\" in\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        for (const struct flag *f = c->flags; f->name != NULL; f++) {
            if (f->argument != NULL) {
                printf("        '%s --%s') echo %s ;;\n", c->name, f->name, f->argument);
            }
        }
    }
    printf("    esac\n}\n\n");
}

/* The words of "call TYPE/KEY METHOD [ARG...] [FLAG...]" by their places. */
static void print_places(const struct command *command)
{
    const char *at = command->usage + strcspn(command->usage, " ");
    for (unsigned place = 1; *at != 0; place++) {
        at += strspn(at, " [");
        int size = (int)strcspn(at, ".] ");
        bool repeated = at[size] == '.';
        if (strncmp(at, "FLAG", 4) != 0) {
            char where[12];
            snprintf(where, sizeof where, "%u", place);
            printf("        '%s '%s) echo %.*s ;;\n", command->name, repeated ? "*" : where, size, at);
        }
        at += strcspn(at, " ");
    }
}

static void print_arguments(void)
{
    printf("_perdure_argument() { # COMMAND PLACE: what stands there, from 1\n    case \"$1 $2\" in\n");
    for (const struct command *c = commands; c->name != NULL; c++) {
        print_places(c);
    }
    printf("    esac\n}\n\n");
}

void completion_print_perdure(void)
{
    printf("%s", perdure_head);
    print_names();
    print_flags();
    print_values();
    print_arguments();
    printf("%s", perdure_body);
}

void completion_print_bench(void)
{
    printf("# Completion of perdure-bench for bash. Written by tools/reference from its table of flags.\n\n"
           "complete -W 'all");
    for (const struct workload *w = workloads; w->name != NULL; w++) {
        printf(" %s", w->name);
    }
    for (const struct bench_flag *f = bench_flags; f->name != NULL; f++) {
        printf(" %s", f->name);
    }
    printf("' perdure-bench\n");
}
