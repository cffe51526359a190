/* tools/perdure/pages.h: long lists of a node, page by page. */
#ifndef TOOLS_PERDURE_PAGES_H
#define TOOLS_PERDURE_PAGES_H

#include "tools/perdure/remote.h"

/** One such list, and who takes its rows. */
struct pages {
    const char *method, *list, *prefix;
    uint64_t limit;
    int (*row)(void *user, pdr_value row); /* an enum exit_status */
    void *user;
};

/**
 * Calls `_sys/node.METHOD [prefix, cursor, limit]` while the answer, {LIST: [...], "next": cursor or nil}, has a next,
 * and gives the rows to `row`, at most `limit` of them. Ends with what is not EXIT_DONE; a call that failed has been
 * told on standard error then.
 */
int pages_walk(struct remote *remote, const struct pages *pages);

#endif
