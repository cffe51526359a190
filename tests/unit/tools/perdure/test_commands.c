/* tests/unit/tools/perdure/test_commands.c: the table of the commands holds together. */
#include "tools/perdure/commands.h"

#include <stdlib.h>

#include "tests/lib/test.h"

static bool is_sentence(const char *text)
{
    size_t size = strlen(text);
    return size > 5 && text[size - 1] != '.' && text[0] != ' ';
}

TEST(every_command_is_told_about)
{
    for (const struct command *c = commands; c->name != NULL; c++) {
        EXPECT(strncmp(c->usage, c->name, strlen(c->name)) == 0);
        EXPECT(is_sentence(c->summary));
        EXPECT(c->text[strlen(c->text) - 1] == '\n');
        EXPECT(c->run != NULL && c->arguments_min <= c->arguments_max);
        EXPECT(command_find(c->name) == c && command_near(c->name) == c);
        for (const struct flag *f = c->flags; f->name != NULL; f++) {
            EXPECT(is_sentence(f->help));
            EXPECT(strcmp(f->name, "help") != 0);
        }
    }
}

TEST(the_names_of_the_product_are_there)
{
    static const char *const names[] = {"start",  "call",    "tell",   "watch",     "status",   "ps",
                                        "types",  "inspect", "cancel", "redeliver", "help",     "drain",
                                        "remove", "move",    "pin",    "unpin",     "rebalance"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        EXPECT(command_find(names[i]) != NULL);
    }
    EXPECT(command_find("") == NULL && command_find("star") == NULL);
}

TEST(a_slip_of_the_pen_is_understood)
{
    REQUIRE(command_near("strat") != NULL && command_near("stauts") != NULL && command_near("cal") != NULL);
    EXPECT_STR(command_near("strat")->name, "start");
    EXPECT_STR(command_near("stauts")->name, "status");
    EXPECT_STR(command_near("cal")->name, "call");
    EXPECT(command_near("frobnicate") == NULL);
}

/* Scripts tell by it what may be tried again. */
TEST(every_outcome_has_an_exit_status)
{
    char text[COMMAND_EXIT_TEXT_MAX], code[80];
    EXPECT_INT(command_exit(PDR_OK), 0);
    EXPECT_INT(command_exit(PDR_ACTOR), 1);
    EXPECT_INT(command_exit(PDR_NOT_FOUND), 1);
    EXPECT_INT(command_exit(PDR_DEADLINE), 4);
    EXPECT_INT(command_exit(PDR_OVERLOADED), 5);
    EXPECT_INT(command_exit(PDR_UNAVAILABLE), 5);
    for (enum pdr_status status = PDR_OK + 1; status < PDR_STATUS_COUNT; status++) {
        int exit = command_exit(status);
        EXPECT((exit == EXIT_FAILED) == (pdr_status_retry(status) == PDR_RETRY_NEVER));
        snprintf(code, sizeof code, " %s", pdr_status_wire(status));
        EXPECT(strstr(command_exit_text(exit, text, sizeof text), code) != NULL); /* actors' own are named too */
        EXPECT(strlen(text) < sizeof text - 1);
    }
}

static char printed[16384];

static const char *help_of(const struct command *command)
{
    FILE *out = tmpfile();
    REQUIRE(out != NULL);
    if (command != NULL) {
        command_print_help(command, out);
    } else {
        commands_print_help(out);
    }
    rewind(out);
    printed[fread(printed, 1, sizeof printed - 1, out)] = 0;
    fclose(out);
    return printed;
}

static bool fits(const char *text)
{
    for (const char *line = text; *line != 0;) {
        size_t size = strcspn(line, "\n");
        if (size > 110 || (size > 0 && line[size - 1] == ' ')) {
            fprintf(stderr, "%.*s\n", (int)size, line);
            return false;
        }
        line += size + (line[size] == '\n');
    }
    return true;
}

TEST(help_names_every_flag_and_fits_a_terminal)
{
    EXPECT(fits(help_of(NULL)));
    for (const struct command *c = commands; c->name != NULL; c++) {
        const char *help = help_of(c);
        EXPECT(fits(help));
        for (const struct flag *f = c->flags; f->name != NULL; f++) {
            char name[80];
            snprintf(name, sizeof name, "  --%s", f->name);
            EXPECT(strstr(help, name) != NULL);
        }
        EXPECT(strstr(help_of(NULL), c->summary) != NULL);
    }
}

static int run(char *first, char *second, char *third)
{
    char name[] = "perdure";
    char *argv[] = {name, first, second, third, NULL};
    int argc = 1;
    while (argv[argc] != NULL) {
        argc++;
    }
    fclose(stderr); /* what it says is looked at by tests/e2e/test_cli.py */
    stderr = tmpfile();
    return perdure_main(argc, argv);
}

TEST(mistakes_end_with_status_2)
{
    char unknown[] = "frobnicate", call[] = "call", status[] = "status", more[] = "x", flag[] = "--nosuch",
         help[] = "help";
    char start[] = "start", join[] = "--join=h", memory[] = "--memory=5";
    EXPECT_INT(run(NULL, NULL, NULL), EXIT_MISUSE);
    EXPECT_INT(run(unknown, NULL, NULL), EXIT_MISUSE);
    EXPECT_INT(run(call, NULL, NULL), EXIT_MISUSE);
    EXPECT_INT(run(call, more, more), EXIT_MISUSE);
    EXPECT_INT(run(status, more, NULL), EXIT_MISUSE);
    EXPECT_INT(run(status, flag, NULL), EXIT_MISUSE);
    EXPECT_INT(run(help, unknown, NULL), EXIT_MISUSE);
    EXPECT_INT(run(start, join, NULL), EXIT_MISUSE);
    EXPECT_INT(run(start, memory, NULL), EXIT_MISUSE);
}

TEST_MAIN()
