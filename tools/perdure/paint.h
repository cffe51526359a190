/* tools/perdure/paint.h: colours, for terminals alone. */
#ifndef TOOLS_PERDURE_PAINT_H
#define TOOLS_PERDURE_PAINT_H

#include <stdbool.h>
#include <stdio.h>

#define PAINT_TITLE "\033[1m"
#define PAINT_KEY "\033[36m"
#define PAINT_END "\033[0m"

/** Whether `out` is a terminal that knows colours, and nobody asked for none: NO_COLOR, or a TERM that is dumb. */
bool paint_on(FILE *out);

#endif
