/* tools/perdure/cmd_restore.c: `perdure restore`: a data directory from a backup, without a node. */
#include <time.h>

#include "tools/node/config.h"
#include "tools/node/restore.h"
#include "tools/perdure/commands.h"

const struct flag restore_flags[] = {
    {"data", "DIR", "the data directory to make: new, or empty (default: ./perdure-data)"}, {NULL, NULL, NULL}};

static void print_done(const struct manifest *manifest, const char *data)
{
    time_t at = (time_t)manifest->time_s;
    struct tm when;
    char text[40] = "?";
    if (gmtime_r(&at, &when) != NULL) {
        strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &when);
    }
    printf("%s: restored from the backup of node %s of %s\n", data, manifest->name, text);
    printf("next: perdure start --data %s\n", data);
    printf(
        "It is a new node of cluster %s, and has nothing that was written after the backup: the node that was backed\n"
        "up must not go on beside it.\n",
        manifest->identity.cluster);
}

int cmd_restore(const struct words *words)
{
    struct manifest manifest;
    char why[2 * FILES_PATH_SIZE];
    const char *data = words_flag(words, "data");
    data = data != NULL ? data : "./perdure-data";
    if (restore(words->arguments[0], data, (uint64_t)time(NULL), &manifest, NULL, why, sizeof why) != PDR_OK) {
        fprintf(stderr, "perdure restore: %s\n", why);
        return EXIT_FAILED;
    }
    print_done(&manifest, data);
    manifest_release(&manifest);
    return EXIT_DONE;
}
