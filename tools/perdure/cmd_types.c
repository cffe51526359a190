/* tools/perdure/cmd_types.c: `perdure types`. */
#include "tools/perdure/remote.h"
#include "tools/perdure/table.h"

const struct flag types_flags[] = {JSON_FLAG, REMOTE_FLAGS, {NULL, NULL, NULL}};

static void put_methods(struct table *table, pdr_value methods)
{
    struct pdr_bytes items = pdr_value_items(methods), name;
    pdr_writer line = {0};
    for (uint32_t i = pdr_value_count(methods); i > 0; i--) {
        if (pdr_value_bytes(pdr_value_next(&items), &name)) {
            pdr_write_raw(&line, " ", line.size > 0);
            pdr_write_raw(&line, name.data, name.size);
        }
    }
    table_text(table, pdr_written(&line));
    pdr_writer_release(&line);
}

static void print_table(pdr_value types)
{
    static const char *const titles[] = {"TYPE", "METHODS", NULL};
    struct pdr_bytes items = pdr_value_items(types);
    struct table table;
    table_init(&table, titles);
    for (uint32_t i = pdr_value_count(types); i > 0; i--) {
        pdr_value type = pdr_value_next(&items);
        table_value(&table, pdr_value_get(type, "name"));
        put_methods(&table, pdr_value_get(type, "methods"));
    }
    table_print(&table, 0, stdout);
    table_release(&table);
}

static int print_lines(pdr_value types)
{
    struct pdr_bytes items = pdr_value_items(types);
    int status = EXIT_DONE;
    for (uint32_t i = pdr_value_count(types); i > 0 && status == EXIT_DONE; i--) {
        status = remote_print(pdr_value_next(&items));
    }
    return status;
}

int cmd_types(const struct words *words)
{
    struct remote remote;
    struct pdr_outcome outcome;
    struct pdr_bytes none = {NULL, 0};
    int status = remote_open(&remote, command_find("types"), words);
    if (status != EXIT_DONE) {
        return status;
    }
    status = remote_call(&remote, "_sys/node", "types", none, &outcome);
    if (status == EXIT_DONE && remote_for_people(words)) {
        print_table(outcome.result);
    } else if (status == EXIT_DONE) {
        status = print_lines(outcome.result);
    }
    remote_close(&remote);
    return status;
}
