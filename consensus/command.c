/* consensus/command.c: commands to bytes and back. */
#include "consensus/command.h"

#include "core/base/check.h"

#define FIELDS_OF(number, since, NAME, name)                                                                           \
    static const struct field name##_fields[] = {COMMAND_##NAME##_FIELDS(FIELD_DESCRIBE, struct command_##name)};
COMMAND_TABLE(FIELDS_OF)

static const struct {
    const char *name;
    uint32_t since;
    const struct field *fields;
    uint32_t count; /* 0: there is no such command */
} kinds[COMMAND_KIND_COUNT] = {
#define KIND_OF(number, since, NAME, name) [number] = {#NAME, since, name##_fields, FIELD_COUNT(name##_fields)},
    COMMAND_TABLE(KIND_OF)};

static void *content(struct command *command)
{
    return &command->cas; /* all members of a union begin where it does */
}

const char *command_name(enum command_kind kind)
{
    return kind > 0 && kind < COMMAND_KIND_COUNT && kinds[kind].count > 0 ? kinds[kind].name : "?";
}

void command_write(pdr_writer *writer, const struct command *command)
{
    struct command copy = *command;
    CHECK(kinds[command->kind].count > 0);
    pdr_write_array(writer, kinds[command->kind].count + 2);
    pdr_write_uint(writer, kinds[command->kind].since);
    pdr_write_uint(writer, command->kind);
    fields_write(writer, kinds[command->kind].fields, kinds[command->kind].count, content(&copy));
}

/* A number of the head, of one byte as far as we write any. */
static bool take_small(struct pdr_bytes *items, uint64_t *out)
{
    pdr_value value = pdr_value_next(items);
    return pdr_value_uint(value, out) && (value.size == 1 || *out > 127);
}

enum pdr_status command_read(struct pdr_bytes bytes, uint32_t format, struct command *out, uint32_t *since,
                             struct fault *fault)
{
    struct pdr_bytes items = pdr_value_items(bytes);
    uint64_t needs, kind;
    *fault = (struct fault){NULL, "is not a command"};
    if (bytes.size > LIMIT_COMMAND_BYTES_MAX) {
        fault->what = "is longer than a command may be";
        return PDR_TOO_LARGE;
    }
    if (bytes.size == 0 || pdr_value_kind(bytes) != PDR_KIND_ARRAY ||
        pdr_value_skip(bytes.data, bytes.size, PDR_VALUE_DEPTH_MAX) != (int64_t)bytes.size ||
        !take_small(&items, &needs) || needs == 0 || needs > UINT32_MAX) {
        return PDR_INVALID;
    }
    *since = (uint32_t)needs;
    if (needs > (format == 0 ? 1 : format)) {
        return PDR_UNAVAILABLE;
    }
    if (!take_small(&items, &kind) || kind >= COMMAND_KIND_COUNT || kinds[kind].count == 0 ||
        kinds[kind].since != needs) {
        fault->what = "is a command that no format of the cluster has";
        return PDR_INVALID;
    }
    if (*(const uint8_t *)bytes.data != (0x90u | (kinds[kind].count + 2))) { /* a short array: no other has as many */
        fault->what = "has another number of fields";
        return PDR_INVALID;
    }
    out->kind = (enum command_kind)kind;
    return fields_read(&items, kinds[kind].fields, kinds[kind].count, content(out), fault);
}
