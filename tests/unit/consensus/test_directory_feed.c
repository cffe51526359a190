/* tests/unit/consensus/test_directory_feed.c: what changed since, in pages; single rows; hashes of earlier states. */
#include "consensus/directory.h"

#include "core/cluster/view.h"
#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

static void touch(struct directory *d, uint32_t times)
{
    while (times-- > 0) {
        REQUIRE(tell(d, (struct command){.kind = COMMAND_TOUCH, .touch = {0, shard_of(d, 0)->cv}})->code ==
                DIRECTORY_DONE);
    }
}

static uint32_t rows_in(const pdr_writer *page)
{
    struct pdr_bytes rest = pdr_written(page);
    uint32_t count = 0;
    pdr_value_next(&rest);
    while (pdr_value_next(&rest).size > 0) {
        count++;
    }
    return count;
}

TEST(each_row_once_the_latest_last)
{
    struct directory *d = small_directory();
    pdr_writer page = {0};
    struct directory_page about;
    uint64_t before = directory_index(d);
    touch(d, 3);
    set_alive(d, 4, false);
    REQUIRE(directory_feed(d, before, 1 << 20, &page, &about));
    EXPECT(about.complete && about.cursor == before + 4);
    EXPECT_INT(rows_in(&page), 2); /* the shard once, as it is now, and the member */
    pdr_writer_clear(&page);
    REQUIRE(directory_feed(d, 0, 1 << 20, &page, &about));
    EXPECT_INT(rows_in(&page), 7); /* cluster, group, four members, shard */
    pdr_writer_clear(&page);
    REQUIRE(directory_feed(d, before + 4, 1 << 20, &page, &about));
    EXPECT(about.complete && rows_in(&page) == 0);
    EXPECT(!directory_feed(d, before + 5, 1 << 20, &page, &about));
    pdr_writer_release(&page);
    directory_free(d);
}

/* A page ends behind a command, never inside, even if that is more bytes than were asked for. */
TEST(pages_end_behind_a_command)
{
    struct directory *d = small_directory();
    pdr_writer page = {0};
    struct directory_page about;
    REQUIRE(directory_feed(d, 0, 1, &page, &about));
    EXPECT(!about.complete && about.cursor == 1 && rows_in(&page) == 2);
    pdr_writer_clear(&page);
    REQUIRE(directory_feed(d, about.cursor, 1, &page, &about));
    EXPECT(!about.complete && about.cursor == 2 && rows_in(&page) == 1);
    pdr_writer_release(&page);
    directory_free(d);
}

/* R13: between its pages a node must not think that it knows what is behind them. */
TEST(a_page_that_is_not_the_last_does_not_move_the_index)
{
    struct directory *d = small_directory();
    struct cluster_view view;
    struct directory_page about;
    struct fault fault;
    bool changed;
    pdr_writer page = {0};
    cluster_view_init(&view);
    REQUIRE(directory_feed(d, 0, 1, &page, &about));
    REQUIRE(cluster_view_take(&view, pdr_written(&page), &changed, &fault) == PDR_OK);
    EXPECT(changed && view.index == 0 && view.cursor == 1);
    touch(d, 1);
    pdr_writer_clear(&page);
    REQUIRE(directory_feed(d, view.cursor, 1 << 20, &page, &about));
    REQUIRE(cluster_view_take(&view, pdr_written(&page), &changed, &fault) == PDR_OK);
    EXPECT(view.index == directory_index(d) && view.cursor == view.index);
    EXPECT(cluster_rows_shard(&view.rows, 0)->cv == 2);
    REQUIRE(cluster_view_take(&view, pdr_written(&page), &changed, &fault) == PDR_OK);
    EXPECT(!changed); /* a second time it is no news */
    pdr_writer_release(&page);
    cluster_view_release(&view);
    directory_free(d);
}

TEST(a_row_is_there_for_who_asks)
{
    struct directory *d = small_directory();
    pdr_writer row = {0};
    EXPECT(directory_row(d, &(struct entry){.kind = ROW_SHARD, .shard = {.shard = 0}}, &row));
    EXPECT(row.size > 0);
    EXPECT(!directory_row(d, &(struct entry){.kind = ROW_SHARD, .shard = {.shard = 1}}, &row));
    EXPECT(!directory_row(d, &(struct entry){.kind = ROW_MEMBER, .member = {.node = 9}}, &row));
    pdr_writer_release(&row);
    directory_free(d);
}

TEST(hashes_of_earlier_states_are_known_for_a_while)
{
    struct directory *d = small_directory();
    uint64_t index = directory_index(d), hash = directory_hash(d), was;
    tell(d, (struct command){.kind = COMMAND_TOUCH, .touch = {0, 99}}); /* refused: the same state */
    EXPECT(directory_hash_at(d, index + 1, &was) && was == hash);
    EXPECT(!directory_hash_at(d, index + 2, &was));
    touch(d, 200);
    EXPECT(directory_hash(d) != hash);
    EXPECT(directory_hash_at(d, index, &was) && was == hash);
    touch(d, 200);
    EXPECT(!directory_hash_at(d, index, &was));
    EXPECT(directory_hash_at(d, directory_index(d), &was) && was == directory_hash(d));
    directory_free(d);
}

TEST_MAIN()
