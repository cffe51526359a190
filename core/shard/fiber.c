/* core/shard/fiber.c: stacks from the pool, and who runs on which. fiber_*.S makes the switch itself.
 *
 * A mapping, from its lowest byte: GUARD_SIZE that nobody may touch, the stack, and at the top the struct fiber, so
 * that a fiber with shallow frames has touched one page in all. */
#include "core/shard/fiber.h"

#include <stdint.h>
#include <sys/mman.h>

#include "core/base/check.h"
#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/shard/fiber_watch.h"

/* More than a page, as it costs no memory and a method may well have a frame larger than a page. A multiple of every
 * page size there is. */
#define GUARD_SIZE (64u << 10)
#define STACK_SIZE ((size_t)FIBER_STACK_SIZE * FIBER_STACK_FACTOR)
#define CONTROL_SIZE 4096u /* struct fiber, and spare room of the stack */
#define MAPPING_SIZE (GUARD_SIZE + STACK_SIZE + CONTROL_SIZE)

/* Linux 6.13: a guard that doesn't split the mapping in two, of which a process may have 65,530. */
#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

struct fiber {
    void *sp;        /* where the fiber goes on, while it doesn't run */
    void *runner_sp; /* where fiber_run goes on, while it does */
    struct fiber_pool *pool;
    void (*entry)(void *user);
    void *user;
    bool ended;
    struct list node; /* pool->busy or pool->spare */
    struct fiber_watch watch;
};
_Static_assert(sizeof(struct fiber) + 16 <= CONTROL_SIZE, "a fiber has less than FIBER_STACK_SIZE of stack");

struct fiber_pool {
    size_t fibers_max, spare_max;
    size_t busy_count, spare_count;
    struct list busy;   /* have a turn */
    struct list spare;  /* ended; the one whose stack is likely still in the cache comes first */
    const void *thread; /* that uses the pool: the address of its `current`. NULL: none yet */
};

/* Which stack this thread's CPU stands on: the thread's own (NULL), or that of a fiber. That is a fact about the thread
 * and not about a node, so nodes that share a process, or even the thread, can't meet in it: it is NULL again whenever
 * one of them gives the thread back. A fiber never moves to another thread, so no compiler can be wrong to remember
 * across a switch where this variable is. */
static _Thread_local struct fiber *current;

/* fiber_*.S. Saves this stack's pointer and goes on with the other one; there it returns `ended`. */
bool fiber_switch(void **save, void *to, bool ended);
/* The saved pointer of a stack that begins with fiber_main(fiber). */
void *fiber_prepare(void *top, struct fiber *fiber);
/* Called by fiber_*.S. */
_Noreturn void fiber_main(struct fiber *fiber);

/* Stacks. */

static bool make_guard(char *mapping)
{
    return madvise(mapping, GUARD_SIZE, MADV_GUARD_INSTALL) == 0 || mprotect(mapping, GUARD_SIZE, PROT_NONE) == 0;
}

