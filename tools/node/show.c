/* tools/node/show.c: members and leader, from the rows that the node has, or from its own options. */
#include "tools/node/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/cluster/view.h"
#include "tools/node/membership.h"
#include "tools/node/node_parts.h"

static void put_text(pdr_writer *out, const char *key, struct pdr_bytes text)
{
    pdr_write_cstr(out, key);
    pdr_write_str(out, text);
}

static void put_cstr(pdr_writer *out, const char *key, const char *text)
{
    put_text(out, key, pdr_str(text));
}

/* The node itself, which the directory does not know (yet). */
static void put_self(pdr_writer *out, const struct node *node, const char *role)
{
    uint32_t count = 0;
    while (node->labels != NULL && node->labels[count] != NULL) {
        count++;
    }
    pdr_write_map(out, 6);
    put_cstr(out, "name", node->name);
    put_cstr(out, "id", node->id);
    put_cstr(out, "address", membership_address(node));
    put_cstr(out, "role", role);
    put_cstr(out, "state", node->stop == STOP_NO ? "up" : "stopping");
    pdr_write_cstr(out, "labels");
    pdr_write_map(out, count);
    for (uint32_t i = 0; i < count; i++) {
        const char *equals = strchr(node->labels[i], '=');
        size_t size = equals != NULL ? (size_t)(equals - node->labels[i]) : strlen(node->labels[i]);
        pdr_write_str(out, pdr_bytes(node->labels[i], size));
        pdr_write_cstr(out, equals != NULL ? equals + 1 : "");
    }
}

static void put_member(pdr_writer *out, const struct node *node, const struct cluster_member *member)
{
    static const char *const roles[] = {[ROLE_SPARE] = "spare", [ROLE_STANDBY] = "standby", [ROLE_VOTER] = "voter"};
    struct pdr_bytes rest = pairs_items(member->labels);
    struct pair label;
    char id[24];
    bool stops = node->stop != STOP_NO && member->node == membership_self(node);
    snprintf(id, sizeof id, "%016" PRIx64, member->node);
    pdr_write_map(out, 6);
    put_text(out, "name", member->name);
    put_cstr(out, "id", id);
    put_text(out, "address", member->address);
    put_cstr(out, "role", roles[member->role]);
    put_cstr(out, "state", stops ? "stopping" : cluster_member_state(member));
    pdr_write_cstr(out, "labels");
    pdr_write_map(out, pairs_count(member->labels));
    while (pairs_next(&rest, &label)) {
        pdr_write_str(out, label.key);
        pdr_write_str(out, label.value);
    }
}

void show_members(pdr_writer *out, const struct node *node)
{
    const struct member *member = membership_member(node);
    if (member == NULL || !member_is_registered(member)) {
        pdr_write_array(out, 1);
        put_self(out, node, node->membership == NULL ? "single" : "joining");
        return;
    }
    const struct row_list *members = &member_view(member)->rows.of[ROW_MEMBER];
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        count += members->at[i]->entry.member.state != MEMBER_REMOVED;
    }
    pdr_write_array(out, count);
    for (uint32_t i = 0; i < members->count; i++) {
        if (members->at[i]->entry.member.state != MEMBER_REMOVED) {
            put_member(out, node, &members->at[i]->entry.member);
        }
    }
}

void show_leader(pdr_writer *out, const struct node *node)
{
    const struct member *member = membership_member(node);
    if (node->membership == NULL) {
        pdr_write_cstr(out, node->name);
        return;
    }
    const struct cluster_member *leader =
        member == NULL ? NULL : cluster_rows_member(&member_view(member)->rows, member_leader(member));
    if (leader != NULL) {
        pdr_write_str(out, leader->name);
    } else {
        pdr_write_nil(out);
    }
}

uint32_t show_shards(const struct node *node)
{
    const struct member *member = membership_member(node);
    return member == NULL || !member_is_registered(member) ? CLUSTER_SHARDS : member_view(member)->owner_count;
}
