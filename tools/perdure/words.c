/* tools/perdure/words.c: a command line taken apart by a table of flags. */
#include "tools/perdure/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

#define WORD_MAX 64u

static const struct flag *find(const struct flag *table, const char *name, size_t size)
{
    for (; table->name != NULL; table++) {
        if (strncmp(table->name, name, size) == 0 && table->name[size] == 0) {
            return table;
        }
    }
    return NULL;
}

static bool unknown(const struct flag *table, const char *word, char *why, size_t why_size)
{
    unsigned best = 99;
    const char *near = NULL;
    char name[WORD_MAX];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word, "="), word);
    for (; table->name != NULL; table++) {
        unsigned distance = words_distance(name, table->name);
        if (distance < best && words_near(name, distance)) {
            best = distance;
            near = table->name;
        }
    }
    if (near != NULL) {
        snprintf(why, why_size, "there is no flag --%s; did you mean --%s?", name, near);
    } else {
        snprintf(why, why_size, "there is no flag --%s", name);
    }
    return false;
}

/* The flag at argv[*i]; steps over its value. */
static bool take_flag(struct words *words, const struct flag *table, int argc, char **argv, int *i, char *why,
                      size_t why_size)
{
    const char *word = argv[*i] + 2, *value = strchr(word, '=');
    const struct flag *flag = find(table, word, strcspn(word, "="));
    if (flag == NULL) {
        return unknown(table, word, why, why_size);
    }
    if (flag->argument == NULL && value != NULL) {
        snprintf(why, why_size, "--%s takes no value", flag->name);
        return false;
    }
    if (flag->argument != NULL && value == NULL && *i + 1 == argc) {
        snprintf(why, why_size, "--%s needs a value: --%s %s", flag->name, flag->name, flag->argument);
        return false;
    }
    value = flag->argument == NULL ? "" : value != NULL ? value + 1 : argv[++*i];
    words->flags[words->flag_count++] = (struct word_flag){flag, value};
    return true;
}

bool words_parse(struct words *words, const struct flag *table, int argc, char **argv, char *why, size_t why_size)
{
    *words = (struct words){0};
    words->arguments = mem_new(((size_t)argc + 1) * sizeof *words->arguments);
    words->flags = mem_new(((size_t)argc + 1) * sizeof *words->flags);
    bool flags_over = false;
    for (int i = 0; i < argc && !flags_over; i++) {
        flags_over = strcmp(argv[i], "--") == 0;
        words->help |= strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
    }
    if (words->help) {
        return true;
    }
    flags_over = false;
    for (int i = 0; i < argc; i++) {
        if (!flags_over && strcmp(argv[i], "--") == 0) {
            flags_over = true;
        } else if (flags_over || strncmp(argv[i], "--", 2) != 0) {
            words->arguments[words->count++] = argv[i];
        } else if (!take_flag(words, table, argc, argv, &i, why, why_size)) {
            return false;
        }
    }
    return true;
}

void words_release(struct words *words)
{
    mem_free(words->arguments);
    mem_free(words->flags);
    *words = (struct words){0};
}

const char *words_flag(const struct words *words, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < words->flag_count; i++) {
        if (strcmp(words->flags[i].flag->name, name) == 0) {
            value = words->flags[i].value;
        }
    }
    return value;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Optimal string alignment. */
unsigned words_distance(const char *a, const char *b)
{
    unsigned rows[WORD_MAX + 1][WORD_MAX + 1];
    size_t m = strlen(a), n = strlen(b);
    if (m > WORD_MAX || n > WORD_MAX) {
        return 99;
    }
    for (size_t i = 0; i <= m; i++) {
        for (size_t j = 0; j <= n; j++) {
            if (i == 0 || j == 0) {
                rows[i][j] = (unsigned)(i + j);
                continue;
            }
            unsigned d = least(rows[i - 1][j], rows[i][j - 1]) + 1;
            d = least(d, rows[i - 1][j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                d = least(d, rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = d;
        }
    }
    return rows[m][n];
}

bool words_near(const char *a, unsigned distance)
{
    size_t size = strlen(a);
    return distance <= (size <= 3 ? 1u : size <= 6 ? 2u : 3u);
}
