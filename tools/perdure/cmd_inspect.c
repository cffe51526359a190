/* tools/perdure/cmd_inspect.c: `perdure ps`. */
#include "tools/node/units.h"
#include "tools/perdure/remote.h"
#include "tools/perdure/table.h"

#define PAGE 500u

const struct flag ps_flags[] = {
    {"limit", "N", "at most so many (default: all)"}, JSON_FLAG, REMOTE_FLAGS, {NULL, NULL, NULL}};

/* Where one page goes. */
struct page_out {
    struct table *table; /* NULL: JSON lines */
    uint64_t left;       /* rows that are still wanted */
};

static int put_row(struct page_out *out, pdr_value actor)
{
    static const char *const keys[] = {"address", "state", "mailbox", "turns", "bytes", NULL};
    if (out->table == NULL) {
        return remote_print(actor);
    }
    for (unsigned k = 0; keys[k] != NULL; k++) {
        table_value(out->table, pdr_value_get(actor, keys[k]));
    }
    return EXIT_DONE;
}

static int put_page(struct page_out *out, pdr_value actors)
{
    struct pdr_bytes items = pdr_value_items(actors);
    int status = EXIT_DONE;
    for (uint32_t i = pdr_value_count(actors); i > 0 && out->left > 0 && status == EXIT_DONE; i--) {
        out->left--;
        status = put_row(out, pdr_value_next(&items));
    }
    return status;
}

/* Pages until the node has no more; `cursor` carries where the last one ended. */
static int put_pages(struct remote *remote, const char *prefix, struct page_out *out)
{
    pdr_writer args = {0}, cursor = {0};
    struct pdr_outcome outcome;
    int status = EXIT_DONE;
    bool more = true;
    pdr_write_nil(&cursor);
    while (more && out->left > 0 && status == EXIT_DONE) {
        pdr_writer_clear(&args);
        pdr_write_array(&args, 3);
        pdr_write_cstr(&args, prefix);
        pdr_write_value(&args, pdr_written(&cursor));
        pdr_write_uint(&args, out->left < PAGE ? out->left : PAGE);
        status = remote_call(remote, "_sys/node", "ps", pdr_written(&args), &outcome);
        if (status == EXIT_DONE) {
            pdr_value next = pdr_value_get(outcome.result, "next");
            status = put_page(out, pdr_value_get(outcome.result, "actors"));
            more = pdr_value_kind(next) == PDR_KIND_STR;
            pdr_writer_clear(&cursor);
            pdr_write_value(&cursor, next);
        }
    }
    pdr_writer_release(&args);
    pdr_writer_release(&cursor);
    return status;
}

int cmd_ps(const struct words *words)
{
    static const char *const titles[] = {"ADDRESS", "STATE", "MAILBOX", "TURNS", "BYTES", NULL};
    const struct command *command = command_find("ps");
    const char *limit = words_flag(words, "limit");
    struct table table;
    struct page_out out = {NULL, UINT64_MAX};
    struct remote remote;
    if (limit != NULL && (!units_parse_count(limit, &out.left) || out.left == 0)) {
        return command_misused(command, "--limit takes a number of 1 or more, not \"%s\"", limit);
    }
    int status = remote_open(&remote, command, words);
    if (status != EXIT_DONE) {
        return status;
    }
    if (remote_for_people(words)) {
        table_init(&table, titles);
        out.table = &table;
    }
    status = put_pages(&remote, words->count > 0 ? words->arguments[0] : "", &out);
    if (out.table != NULL) {
        table_print(&table, 0, stdout);
        table_release(&table);
    }
    remote_close(&remote);
    return status;
}
