/* tools/node/identity.c: who a data directory belongs to, and that one process at a time has it. */
#include "tools/node/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/node/files.h"

#define PATH_SIZE 4200u
#define HEAD "perdure identity 1\n"

/* Lock */

static enum pdr_status in_use(const char *directory, int lock, char *why, size_t why_size)
{
    char pid[24] = "";
    ssize_t size = pread(lock, pid, sizeof pid - 1, 0);
    pid[size > 0 ? size : 0] = 0;
    pid[strspn(pid, "0123456789")] = 0;
    return files_fail(PDR_UNAVAILABLE, why, why_size,
                      "%s is in use by another node%s%s: stop that one, or choose another directory with --data",
                      directory, *pid != 0 ? ", process " : "", pid);
}

static enum pdr_status write_pid(int lock)
{
    char pid[24];
    int size = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    return ftruncate(lock, 0) == 0 && pwrite(lock, pid, (size_t)size, 0) == size ? PDR_OK : PDR_INTERNAL;
}

enum pdr_status identity_lock(const char *directory, int *lock, char *why, size_t why_size)
{
    char path[PATH_SIZE];
    if ((size_t)snprintf(path, sizeof path, "%s/LOCK", directory) >= sizeof path) {
        return files_fail(PDR_INVALID, why, why_size, "%.60s...: the name of the data directory is too long",
                          directory);
    }
    if (mkdir(directory, 0700) != 0 && errno != EEXIST) {
        return files_fail(PDR_INTERNAL, why, why_size, "%s: cannot make the data directory: %s", directory,
                          strerror(errno));
    }
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return files_fail(PDR_INTERNAL, why, why_size, "%s: cannot be opened: %s", path, strerror(errno));
    }
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        enum pdr_status status = errno == EWOULDBLOCK ? in_use(directory, fd, why, why_size)
                                                      : files_fail(PDR_INTERNAL, why, why_size,
                                                                   "%s: cannot be locked: %s", path, strerror(errno));
        close(fd);
        return status;
    }
    if (write_pid(fd) != PDR_OK) {
        files_fail(PDR_INTERNAL, why, why_size, "%s: cannot be written: %s", path, strerror(errno));
        close(fd);
        return PDR_INTERNAL;
    }
    *lock = fd;
    return PDR_OK;
}

/* Identity */

static bool is_hex(const char *text, size_t size)
{
    return strlen(text) == size - 1 && strspn(text, "0123456789abcdef") == size - 1;
}

bool identity_is_cluster(const char *text)
{
    return is_hex(text, IDENTITY_CLUSTER_SIZE);
}

uint64_t identity_number(const char *node)
{
    return strtoull(node, NULL, 16);
}

bool identity_is_node(const char *text)
{
    return is_hex(text, IDENTITY_NODE_SIZE) && identity_number(text) != 0;
}

#define TEXT_SIZE 320u

static void print(const struct identity *identity, char *text)
{
    int size = snprintf(text, TEXT_SIZE,
                        HEAD "cluster %s\nnode %s\norigin %s\nincarnation %" PRIu64 "\nboot %016" PRIx64
                             "\nknown %016" PRIx64 "\n",
                        identity->cluster, identity->node, identity->founds ? "founded" : "joined",
                        identity->incarnation, identity->boot, identity->known);
    if (identity->epochs > 0) { /* a program from before there were restorations must not take it */
        snprintf(text + size, TEXT_SIZE - (size_t)size, "epochs %" PRIu64 "\n", identity->epochs);
    }
}

static bool parse_number(const char *digits, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(digits, &end, 10);
    return *digits != 0 && *end == 0 && errno == 0;
}

static bool parse(const char *text, struct identity *out)
{
    char again[TEXT_SIZE], how[8] = "", digits[21] = "", boot[17] = "", known[17] = "", epochs[21] = "0";
    if (sscanf(text, HEAD "cluster %32s node %16s origin %7s incarnation %20s boot %16s known %16s epochs %20s",
               out->cluster, out->node, how, digits, boot, known, epochs) < 6 ||
        !parse_number(digits, &out->incarnation) || !parse_number(epochs, &out->epochs)) {
        return false;
    }
    out->founds = strcmp(how, "founded") == 0;
    out->boot = strtoull(boot, NULL, 16);
    out->known = strtoull(known, NULL, 16);
    print(out, again); /* sscanf takes more than what this writes */
    return strcmp(text, again) == 0 && identity_is_cluster(out->cluster) && identity_is_node(out->node) &&
           out->boot != 0 && (out->incarnation > 0 || out->epochs > 0) && out->incarnation < UINT64_MAX;
}

