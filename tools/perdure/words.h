/* tools/perdure/words.h: a command line taken apart by a table of flags.
 *
 * Flags begin with `--` and may stand anywhere; `--flag VALUE` and `--flag=VALUE` are the same; `--` alone ends them. A
 * word such as -2 is an argument, not a flag, so that numbers need no care. */
#ifndef TOOLS_PERDURE_WORDS_H
#define TOOLS_PERDURE_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/** One flag; a table of them ends with a NULL name. */
struct flag {
    const char *name;     /* without the -- */
    const char *argument; /* as shown in the help, such as HOST:PORT; NULL: a switch */
    const char *help;     /* a sentence without a full stop */
};

struct words {
    const char **arguments;
    size_t count;
    struct word_flag {
        const struct flag *flag;
        const char *value; /* "" of a switch */
    } * flags;
    size_t flag_count;
    bool help; /* --help or -h was among them; then nothing was checked */
};

/** Takes `argv` apart; the result borrows from it. False: `why` is a sentence. */
bool words_parse(struct words *words, const struct flag *table, int argc, char **argv, char *why, size_t why_size);
void words_release(struct words *words);

/** The value of the last such flag; NULL if there is none. */
const char *words_flag(const struct words *words, const char *name);

/** How many letters must be changed, added, dropped or swapped to make one word of the other; 99 for many. */
unsigned words_distance(const char *a, const char *b);
/** Whether `a` may well be a slip of the pen for `b`, given their distance. */
bool words_near(const char *a, unsigned distance);

#endif
