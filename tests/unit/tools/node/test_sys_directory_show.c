/* tests/unit/tools/node/test_sys_directory_show.c: what `_sys/directory` answers, from rows that were made by hand. */
#include "tools/node/sys_directory_show.h"

#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

static struct directory *d;
static pdr_writer out;

static uint64_t loads; /* how often one was asked for */

/* Of the first member alone. */
static bool load_of(void *user, uint64_t node, uint64_t *load)
{
    ++*(uint64_t *)user;
    *load = 1250999;
    return node == 1;
}

static struct directory_seen seen(void)
{
    return (struct directory_seen){directory_rows(d), directory_index(d), 2, load_of, &loads};
}

static void begin(void)
{
    d = small_directory();
    pdr_writer_init(&out, NULL, 0, 1u << 20);
}

static void end(void)
{
    pdr_writer_release(&out);
    directory_free(d);
}

static void done(struct command command)
{
    EXPECT(tell(d, command)->code == DIRECTORY_DONE);
}

static int64_t int_of(pdr_value map, const char *key)
{
    int64_t number = -1;
    pdr_value_int(pdr_value_get(map, key), &number);
    return number;
}

static bool bool_of(pdr_value map, const char *key)
{
    bool value = false;
    EXPECT(pdr_value_bool(pdr_value_get(map, key), &value));
    return value;
}

static bool is_text(pdr_value value, const char *text)
{
    struct pdr_bytes bytes = {"", 0};
    return pdr_value_bytes(value, &bytes) && pdr_bytes_equal(bytes, pdr_str(text));
}

TEST(the_status_counts_shards)
{
    begin();
    struct directory_seen now = seen();
    directory_show_status(&out, &now);
    pdr_value status = pdr_written(&out);
    EXPECT(is_text(pdr_value_get(status, "leader"), "n2"));
    EXPECT(int_of(status, "shards") == 8 && int_of(status, "assigned") == 1);
    EXPECT(int_of(status, "moving") == 1); /* node 4 is a target, and has no copy yet */
    EXPECT(int_of(status, "headless") == 0 && int_of(status, "short") == 0 && !bool_of(status, "paused"));
    EXPECT(pdr_value_count(pdr_value_get(status, "members")) == 4);
    set_alive(d, 1, false);
    done((struct command){.kind = COMMAND_PAUSE, .pause = {true}});
    now = seen();
    pdr_writer_clear(&out);
    directory_show_status(&out, &now);
    status = pdr_written(&out);
    EXPECT(int_of(status, "headless") == 1 && bool_of(status, "paused"));
    end();
}

TEST(members_have_their_burden)
{
    begin();
    struct directory_seen now = seen();
    directory_show_members(&out, &now);
    pdr_value first = pdr_value_at(pdr_written(&out), 0), last = pdr_value_at(pdr_written(&out), 3);
    EXPECT(is_text(pdr_value_get(first, "id"), "0000000000000001") && is_text(pdr_value_get(first, "state"), "up"));
    EXPECT(int_of(first, "copies") == 1 && int_of(first, "leads") == 1);
    EXPECT(int_of(first, "load") == 1250 && loads == 4); /* per mille of a core */
    EXPECT(pdr_value_kind(pdr_value_get(last, "load")) == PDR_KIND_NIL);
    EXPECT(int_of(last, "copies") == 1 && int_of(last, "leads") == 0); /* wanted there */
    end();
}

TEST(a_node_is_found_by_name_and_by_id)
{
    begin();
    EXPECT(directory_find_member(directory_rows(d), pdr_str("n3"))->node == 3);
    EXPECT(directory_find_member(directory_rows(d), pdr_str("0000000000000004"))->node == 4);
    EXPECT(directory_find_member(directory_rows(d), pdr_str("4")) == NULL);
    EXPECT(directory_find_member(directory_rows(d), pdr_str("")) == NULL);
    EXPECT(directory_find_member(directory_rows(d), pdr_str("000000000000000G")) == NULL);
    end();
}

