/* tests/unit/tools/perdure/test_table.c: columns for people. */
#include "tools/perdure/table.h"

#include <stdlib.h>

#include "tests/lib/test.h"

static char printed[2048];

static const char *print(struct table *table, unsigned indent)
{
    FILE *out = tmpfile();
    REQUIRE(out != NULL);
    table_print(table, indent, out);
    rewind(out);
    printed[fread(printed, 1, sizeof printed - 1, out)] = 0;
    fclose(out);
    table_release(table);
    return printed;
}

TEST(columns_are_as_wide_as_they_must_be)
{
    static const char *const titles[] = {"NAME", "COUNT", "LAST", NULL};
    struct table table;
    table_init(&table, titles);
    table_text(&table, pdr_str("a"));
    table_number(&table, 5);
    table_text(&table, pdr_str("x"));
    table_text(&table, pdr_str("\u00e4\u00f6\u00fc-long"));
    table_number(&table, -123456);
    table_text(&table, pdr_str("yy"));
    EXPECT_STR(print(&table, 2), "  NAME        COUNT  LAST\n"
                                 "  a               5  x\n"
                                 "  \u00e4\u00f6\u00fc-long  -123456  yy\n");
}

TEST(nothing_reaches_the_terminal_that_it_might_obey)
{
    static const char *const titles[] = {"T", NULL};
    struct table table;
    table_init(&table, titles);
    table_text(&table, pdr_str("a\x1b[2Jb\n\xc2\x85\xff"));
    EXPECT_STR(print(&table, 0), "T\na[2Jb?\n");
}

TEST(values_print_as_what_they_are)
{
    static const char *const titles[] = {"V", NULL};
    struct table table;
    pdr_writer value = {0};
    table_init(&table, titles);
    pdr_write_cstr(&value, "text");
    table_value(&table, pdr_written(&value));
    pdr_writer_clear(&value);
    pdr_write_int(&value, 42);
    table_value(&table, pdr_written(&value));
    pdr_writer_clear(&value);
    pdr_write_array(&value, 1);
    pdr_write_bool(&value, true);
    table_value(&table, pdr_written(&value));
    table_value(&table, pdr_bytes(NULL, 0));
    pdr_writer_release(&value);
    EXPECT_STR(print(&table, 0), "     V\n  text\n    42\n[true]\n      \n");
}

TEST(a_table_may_go_without_titles)
{
    static const char *const titles[] = {"", "", NULL};
    struct table table;
    table_init(&table, titles);
    table_text(&table, pdr_str("node"));
    table_text(&table, pdr_str("a"));
    table_text(&table, pdr_str("cluster"));
    table_text(&table, pdr_str("b"));
    EXPECT_STR(print(&table, 0), "node     a\ncluster  b\n");
}

TEST_MAIN()
