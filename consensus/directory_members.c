/* consensus/directory_members.c: who is in the cluster: registering, leases that end, roles, leaving for ever (R12,
 * R70). */
#include <inttypes.h>

#include "consensus/directory_parts.h"
#include "core/base/mutation.h"

/* Names. */

static bool is_plain(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
}

bool directory_is_plain_name(struct pdr_bytes text)
{
    const uint8_t *at = text.data;
    for (size_t i = 0; i < text.size; i++) {
        if (!is_plain(at[i])) {
            return false;
        }
    }
    return text.size > 0 && text.size <= LIMIT_LABEL_BYTES_MAX;
}

bool directory_are_plain_labels(struct pairs labels)
{
    struct pdr_bytes rest = pairs_items(labels);
    struct pair pair;
    while (pairs_next(&rest, &pair)) {
        if (!directory_is_plain_name(pair.key) || !directory_is_plain_name(pair.value)) {
            return false;
        }
    }
    return true;
}

/* HOST:PORT, of which no more is known here than that one may print it. */
static bool is_address(struct pdr_bytes text)
{
    const uint8_t *at = text.data;
    for (size_t i = 0; i < text.size; i++) {
        if (at[i] <= ' ' || at[i] > '~') {
            return false;
        }
    }
    return text.size > 0;
}

/* Members. */

static enum directory_code refuse_removed(struct directory *d, uint64_t node)
{
    return directory_refuse(
        d, DIRECTORY_REMOVED,
        "node %016" PRIx64 " was removed and cannot come back; with an empty data directory it is a new node", node);
}

const struct cluster_member *directory_living(struct directory *d, uint64_t node, enum directory_code *code)
{
    const struct cluster_member *member = cluster_rows_member(&d->rows, node);
    if (member == NULL) {
        *code = directory_refuse(d, DIRECTORY_NO_MEMBER, "there is no node %016" PRIx64, node);
        return NULL;
    }
    if (member->state == MEMBER_REMOVED) {
        *code = refuse_removed(d, node);
        return NULL;
    }
    return member;
}

static void put_member(struct directory *d, const struct cluster_member *member)
{
    struct entry entry = {.kind = ROW_MEMBER, .member = *member};
    directory_put(d, &entry);
}

/* Registering. */

static enum directory_code check_process(struct directory *d, const struct command_register_ *command,
                                         const struct cluster_member *old)
{
    uint64_t last = old == NULL ? 0 : old->incarnation;
    if (old != NULL && old->state == MEMBER_REMOVED && !MUTATION(104)) {
        return refuse_removed(d, command->node);
    }
    if (old != NULL && command->incarnation == last && command->boot == old->boot) {
        return DIRECTORY_ALREADY; /* its first registration was applied, and the answer did not come */
    }
    bool is_successor = old == NULL || old->boot == command->known || old->boot == command->boot;
    if (command->incarnation <= last || (!is_successor && !command->forgot)) {
        return directory_refuse(
            d, DIRECTORY_INCARNATION,
            "node %016" PRIx64 " comes as incarnation %" PRIu64 " and does not know of %" PRIu64
            ", the last one: its disk is older than what it has acknowledged; all its copies are lost",
            command->node, command->incarnation, last);
    }
    return DIRECTORY_DONE;
}

static enum directory_code check_taken(struct directory *d, const struct command_register_ *command)
{
    const struct row_list *members = &d->rows.of[ROW_MEMBER];
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *other = &members->at[i]->entry.member;
        if (other->state == MEMBER_REMOVED || other->node == command->node) {
            continue;
        }
        count++;
        bool same_name = pdr_bytes_equal(other->name, command->name);
        if (same_name || pdr_bytes_equal(other->address, command->address)) {
            struct pdr_bytes what = same_name ? command->name : command->address;
            return directory_refuse(d, DIRECTORY_TAKEN,
                                    "%s %.*s is that of node %016" PRIx64 "; remove that node first",
                                    same_name ? "the name" : "the address", (int)(what.size < 64 ? what.size : 64),
                                    (const char *)what.data, other->node);
        }
    }
    bool is_new = cluster_rows_member(&d->rows, command->node) == NULL;
    if (count >= LIMIT_MEMBERS_MAX || (is_new && members->count >= LIMIT_MEMBERS_EVER_MAX)) {
        return directory_refuse(d, DIRECTORY_LIMIT, "the cluster has as many nodes as it may have (limit members_max)");
    }
    return DIRECTORY_DONE;
}

enum directory_code directory_apply_register_(struct directory *d, const struct command_register_ *command)
{
    const struct cluster_member *old = cluster_rows_member(&d->rows, command->node);
    uint32_t format = cluster_rows_info(&d->rows)->format;
    if (command->node == 0 || command->boot == 0 || !directory_is_plain_name(command->name) ||
        !is_address(command->address) || !directory_are_plain_labels(command->labels)) {
        return directory_refuse(d, DIRECTORY_BAD_VALUE,
                                "an id of 0, or a name, address or label with characters it may not have");
    }
    if (command->format < format) {
        return directory_refuse(d, DIRECTORY_OLD_FORMAT, "the cluster is at format %u, and the node's program knows %u",
                                format, command->format);
    }
    enum directory_code code = check_process(d, command, old);
    if (code == DIRECTORY_DONE) {
        code = check_taken(d, command);
    }
    if (code != DIRECTORY_DONE) {
        return code;
    }
    put_member(d, &(struct cluster_member){.node = command->node,
                                           .incarnation = command->incarnation,
                                           .boot = command->boot,
                                           .name = command->name,
                                           .address = command->address,
                                           .labels = command->labels,
                                           .state = MEMBER_UP,
                                           .draining = old != NULL && old->draining,
                                           .role = old != NULL ? old->role : ROLE_SPARE,
                                           .format = command->format,
                                           .registered = d->index});
    if (command->forgot) {
        directory_lose_all_copies(d, command->node);
    }
    return DIRECTORY_DONE;
}

