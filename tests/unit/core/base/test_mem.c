/* tests/unit/core/base/test_mem.c: zeroed, grown, refused on request. */
#include "core/base/mem.h"

#include "tests/lib/test.h"

TEST(new_is_zeroed)
{
    unsigned char *memory = mem_new(4096);
    int sum = 0;
    for (int i = 0; i < 4096; i++) {
        sum += memory[i];
    }
    EXPECT_INT(sum, 0);
    mem_free(memory);
}

TEST(a_size_of_nothing_is_still_memory)
{
    void *zeroed = mem_new(0), *tried = mem_try(0), *grown = mem_grow(NULL, 0);
    EXPECT(zeroed != NULL && tried != NULL && grown != NULL);
    mem_free(zeroed);
    mem_free(tried);
    mem_free(grown);
    mem_free(NULL);
}

TEST(growing_keeps_what_was_there)
{
    char *memory = mem_grow(NULL, 8);
    memcpy(memory, "perdure", 8);
    memory = mem_grow(memory, 1 << 20);
    EXPECT_STR(memory, "perdure");
    mem_free(memory);
}

TEST(the_nth_try_fails_once)
{
    mem_fail_after(3);
    void *first = mem_try(1), *second = mem_try(1), *third = mem_try(1), *fourth = mem_try(1);
    EXPECT(first != NULL && second != NULL && third == NULL && fourth != NULL);
    mem_fail_after(1);
    mem_fail_after(0);
    void *after = mem_try(1);
    EXPECT(after != NULL);
    mem_free(first);
    mem_free(second);
    mem_free(fourth);
    mem_free(after);
}

TEST(new_and_grow_are_not_asked_to_fail)
{
    mem_fail_after(1);
    void *memory = mem_grow(mem_new(1), 100);
    EXPECT(memory != NULL);
    EXPECT(mem_try(1) == NULL);
    mem_free(memory);
}

TEST_MAIN()
