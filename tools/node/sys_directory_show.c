/* tools/node/sys_directory_show.c: what people read of the directory's rows. */
#include "tools/node/sys_directory_show.h"

#include <inttypes.h>
#include <perdure/ref.h>
#include <stdio.h>

#include "consensus/placement_rows.h"
#include "core/cluster_map.h"

static void put_text(pdr_writer *out, const char *key, struct pdr_bytes text)
{
    pdr_write_cstr(out, key);
    pdr_write_str(out, text);
}

static void put_uint(pdr_writer *out, const char *key, uint64_t number)
{
    pdr_write_cstr(out, key);
    pdr_write_uint(out, number);
}

static void put_bool(pdr_writer *out, const char *key, bool value)
{
    pdr_write_cstr(out, key);
    pdr_write_bool(out, value);
}

/* By its name, which a removed node keeps; nil: nobody. */
static void put_name(pdr_writer *out, const char *key, const struct cluster_rows *rows, uint64_t node)
{
    const struct cluster_member *member = cluster_rows_member(rows, node);
    pdr_write_cstr(out, key);
    if (member != NULL) {
        pdr_write_str(out, member->name);
    } else {
        pdr_write_nil(out);
    }
}

/* Members. */

/* What a node has to do with shards. */
struct burden {
    uint64_t copies; /* in sync, or wanted */
    uint64_t leads;
};

static struct burden burden_of(const struct cluster_rows *rows, uint64_t node)
{
    const struct row_list *shards = &rows->of[ROW_SHARD];
    struct burden burden = {0, 0};
    for (uint32_t i = 0; i < shards->count; i++) {
        const struct cluster_shard *shard = &shards->at[i]->entry.shard;
        burden.copies += copies_have(&shard->isr, node) || ids_have(&shard->targets, node);
        burden.leads += shard->primary == node;
    }
    return burden;
}

static const char *role_of(const struct cluster_member *member)
{
    static const char *const roles[] = {[ROLE_SPARE] = "spare", [ROLE_STANDBY] = "standby", [ROLE_VOTER] = "voter"};
    return roles[member->role];
}

static void put_id(pdr_writer *out, uint64_t node)
{
    char id[24];
    snprintf(id, sizeof id, "%016" PRIx64, node);
    put_text(out, "id", pdr_str(id));
}

static void put_load(pdr_writer *out, const struct directory_seen *seen, uint64_t node)
{
    uint64_t load;
    pdr_write_cstr(out, "load");
    if (seen->load_of != NULL && seen->load_of(seen->user, node, &load)) {
        pdr_write_uint(out, load / 1000);
    } else {
        pdr_write_nil(out);
    }
}

static void put_member(pdr_writer *out, const struct directory_seen *seen, const struct cluster_member *member)
{
    struct burden burden = burden_of(seen->rows, member->node);
    struct pdr_bytes rest = pairs_items(member->labels);
    struct pair label;
    pdr_write_map(out, 9);
    put_text(out, "name", member->name);
    put_id(out, member->node);
    put_text(out, "address", member->address);
    put_text(out, "role", pdr_str(role_of(member)));
    put_text(out, "state", pdr_str(cluster_member_state(member)));
    pdr_write_cstr(out, "labels");
    pdr_write_map(out, pairs_count(member->labels));
    while (pairs_next(&rest, &label)) {
        pdr_write_str(out, label.key);
        pdr_write_str(out, label.value);
    }
    put_uint(out, "copies", burden.copies);
    put_uint(out, "leads", burden.leads);
    put_load(out, seen, member->node);
}

void directory_show_members(pdr_writer *out, const struct directory_seen *seen)
{
    const struct row_list *members = &seen->rows->of[ROW_MEMBER];
    uint32_t count = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        count += members->at[i]->entry.member.state != MEMBER_REMOVED;
    }
    pdr_write_array(out, count);
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        if (member->state != MEMBER_REMOVED) {
            put_member(out, seen, member);
        }
    }
}

