/* tests/unit/core/cluster/test_row.c: rows as bytes, their order, and what a person is told of a member. */
#include "core/cluster/row.h"

#include "tests/lib/test.h"

static struct entry a_member(pdr_writer *labels)
{
    pdr_writer_clear(labels);
    pdr_write_map(labels, 1);
    pdr_write_cstr(labels, "zone");
    pdr_write_cstr(labels, "b");
    return (struct entry){
        .kind = ROW_MEMBER,
        .changed = 300,
        .member = {
            .node = 9, .incarnation = 2, .name = pdr_str("n9"), .labels = {pdr_written(labels)}, .state = MEMBER_UP}};
}

/* What a row points to is its own. */
TEST(a_row_keeps_what_it_was_made_of)
{
    pdr_writer labels = {0};
    struct entry entry = a_member(&labels);
    struct cluster_row *row = cluster_row_new(&entry), *read;
    struct fault fault;
    memset(labels.data, 0, labels.size);
    EXPECT(row->entry.changed == 300 && pdr_bytes_equal(row->entry.member.name, pdr_str("n9")));
    EXPECT(pdr_bytes_equal(cluster_member_zone(&row->entry.member), pdr_str("b")));
    REQUIRE(cluster_row_read(cluster_row_bytes(row), &read, &fault) == PDR_OK);
    EXPECT(pdr_bytes_equal(cluster_row_bytes(row), cluster_row_bytes(read)) && row->hash == read->hash);
    cluster_row_free(row);
    EXPECT(pdr_bytes_equal(cluster_member_zone(&read->entry.member), pdr_str("b")));
    cluster_row_free(read);
    pdr_writer_release(&labels);
}

TEST(no_cut_or_longer_row_is_taken)
{
    pdr_writer labels = {0}, longer = {0};
    struct entry entry = a_member(&labels);
    struct cluster_row *row = cluster_row_new(&entry), *read;
    struct fault fault;
    for (uint32_t size = 0; size < row->size; size++) {
        EXPECT(cluster_row_read(pdr_bytes(row->bytes, size), &read, &fault) == PDR_INVALID);
    }
    pdr_write_raw(&longer, row->bytes, row->size);
    pdr_write_nil(&longer);
    EXPECT(cluster_row_read(pdr_written(&longer), &read, &fault) == PDR_INVALID);
    longer.data[0]--; /* a field less */
    EXPECT(cluster_row_read(pdr_bytes(longer.data, row->size), &read, &fault) == PDR_INVALID);
    cluster_row_free(row);
    pdr_writer_release(&labels);
    pdr_writer_release(&longer);
}

TEST(rows_lie_by_kind_and_key)
{
    struct entry rows[] = {{.kind = ROW_INFO},
                           {.kind = ROW_MEMBER, .member = {.node = 1}},
                           {.kind = ROW_MEMBER, .member = {.node = UINT64_MAX}},
                           {.kind = ROW_GROUP, .group = {.name = pdr_str("a")}},
                           {.kind = ROW_GROUP, .group = {.name = pdr_str("ab")}},
                           {.kind = ROW_SHARD, .shard = {.shard = 0}},
                           {.kind = ROW_SHARD, .shard = {.shard = 300}},
                           {.kind = ROW_TYPE, .type = {.type = pdr_str("a")}},
                           {.kind = ROW_TYPE, .type = {.type = pdr_str("b")}},
                           {.kind = ROW_HOSTS, .hosts = {.node = 1}},
                           {.kind = ROW_HOSTS, .hosts = {.node = 2}}};
    int count = sizeof rows / sizeof *rows;
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            int order = entry_compare(&rows[i], &rows[j]);
            EXPECT((order < 0) == (i < j) && (order > 0) == (i > j));
        }
    }
}

TEST(a_member_s_state_in_a_word)
{
    struct cluster_member member = {.state = MEMBER_UP};
    EXPECT_STR(cluster_member_state(&member), "up");
    member.draining = true;
    EXPECT_STR(cluster_member_state(&member), "draining");
    member.state = MEMBER_DOWN;
    EXPECT_STR(cluster_member_state(&member), "down");
    member.state = MEMBER_REMOVED;
    EXPECT_STR(cluster_member_state(&member), "removed");
    EXPECT(cluster_member_zone(&member).size == 0);
}

TEST_MAIN()
