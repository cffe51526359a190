/* consensus/directory.c: commands are read and handed out; rows are replaced, counted into the hash, and kept in
 * order of change. What each command does is in directory_cluster.c, directory_members.c and directory_shards.c. */
#include "consensus/directory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "consensus/directory_parts.h"
#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/hash_bytes.h"
#include "core/base/mem.h"

static const struct {
    enum pdr_status status;
    const char *text;
} codes[] = {
#define CODE_OF(name, status, text) [DIRECTORY_##name] = {PDR_##status, text},
    DIRECTORY_CODE_TABLE(CODE_OF)};

enum pdr_status directory_code_status(enum directory_code code)
{
    return codes[code].status;
}

struct directory *directory_new(void)
{
    struct directory *d = mem_new(sizeof *d);
    list_init(&d->by_change);
    directory_mark(d);
    return d;
}

void directory_free(struct directory *d)
{
    if (d != NULL) {
        cluster_rows_release(&d->rows);
        mem_free(d->result.changed);
        mem_free(d);
    }
}

/* The hash. */

void directory_mark(struct directory *d)
{
    d->marks[d->mark_count++ % DIRECTORY_HASHES] = (struct directory_mark){d->index, d->rolling};
}

static void roll(struct directory *d)
{
    uint8_t input[24];
    put_le64(input, d->rolling);
    put_le64(input + 8, d->content);
    put_le64(input + 16, d->index);
    d->rolling = hash_bytes(pdr_bytes(input, sizeof input), 0);
    directory_mark(d);
}

uint64_t directory_hash(const struct directory *d)
{
    return d->rolling;
}

bool directory_hash_at(const struct directory *d, uint64_t index, uint64_t *hash)
{
    uint64_t oldest = d->mark_count > DIRECTORY_HASHES ? d->mark_count - DIRECTORY_HASHES : 0;
    if (index > d->index) {
        return false;
    }
    for (uint64_t i = d->mark_count; i > oldest; i--) {
        const struct directory_mark *mark = &d->marks[(i - 1) % DIRECTORY_HASHES];
        if (mark->index <= index) {
            *hash = mark->hash;
            return true;
        }
    }
    return false;
}

/* Rows. */

void directory_put(struct directory *d, struct entry *entry)
{
    struct directory_result *result = &d->result;
    entry->changed = d->index;
    struct cluster_row *row = cluster_row_new(entry), *old = cluster_rows_put(&d->rows, row);
    d->content += row->hash;
    if (old != NULL) {
        CHECK(old->entry.changed < d->index);
        d->content -= old->hash;
        list_remove(&old->by_change);
        cluster_row_free(old);
    }
    if (result->changed_count == d->changed_capacity) {
        d->changed_capacity = d->changed_capacity == 0 ? 16 : 2 * d->changed_capacity;
        result->changed = mem_grow(result->changed, d->changed_capacity * sizeof *result->changed);
    }
    result->changed[result->changed_count++] = row;
}

static int compare_rows(const void *a, const void *b)
{
    return entry_compare(&(*(struct cluster_row *const *)a)->entry, &(*(struct cluster_row *const *)b)->entry);
}

/* Behind all that changed before; among themselves by key, which is how a snapshot lists them too. */
static void settle(struct directory *d)
{
    struct directory_result *result = &d->result;
    if (result->changed_count == 0) {
        return;
    }
    qsort(result->changed, result->changed_count, sizeof *result->changed, compare_rows);
    for (uint32_t i = 0; i < result->changed_count; i++) {
        list_push_back(&d->by_change, &result->changed[i]->by_change);
    }
    roll(d);
}

/* Commands. */

enum directory_code directory_refuse(struct directory *d, enum directory_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(d->result.text, sizeof d->result.text, format, arguments);
    va_end(arguments);
    return code;
}

static enum directory_code read_command(struct directory *d, struct pdr_bytes bytes, struct command *command)
{
    const struct cluster_info *info = cluster_rows_info(&d->rows);
    struct fault fault;
    uint32_t since = 0, format = info == NULL ? 0 : info->format;
    switch (command_read(bytes, format, command, &since, &fault)) {
    case PDR_OK:
        d->result.command = command->kind;
        break;
    case PDR_UNAVAILABLE:
        return directory_refuse(d, DIRECTORY_NEWER, "the command needs format %u; the cluster has agreed on format %u",
                                since, format);
    default:
        if (since > CLUSTER_FORMAT) {
            return directory_refuse(d, DIRECTORY_BEHIND,
                                    "this program knows format %u; the cluster has agreed on format %u", CLUSTER_FORMAT,
                                    format);
        }
        return directory_refuse(d, DIRECTORY_MALFORMED, "%s %s", fault.field == NULL ? "this" : fault.field,
                                fault.what);
    }
    if (info == NULL && command->kind != COMMAND_FOUND) {
        return DIRECTORY_NO_CLUSTER;
    }
    return DIRECTORY_DONE;
}

static enum directory_code apply(struct directory *d, const struct command *command)
{
    switch (command->kind) {
#define APPLY_CASE(number, since, NAME, name)                                                                          \
    case COMMAND_##NAME:                                                                                               \
        return directory_apply_##name(d, &command->name);
        COMMAND_TABLE(APPLY_CASE)
#undef APPLY_CASE
    case COMMAND_KIND_COUNT:
        break;
    }
    return DIRECTORY_MALFORMED;
}

/* R1: the answer is the entry afterwards, whether or not it was changed. */
static void answer_entry(struct directory *d, const struct command *command)
{
    struct directory_result *result = &d->result;
    const struct cluster_info *info = cluster_rows_info(&d->rows);
    if (result->command == 0 || !command_is_cas(command->kind) || info == NULL ||
        command->cas.shard >= info->next_shard) {
        return;
    }
    const struct cluster_shard *shard = cluster_rows_shard(&d->rows, command->cas.shard);
    result->has_shard = true;
    result->shard = shard != NULL ? *shard : (struct cluster_shard){.shard = command->cas.shard};
}

const struct directory_result *directory_apply(struct directory *d, uint64_t raft_index, struct pdr_bytes bytes)
{
    struct directory_result *result = &d->result;
    struct command command;
    CHECK(raft_index >= d->raft_index);
    d->raft_index = raft_index;
    d->index++;
    *result = (struct directory_result){.dir_index = d->index, .changed = result->changed};
    result->code = read_command(d, bytes, &command);
    if (result->code == DIRECTORY_DONE) {
        result->code = apply(d, &command);
    }
    CHECK(result->code == DIRECTORY_DONE || result->changed_count == 0);
    settle(d);
    answer_entry(d, &command);
    result->status = codes[result->code].status;
    if (*result->text == 0) {
        snprintf(result->text, sizeof result->text, "%s", codes[result->code].text);
    }
    return result;
}

uint64_t directory_index(const struct directory *d)
{
    return d->index;
}

uint64_t directory_raft_index(const struct directory *d)
{
    return d->raft_index;
}

const struct cluster_rows *directory_rows(const struct directory *d)
{
    return &d->rows;
}
