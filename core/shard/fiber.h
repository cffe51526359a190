/* core/shard/fiber.h: stacks that can wait, so that a turn reads top to bottom.
 *
 * A pool belongs to one thread. fiber_run starts (or goes on with) a fiber and returns when it waits or has ended;
 * fiber_wait is called on a fiber and returns when somebody runs it again. A switch saves the callee-saved registers
 * of the System V (x86-64) or AAPCS (aarch64) ABI and nothing else: no system call, no signal mask. ASan, TSan and
 * valgrind are told of every switch. Stacks are mapped with a guard below: who uses more than there is dies of SIGSEGV.
 * A fiber begins with the ABI's floating-point control, and keeps its own across waits. docs/internals/fibers.md. */
#ifndef CORE_SHARD_FIBER_H
#define CORE_SHARD_FIBER_H

#include <stdbool.h>
#include <stddef.h>

struct fiber;
struct fiber_pool;

/** Usable bytes of stack a fiber: what a method and the functions it calls may use. */
#define FIBER_STACK_SIZE (64u << 10)

/** At most `fibers_max` fibers at a time (1,000 under TSan); `spare_max` ended ones are kept with their stacks, the one
 * that ended last is used first. The pool belongs to the thread that first calls fiber_new, wherever it was made. */
struct fiber_pool *fiber_pool_new(size_t fibers_max, size_t spare_max);
/** Not on a fiber. Fibers that wait never run again: their stacks are gone, what only they point to is the caller's to
 * free before. The one call that may come from another thread, once the pool's own is done with it. */
void fiber_pool_free(struct fiber_pool *pool);
size_t fiber_pool_busy(const struct fiber_pool *pool);

/** A fiber that will call entry(user) when it is first run; NULL at the limit or out of memory. May be called on a
 * fiber. */
struct fiber *fiber_new(struct fiber_pool *pool, void (*entry)(void *user), void *user);
/** Not on a fiber; on the pool's thread. Returns true if the fiber ended (it is gone, its stack back in the pool),
 * false if it waits. */
bool fiber_run(struct fiber *fiber);
/** On a fiber: back to whoever ran it. */
void fiber_wait(void);
/** The fiber this thread runs on; NULL outside. */
struct fiber *fiber_current(void);

#endif
