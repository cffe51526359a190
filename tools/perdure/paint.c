/* tools/perdure/paint.c: when to paint. */
#include "tools/perdure/paint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool paint_on(FILE *out)
{
    const char *none = getenv("NO_COLOR"), *terminal = getenv("TERM");
    bool wanted = none == NULL || *none == 0; /* no-color.org: set, and not empty */
    bool able = terminal != NULL && *terminal != 0 && strcmp(terminal, "dumb") != 0;
    return wanted && able && isatty(fileno(out));
}
