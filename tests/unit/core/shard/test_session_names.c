/* Sessions by id and their parts by shard, against a table of all that there could be. */
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "core/shard/session.h"
#include "tests/lib/test.h"

#define IDS 6u
#define SHARDS 300u

static struct session_id id_of(uint32_t i)
{
    return (struct session_id){i % 2, 1, i, i / 3}; /* some hash alike */
}

static struct session *part_of(struct session_names *names, uint32_t id, uint32_t shard)
{
    const struct session_id wanted = id_of(id);
    return session_names_part(names, &wanted, shard);
}

static void add(struct session_names *names, struct session **at, uint32_t id, uint32_t shard)
{
    struct session_id name = id_of(id);
    *at = mem_new(sizeof **at);
    (*at)->shard = shard;
    session_names_add(names, &name, *at);
    EXPECT(session_id_equal(&(*at)->name->id, &name));
}

static void take(struct session_names *names, struct session **at)
{
    session_names_remove(names, *at);
    mem_free(*at);
    *at = NULL;
}

TEST(parts_are_as_in_a_model)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    struct session_names names;
    session_names_init(&names);
    struct session *(*model)[SHARDS] = mem_new(IDS * sizeof *model);
    for (uint32_t n = 0; n < 20000; n++) {
        uint32_t id = (uint32_t)rng_below(&rng, IDS), shard = (uint32_t)rng_below(&rng, SHARDS);
        bool rather_adds = n / 4000 % 2 == 0;                   /* it fills up, and empties, and fills up */
        EXPECT(part_of(&names, id, shard) == model[id][shard]); /* found last, when it goes */
        if (model[id][shard] == NULL && (rather_adds || rng_below(&rng, 4) == 0)) {
            add(&names, &model[id][shard], id, shard);
        } else if (model[id][shard] != NULL && (!rather_adds || rng_below(&rng, 4) == 0)) {
            take(&names, &model[id][shard]);
        }
        struct session_id looked_for = id_of((uint32_t)rng_below(&rng, IDS));
        session_names_prefetch(&names, &looked_for, shard);
        uint32_t other = (uint32_t)rng_below(&rng, SHARDS);
        EXPECT(part_of(&names, id, shard) == model[id][shard]);
        EXPECT(part_of(&names, id, other) == model[id][other]);
        EXPECT(part_of(&names, id, other) == model[id][other]);
    }
    for (uint32_t i = 0; i < IDS * SHARDS; i++) {
        struct session **at = &model[i / SHARDS][i % SHARDS];
        EXPECT(part_of(&names, i / SHARDS, i % SHARDS) == *at);
        if (*at != NULL) {
            take(&names, at);
        }
    }
    EXPECT_INT(names.bytes, 0);
    session_names_release(&names);
    mem_free(model);
}

/* The shards of one core of several are every second, every fourth ... one: they may not crowd. */
TEST(shards_of_a_core_hardly_collide)
{
    struct session_id id = id_of(0);
    for (uint32_t cores = 1; cores <= 16; cores++) {
        struct session_names names;
        session_names_init(&names);
        struct session *parts = mem_new(256 * sizeof *parts);
        uint32_t count = 0, elsewhere = 0;
        for (uint32_t shard = 0; shard < 256; shard += cores, count++) {
            parts[count].shard = shard;
            session_names_add(&names, &id, &parts[count]);
        }
        const struct session_name *name = session_names_find(&names, &id);
        for (uint32_t i = 0; i < count; i++) {
            elsewhere += name->parts[session_name_place(name, parts[i].shard)] != &parts[i];
        }
        EXPECT(2 * elsewhere < count);
        for (uint32_t i = 0; i < count; i++) {
            session_names_remove(&names, &parts[i]);
        }
        session_names_release(&names);
        mem_free(parts);
    }
}

TEST_MAIN()
