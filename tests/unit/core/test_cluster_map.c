/* tests/unit/core/test_cluster_map.c: a node alone, and a map cut from a view. */
#include "core/cluster_map.h"

#include <perdure/ref.h>

#include "core/cluster/view.h"
#include "tests/lib/test.h"

TEST(a_node_alone_owns_every_shard)
{
    struct cluster_map map = cluster_map_alone(CLUSTER_SHARDS, 4);
    for (uint32_t shard = 0; shard < CLUSTER_SHARDS; shard++) {
        EXPECT(cluster_map_is_here(&map, shard) && cluster_map_core(&map, shard) == shard % 4);
    }
    EXPECT(cluster_map_owner(&map, 0) == NULL && cluster_map_node(&map, 1) == NULL);
    EXPECT_INT(cluster_map_shard(&map, 1000), 1000 % CLUSTER_SHARDS);
    EXPECT_INT(cluster_map_place(&map, pdr_str("counter"), pdr_str("k"), 1000), 1000 % CLUSTER_SHARDS);
}

/* Of a cluster of which nothing is known yet nothing is here. */
TEST(an_empty_view_owns_nothing)
{
    struct cluster_view view;
    cluster_view_init(&view);
    struct cluster_map *map = cluster_map_new(&view, 7, 4, false);
    EXPECT(!cluster_map_is_here(map, 0) && cluster_map_node(map, 7) == NULL);
    cluster_map_free(map);
    cluster_view_release(&view);
}

static void put(struct cluster_view *view, struct entry entry)
{
    struct fault fault;
    bool changed = false;
    entry.changed = 40;
    struct cluster_row *row = cluster_row_new(&entry);
    REQUIRE(cluster_view_put(view, cluster_row_bytes(row), &changed, &fault) == PDR_OK);
    cluster_row_free(row);
}

/* Default group of 4 shards; "gpus" with 3 for the type model; counter/{acme} pinned to one shard. */
static void fill(struct cluster_view *view)
{
    static const uint8_t id[CLUSTER_ID_SIZE];
    struct pdr_bytes all = pdr_str("default"), gpus = pdr_str("gpus"), pin = pdr_str("counter/acme");
    put(view, (struct entry){.kind = ROW_INFO, .info = {.cluster = {id, sizeof id}, .next_shard = 8}});
    put(view, (struct entry){.kind = ROW_GROUP, .group = {.name = all, .first = 0, .shards = 4}});
    put(view, (struct entry){.kind = ROW_GROUP, .group = {.name = gpus, .first = 4, .shards = 3}});
    put(view,
        (struct entry){
            .kind = ROW_GROUP,
            .group = {
                .name = pin, .first = 7, .shards = 1, .pin_type = pdr_str("counter"), .pin_tag = pdr_str("acme")}});
    put(view, (struct entry){.kind = ROW_TYPE, .type = {pdr_str("model"), gpus}});
    put(view, (struct entry){.kind = ROW_TYPE, .type = {pdr_str("counter"), all}});
    put(view,
        (struct entry){.kind = ROW_SHARD, .shard = {.shard = 2, .epoch = 5, .cv = 9, .primary = 7, .incarnation = 3}});
    struct cluster_shard old = {.shard = 6, .epoch = 4, .cv = 3, .primary = 7, .incarnation = 2, .isr = {1, {{7, 3}}}};
    put(view, (struct entry){.kind = ROW_SHARD, .shard = old});
    struct cluster_shard moves = {
        .shard = 3, .epoch = 6, .cv = 4, .primary = 7, .incarnation = 3, .isr = {2, {{7, 1}, {8, 2}}}};
    put(view, (struct entry){.kind = ROW_SHARD, .shard = moves});
    put(view, (struct entry){.kind = ROW_SHARD, .shard = {.shard = 5, .cv = 6, .isr = {2, {{8, 2}, {7, 3}}}}});
    put(view, (struct entry){.kind = ROW_SHARD, .shard = {.shard = 4, .cv = 7, .targets = {2, {8, 7}}}});
    put(view, (struct entry){.kind = ROW_SHARD, .shard = {.shard = 1, .cv = 4, .isr = {1, {{8, 1}}}}});
    put(view,
        (struct entry){
            .kind = ROW_MEMBER,
            .member = {
                .node = 7, .incarnation = 3, .name = pdr_str("n7"), .address = pdr_str("h:7"), .state = MEMBER_UP}});
    put(view, (struct entry){.kind = ROW_MEMBER, .member = {.node = 6, .state = MEMBER_REMOVED}});
}

