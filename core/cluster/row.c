/* core/cluster/row.c: rows to bytes and back, and their order. */
#include "core/cluster/row.h"

#include "core/base/check.h"
#include "core/base/hash_bytes.h"
#include "core/base/mem.h"

#define FIRST_BUFFER 2048u

#define FIELDS_OF(number, NAME, name)                                                                                  \
    static const struct field name##_fields[] = {CLUSTER_##NAME##_FIELDS(FIELD_DESCRIBE, struct cluster_##name)};
CLUSTER_ROW_TABLE(FIELDS_OF)

static const struct {
    const struct field *fields;
    uint32_t count;
} kinds[ROW_KIND_COUNT] = {
#define KIND_OF(number, NAME, name) [number] = {name##_fields, FIELD_COUNT(name##_fields)},
    CLUSTER_ROW_TABLE(KIND_OF)};

static void *content(struct entry *entry)
{
    return &entry->info; /* all members of a union begin where it does */
}

const char *cluster_member_state(const struct cluster_member *member)
{
    if (member->state == MEMBER_REMOVED) {
        return "removed";
    }
    return member->state == MEMBER_DOWN ? "down" : member->draining ? "draining" : "up";
}

struct pdr_bytes cluster_member_zone(const struct cluster_member *member)
{
    struct pdr_bytes zone = {NULL, 0};
    pairs_get(member->labels, pdr_str("zone"), &zone);
    return zone;
}

static int order(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

int entry_compare(const struct entry *a, const struct entry *b)
{
    if (a->kind != b->kind) {
        return order(a->kind, b->kind);
    }
    switch (a->kind) {
    case ROW_MEMBER:
        return order(a->member.node, b->member.node);
    case ROW_GROUP:
        return pdr_bytes_compare(a->group.name, b->group.name);
    case ROW_SHARD:
        return order(a->shard.shard, b->shard.shard);
    case ROW_TYPE:
        return pdr_bytes_compare(a->type.type, b->type.type);
    case ROW_HOSTS:
        return order(a->hosts.node, b->hosts.node);
    case ROW_ELECTION:
        return order(a->election.slot, b->election.slot);
    case ROW_INFO:
    case ROW_KIND_COUNT:
        break;
    }
    return 0;
}

bool entry_is_newer(const struct entry *a, const struct entry *b)
{
    return a->kind == ROW_SHARD ? a->shard.cv > b->shard.cv : a->changed > b->changed;
}

static struct cluster_row *make(const struct entry *entry, struct pdr_bytes bytes)
{
    struct cluster_row *row = mem_grow(NULL, sizeof *row + bytes.size);
    list_init(&row->by_change);
    row->hash = hash_bytes(bytes, 0);
    row->entry = *entry;
    row->size = (uint32_t)bytes.size;
    memcpy(row->bytes, bytes.data, bytes.size);
    fields_rebase(kinds[entry->kind].fields, kinds[entry->kind].count, content(&row->entry), bytes.data, row->bytes);
    return row;
}

static enum pdr_status read_entry(struct pdr_bytes bytes, struct entry *out, struct fault *fault)
{
    struct pdr_bytes items = pdr_value_items(bytes);
    uint64_t kind;
    *fault = (struct fault){NULL, "is not a row"};
    if (bytes.size == 0 || pdr_value_kind(bytes) != PDR_KIND_ARRAY || bytes.size - items.size != 1 ||
        pdr_value_skip(bytes.data, bytes.size, PDR_VALUE_DEPTH_MAX) != (int64_t)bytes.size) {
        return PDR_INVALID;
    }
    pdr_value first = pdr_value_next(&items);
    if (first.size != 1 || !pdr_value_uint(first, &kind) || kind == 0 || kind >= ROW_KIND_COUNT) {
        fault->what = "is a row of a kind that is not known here";
        return PDR_INVALID;
    }
    if (pdr_value_count(bytes) != kinds[kind].count + 2) {
        fault->what = "is a row with another number of fields";
        return PDR_INVALID;
    }
    static const struct field changed[] = {{"changed", FIELD_U64, offsetof(struct entry, changed), UINT64_MAX}};
    out->kind = (enum row_kind)kind;
    enum pdr_status status = fields_read(&items, changed, 1, out, fault);
    return status != PDR_OK ? status : fields_read(&items, kinds[kind].fields, kinds[kind].count, content(out), fault);
}

enum pdr_status cluster_row_read(struct pdr_bytes bytes, struct cluster_row **out, struct fault *fault)
{
    struct entry entry;
    enum pdr_status status = read_entry(bytes, &entry, fault);
    if (status == PDR_OK) {
        *out = make(&entry, bytes);
    }
    return status;
}

struct cluster_row *cluster_row_new(const struct entry *entry)
{
    uint8_t room[FIRST_BUFFER];
    pdr_writer writer;
    struct entry read;
    struct fault fault;
    pdr_writer_init(&writer, room, sizeof room, 0);
    pdr_write_array(&writer, kinds[entry->kind].count + 2);
    pdr_write_uint(&writer, entry->kind);
    pdr_write_uint(&writer, entry->changed);
    struct entry copy = *entry;
    fields_write(&writer, kinds[entry->kind].fields, kinds[entry->kind].count, content(&copy));
    CHECK(!writer.failed && read_entry(pdr_written(&writer), &read, &fault) == PDR_OK);
    struct cluster_row *row = make(&read, pdr_written(&writer));
    pdr_writer_release(&writer);
    return row;
}

void cluster_row_free(struct cluster_row *row)
{
    mem_free(row);
}
