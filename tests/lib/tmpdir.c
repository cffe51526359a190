/* tests/lib/tmpdir.c: directories of a case. The root's name is fixed before the case is forked off, so that the parent
 * can remove what the child made. */
#include "tests/lib/tmpdir.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIRS_MAX 64

static char root[PATH_MAX];
static char dirs[DIRS_MAX][PATH_MAX + 16];
static int dirs_made;

static _Noreturn void give_up(const char *path)
{
    fprintf(stderr, "test_dir: cannot make %s: %s; set PDR_TEST_DIR to a place one can write\n", path, strerror(errno));
    exit(1);
}

static void make(const char *path)
{
    if (mkdir(path, 0755) != 0 && errno != EEXIST) {
        give_up(path);
    }
}

void tmpdir_begin(const char *program, const char *name)
{
    const char *above = getenv("PDR_TEST_DIR");
    char here[PATH_MAX / 2] = "";
    if (above == NULL || *above == '\0') {
        above = "test-tmp";
    }
    if (*above != '/' && getcwd(here, sizeof here - 1) != NULL) {
        here[strlen(here)] = '/';
    }
    snprintf(root, sizeof root, "%s%s/%s.%s.%ld", here, above, program, name, (long)getpid());
    dirs_made = 0;
}

const char *tmpdir_new(void)
{
    if (dirs_made == DIRS_MAX) {
        errno = ENOSPC;
        give_up(root);
    }
    if (dirs_made == 0) {
        tmpdir_remove(); /* of an older run that had the same process id, and failed */
        for (char *slash = strchr(root + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
            *slash = '\0';
            make(root);
            *slash = '/';
        }
        make(root);
    }
    char *dir = dirs[dirs_made];
    snprintf(dir, sizeof dirs[0], "%s/%d", root, dirs_made++);
    make(dir);
    return dir;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    return remove(path);
}

void tmpdir_remove(void)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
