/* The map as clients read it: what the node writes leads to the same owners; what is wrong is refused with a
 * sentence. */
#include "net/client/map.h"

#include <inttypes.h>
#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "tests/lib/test.h"
#include "tools/node/map_answer.h"

#define NODES_MAX 20u
#define PLACES_MAX 30u
#define SHARDS_MAX 400u

struct cluster {
    struct cluster_map map;
    struct cluster_node nodes[NODES_MAX];
    struct cluster_place places[PLACES_MAX];
    struct cluster_owner owners[SHARDS_MAX];
    char addresses[NODES_MAX][32];
    char tags[PLACES_MAX][16];
};

static const char *const types[] = {"account", "counter", "queue", "z"};

static int compare(const void *a, const void *b)
{
    const struct cluster_place *x = a, *y = b;
    int order = pdr_bytes_compare(x->type, y->type);
    return order != 0 ? order : pdr_bytes_compare(x->tag, y->tag);
}

/* Each type has a group of its own or not, and some tags have a shard of their own. */
static uint32_t draw_places(struct cluster *c, struct rng *rng)
{
    uint32_t count = 0;
    for (uint32_t t = 0; t < 4; t++) {
        if (rng_chance(rng, 50)) {
            c->places[count++] = (struct cluster_place){
                pdr_str(types[t]), {NULL, 0}, (uint32_t)rng_below(rng, 300), 1 + (uint32_t)rng_below(rng, 100)};
        }
        for (uint32_t k = 0; k < 5 && rng_chance(rng, 60); k++) {
            snprintf(c->tags[count], sizeof c->tags[0], "k%u", k * 3);
            c->places[count] = (struct cluster_place){pdr_str(types[t]), pdr_str(c->tags[count]),
                                                      (uint32_t)rng_below(rng, SHARDS_MAX), 1};
            count++;
        }
    }
    qsort(c->places, count, sizeof c->places[0], compare);
    return count;
}

static void draw_cluster(struct cluster *c, struct rng *rng)
{
    uint32_t nodes = 1 + (uint32_t)rng_below(rng, NODES_MAX), shards = 1 + (uint32_t)rng_below(rng, SHARDS_MAX);
    for (uint32_t i = 0; i < nodes; i++) {
        snprintf(c->addresses[i], sizeof c->addresses[i], "10.0.0.%u:7077", i);
        c->nodes[i] = (struct cluster_node){.node = 100 + 7 * (uint64_t)i, .address = pdr_str(c->addresses[i])};
    }
    for (uint32_t i = 0; i < shards; i++) { /* some have no owner, and some one that is no member any more */
        uint64_t draw = rng_below(rng, nodes + 2);
        c->owners[i].node = draw == nodes ? 0 : draw == nodes + 1 ? 99 : c->nodes[draw].node;
    }
    c->map = (struct cluster_map){.version = rng_next(rng),
                                  .shard_count = 1 + (uint32_t)rng_below(rng, shards),
                                  .cores = 1,
                                  .self = c->nodes[rng_below(rng, nodes)].node,
                                  .owner_count = shards,
                                  .node_count = nodes,
                                  .place_count = draw_places(c, rng),
                                  .owners = c->owners,
                                  .nodes = c->nodes,
                                  .places = c->places};
}

static void expect_same_owner(const struct cluster *c, const struct client_map *map, const struct pdr_ref *ref)
{
    uint64_t hash = pdr_ref_hash(ref->key);
    uint32_t shard = cluster_map_place(&c->map, ref->type, ref->key, hash);
    const struct cluster_owner *owner = cluster_map_owner(&c->map, shard);
    const struct cluster_node *node = owner == NULL || owner->node == 0 ? NULL : cluster_map_node(&c->map, owner->node);
    uint32_t index = client_map_owner(map, ref, hash);
    if (node == NULL) {
        EXPECT_INT(index, CLIENT_MAP_NOBODY);
        return;
    }
    REQUIRE(index < map->node_count);
    EXPECT(map->nodes[index].id == node->node);
    EXPECT(pdr_bytes_equal(pdr_str(map->nodes[index].address), node->address));
}

