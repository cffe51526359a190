/* net/client/nodes.c: the list of nodes, taken apart and looked at once, when a client is opened. */
#include "net/client/nodes.h"

#include <stdio.h>
#include <string.h>

#include "net/transport/address.h"

static enum pdr_status refuse(const char **why, const char *text)
{
    *why = text;
    return PDR_INVALID;
}

enum pdr_status nodes_read(struct nodes *nodes, const char *text, const char **why)
{
    static _Thread_local char sentence[400];
    size_t size = strlen(text);
    if (size >= sizeof nodes->text) {
        return refuse(why, "the nodes' addresses are too long: together at most 1023 bytes");
    }
    memcpy(nodes->text, text, size + 1);
    memcpy(nodes->list, text, size + 1);
    nodes->count = 1;
    for (char *comma = nodes->list; (comma = strchr(comma, ',')) != NULL; nodes->count++) {
        *comma++ = '\0';
    }
    if (nodes->count > NODES_GIVEN_MAX) {
        return refuse(why, "at most 16 nodes can be given");
    }
    for (uint32_t i = 0; i < nodes->count; i++) {
        struct address address;
        const char *at = nodes_at(nodes, i);
        if (strlen(at) >= NODES_ADDRESS_MAX) {
            return refuse(why, "the node's address is too long: it is HOST:PORT, such as 127.0.0.1:7077");
        }
        if (address_parse(at, &address, sentence, sizeof sentence) != PDR_OK) {
            return refuse(why, sentence);
        }
    }
    return PDR_OK;
}

const char *nodes_at(const struct nodes *nodes, uint32_t index)
{
    const char *at = nodes->list;
    while (index-- > 0) {
        at += strlen(at) + 1;
    }
    return at;
}
