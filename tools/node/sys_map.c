/* tools/node/sys_map.c: the map of the cluster as an answer, encoded once a version: a thousand clients ask every few
 * seconds, and nearly all of them have it. */
#include "tools/node/sys_map.h"

#include <stdlib.h>

#include "core/base/limits.h"
#include "tools/node/map_answer.h"

static bool take_version(struct call *call, bool *has_version, uint64_t *version)
{
    struct pdr_bytes items = pdr_value_items(call->args);
    pdr_value first = pdr_value_next(&items);
    *has_version = first.size > 0 && pdr_value_kind(first) != PDR_KIND_NIL;
    return !*has_version || pdr_value_uint(first, version);
}

/* An answer that did not fit memory is made anew for the next who asks. */
static const pdr_writer *encoded(struct node *node, const struct cluster_map *map)
{
    pdr_writer *answer = &node->map_answer;
    if (answer->size == 0 || node->map_answer_version != map->version) {
        pdr_writer_release(answer);
        pdr_writer_init(answer, NULL, 0, 0);
        map_answer_write(answer, map, strtoull(node->id, NULL, 16), pdr_str(node->address));
        node->map_answer_version = map->version;
        if (answer->failed) {
            pdr_writer_release(answer);
            pdr_writer_init(answer, NULL, 0, 0);
        }
    }
    return answer;
}

void sys_map(struct node *node, struct call *call)
{
    const struct cluster_map *map = node->control->map;
    bool has_version;
    uint64_t version = 0;
    if (!take_version(call, &has_version, &version)) {
        call_fail(call, PDR_INVALID, "map: the argument is the version that the caller has, or nil");
    } else if (has_version && version == map->version) {
        pdr_write_nil(&call->reply);
    } else {
        const pdr_writer *answer = encoded(node, map);
        if (answer->size == 0) {
            call_fail(call, PDR_OVERLOADED, "the machine has no memory for the map");
        } else if (answer->size > LIMIT_PAYLOAD_BYTES_MAX) {
            call_fail(call, PDR_TOO_LARGE, "the map has %zu bytes (limit payload_bytes_max)", answer->size);
        } else {
            pdr_write_raw(&call->reply, answer->data, answer->size);
        }
    }
    call_finish(call);
}

void sys_map_free(struct node *node)
{
    pdr_writer_release(&node->map_answer);
}