TEST(a_node_on_its_way_out)
{
    begin();
    struct directory_seen now = seen();
    done((struct command){.kind = COMMAND_DRAIN, .drain = {4, true}});
    directory_show_node(&out, &now, 4);
    EXPECT(bool_of(pdr_written(&out), "draining") && !bool_of(pdr_written(&out), "empty"));
    struct ids targets = {3, {1, 2, 3}};
    done((struct command){.kind = COMMAND_TARGETS, .targets = {0, shard_of(d, 0)->cv, targets}});
    pdr_writer_clear(&out);
    directory_show_node(&out, &now, 4);
    EXPECT(bool_of(pdr_written(&out), "empty") && int_of(pdr_written(&out), "copies") == 0);
    pdr_writer_clear(&out);
    directory_show_node(&out, &now, 99);
    EXPECT(pdr_value_kind(pdr_written(&out)) == PDR_KIND_NIL);
    end();
}

TEST(shards_come_in_pages)
{
    begin();
    struct directory_seen now = seen();
    directory_show_shards(&out, &now, 0, 3);
    pdr_value shards = pdr_value_get(pdr_written(&out), "shards"), first = pdr_value_at(shards, 0);
    EXPECT(pdr_value_count(shards) == 3 && int_of(pdr_written(&out), "next") == 3);
    EXPECT(is_text(pdr_value_get(first, "primary"), "n1") && int_of(first, "min_isr") == 2);
    EXPECT(pdr_value_count(pdr_value_get(first, "in_sync")) == 3);
    EXPECT(pdr_value_kind(pdr_value_get(pdr_value_at(shards, 1), "primary")) == PDR_KIND_NIL);
    pdr_writer_clear(&out);
    directory_show_shards(&out, &now, 6, 1000);
    EXPECT(pdr_value_count(pdr_value_get(pdr_written(&out), "shards")) == 2);
    EXPECT(pdr_value_kind(pdr_value_get(pdr_written(&out), "next")) == PDR_KIND_NIL);
    pdr_writer_clear(&out);
    directory_show_shards(&out, &now, UINT32_MAX, 1000);
    EXPECT(pdr_value_count(pdr_value_get(pdr_written(&out), "shards")) == 0);
    end();
}

TEST(pins_come_before_groups)
{
    uint32_t shard = 0;
    begin();
    EXPECT(directory_place(directory_rows(d), pdr_str("counter"), pdr_str("a"), &shard) && shard < 8);
    done((struct command){.kind = COMMAND_PIN, .pin = {pdr_str("counter"), pdr_str("a"), 3, no_pairs()}});
    EXPECT(directory_place(directory_rows(d), pdr_str("counter"), pdr_str("x/{a}"), &shard) && shard == 8);
    EXPECT(directory_place(directory_rows(d), pdr_str("other"), pdr_str("a"), &shard) && shard < 8);
    EXPECT(pdr_bytes_equal(directory_group_of(directory_rows(d), 8)->name, pdr_str("counter/a")));
    EXPECT(directory_group_of(directory_rows(d), 9) == NULL);
    end();
}

TEST(a_move_takes_the_place_of_who_leads)
{
    struct cluster_shard shard = {.primary = 1, .targets = {3, {1, 2, 3}}};
    struct ids moved = directory_moved(&shard, 4);
    EXPECT(moved.count == 3 && moved.at[0] == 4 && moved.at[1] == 2 && moved.at[2] == 3);
    moved = directory_moved(&shard, 3);
    EXPECT(moved.count == 3 && moved.at[0] == 3 && moved.at[1] == 1 && moved.at[2] == 2);
    shard.primary = 9; /* it took over, and is no target */
    moved = directory_moved(&shard, 4);
    EXPECT(moved.count == 3 && moved.at[0] == 4 && moved.at[1] == 2);
}

TEST_MAIN()
