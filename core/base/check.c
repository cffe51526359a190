/* core/base/check.c: our own mistakes end the process with a place and a sentence. */
#include "core/base/check.h"

#include <stdio.h>
#include <stdlib.h>

void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "perdure: %s:%d: this must hold and does not: %s\n", file, line, what);
    fflush(stderr);
    abort();
}
