/* tools/reference/written.h: what the build writes and installs, and the tree does not hold. It goes to standard
 * output. */
#ifndef TOOLS_REFERENCE_WRITTEN_H
#define TOOLS_REFERENCE_WRITTEN_H

/* manual.c */
void manual_print_perdure(void);
void manual_print_bench(void);

/* completion.c */
void completion_print_perdure(void);
void completion_print_bench(void);

#endif
