/* Memory of a turn: aligned, apart, whole until the turn ends; what is held is freed with it (LeakSanitizer looks). */
#include <stddef.h>

#include "core/base/mem.h"
#include "core/shard/turn.h"
#include "tests/lib/test.h"

#define PIECES 3000

/* Sizes that fill chunks exactly, leave a rest, and need a chunk of their own. */
static size_t size_of(size_t i)
{
    return i % 500 == 499 ? 100000 + i : i * 7 % 300;
}

TEST(pieces_are_apart_and_stay)
{
    struct turn turn = {.id = 1};
    uint8_t **pieces = mem_new(PIECES * sizeof *pieces);
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = turn_alloc(&turn, size_of(i));
        REQUIRE(pieces[i] != NULL);
        EXPECT_INT((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        memset(pieces[i], (int)(i % 251), size_of(i));
    }
    for (size_t i = 0; i < PIECES; i++) {
        for (size_t k = 0; k < size_of(i); k++) {
            REQUIRE(pieces[i][k] == i % 251);
        }
    }
    turn_free_memory(&turn);
    EXPECT(turn.chunks == NULL && turn.held == NULL);
    mem_free(pieces);
}

TEST(held_blocks_are_freed_with_it)
{
    struct turn turn = {.id = 1};
    turn_hold(&turn, NULL);
    for (int i = 0; i < PIECES; i++) {
        turn_hold(&turn, mem_new(10));
        EXPECT(turn_alloc(&turn, 24) != NULL);
    }
    turn_free_memory(&turn);
}

TEST(without_memory_a_piece_is_refused_and_a_block_still_held)
{
    struct turn turn = {.id = 1};
    void *block = mem_new(10);
    mem_fail_after(1);
    EXPECT(turn_alloc(&turn, 10) == NULL);
    mem_fail_after(1);
    turn_hold(&turn, block);
    mem_fail_after(0);
    EXPECT(turn_alloc(&turn, 10) != NULL);
    turn_free_memory(&turn);
}

TEST_MAIN()
