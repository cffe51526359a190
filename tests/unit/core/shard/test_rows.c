/* Rows of an entry: the first one in the list itself if it is small, all others in memory of their own. */
#include "core/shard/rows.h"
#include "tests/lib/test.h"

static bool is_near(const struct rows *rows, const struct row *row)
{
    const uint8_t *at = (const uint8_t *)row;
    return at >= rows->near && at < rows->near + ROWS_NEAR;
}

static void put(struct rows *rows, char key, size_t value_size)
{
    static const uint8_t value[2 * ROWS_NEAR];
    rows_put(rows, KEYS_OUTBOX, pdr_bytes(&key, 1), pdr_bytes(value, value_size));
    EXPECT_INT(row_key(rows->last).size, 2);
    EXPECT_INT(((const char *)row_key(rows->last).data)[1], key);
    EXPECT_INT(row_value(rows->last).size, value_size);
}

TEST(the_first_small_row_needs_no_memory)
{
    struct rows rows = {0};
    for (int again = 0; again < 2; again++) {
        put(&rows, 'a', 60);
        put(&rows, 'b', 3);
        put(&rows, 'c', 2 * ROWS_NEAR);
        EXPECT(is_near(&rows, rows.first) && !is_near(&rows, rows.first->next) && !is_near(&rows, rows.last));
        EXPECT_INT(((const char *)row_key(rows.first).data)[1], 'a');
        EXPECT_INT(rows.count, 3);
        EXPECT_INT(rows.bytes, 6 + 63 + 2 * ROWS_NEAR);
        rows_release(&rows);
        EXPECT(rows.first == NULL && rows.last == NULL && rows.count == 0 && rows.bytes == 0);
    }
}

TEST(a_row_is_near_if_it_just_fits)
{
    const size_t head = offsetof(struct row, data) + 2;
    for (size_t size = ROWS_NEAR - head - 1; size <= ROWS_NEAR - head + 1; size++) {
        struct rows rows = {0};
        put(&rows, 'a', size);
        EXPECT(is_near(&rows, rows.first) == (size + head <= ROWS_NEAR));
        rows_release(&rows);
    }
}

TEST_MAIN()
