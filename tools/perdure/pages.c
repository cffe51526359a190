/* tools/perdure/pages.c: long lists of a node, page by page. */
#include "tools/perdure/pages.h"

#include <stdio.h>

#define PAGE 500u

static int take_page(const struct pages *pages, pdr_value rows, uint64_t *left)
{
    struct pdr_bytes items = pdr_value_items(rows);
    int status = EXIT_DONE;
    for (uint32_t i = pdr_value_count(rows); i > 0 && *left > 0 && status == EXIT_DONE; i--) {
        --*left;
        status = pages->row(pages->user, pdr_value_next(&items));
    }
    return status;
}

/* `cursor` carries where the last page ended. */
static void write_question(pdr_writer *args, const struct pages *pages, const pdr_writer *cursor, uint64_t left)
{
    pdr_writer_clear(args);
    pdr_write_array(args, 3);
    pdr_write_cstr(args, pages->prefix);
    pdr_write_value(args, pdr_written(cursor));
    pdr_write_uint(args, left < PAGE ? left : PAGE);
}

int pages_walk(struct remote *remote, const struct pages *pages)
{
    pdr_writer args = {0}, cursor = {0};
    struct pdr_outcome outcome;
    uint64_t left = pages->limit;
    int status = EXIT_DONE;
    bool more = true;
    pdr_write_nil(&cursor);
    while (more && left > 0 && status == EXIT_DONE) {
        write_question(&args, pages, &cursor, left);
        status = remote_call(remote, "_sys/node", pages->method, pdr_written(&args), &outcome);
        if (status == EXIT_DONE) {
            pdr_value next = pdr_value_get(outcome.result, "next");
            more = pdr_value_kind(next) != PDR_KIND_NIL && pdr_value_kind(next) != PDR_KIND_NONE;
            pdr_writer_clear(&cursor);
            pdr_write_value(&cursor, next);
            pdr_value list = pdr_value_get(outcome.result, pages->list);
            if (pdr_value_kind(list) != PDR_KIND_ARRAY) {
                fprintf(stderr, "perdure: the node's answer to %s has no list \"%s\": is it of another version?\n",
                        pages->method, pages->list);
                status = EXIT_FAILED;
                break;
            }
            status = take_page(pages, list, &left);
        }
    }
    pdr_writer_release(&args);
    pdr_writer_release(&cursor);
    return status;
}
