/* tests/unit/core/cluster/test_fields.c: structs by a table of fields. */
#include "core/cluster/fields.h"

#include <stdlib.h>

#include "tests/lib/test.h"

#define THING_FIELDS(F, S)                                                                                             \
    F(S, BOOL, yes, 1)                                                                                                 \
    F(S, U8, small, 200)                                                                                               \
    F(S, U32, middle, 100000)                                                                                          \
    F(S, U64, large, UINT64_MAX)                                                                                       \
    F(S, TEXT, name, 40)                                                                                               \
    F(S, BYTES, raw, 300)                                                                                              \
    F(S, PAIRS, labels, 3)                                                                                             \
    F(S, COPIES, copies, 3)                                                                                            \
    F(S, IDS, ids, 2)
struct thing {
    THING_FIELDS(FIELD_DECLARE, _)
};
static const struct field fields[] = {THING_FIELDS(FIELD_DESCRIBE, struct thing)};

static enum pdr_status read_thing(const pdr_writer *bytes, struct thing *out, struct fault *fault)
{
    struct pdr_bytes items = pdr_written(bytes);
    enum pdr_status status = fields_read(&items, fields, FIELD_COUNT(fields), out, fault);
    EXPECT(status != PDR_OK || items.size == 0);
    return status;
}

static struct thing a_thing(pdr_writer *labels)
{
    pdr_write_map(labels, 2);
    pdr_write_cstr(labels, "gpu");
    pdr_write_cstr(labels, "h100");
    pdr_write_cstr(labels, "zone");
    pdr_write_cstr(labels, "");
    return (struct thing){.yes = true,
                          .small = 200,
                          .middle = 100000,
                          .large = UINT64_MAX,
                          .name = pdr_str("a name of more than thirty-one bytes"),
                          .raw = pdr_str("raw"),
                          .labels = {pdr_written(labels)},
                          .copies = {2, {{1, 2}, {UINT64_MAX, 3}}},
                          .ids = {2, {5, 6}}};
}

TEST(what_is_written_is_read)
{
    pdr_writer labels = {0}, bytes = {0};
    struct thing thing = a_thing(&labels), read;
    struct fault fault;
    struct pdr_bytes value;
    fields_write(&bytes, fields, FIELD_COUNT(fields), &thing);
    REQUIRE(read_thing(&bytes, &read, &fault) == PDR_OK);
    EXPECT(read.yes && read.small == 200 && read.middle == 100000 && read.large == UINT64_MAX);
    EXPECT(pdr_bytes_equal(read.name, thing.name) && pdr_bytes_equal(read.raw, thing.raw));
    EXPECT(pairs_count(read.labels) == 2 && pairs_get(read.labels, pdr_str("gpu"), &value));
    EXPECT(pdr_bytes_equal(value, pdr_str("h100")) && !pairs_get(read.labels, pdr_str("cpu"), &value));
    EXPECT(read.copies.count == 2 && read.copies.at[1].node == UINT64_MAX && read.ids.at[1] == 6);

    uint8_t *moved = malloc(bytes.size);
    REQUIRE(moved != NULL);
    memcpy(moved, bytes.data, bytes.size);
    fields_rebase(fields, FIELD_COUNT(fields), &read, bytes.data, moved);
    memset(bytes.data, 0, bytes.size);
    EXPECT(pdr_bytes_equal(read.name, thing.name) && pairs_get(read.labels, pdr_str("gpu"), &value));
    free(moved);
    pdr_writer_release(&labels);
    pdr_writer_release(&bytes);
}

static void expect_refused(const struct thing *thing, const char *field, const char *what)
{
    pdr_writer bytes = {0};
    struct thing read;
    struct fault fault = {NULL, NULL};
    fields_write(&bytes, fields, FIELD_COUNT(fields), thing);
    EXPECT(read_thing(&bytes, &read, &fault) == PDR_INVALID);
    EXPECT_STR(fault.field, field);
    EXPECT_STR(fault.what, what);
    pdr_writer_release(&bytes);
}

TEST(limits_are_held)
{
    pdr_writer labels = {0}, more = {0};
    static uint8_t many[301];
    struct thing good = a_thing(&labels), bad = good;
    bad.small = 201;
    expect_refused(&bad, "small", "is too large");
    bad = good;
    bad.middle++;
    expect_refused(&bad, "middle", "is too large");
    bad = good;
    bad.name = pdr_str("a name that has more bytes than it may have");
    expect_refused(&bad, "name", "is too long");
    bad = good;
    bad.raw = pdr_bytes(many, sizeof many);
    expect_refused(&bad, "raw", "is too long");
    bad = good;
    bad.copies.count = 4;
    expect_refused(&bad, "copies", "has too many elements");
    bad = good;
    bad.ids.count = 3;
    expect_refused(&bad, "ids", "has too many elements");
    pdr_write_map(&more, 4);
    for (int i = 0; i < 8; i++) {
        pdr_write_cstr(&more, "k");
    }
    bad = good;
    bad.labels.map = pdr_written(&more);
    expect_refused(&bad, "labels", "has too many pairs");
    pdr_writer_clear(&more);
    pdr_write_map(&more, 2);
    for (int i = 0; i < 4; i++) {
        pdr_write_cstr(&more, "k");
    }
    bad.labels.map = pdr_written(&more);
    expect_refused(&bad, "labels", "has a key that is empty or out of order");
    pdr_writer_release(&labels);
    pdr_writer_release(&more);
}

TEST(lists_of_copies_and_ids)
{
    struct copies copies = {0};
    struct ids ids = {0};
    copies_add(&copies, (struct copy){1, 11});
    copies_add(&copies, (struct copy){2, 12});
    copies_add(&copies, (struct copy){3, 13});
    copies_drop(&copies, 12);
    EXPECT(copies.count == 2 && copies.at[1].rid == 13 && copies_have(&copies, 3) && !copies_have(&copies, 2));
    EXPECT(copies_find(&copies, 11)->node == 1 && copies_find(&copies, 12) == NULL && copies_of(&copies, 2) == NULL);
    ids_add(&ids, 1);
    ids_add(&ids, 2);
    ids_drop(&ids, 1);
    EXPECT(ids.count == 1 && ids_have(&ids, 2) && !ids_have(&ids, 1));
}

TEST_MAIN()
