/* consensus/directory_feed.c: what has changed since. Rows lie in one list, the latest change last, and a row is whole:
 * so what a node missed is the tail of the list, however long it was away, and each row is in it once.
 *
 *     page   [since, dir_index, cursor, complete], then rows to the end
 *
 * A page that is not complete must not move the node's index (R13): a row may have changed both before the cursor and
 * behind it, and only its later place is in the list. */
#include "consensus/directory_parts.h"
#include "core/cluster/view.h"

static const struct cluster_row *row_of(const struct list *node)
{
    return LIST_ITEM(node, const struct cluster_row, by_change);
}

/* The first that changed after `since`; the head if there is none. */
static const struct list *first_after(const struct directory *d, uint64_t since)
{
    const struct list *at = d->by_change.prev;
    while (at != &d->by_change && row_of(at)->entry.changed > since) {
        at = at->prev;
    }
    return at->next;
}

/* Where the page ends: behind the last row of a command. */
static const struct list *end_of_page(const struct directory *d, const struct list *from, size_t bytes_max,
                                      uint64_t *cursor)
{
    size_t bytes = 0;
    const struct list *at = from;
    while (at != &d->by_change) {
        const struct cluster_row *row = row_of(at);
        if (bytes > 0 && row->entry.changed != *cursor && bytes + row->size > bytes_max) {
            return at;
        }
        bytes += row->size;
        *cursor = row->entry.changed;
        at = at->next;
    }
    *cursor = d->index;
    return at;
}

bool directory_feed(const struct directory *d, uint64_t since, size_t bytes_max, pdr_writer *writer,
                    struct directory_page *page)
{
    if (since > d->index) {
        return false;
    }
    const struct list *at = first_after(d, since);
    page->cursor = since;
    const struct list *end = end_of_page(d, at, bytes_max, &page->cursor);
    page->complete = end == &d->by_change;
    pdr_write_array(writer, CLUSTER_PAGE_FIELDS);
    pdr_write_uint(writer, since);
    pdr_write_uint(writer, d->index);
    pdr_write_uint(writer, page->cursor);
    pdr_write_bool(writer, page->complete);
    for (; at != end; at = at->next) {
        pdr_write_raw(writer, row_of(at)->bytes, row_of(at)->size);
    }
    return true;
}

bool directory_row(const struct directory *d, const struct entry *probe, pdr_writer *writer)
{
    const struct cluster_row *row = cluster_rows_find(&d->rows, probe);
    if (row != NULL) {
        pdr_write_raw(writer, row->bytes, row->size);
    }
    return row != NULL;
}
