/* tests/unit/core/base/test_bytes.c: slices: equality, order, and their hash for tables. */
#include <perdure/bytes.h>

#include "core/base/hash_bytes.h"
#include "tests/lib/test.h"

TEST(equality)
{
    EXPECT(pdr_bytes_equal(pdr_str("ab"), pdr_bytes("abc", 2)));
    EXPECT(!pdr_bytes_equal(pdr_str("ab"), pdr_str("ac")));
    EXPECT(!pdr_bytes_equal(pdr_str("ab"), pdr_str("abc")));
    EXPECT(pdr_bytes_equal(pdr_bytes(NULL, 0), pdr_str("")));
}

TEST(order_is_memcmps_and_prefixes_come_first)
{
    static const char *const ordered[] = {"", "a", "aa", "ab", "b", "b\x01", "b\x7f", "b\x80", "\xff"};
    for (int i = 0; i < 9; i++) {
        for (int k = 0; k < 9; k++) {
            int order = pdr_bytes_compare(pdr_str(ordered[i]), pdr_str(ordered[k]));
            EXPECT((order > 0) - (order < 0) == (i > k) - (i < k));
        }
    }
    EXPECT(pdr_bytes_compare(pdr_bytes(NULL, 0), pdr_str("")) == 0);
    EXPECT(pdr_bytes_compare(pdr_bytes(NULL, 0), pdr_str("a")) < 0);
}

TEST(hashes_follow_bytes_and_seed)
{
    EXPECT(hash_bytes(pdr_str("ab"), 1) == hash_bytes(pdr_bytes("abc", 2), 1));
    EXPECT(hash_bytes(pdr_str("ab"), 1) != hash_bytes(pdr_str("ac"), 1));
    EXPECT(hash_bytes(pdr_str("ab"), 1) != hash_bytes(pdr_str("ab"), 2));
}

TEST_MAIN()
