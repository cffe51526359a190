/* core/base/mem.c: malloc with an answer for "no". */
#include "core/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Tests only; a thread of a node never sets it. */
static _Thread_local unsigned long fail_after;

static _Noreturn void out_of_memory(void)
{
    static const char why[] = "perdure: out of memory for a small structure; the machine has none left\n";
    if (write(STDERR_FILENO, why, sizeof why - 1) < 0) {
        /* nobody hears it: ending is all that is left */
    }
    abort();
}

void *mem_new(size_t size)
{
    void *memory = calloc(1, size == 0 ? 1 : size);
    if (memory == NULL) {
        out_of_memory();
    }
    return memory;
}

void *mem_grow(void *old, size_t size)
{
    void *memory = old == NULL ? malloc(size == 0 ? 1 : size) : realloc(old, size == 0 ? 1 : size);
    if (memory == NULL) {
        out_of_memory();
    }
    return memory;
}

void *mem_try(size_t size)
{
    if (fail_after > 0 && --fail_after == 0) {
        return NULL;
    }
    return malloc(size == 0 ? 1 : size);
}

void mem_free(void *memory)
{
    free(memory);
}

void mem_fail_after(unsigned long n)
{
    fail_after = n;
}
