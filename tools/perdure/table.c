/* tools/perdure/table.c: columns for people. */
#include "tools/perdure/table.h"

#include <inttypes.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "tools/perdure/json_value.h"
#include "tools/perdure/paint.h"
#include "tools/perdure/utf8.h"

void table_init(struct table *table, const char *const *titles)
{
    *table = (struct table){.titles = titles};
    while (titles[table->columns] != NULL) {
        table->columns++;
    }
    CHECK(table->columns > 0 && table->columns <= TABLE_COLUMNS_MAX);
}

void table_release(struct table *table)
{
    for (size_t i = 0; i < table->count; i++) {
        mem_free(table->cells[i]);
    }
    mem_free(table->cells);
    *table = (struct table){0};
}

void table_text(struct table *table, struct pdr_bytes text)
{
    char *cell = mem_new(text.size + 1);
    size_t used = 0;
    for (size_t i = 0; i < text.size;) {
        uint32_t c;
        size_t size = utf8_next((const uint8_t *)text.data + i, text.size - i, &c);
        if (size == 0) {
            cell[used++] = '?';
        } else if (c >= 0xa0 || (c >= 0x20 && c < 0x7f)) {
            memcpy(cell + used, (const char *)text.data + i, size);
            used += size;
        }
        i += size == 0 ? 1 : size;
    }
    if (table->count == table->capacity) {
        table->capacity = table->capacity == 0 ? 64 : table->capacity * 2;
        table->cells = mem_grow(table->cells, table->capacity * sizeof *table->cells);
    }
    table->cells[table->count++] = cell;
}

void table_number(struct table *table, int64_t number)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, number);
    table->right[table->count % table->columns] = true;
    table_text(table, pdr_str(text));
}

void table_value(struct table *table, pdr_value value)
{
    struct pdr_bytes text;
    int64_t number;
    pdr_writer json = {0};
    if (pdr_value_bytes(value, &text)) {
        table_text(table, text);
    } else if (pdr_value_int(value, &number)) {
        table_number(table, number);
    } else {
        json_print(value, &json);
        table_text(table, pdr_written(&json));
    }
    pdr_writer_release(&json);
}

/* Columns of a terminal, near enough: one a code point. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text != 0; text++) {
        width += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return width;
}

static void print_row(const struct table *table, const char *const *cells, const int *widths, unsigned indent,
                      bool painted, FILE *out)
{
    fprintf(out, "%s%*s", painted ? PAINT_TITLE : "", (int)indent, "");
    for (unsigned k = 0; k < table->columns; k++) {
        int blank = widths[k] - width_of(cells[k]);
        bool last = k + 1 == table->columns;
        if (table->right[k]) {
            fprintf(out, "%*s%s%s", blank, "", cells[k], last ? "" : "  ");
        } else {
            fprintf(out, "%s%*s", cells[k], last ? 0 : blank + 2, "");
        }
    }
    fprintf(out, "%s\n", painted ? PAINT_END : "");
}

void table_print(const struct table *table, unsigned indent, FILE *out)
{
    int widths[TABLE_COLUMNS_MAX];
    for (unsigned k = 0; k < table->columns; k++) {
        widths[k] = width_of(table->titles[k]);
    }
    for (size_t i = 0; i < table->count; i++) {
        int width = width_of(table->cells[i]);
        if (width > widths[i % table->columns]) {
            widths[i % table->columns] = width;
        }
    }
    if (table->titles[0][0] != 0) {
        print_row(table, table->titles, widths, indent, paint_on(out), out);
    }
    for (size_t i = 0; i + table->columns <= table->count; i += table->columns) {
        print_row(table, (const char *const *)table->cells + i, widths, indent, false, out);
    }
}
