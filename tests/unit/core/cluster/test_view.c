/* tests/unit/core/cluster/test_view.c: rows come in any order, twice, and from elsewhere. */
#include "core/cluster/view.h"

#include "tests/lib/test.h"

static const uint8_t ours[CLUSTER_ID_SIZE] = {1}, theirs[CLUSTER_ID_SIZE] = {2};

/* Puts a row made from the entry; true if it was news. */
static bool put(struct cluster_view *view, const struct entry *entry, enum pdr_status want)
{
    struct cluster_row *row = cluster_row_new(entry);
    struct fault fault;
    bool changed = false;
    EXPECT_INT(cluster_view_put(view, cluster_row_bytes(row), &changed, &fault), want);
    cluster_row_free(row);
    return changed;
}

static struct entry shard_row(uint32_t shard, uint64_t cv, uint64_t primary)
{
    return (struct entry){
        .kind = ROW_SHARD, .changed = 100 - cv, .shard = {.shard = shard, .epoch = cv, .cv = cv, .primary = primary}};
}

TEST(of_a_shard_the_higher_cv_stays)
{
    struct cluster_view view;
    cluster_view_init(&view);
    struct entry third = shard_row(5, 3, 30), second = shard_row(5, 2, 20);
    EXPECT(put(&view, &third, PDR_OK));
    EXPECT(!put(&view, &second, PDR_OK));
    EXPECT(!put(&view, &third, PDR_OK));
    EXPECT(view.owner_count == 6 && view.owners[5].node == 30 && view.owners[5].cv == 97 && view.owners[4].node == 0);
    EXPECT(cluster_rows_shard(&view.rows, 5)->primary == 30 && view.index == 0 && view.cursor == 0);
    cluster_view_release(&view);
}

TEST(of_others_the_later_change_stays)
{
    struct cluster_view view;
    cluster_view_init(&view);
    struct entry member = {.kind = ROW_MEMBER, .changed = 7, .member = {.node = 9, .incarnation = 2}};
    EXPECT(put(&view, &member, PDR_OK));
    member.changed = 6;
    member.member.incarnation = 1;
    EXPECT(!put(&view, &member, PDR_OK));
    EXPECT_INT(cluster_rows_member(&view.rows, 9)->incarnation, 2);
    EXPECT(cluster_rows_member(&view.rows, 8) == NULL);
    cluster_view_release(&view);
}

TEST(rows_of_another_cluster_are_refused)
{
    struct cluster_view view;
    cluster_view_init(&view);
    struct entry info = {.kind = ROW_INFO, .changed = 1, .info = {.cluster = {ours, sizeof ours}, .next_shard = 3}};
    EXPECT(put(&view, &info, PDR_OK));
    EXPECT_INT(view.owner_count, 3);
    info.info.cluster = pdr_bytes(theirs, sizeof theirs);
    info.changed = 2;
    EXPECT(!put(&view, &info, PDR_INVALID));
    struct entry group = {.kind = ROW_GROUP, .changed = 1, .group = {.name = pdr_str("g"), .first = 1}};
    EXPECT(!put(&view, &group, PDR_INVALID)); /* it has no shards */
    cluster_view_release(&view);
}

static enum pdr_status take(struct cluster_view *view, uint64_t since, uint64_t index, uint64_t cursor, bool complete)
{
    pdr_writer page = {0};
    struct fault fault;
    bool changed;
    pdr_write_array(&page, CLUSTER_PAGE_FIELDS);
    pdr_write_uint(&page, since);
    pdr_write_uint(&page, index);
    pdr_write_uint(&page, cursor);
    pdr_write_bool(&page, complete);
    enum pdr_status status = cluster_view_take(view, pdr_written(&page), &changed, &fault);
    pdr_writer_release(&page);
    return status;
}

TEST(pages_without_a_gap_move_the_index)
{
    struct cluster_view view;
    cluster_view_init(&view);
    EXPECT_INT(take(&view, 5, 9, 9, true), PDR_INVALID);   /* what was before 5? */
    EXPECT_INT(take(&view, 0, 9, 10, false), PDR_INVALID); /* from the future */
    EXPECT_INT(take(&view, 0, 9, 8, true), PDR_INVALID);   /* complete, and is not */
    EXPECT_INT(take(&view, 0, 9, 5, false), PDR_OK);
    EXPECT(view.index == 0 && view.cursor == 5);
    EXPECT_INT(take(&view, 5, 9, 9, true), PDR_OK);
    EXPECT(view.index == 9 && view.cursor == 9);
    EXPECT_INT(take(&view, 3, 7, 7, true), PDR_OK); /* late */
    EXPECT(view.index == 9 && view.cursor == 9);
    cluster_view_release(&view);
}

TEST(what_is_not_a_page_is_refused)
{
    struct cluster_view view;
    struct fault fault;
    bool changed;
    cluster_view_init(&view);
    EXPECT(cluster_view_take(&view, pdr_str(""), &changed, &fault) == PDR_INVALID);
    EXPECT(cluster_view_take(&view, pdr_str("\x94\x00\x01\x01\xc3junk"), &changed, &fault) == PDR_INVALID);
    EXPECT(cluster_view_put(&view, pdr_str("\x92\x70\x01"), &changed, &fault) == PDR_INVALID);
    EXPECT_STR(fault.what, "is a row of a kind that is not known here");
    EXPECT(view.index == 0 && view.cursor == 0);
    cluster_view_release(&view);
}

TEST_MAIN()
