/* tests/unit/core/shard/test_reminder.c: a reminder's rows, there and back and from hostile bytes; when it is due
 * again. */
#include "core/shard/reminder.h"

#include <stdlib.h>

#include "core/base/rng.h"
#include "tests/lib/test.h"

static const struct reminder plain = {
    .due_ms = 1000, .period_ms = 250, .method = {"ring", 4}, .cron = {NULL, 0}, .args = {"\x91\x01", 2}};

TEST(row_there_and_back)
{
    struct reminder with_cron = plain, again;
    uint8_t row[128];
    with_cron.cron = pdr_str("*/5 * * * *");
    with_cron.args = pdr_bytes(NULL, 0);
    reminder_encode(row, &plain);
    REQUIRE(reminder_decode(pdr_bytes(row, reminder_size(&plain)), &again) == PDR_OK);
    EXPECT(again.due_ms == 1000 && again.period_ms == 250 && again.cron.size == 0);
    EXPECT(pdr_bytes_equal(again.method, plain.method) && pdr_bytes_equal(again.args, plain.args));
    reminder_encode(row, &with_cron);
    REQUIRE(reminder_decode(pdr_bytes(row, reminder_size(&with_cron)), &again) == PDR_OK);
    EXPECT(pdr_bytes_equal(again.cron, with_cron.cron) && again.args.size == 0);
}

TEST(key_is_in_order_of_time)
{
    uint8_t a[REMINDER_DUE_KEY_MAX], b[REMINDER_DUE_KEY_MAX];
    struct pdr_bytes address, name;
    int64_t due;
    size_t a_size = reminder_due_key(a, 255, pdr_str("t/zz"), pdr_str("n"));
    size_t b_size = reminder_due_key(b, 256, pdr_str("t/a"), pdr_str("n"));
    EXPECT(pdr_bytes_compare(pdr_bytes(a, a_size), pdr_bytes(b, b_size)) < 0);
    REQUIRE(reminder_due_parse(pdr_bytes(a, a_size), &due, &address, &name));
    EXPECT(due == 255 && pdr_bytes_equal(address, pdr_str("t/zz")) && pdr_bytes_equal(name, pdr_str("n")));
}

TEST(when_it_is_due_again)
{
    struct reminder r = plain;
    EXPECT_INT(reminder_next(&r, 1000), 1250);
    EXPECT_INT(reminder_next(&r, 1249), 1250);
    EXPECT_INT(reminder_next(&r, 1250), 1500); /* what was missed is one */
    EXPECT_INT(reminder_next(&r, 9999), 10000);
    EXPECT_INT(reminder_next(&r, 0), 1250); /* the clock went back: nothing is repeated */
    r.period_ms = 0;
    EXPECT(reminder_next(&r, 5000) == REMINDER_NEVER);
    r.period_ms = UINT64_MAX;
    EXPECT(reminder_next(&r, 5000) == REMINDER_NEVER);
    r.period_ms = INT64_MAX;
    EXPECT(reminder_next(&r, 5000) == REMINDER_NEVER);
    r.cron = pdr_str("@hourly");
    EXPECT_INT(reminder_next(&r, 1000), 3600000);
    r.due_ms = 7200000;
    EXPECT_INT(reminder_next(&r, 1000), 10800000);
}

/* Whatever is taken for a row or a key is written the same way again; no byte beyond is read (ASan looks on). */
TEST(hostile_bytes)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    for (int i = 0; i < 100000; i++) {
        size_t size = (size_t)rng_below(&rng, 48);
        uint8_t *bytes = malloc(size > 0 ? size : 1);
        for (size_t k = 0; k < size; k++) {
            bytes[k] = (uint8_t)(rng_below(&rng, 3) == 0 ? rng_below(&rng, 256) : rng_below(&rng, 4));
        }
        struct reminder r;
        struct pdr_bytes address, name;
        int64_t due;
        if (reminder_decode(pdr_bytes(bytes, size), &r) == PDR_OK) {
            uint8_t again[64];
            REQUIRE(reminder_size(&r) == size);
            reminder_encode(again, &r);
            EXPECT(pdr_bytes_equal(pdr_bytes(again, size), pdr_bytes(bytes, size)));
        }
        if (reminder_due_parse(pdr_bytes(bytes, size), &due, &address, &name)) {
            uint8_t again[64];
            EXPECT(reminder_due_key(again, due, address, name) == size);
            EXPECT(pdr_bytes_equal(pdr_bytes(again, size), pdr_bytes(bytes, size)));
        }
        free(bytes);
    }
}

TEST_MAIN()
