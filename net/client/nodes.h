/* net/client/nodes.h: the nodes that a client was given: "HOST:PORT", or several with commas between them. */
#ifndef NET_CLIENT_NODES_H
#define NET_CLIENT_NODES_H

#include <stdint.h>

#include <perdure/status.h>

#define NODES_ADDRESS_MAX 300u
#define NODES_GIVEN_MAX 16u
#define NODES_TEXT_MAX 1024u

struct nodes {
    char text[NODES_TEXT_MAX]; /* as given */
    char list[NODES_TEXT_MAX]; /* the same with a NUL behind each */
    uint32_t count;            /* 1 to NODES_GIVEN_MAX */
};

/** PDR_INVALID: *why is a sentence, valid until the thread's next. */
enum pdr_status nodes_read(struct nodes *nodes, const char *text, const char **why) PDR_MUST_CHECK;
/** `index` is below count. */
const char *nodes_at(const struct nodes *nodes, uint32_t index);

#endif
