/* tools/perdure/table.h: columns for people. Cells are gathered first, so that each column is as wide as it must be. */
#ifndef TOOLS_PERDURE_TABLE_H
#define TOOLS_PERDURE_TABLE_H

#include <stdio.h>

#include <perdure/value.h>

#define TABLE_COLUMNS_MAX 9u

struct table {
    unsigned columns;
    const char *const *titles;
    bool right[TABLE_COLUMNS_MAX]; /* numbers: to the right */
    char **cells;
    size_t count, capacity;
};

/** `titles` is borrowed and ends with NULL; at most TABLE_COLUMNS_MAX. A first one that is "" leaves out their row. */
void table_init(struct table *table, const char *const *titles);
void table_release(struct table *table);
/** The next cell. Control characters are left out; what is not UTF-8 becomes '?'. */
void table_text(struct table *table, struct pdr_bytes text);
void table_number(struct table *table, int64_t number);
/** A value: text and numbers as above, anything else as JSON. */
void table_value(struct table *table, pdr_value value);
/** Titles, then rows; `indent` blanks before each. Titles are painted where paint_on(out). */
void table_print(const struct table *table, unsigned indent, FILE *out);

#endif
