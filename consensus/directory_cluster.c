/* consensus/directory_cluster.c: the cluster's beginning and settings; placement groups, pins, and which type is
 * in which group. */
#include <stdio.h>

#include <perdure/ref.h>

#include "consensus/directory_parts.h"

static enum directory_code check_copies(struct directory *d, uint8_t replicas, uint8_t min_isr)
{
    if (replicas >= 1 && min_isr >= 1 && min_isr <= replicas) {
        return DIRECTORY_DONE;
    }
    return directory_refuse(d, DIRECTORY_BAD_VALUE, "replicas is 1 to %d, and min_isr 1 to replicas", LIMIT_COPIES_MAX);
}

static enum directory_code check_settings(struct directory *d, uint8_t replicas, uint8_t min_isr, uint8_t voters)
{
    if (voters != 3 && voters != 5) {
        return directory_refuse(d, DIRECTORY_BAD_VALUE, "voters is 3 or 5");
    }
    return check_copies(d, replicas, min_isr);
}

/* The cluster. */

static void put_info(struct directory *d, const struct cluster_info *info)
{
    directory_put(d, &(struct entry){.kind = ROW_INFO, .info = *info});
}

enum directory_code directory_apply_found(struct directory *d, const struct command_found *command)
{
    if (cluster_rows_info(&d->rows) != NULL) {
        return DIRECTORY_FOUNDED;
    }
    if (command->cluster.size != CLUSTER_ID_SIZE || command->shards == 0) {
        return directory_refuse(d, DIRECTORY_BAD_VALUE, "a cluster has an id of %u bytes, and shards", CLUSTER_ID_SIZE);
    }
    enum directory_code code = check_settings(d, command->replicas, command->min_isr, command->voters);
    if (code != DIRECTORY_DONE) {
        return code;
    }
    put_info(d, &(struct cluster_info){.cluster = command->cluster,
                                       .format = 1,
                                       .replicas = command->replicas,
                                       .min_isr = command->min_isr,
                                       .voters = command->voters,
                                       .next_shard = command->shards,
                                       .home = command->home,
                                       .epochs = command->epochs,
                                       .expect = command->expect});
    directory_put(d, &(struct entry){.kind = ROW_GROUP,
                                     .group = {.name = pdr_str(DIRECTORY_DEFAULT_GROUP),
                                               .shards = command->shards,
                                               .replicas = command->replicas,
                                               .min_isr = command->min_isr}});
    return DIRECTORY_DONE;
}

enum directory_code directory_apply_settings(struct directory *d, const struct command_settings *command)
{
    enum directory_code code = check_settings(d, command->replicas, command->min_isr, command->voters);
    if (code != DIRECTORY_DONE) {
        return code;
    }
    struct cluster_info next = *cluster_rows_info(&d->rows);
    next.replicas = command->replicas;
    next.min_isr = command->min_isr;
    next.voters = command->voters;
    put_info(d, &next);
    return DIRECTORY_DONE;
}

enum directory_code directory_apply_pause(struct directory *d, const struct command_pause *command)
{
    struct cluster_info next = *cluster_rows_info(&d->rows);
    if (next.paused == command->paused) {
        return DIRECTORY_ALREADY;
    }
    next.paused = command->paused;
    put_info(d, &next);
    return DIRECTORY_DONE;
}

enum directory_code directory_apply_format(struct directory *d, const struct command_format *command)
{
    const struct cluster_info *info = cluster_rows_info(&d->rows);
    const struct row_list *members = &d->rows.of[ROW_MEMBER];
    if (command->format == info->format) {
        return DIRECTORY_ALREADY;
    }
    uint32_t living = 0;
    for (uint32_t i = 0; i < members->count; i++) {
        const struct cluster_member *member = &members->at[i]->entry.member;
        living += member->state != MEMBER_REMOVED;
        if (member->state != MEMBER_REMOVED && member->format < command->format) {
            return directory_refuse(d, DIRECTORY_OLD_FORMAT, "the program of node %.*s knows format %u only",
                                    (int)member->name.size, (const char *)member->name.data, member->format);
        }
    }
    if (command->format < info->format || living == 0) {
        return directory_refuse(d, DIRECTORY_BAD_VALUE, "the format can only rise, and while there are members");
    }
    struct cluster_info next = *info;
    next.format = command->format;
    put_info(d, &next);
    return DIRECTORY_DONE;
}

/* Groups. */

/* Ids are given once, in order: those of two groups never overlap. */
static enum directory_code put_group(struct directory *d, struct cluster_group *group)
{
    struct cluster_info next = *cluster_rows_info(&d->rows);
    if (cluster_rows_group(&d->rows, group->name) != NULL) {
        return DIRECTORY_EXISTS;
    }
    if (d->rows.of[ROW_GROUP].count >= LIMIT_GROUPS_MAX) {
        return directory_refuse(d, DIRECTORY_LIMIT, "there are as many groups as there may be (limit groups_max)");
    }
    if (group->shards > LIMIT_SHARDS_MAX - next.next_shard) {
        return directory_refuse(d, DIRECTORY_LIMIT, "there are %u shards, and may be %d (limit shards_max)",
                                next.next_shard, LIMIT_SHARDS_MAX);
    }
    group->first = next.next_shard;
    next.next_shard += group->shards;
    put_info(d, &next);
    directory_put(d, &(struct entry){.kind = ROW_GROUP, .group = *group});
    return DIRECTORY_DONE;
}