/* What becomes of it. */

static enum directory_code check_incarnation(struct directory *d, const struct cluster_member *member,
                                             uint64_t incarnation)
{
    if (member->incarnation == incarnation) {
        return DIRECTORY_DONE;
    }
    return directory_refuse(d, DIRECTORY_INCARNATION, "node %016" PRIx64 " is at incarnation %" PRIu64 ", not %" PRIu64,
                            member->node, member->incarnation, incarnation);
}

static enum directory_code set_state(struct directory *d, uint64_t node, uint64_t incarnation, enum member_state state)
{
    enum directory_code code;
    const struct cluster_member *member = directory_living(d, node, &code);
    if (member == NULL) {
        return code;
    }
    code = check_incarnation(d, member, incarnation);
    if (code != DIRECTORY_DONE) {
        return code;
    }
    struct cluster_member next = *member;
    next.state = (uint8_t)state;
    if (next.state == member->state) {
        return DIRECTORY_ALREADY;
    }
    put_member(d, &next);
    return DIRECTORY_DONE;
}

enum directory_code directory_apply_alive(struct directory *d, const struct command_alive *command)
{
    return set_state(d, command->node, command->incarnation, command->alive ? MEMBER_UP : MEMBER_DOWN);
}

enum directory_code directory_apply_leave(struct directory *d, const struct command_leave *command)
{
    return set_state(d, command->node, command->incarnation, MEMBER_DOWN);
}

enum directory_code directory_apply_drain(struct directory *d, const struct command_drain *command)
{
    enum directory_code code;
    const struct cluster_member *member = directory_living(d, command->node, &code);
    if (member == NULL) {
        return code;
    }
    if (member->draining == command->draining) {
        return DIRECTORY_ALREADY;
    }
    struct cluster_member next = *member;
    next.draining = command->draining;
    put_member(d, &next);
    return DIRECTORY_DONE;
}

enum directory_code directory_apply_role(struct directory *d, const struct command_role *command)
{
    enum directory_code code;
    const struct cluster_member *member = directory_living(d, command->node, &code);
    if (member == NULL) {
        return code;
    }
    if (member->role == command->role) {
        return DIRECTORY_ALREADY;
    }
    struct cluster_member next = *member;
    next.role = command->role;
    put_member(d, &next);
    return DIRECTORY_DONE;
}

static bool is_pinned_to(const struct directory *d, uint64_t node)
{
    const struct row_list *groups = &d->rows.of[ROW_GROUP];
    for (uint32_t i = 0; i < groups->count; i++) {
        if (groups->at[i]->entry.group.node == node) {
            return true;
        }
    }
    return false;
}

/* Its copies, its vote and its pins must be gone before, so that nothing ever names a node that is not there. */
enum directory_code directory_apply_expel(struct directory *d, const struct command_expel *command)
{
    enum directory_code code;
    const struct cluster_member *member = directory_living(d, command->node, &code);
    if (member == NULL) {
        return code;
    }
    uint32_t shards = directory_shards_with(d, command->node);
    if (shards > 0) {
        return directory_refuse(d, DIRECTORY_IN_USE, "%u shards have a copy on the node; drain it first", shards);
    }
    if (member->role != ROLE_SPARE) {
        return directory_refuse(d, DIRECTORY_IN_USE,
                                "the node has a part in the directory's own group; take that first");
    }
    if (is_pinned_to(d, command->node)) {
        return directory_refuse(d, DIRECTORY_IN_USE, "actors are pinned to the node; pin them elsewhere first");
    }
    struct cluster_member next = *member;
    next.state = MEMBER_REMOVED;
    next.draining = false;
    next.address = pdr_bytes(NULL, 0);
    next.labels = (struct pairs){{NULL, 0}};
    put_member(d, &next);
    if (cluster_rows_hosts(&d->rows, command->node) != NULL) {
        directory_put(d, &(struct entry){.kind = ROW_HOSTS, .hosts = {.node = command->node}});
    }
    return DIRECTORY_DONE;
}

enum directory_code directory_apply_publish(struct directory *d, const struct command_publish *command)
{
    enum directory_code code;
    const struct cluster_member *member = directory_living(d, command->node, &code);
    struct pdr_bytes rest = pairs_items(command->types);
    struct pair pair;
    uint32_t fresh = 0;
    if (member == NULL) {
        return code;
    }
    code = check_incarnation(d, member, command->incarnation);
    if (code != DIRECTORY_DONE) {
        return code;
    }
    while (pairs_next(&rest, &pair)) {
        if (!directory_is_type(pair.key)) {
            return directory_refuse(d, DIRECTORY_BAD_VALUE, "a type has characters it may not have");
        }
        fresh += cluster_rows_type(&d->rows, pair.key) == NULL;
    }
    if (d->rows.of[ROW_TYPE].count + fresh > LIMIT_TYPES_MAX) {
        return directory_refuse(d, DIRECTORY_LIMIT, "there are as many types as there may be (limit types_max)");
    }
    directory_put(d, &(struct entry){.kind = ROW_HOSTS, .hosts = {.node = command->node, .types = command->types}});
    rest = pairs_items(command->types);
    while (pairs_next(&rest, &pair)) {
        if (cluster_rows_type(&d->rows, pair.key) == NULL) {
            directory_put(d, &(struct entry){.kind = ROW_TYPE, .type = {pair.key, pdr_str(DIRECTORY_DEFAULT_GROUP)}});
        }
    }
    return DIRECTORY_DONE;
}
