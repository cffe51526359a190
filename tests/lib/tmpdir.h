/* tests/lib/tmpdir.h: the directories of a case, below $PDR_TEST_DIR (default ./test-tmp): PROGRAM.CASE.PID/N. */
#ifndef TESTS_LIB_TMPDIR_H
#define TESTS_LIB_TMPDIR_H

/** Names the root of the case that runs next; nothing is made before tmpdir_new. Both strings are borrowed. */
void tmpdir_begin(const char *program, const char *name);
/** A new, empty directory below the root, as an absolute path. Valid until the program ends; ends it on failure. */
const char *tmpdir_new(void);
/** Removes the root and all below it. */
void tmpdir_remove(void);

#endif