enum directory_code directory_apply_group(struct directory *d, const struct command_group *command)
{
    struct cluster_group group = {.name = command->name,
                                  .shards = command->shards,
                                  .replicas = command->replicas,
                                  .min_isr = command->min_isr,
                                  .labels = command->labels};
    if (command->shards == 0 || !directory_is_plain_name(command->name) ||
        !directory_are_plain_labels(command->labels)) {
        return directory_refuse(d, DIRECTORY_BAD_VALUE,
                                "a group has shards, and a name and labels of letters, digits, . _ -");
    }
    enum directory_code code = check_copies(d, command->replicas, command->min_isr);
    return code == DIRECTORY_DONE ? put_group(d, &group) : code;
}

static enum directory_code check_node(struct directory *d, uint64_t node)
{
    enum directory_code code = DIRECTORY_DONE;
    if (node != 0) {
        directory_living(d, node, &code);
    }
    return code;
}

enum directory_code directory_apply_regroup(struct directory *d, const struct command_regroup *command)
{
    const struct cluster_group *group = cluster_rows_group(&d->rows, command->name);
    if (group == NULL) {
        return DIRECTORY_NO_GROUP;
    }
    if (!directory_are_plain_labels(command->labels)) {
        return directory_refuse(d, DIRECTORY_BAD_VALUE, "labels are of letters, digits, . _ -");
    }
    enum directory_code code = check_copies(d, command->replicas, command->min_isr);
    if (code == DIRECTORY_DONE) {
        code = check_node(d, command->node);
    }
    if (code != DIRECTORY_DONE) {
        return code;
    }
    struct cluster_group next = *group;
    next.replicas = command->replicas;
    next.min_isr = command->min_isr;
    next.labels = command->labels;
    next.node = command->node;
    directory_put(d, &(struct entry){.kind = ROW_GROUP, .group = next});
    return DIRECTORY_DONE;
}

enum directory_code directory_apply_pin(struct directory *d, const struct command_pin *command)
{
    const struct cluster_info *info = cluster_rows_info(&d->rows);
    char name[CLUSTER_GROUP_NAME_MAX + 1];
    struct pdr_ref ref;
    int size = snprintf(name, sizeof name, "%.*s/%.*s", (int)command->type.size, (const char *)command->type.data,
                        (int)command->tag.size, (const char *)command->tag.data);
    struct cluster_group group = {.name = pdr_bytes(name, (size_t)size),
                                  .shards = 1,
                                  .replicas = info->replicas,
                                  .min_isr = info->min_isr,
                                  .labels = command->labels,
                                  .node = command->node,
                                  .pin_type = command->type,
                                  .pin_tag = command->tag};
    if (!directory_is_type(command->type) || pdr_ref_parse(group.name, &ref, NULL) != PDR_OK ||
        !pdr_bytes_equal(ref.key, command->tag) || !directory_are_plain_labels(command->labels)) {
        return directory_refuse(d, DIRECTORY_BAD_VALUE,
                                "a pin has a type, a tag and labels, and one of them cannot be");
    }
    enum directory_code code = check_node(d, command->node);
    return code == DIRECTORY_DONE ? put_group(d, &group) : code;
}

/* Types. */

bool directory_is_type(struct pdr_bytes type)
{
    char text[PDR_TYPE_SIZE_MAX + 3];
    struct pdr_ref ref;
    if (type.size > PDR_TYPE_SIZE_MAX) {
        return false;
    }
    int size = snprintf(text, sizeof text, "%.*s/x", (int)type.size, (const char *)type.data);
    return pdr_ref_parse(pdr_bytes(text, (size_t)size), &ref, NULL) == PDR_OK && pdr_bytes_equal(ref.type, type);
}

/* Its actors have their state in the shards of the group, so a type stays where it is. */
enum directory_code directory_apply_type(struct directory *d, const struct command_type *command)
{
    const struct cluster_type *type = cluster_rows_type(&d->rows, command->type);
    const struct cluster_group *group = cluster_rows_group(&d->rows, command->group);
    if (!directory_is_type(command->type)) {
        return directory_refuse(d, DIRECTORY_BAD_VALUE, "a type has characters it may not have");
    }
    if (group == NULL || group->pin_type.size > 0) {
        return DIRECTORY_NO_GROUP;
    }
    if (type != NULL) {
        return pdr_bytes_equal(type->group, command->group)
                   ? DIRECTORY_ALREADY
                   : directory_refuse(d, DIRECTORY_EXISTS, "the type is in group %.*s, where its actors are",
                                      (int)type->group.size, (const char *)type->group.data);
    }
    if (d->rows.of[ROW_TYPE].count >= LIMIT_TYPES_MAX) {
        return directory_refuse(d, DIRECTORY_LIMIT, "there are as many types as there may be (limit types_max)");
    }
    directory_put(d, &(struct entry){.kind = ROW_TYPE, .type = {command->type, command->group}});
    return DIRECTORY_DONE;
}