static enum pdr_status load(const char *path, struct identity *out, char *why, size_t why_size)
{
    char text[512];
    size_t size;
    enum pdr_status status = files_read(path, text, sizeof text, &size);
    if (status == PDR_INTERNAL) {
        return files_fail(status, why, why_size, "%s: cannot be read: %s", path, strerror(errno));
    }
    if (status != PDR_NOT_FOUND && (status != PDR_OK || !parse(text, out))) {
        return files_fail(
            PDR_INTERNAL, why, why_size,
            "%s is damaged: put it back from a backup of this directory; without it nobody can tell whose "
            "data this is",
            path);
    }
    return status;
}

static void draw(void *bytes, size_t size)
{
    while (getrandom(bytes, size, 0) != (ssize_t)size) {
    }
}

static uint64_t draw_number(void)
{
    uint64_t number;
    draw(&number, sizeof number);
    return number | 1;
}

static bool exists(const char *directory, const char *name)
{
    char path[PATH_SIZE];
    struct stat stat_of;
    return (size_t)snprintf(path, sizeof path, "%s/%s", directory, name) < sizeof path && stat(path, &stat_of) == 0;
}

enum pdr_status identity_save(const char *directory, const struct identity *identity, char *why, size_t why_size)
{
    char text[TEXT_SIZE];
    print(identity, text);
    if (!files_replace(directory, "identity", text)) {
        return files_fail(errno == ENOSPC ? PDR_NO_SPACE : PDR_INTERNAL, why, why_size,
                          "%s/identity: cannot be written: %s", directory, strerror(errno));
    }
    return PDR_OK;
}

struct identity identity_new(const char *cluster)
{
    struct identity identity = {.boot = draw_number(), .founds = cluster == NULL};
    uint64_t halves[2];
    draw(halves, sizeof halves);
    snprintf(identity.cluster, sizeof identity.cluster, "%016" PRIx64 "%016" PRIx64, halves[0], halves[1]);
    if (cluster != NULL) {
        snprintf(identity.cluster, sizeof identity.cluster, "%s", cluster);
    }
    snprintf(identity.node, sizeof identity.node, "%016" PRIx64, draw_number());
    return identity;
}

struct identity identity_restored(const struct identity *from, uint64_t unix_s)
{
    struct identity to = identity_new(NULL);
    uint64_t least = (from->epochs >> 32) + 1;
    to.epochs = (unix_s > least && unix_s <= UINT32_MAX ? unix_s : least) << 32;
    return to;
}

bool identity_registered(struct identity *identity, uint64_t boot)
{
    if (identity->boot != boot) {
        return false;
    }
    identity->known = boot;
    identity->boot = draw_number();
    return true;
}

static enum pdr_status find_nothing(const char *directory, const char *path, char *why, size_t why_size)
{
    if (exists(directory, "manifest") && exists(directory, "store")) {
        return files_fail(PDR_INTERNAL, why, why_size,
                          "%s is a backup: `perdure restore %s --data DIR` makes a data directory of it", directory,
                          directory);
    }
    if (exists(directory, "log") || exists(directory, "store")) {
        return files_fail(
            PDR_INTERNAL, why, why_size,
            "%s is missing, and there is data beside it: put it back from a backup of this directory; without "
            "it nobody can tell whose data this is",
            path);
    }
    return PDR_NOT_FOUND;
}

enum pdr_status identity_find(const char *directory, struct identity *out, char *why, size_t why_size)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/identity", directory);
    memset(out, 0, sizeof *out);
    enum pdr_status status = load(path, out, why, why_size);
    return status == PDR_NOT_FOUND ? find_nothing(directory, path, why, why_size) : status;
}

enum pdr_status identity_begin(const char *directory, struct identity *identity, char *why, size_t why_size)
{
    identity->incarnation++;
    return identity_save(directory, identity, why, why_size);
}
