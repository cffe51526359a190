/* tests/unit/consensus/test_loads.c: reports of load as letters, and what a leader keeps of them. */
#include "consensus/loads.h"

#include "core/base/endian.h"
#include "core/base/rng.h"
#include "tests/lib/test.h"

#define ROUNDS 300

static struct letter_load letter_of(const struct load_report *report, uint64_t no, uint8_t *room)
{
    struct letter_load letter = {.incarnation = 1, .no = no};
    loads_write(report, &letter, room);
    return letter;
}

static struct load_report drawn(struct rng *rng)
{
    struct load_report report = {.total = 0};
    uint32_t shards = (uint32_t)rng_below(rng, 80);
    for (uint32_t id = 0; id < shards; id++) {
        uint32_t load = (uint32_t)rng_below(rng, 1000);
        struct load_report one = {.total = load, .shards = 1, .hot_count = load > 0, .hot = {{3 * id, load}}};
        load_report_add(&report, &one);
    }
    return report;
}

TEST(what_was_said_is_known)
{
    struct rng rng;
    uint8_t room[LETTER_HOT_BYTES_MAX];
    rng_seed(&rng, test_seed());
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        struct loads loads = {.at = NULL};
        struct load_report report = drawn(&rng);
        struct letter_load letter = letter_of(&report, round, room);
        REQUIRE(loads_take(&loads, round, 7, &letter));
        const struct load_said *said = loads_of(&loads, 7);
        REQUIRE(said != NULL && said->heard_ns == round && said->report.total == report.total);
        uint64_t sum = 0;
        for (uint32_t i = 0; i < report.hot_count; i++) {
            EXPECT(loads_shard(said, report.hot[i].shard) == report.hot[i].load);
            sum += report.hot[i].load;
        }
        uint32_t others = report.shards - report.hot_count;
        EXPECT(loads_shard(said, 1) == (others > 0 ? (report.total - sum) / others : 0));
        loads_release(&loads);
    }
}

TEST(each_member_is_known_by_its_newest)
{
    struct loads loads = {.at = NULL};
    uint8_t room[LETTER_HOT_BYTES_MAX];
    for (uint64_t node = 40; node > 0; node--) {
        struct load_report report = {.total = node, .shards = 1, .hot_count = 1, .hot = {{1, (uint32_t)node}}};
        struct letter_load letter = letter_of(&report, 5, room);
        EXPECT(loads_take(&loads, 1, node * 37 % 41, &letter));
        EXPECT(!loads_take(&loads, 2, node * 37 % 41, &letter)); /* a copy of it */
        letter.no = 4;
        EXPECT(!loads_take(&loads, 2, node * 37 % 41, &letter));
        letter.incarnation = 2;
        EXPECT(loads_take(&loads, 3, node * 37 % 41, &letter)); /* another process counts anew */
        letter.incarnation = 1;
        letter.no = 9;
        EXPECT(!loads_take(&loads, 4, node * 37 % 41, &letter));
    }
    for (uint64_t node = 40; node > 0; node--) {
        EXPECT(loads_of(&loads, node * 37 % 41)->report.total == node);
        loads_forget(&loads, node * 37 % 41);
        EXPECT(loads_of(&loads, node * 37 % 41) == NULL);
    }
    EXPECT(loads.count == 0);
    loads_forget(&loads, 3);
    loads_release(&loads);
}

TEST(what_no_node_says_is_refused)
{
    static const struct {
        const char *why;
        uint64_t total, shards;
        uint32_t hot[6], size;
    } cases[] = {
        {"half a pair", 100, 9, {1, 5}, 7},           {"more of them than it has", 100, 1, {1, 5, 2, 5}, 16},
        {"not in order", 100, 9, {2, 5, 1, 5}, 16},   {"one twice", 100, 9, {2, 5, 2, 5}, 16},
        {"one that does nothing", 100, 9, {2, 0}, 8}, {"more than all together", 9, 9, {1, 5, 2, 5}, 16},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct loads loads = {.at = NULL};
        uint8_t room[24];
        for (uint32_t k = 0; k < 6; k++) {
            put_le32(room + 4 * k, cases[i].hot[k]);
        }
        struct letter_load letter = {1, 1, cases[i].total, cases[i].shards, pdr_bytes(room, cases[i].size)};
        EXPECT(!loads_take(&loads, 1, 7, &letter) && loads.count == 0);
        if (loads.count != 0) {
            printf("taken: %s\n", cases[i].why);
        }
        loads_release(&loads);
    }
}

TEST_MAIN()