TEST(leads_where_the_node_leads)
{
    for (uint64_t seed = test_seed(); seed < test_seed() + 200; seed++) {
        struct cluster c;
        struct client_map *map;
        struct rng rng;
        const char *why = "";
        pdr_writer answer = {0};
        rng_seed(&rng, seed);
        draw_cluster(&c, &rng);
        map_answer_write(&answer, &c.map, 0, pdr_bytes(NULL, 0));
        if (client_map_read(pdr_written(&answer), &map, &why) != PDR_OK) {
            printf("seed %" PRIu64 ": %s\n", seed, why);
            REQUIRE(false);
        }
        EXPECT(map->version == c.map.version && map->nodes[map->self].id == c.map.self);
        EXPECT_INT(map->place_count, c.map.place_count);
        for (uint32_t i = 0; i < 100; i++) {
            char key[32];
            snprintf(key, sizeof key,
                     i % 3 == 0   ? "k%u"
                     : i % 3 == 1 ? "x{k%u}y"
                                  : "{}%u",
                     (uint32_t)rng_below(&rng, 20));
            struct pdr_ref ref = {pdr_str(types[rng_below(&rng, 4)]), pdr_str(key)};
            expect_same_owner(&c, map, &ref);
        }
        client_map_free(map);
        pdr_writer_release(&answer);
    }
}

TEST(a_node_alone_owns_all)
{
    struct cluster_map alone = cluster_map_alone(CLUSTER_SHARDS, 2);
    struct client_map *map;
    const char *why;
    pdr_writer answer = {0};
    struct pdr_ref ref = {pdr_str("a"), pdr_str("b")};
    map_answer_write(&answer, &alone, 77, pdr_str("127.0.0.1:7077"));
    REQUIRE(client_map_read(pdr_written(&answer), &map, &why) == PDR_OK);
    EXPECT(map->version == 1 && map->self == 0 && map->node_count == 1 && map->owner_count == CLUSTER_SHARDS);
    EXPECT(map->nodes[0].id == 77 && strcmp(map->nodes[0].address, "127.0.0.1:7077") == 0);
    EXPECT_INT(client_map_owner(map, &ref, pdr_ref_hash(ref.key)), 0);
    client_map_free(map);
    pdr_writer_release(&answer);
}

/* A member that has no rows yet. */
TEST(nothing_is_known_yet)
{
    struct cluster_map none = {.shard_count = CLUSTER_SHARDS, .cores = 1, .self = 5};
    struct client_map *map;
    const char *why;
    pdr_writer answer = {0};
    struct pdr_ref ref = {pdr_str("a"), pdr_str("b")};
    map_answer_write(&answer, &none, 0, pdr_bytes(NULL, 0));
    REQUIRE(client_map_read(pdr_written(&answer), &map, &why) == PDR_OK);
    EXPECT(map->node_count == 0 && map->self == CLIENT_MAP_NOBODY);
    EXPECT_INT(client_map_owner(map, &ref, pdr_ref_hash(ref.key)), CLIENT_MAP_NOBODY);
    client_map_free(map);
    pdr_writer_release(&answer);
}

/* One map, with one thing wrong. */

struct fields {
    bool no_version;
    uint64_t shards;
    uint32_t nodes;
    const char *address;
    size_t address_size;
    uint64_t first, count;
    bool bad_place, bad_order, empty_tag;
    const char *owners;
    size_t owners_size;
};

static const struct fields fine = {.shards = 2,
                                   .nodes = 1,
                                   .address = "h:1",
                                   .address_size = 3,
                                   .first = 0,
                                   .count = 1,
                                   .owners = "\0\0\xff\xff",
                                   .owners_size = 4};

