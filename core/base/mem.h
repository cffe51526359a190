/* core/base/mem.h: allocation. Running out of memory for our own small structures ends the process with a sentence;
 * what a client makes us allocate is bounded by limits before it is asked for here, and uses mem_try. */
#ifndef CORE_BASE_MEM_H
#define CORE_BASE_MEM_H

#include <stddef.h>

/** Never NULL: ends the process when there is no memory. */
void *mem_new(size_t size); /* zeroed */
void *mem_grow(void *old, size_t size);
/** NULL when there is no memory, or when a test asked for a failure. Not zeroed. */
void *mem_try(size_t size);
void mem_free(void *memory);

/** Tests: the n-th mem_try from now fails (0: none). This thread only. */
void mem_fail_after(unsigned long n);

#endif