static bool is_hexadecimal(struct pdr_bytes text, uint64_t *out)
{
    *out = 0;
    for (size_t i = 0; i < text.size; i++) {
        char c = ((const char *)text.data)[i];
        bool is_digit = c >= '0' && c <= '9', is_letter = c >= 'a' && c <= 'f';
        if (!is_digit && !is_letter) {
            return false;
        }
        *out = *out << 4 | (uint64_t)(is_digit ? c - '0' : c - 'a' + 10);
    }
    return text.size == 16;
}

const struct cluster_member *directory_find_member(const struct cluster_rows *rows, struct pdr_bytes name)
{
    const struct row_list *members = &rows->of[ROW_MEMBER];
    uint64_t id;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        if (member->state != MEMBER_REMOVED && pdr_bytes_equal(member->name, name)) {
            return member;
        }
    }
    return is_hexadecimal(name, &id) ? cluster_rows_member(rows, id) : NULL;
}

void directory_show_node(pdr_writer *out, const struct directory_seen *seen, uint64_t node)
{
    const struct cluster_member *member = cluster_rows_member(seen->rows, node);
    if (member == NULL) {
        pdr_write_nil(out);
        return;
    }
    struct burden burden = burden_of(seen->rows, node);
    pdr_write_map(out, 8);
    put_text(out, "name", member->name);
    put_id(out, node);
    put_text(out, "state", pdr_str(cluster_member_state(member)));
    put_text(out, "role", pdr_str(role_of(member)));
    put_bool(out, "draining", member->draining);
    put_uint(out, "copies", burden.copies);
    put_uint(out, "leads", burden.leads);
    put_bool(out, "empty", burden.copies == 0 && member->role == ROLE_SPARE);
}

/* Shards. */

const struct cluster_group *directory_group_of(const struct cluster_rows *rows, uint32_t shard)
{
    const struct row_list *groups = &rows->of[ROW_GROUP];
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct cluster_group *group = &groups->at[i]->entry.group;
        if (shard - group->first < group->shards) {
            return group;
        }
    }
    return NULL;
}

static const struct cluster_group *pin_of(const struct cluster_rows *rows, struct pdr_bytes type, struct pdr_bytes tag)
{
    const struct row_list *groups = &rows->of[ROW_GROUP];
    for (uint32_t i = 0; i < groups->count; i++) {
        const struct cluster_group *group = &groups->at[i]->entry.group;
        if (pdr_bytes_equal(group->pin_type, type) && pdr_bytes_equal(group->pin_tag, tag)) {
            return group;
        }
    }
    return NULL;
}

bool directory_place(const struct cluster_rows *rows, struct pdr_bytes type, struct pdr_bytes key, uint32_t *shard)
{
    const struct cluster_type *row = cluster_rows_type(rows, type);
    const struct cluster_group *group = pin_of(rows, type, pdr_ref_tag(key));
    if (group == NULL) {
        group = cluster_rows_group(rows, row != NULL ? row->group : pdr_str("default"));
    }
    if (group == NULL) {
        return false;
    }
    *shard = group->first + cluster_shard(group->shards, pdr_ref_hash(key));
    return true;
}

struct ids directory_moved(const struct cluster_shard *shard, uint64_t node)
{
    struct ids ids = {0};
    uint64_t gives = ids_have(&shard->targets, node) ? 0 : shard->primary;
    if (gives != 0 && !ids_have(&shard->targets, gives)) {
        gives = shard->targets.at[0];
    }
    ids_add(&ids, node);
    for (uint32_t i = 0; i < shard->targets.count; i++) {
        if (shard->targets.at[i] != node && shard->targets.at[i] != gives) {
            ids_add(&ids, shard->targets.at[i]);
        }
    }
    return ids;
}

static void put_names(pdr_writer *out, const struct cluster_rows *rows, uint64_t node)
{
    const struct cluster_member *member = cluster_rows_member(rows, node);
    pdr_write_str(out, member != NULL ? member->name : pdr_str("?"));
}