TEST(owners_members_and_places_come_from_rows)
{
    struct cluster_view view;
    cluster_view_init(&view);
    fill(&view);
    struct cluster_map *map = cluster_map_new(&view, 7, 2, false);
    cluster_view_release(&view); /* the map needs it no more */
    EXPECT(map->shard_count == 4 && map->owner_count == 8 && map->place_count == 2 && map->node_count == 1);
    EXPECT(cluster_map_is_here(map, 2) && !cluster_map_is_here(map, 1) && !cluster_map_is_here(map, 8));
    const struct cluster_owner *owner = cluster_map_owner(map, 2);
    EXPECT(owner->node == 7 && owner->epoch == 5 && owner->cv == 40 && cluster_map_owner(map, 8) == NULL);
    owner = cluster_map_owner(map, 3);
    EXPECT(owner->node == 0 && owner->epoch == 6 && owner->cv == 40 && !cluster_map_is_here(map, 3));
    EXPECT(cluster_map_owner(map, 6)->node == 0 && cluster_map_owner(map, 6)->epoch == 4); /* of its last process */
    EXPECT(map->row_count == 4 && cluster_map_row(map, 1) == NULL); /* of shards that have a copy at 7, or are to */
    REQUIRE(cluster_map_row(map, 5) != NULL && cluster_map_row(map, 4) != NULL);
    EXPECT(cluster_map_row(map, 5)->cv == 6 && copies_of(&cluster_map_row(map, 5)->isr, 7)->rid == 3);
    const struct cluster_node *node = cluster_map_node(map, 7);
    REQUIRE(node != NULL);
    EXPECT(node->alive && node->incarnation == 3 && pdr_bytes_equal(node->address, pdr_str("h:7")));
    EXPECT(cluster_map_node(map, 6) == NULL);

    struct pdr_bytes counter = pdr_str("counter"), key = pdr_str("{acme}-1");
    EXPECT_INT(cluster_map_place(map, counter, key, pdr_ref_hash(key)), 7);
    EXPECT_INT(cluster_map_place(map, counter, pdr_str("acme"), 6), 7);
    EXPECT_INT(cluster_map_place(map, counter, pdr_str("other"), 6), 2);
    EXPECT_INT(cluster_map_place(map, pdr_str("model"), key, 6), 4);
    EXPECT_INT(cluster_map_place(map, pdr_str("model"), key, 8), 6);
    EXPECT_INT(cluster_map_place(map, pdr_str("unknown"), key, 7), 3);
    cluster_map_free(map);
}

/* Released in epoch 6: there yet. In epoch 7 it is nobody's, until its row has one copy. */
TEST(a_shard_on_its_way_out_is_where_it_was)
{
    struct cluster_view view;
    cluster_view_init(&view);
    fill(&view);
    struct cluster_shard row = {
        .shard = 2, .epoch = 5, .cv = 10, .primary = 7, .incarnation = 3, .isr = {2, {{7, 1}, {8, 2}}}};
    struct cluster_map *first = cluster_map_new(&view, 7, 2, false);
    put(&view, (struct entry){.kind = ROW_SHARD, .shard = row});
    struct cluster_map *second = cluster_map_new(&view, 7, 2, false);
    EXPECT(second->owners[2].node == 0);
    cluster_map_keep_owners(second, first);
    EXPECT(second->owners[2].node == 7 && second->owners[2].epoch == 5 && second->owners[3].node == 0);
    row.epoch = 6;
    row.cv = 11;
    row.primary = 8;
    put(&view, (struct entry){.kind = ROW_SHARD, .shard = row});
    struct cluster_map *third = cluster_map_new(&view, 7, 2, false);
    cluster_map_keep_owners(third, second);
    EXPECT(third->owners[2].node == 0);
    cluster_map_free(first);
    cluster_map_free(second);
    cluster_map_free(third);
    cluster_view_release(&view);
}

TEST_MAIN()