static struct fiber *map_fiber(struct fiber_pool *pool)
{
    char *mapping = mmap(NULL, MAPPING_SIZE, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (mapping == MAP_FAILED) {
        return NULL;
    }
    if (!make_guard(mapping)) {
        munmap(mapping, MAPPING_SIZE);
        return NULL;
    }
    size_t place = (MAPPING_SIZE - sizeof(struct fiber)) & ~(size_t)15;
    struct fiber *fiber = (struct fiber *)(void *)(mapping + place);
    fiber->pool = pool;
    list_init(&fiber->node);
    watch_mapped(&fiber->watch, mapping + GUARD_SIZE, place - GUARD_SIZE);
    return fiber;
}

/* False if the kernel can't: a hole may split a mapping in two, and the process may have too many of them. */
static bool unmap_fiber(struct fiber *fiber)
{
    char *mapping = fiber->watch.stack - GUARD_SIZE;
    watch_unmapping(&fiber->watch);
    if (munmap(mapping, MAPPING_SIZE) == 0) {
        return true;
    }
    watch_mapped(&fiber->watch, fiber->watch.stack, fiber->watch.size);
    return false;
}

/* The pool. */

struct fiber_pool *fiber_pool_new(size_t fibers_max, size_t spare_max)
{
    struct fiber_pool *pool = mem_new(sizeof *pool);
    pool->fibers_max = fibers_max < FIBER_WATCHED_MAX ? fibers_max : FIBER_WATCHED_MAX;
    pool->spare_max = spare_max;
    list_init(&pool->busy);
    list_init(&pool->spare);
    return pool;
}

void fiber_pool_free(struct fiber_pool *pool)
{
    struct list *node;
    CHECK(current == NULL);
    while ((node = list_pop(&pool->busy)) != NULL) {
        struct fiber *fiber = LIST_ITEM(node, struct fiber, node);
        watch_abandoned(&fiber->watch);
        unmap_fiber(fiber);
    }
    while ((node = list_pop(&pool->spare)) != NULL) {
        unmap_fiber(LIST_ITEM(node, struct fiber, node));
    }
    mem_free(pool);
}

size_t fiber_pool_busy(const struct fiber_pool *pool)
{
    return pool->busy_count;
}

struct fiber *fiber_new(struct fiber_pool *pool, void (*entry)(void *user), void *user)
{
    CHECK(pool->thread == NULL || pool->thread == &current);
    if (pool->busy_count >= pool->fibers_max) {
        return NULL;
    }
    struct fiber *fiber;
    if (pool->spare_count > 0) {
        fiber = LIST_ITEM(list_pop(&pool->spare), struct fiber, node);
        pool->spare_count--;
    } else {
        fiber = map_fiber(pool);
        if (fiber == NULL) {
            return NULL;
        }
    }
    pool->thread = &current;
    pool->busy_count++;
    list_push_back(&pool->busy, &fiber->node);
    fiber->entry = entry;
    fiber->user = user;
    fiber->ended = false;
    watch_begin(&fiber->watch);
    fiber->sp = fiber_prepare(fiber->watch.stack + fiber->watch.size, fiber);
    return fiber;
}

/* Takes an ended fiber out of the busy ones. Its stack may still be stood upon. */
static void retire(struct fiber *fiber)
{
    struct fiber_pool *pool = fiber->pool;
    fiber->ended = true;
    list_remove(&fiber->node);
    pool->busy_count--;
    list_push_front(&pool->spare, &fiber->node);
    pool->spare_count++;
}

/* The one that ended before all others goes; if it can't, it stays as a spare. */
static void drop_spare(struct fiber_pool *pool)
{
    struct fiber *fiber = LIST_ITEM(pool->spare.prev, struct fiber, node);
    list_remove(&fiber->node);
    if (unmap_fiber(fiber)) {
        pool->spare_count--;
    } else {
        list_push_back(&pool->spare, &fiber->node);
    }
}

/* Switches. In a build that nobody watches, nothing is left to do after one: so fiber_run and fiber_wait end with a
 * jump to fiber_switch, and it jumps to their caller. With a `ret` in between, each would be mispredicted. */

bool fiber_run(struct fiber *fiber)
{
    struct fiber_pool *pool = fiber->pool;
    CHECK(current == NULL);          /* not on a fiber */
    CHECK(pool->thread == &current); /* on the thread that it began on */
    CHECK(!fiber->ended);
    if (pool->spare_count > pool->spare_max) {
        drop_spare(pool);
    }
    current = fiber;
    watch_runner_leaving(&fiber->watch);
    bool ended = fiber_switch(&fiber->runner_sp, fiber->sp, false);
    watch_runner_arrived(&fiber->watch, ended);
    return ended;
}

void fiber_wait(void)
{
    struct fiber *fiber = current;
    CHECK(fiber != NULL); /* on a fiber */
    current = NULL;
    watch_fiber_leaving(&fiber->watch, false);
    fiber_switch(&fiber->sp, fiber->runner_sp, false);
    watch_fiber_arrived(&fiber->watch);
}

void fiber_main(struct fiber *fiber)
{
    watch_fiber_arrived(&fiber->watch);
    fiber->entry(fiber->user);
    retire(fiber);
    current = NULL;
    watch_fiber_leaving(&fiber->watch, true);
    fiber_switch(&fiber->sp, fiber->runner_sp, true);
    CHECK(!"an ended fiber was run");
    __builtin_unreachable();
}

struct fiber *fiber_current(void)
{
    return current;
}
