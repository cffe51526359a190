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
    struct turn turn = {.kind = TURN_CALL};
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
    struct turn turn = {.kind = TURN_CALL};
    turn_hold(&turn, NULL);
    for (int i = 0; i < PIECES; i++) {
        turn_hold(&turn, mem_new(10));
        EXPECT(turn_alloc(&turn, 24) != NULL);
    }
    turn_free_memory(&turn);
}

TEST(without_memory_a_piece_is_refused_and_a_block_still_held)
{
    struct turn turn = {.kind = TURN_CALL};
    void *block = mem_new(10);
    mem_fail_after(1);
    EXPECT(turn_alloc(&turn, 10) == NULL);
    mem_fail_after(1);
    turn_hold(&turn, block);
    mem_fail_after(0);
    EXPECT(turn_alloc(&turn, 10) != NULL);
    turn_free_memory(&turn);
}

static void open_turn(struct activation *a, struct turn *turn)
{
    *turn = (struct turn){.activation = a, .older = a->turn};
    if (a->turn != NULL) {
        a->turn->newer = turn;
    }
    a->turn = turn;
}

static char *block(char mark)
{
    char *made = mem_new(1);
    *made = mark;
    return made;
}

/* What an actor had is kept until every turn that was open then has ended, whatever the order. */
TEST(kept_blocks_go_to_the_next_older_turn)
{
    struct activation *a = mem_new(sizeof *a);
    struct turn first, second, third;
    turn_keep(a, NULL, block('x')); /* nobody is there: freed */
    open_turn(a, &first);
    turn_keep(a, &first, block('x')); /* nobody else */
    EXPECT(first.kept == NULL);
    open_turn(a, &second);
    char *seen = block('s');
    turn_keep(a, &first, seen); /* by the older one, which ends with it */
    EXPECT(first.kept == NULL && second.kept != NULL);
    open_turn(a, &third);
    char *late = block('l');
    turn_keep(a, &third, late); /* by the newest, which ends with it */
    EXPECT(third.kept == NULL);
    turn_leave(&second);
    EXPECT(first.kept != NULL && a->turn == &third && third.older == &first && first.newer == &third);
    EXPECT(*seen == 's' && *late == 'l');
    turn_leave(&first); /* it was the oldest: freed */
    EXPECT(a->turn == &third && third.older == NULL && third.kept == NULL);
    turn_keep(a, NULL, block('x'));
    turn_leave(&third);
    EXPECT(a->turn == NULL);
    mem_free(a);
}

TEST_MAIN()