void directory_show_shard(pdr_writer *out, const struct directory_seen *seen, uint32_t id)
{
    const struct cluster_rows *rows = seen->rows;
    const struct cluster_group *group = directory_group_of(rows, id);
    const struct cluster_shard *shard = cluster_rows_shard(rows, id);
    const struct cluster_member *primary = shard != NULL ? cluster_rows_member(rows, shard->primary) : NULL;
    if (group == NULL) {
        pdr_write_nil(out);
        return;
    }
    pdr_write_map(out, 8);
    put_uint(out, "shard", id);
    put_text(out, "group", group->name);
    put_uint(out, "epoch", shard != NULL ? shard->epoch : 0);
    put_name(out, "primary", rows, shard != NULL ? shard->primary : 0);
    pdr_write_cstr(out, "address");
    if (primary != NULL) {
        pdr_write_str(out, primary->address);
    } else {
        pdr_write_nil(out);
    }
    pdr_write_cstr(out, "in_sync");
    pdr_write_array(out, shard != NULL ? shard->isr.count : 0);
    for (uint32_t i = 0; shard != NULL && i < shard->isr.count; i++) {
        put_names(out, rows, shard->isr.at[i].node);
    }
    pdr_write_cstr(out, "targets");
    pdr_write_array(out, shard != NULL ? shard->targets.count : 0);
    for (uint32_t i = 0; shard != NULL && i < shard->targets.count; i++) {
        put_names(out, rows, shard->targets.at[i]);
    }
    put_uint(out, "min_isr", shard != NULL ? shard->min_isr : 0);
}

void directory_show_shards(pdr_writer *out, const struct directory_seen *seen, uint32_t first, uint32_t limit)
{
    const struct cluster_info *info = cluster_rows_info(seen->rows);
    uint32_t all = info != NULL ? info->next_shard : 0;
    uint32_t count = first >= all ? 0 : all - first < limit ? all - first : limit;
    pdr_write_map(out, 2);
    pdr_write_cstr(out, "shards");
    pdr_write_array(out, count);
    for (uint32_t i = 0; i < count; i++) {
        directory_show_shard(out, seen, first + i);
    }
    pdr_write_cstr(out, "next");
    if (count > 0 && first + count < all) {
        pdr_write_uint(out, first + count);
    } else {
        pdr_write_nil(out);
    }
}

/* The whole. */

struct tally {
    uint32_t assigned, moving, lacking, headless;
};

static void tally_group(const struct cluster_rows *rows, const struct cluster_group *group, struct tally *tally)
{
    for (uint32_t i = 0; i < group->shards; i++) {
        const struct cluster_shard *shard = cluster_rows_shard(rows, group->first + i);
        if (shard == NULL) {
            continue;
        }
        const struct cluster_member *primary = cluster_rows_member(rows, shard->primary);
        tally->assigned++;
        tally->moving += placement_rows_flies(rows, shard);
        uint32_t possible = shard->targets.count; /* of what the group wants, with the nodes that there are */
        tally->lacking += shard->isr.count < (group->replicas < possible ? group->replicas : possible);
        tally->headless += primary == NULL || primary->state != MEMBER_UP || primary->incarnation != shard->incarnation;
    }
}

void directory_show_status(pdr_writer *out, const struct directory_seen *seen)
{
    const struct cluster_info *info = cluster_rows_info(seen->rows);
    const struct row_list *groups = &seen->rows->of[ROW_GROUP];
    struct tally tally = {0};
    for (uint32_t i = 0; i < groups->count; i++) {
        tally_group(seen->rows, &groups->at[i]->entry.group, &tally);
    }
    pdr_write_map(out, 9);
    put_name(out, "leader", seen->rows, seen->leader);
    put_uint(out, "index", seen->index);
    put_bool(out, "paused", info != NULL && info->paused);
    put_uint(out, "shards", info != NULL ? info->next_shard : 0);
    put_uint(out, "assigned", tally.assigned);
    put_uint(out, "moving", tally.moving);
    put_uint(out, "short", tally.lacking);
    put_uint(out, "headless", tally.headless);
    pdr_write_cstr(out, "members");
    directory_show_members(out, seen);
}
