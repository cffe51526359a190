/* consensus/letter.c: letters to bytes and back, by their table. */
#include "consensus/letter.h"

#include "core/base/check.h"

struct kind {
    const struct field *fields;
    uint32_t count;
};

#define DESCRIBE(number, NAME, name)                                                                                   \
    static const struct field name##_fields[] = {LETTER_##NAME##_FIELDS(FIELD_DESCRIBE, struct letter_##name)};
LETTER_TABLE(DESCRIBE)
#undef DESCRIBE

static const struct kind kinds[] = {
#define KIND(number, NAME, name) [number] = {name##_fields, FIELD_COUNT(name##_fields)},
    LETTER_TABLE(KIND)
#undef KIND
};

static void *content(struct letter *letter)
{
    return &letter->propose; /* all members of a union begin where it does */
}

void letter_write(pdr_writer *writer, const struct letter *letter)
{
    struct letter copy = *letter;
    const struct kind *kind = &kinds[letter->kind];
    CHECK(kind->count > 0);
    pdr_write_array(writer, kind->count + 1);
    pdr_write_uint(writer, letter->kind);
    fields_write(writer, kind->fields, kind->count, content(&copy));
}

enum pdr_status letter_read(struct pdr_bytes bytes, struct letter *out, struct fault *fault)
{
    *fault = (struct fault){NULL, "is not a letter"};
    const uint8_t *head = bytes.data;
    if (bytes.size < 2 || pdr_value_skip(bytes.data, bytes.size, PDR_VALUE_DEPTH_MAX) != (int64_t)bytes.size) {
        return PDR_INVALID;
    }
    if (head[1] == 0 || head[1] >= LETTER_KIND_COUNT || head[0] != (0x90u | (kinds[head[1]].count + 1))) {
        return PDR_INVALID;
    }
    struct pdr_bytes items = pdr_bytes(head + 2, bytes.size - 2);
    *out = (struct letter){.kind = (enum letter_kind)head[1]};
    return fields_read(&items, kinds[head[1]].fields, kinds[head[1]].count, content(out), fault);
}