static void put_place(pdr_writer *out, const struct fields *f, const char *type, bool has_tag)
{
    pdr_write_array(out, f->bad_place ? 3 : 4);
    pdr_write_cstr(out, type);
    if (has_tag) {
        pdr_write_cstr(out, f->empty_tag ? "" : "t");
    } else {
        pdr_write_nil(out);
    }
    pdr_write_uint(out, f->first);
    if (!f->bad_place) {
        pdr_write_uint(out, f->count);
    }
}

static void write_fields(pdr_writer *out, const struct fields *f)
{
    pdr_write_map(out, 5);
    pdr_write_cstr(out, f->no_version ? "verse" : "version");
    pdr_write_uint(out, 1);
    pdr_write_cstr(out, "shards");
    pdr_write_uint(out, f->shards);
    pdr_write_cstr(out, "nodes");
    pdr_write_array(out, f->nodes);
    for (uint32_t i = 0; i < f->nodes; i++) {
        pdr_write_array(out, 2);
        pdr_write_uint(out, i);
        pdr_write_str(out, pdr_bytes(f->address, f->address_size));
    }
    pdr_write_cstr(out, "places");
    pdr_write_array(out, 2);
    put_place(out, f, f->bad_order ? "z" : "a", false);
    put_place(out, f, "a", true);
    pdr_write_cstr(out, "owners");
    pdr_write_bin(out, pdr_bytes(f->owners, f->owners_size));
}

static enum pdr_status read_fields(const struct fields *f, const char **why)
{
    struct client_map *map = NULL;
    pdr_writer answer = {0};
    write_fields(&answer, f);
    enum pdr_status status = client_map_read(pdr_written(&answer), &map, why);
    client_map_free(map);
    pdr_writer_release(&answer);
    return status;
}

static void expect_refused(struct fields f, const char *what)
{
    const char *why = "";
    EXPECT_INT(read_fields(&f, &why), PDR_INVALID);
    if (strstr(why, what) == NULL) {
        EXPECT_STR(why, what);
    }
}

TEST(what_is_wrong_is_refused)
{
    static char large[2 * LIMIT_SHARDS_MAX + 2], address[LIMIT_ADDRESS_BYTES_MAX + 1];
    const char *why;
    struct fields f = fine;
    memset(address, 'h', sizeof address);
    EXPECT_INT(read_fields(&f, &why), PDR_OK);
#define WITH(change, what)                                                                                             \
    do {                                                                                                               \
        f = fine;                                                                                                      \
        change;                                                                                                        \
        expect_refused(f, what);                                                                                       \
    } while (0)
    WITH(f.no_version = true, "no \"version\"");
    WITH(f.shards = 0, "\"shards\"");
    WITH(f.shards = LIMIT_SHARDS_MAX + 1, "\"shards\"");
    WITH(f.nodes = LIMIT_MEMBERS_MAX + 1, "members_max");
    WITH(f.address_size = 0, "[id, address]");
    WITH(f.address = "h\0x", "[id, address]");
    WITH((f.address = address, f.address_size = sizeof address), "[id, address]");
    WITH(f.bad_place = true, "[type, tag, first, count]");
    WITH(f.empty_tag = true, "[type, tag, first, count]");
    WITH(f.count = 0, "[type, tag, first, count]");
    WITH(f.first = LIMIT_SHARDS_MAX + 1, "[type, tag, first, count]");
    WITH(f.bad_order = true, "order");
    WITH(f.owners_size = 3, "\"owners\"");
    WITH((f.owners = large, f.owners_size = sizeof large), "\"owners\"");
    WITH(f.owners = "\1\0\0\0", "among the nodes");
#undef WITH
    struct client_map *map;
    EXPECT_INT(client_map_read(pdr_bytes("\x07", 1), &map, &why), PDR_INVALID);
    pdr_writer answer = {0};
    write_fields(&answer, &fine);
    mem_fail_after(1);
    EXPECT_INT(client_map_read(pdr_written(&answer), &map, &why), PDR_OVERLOADED);
    mem_fail_after(0);
    pdr_writer_release(&answer);
}

TEST_MAIN()
