/* tools/node/backup_files.c: where a backup goes: DIR/store, as the store's checkpoint has it, and DIR/manifest. The
 * checkpoint is made of second names in DATA/backup, and gets third names in DIR if that is on the same file system;
 * else its files are copied there. */
#include <errno.h>
#include <perdure/version.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "tools/node/backup.h"

struct backup_files {
    struct backup_place place;
    const struct identity *identity;
    const char *name;
    char staging[FILES_PATH_SIZE];
    bool made; /* the directory, by us: else it was there, and empty */
};

/* One finish. */
struct bringing {
    struct backup_files *files;
    struct manifest *manifest;
    struct files_progress *progress;
    char store[FILES_PATH_SIZE];
};

PDR_PRINTF(3, 4) static enum pdr_status fail(char *why, size_t why_size, const char *format, ...)
{
    int error = errno;
    va_list args;
    va_start(args, format);
    int size = vsnprintf(why, why_size, format, args);
    va_end(args);
    if (size > 0 && (size_t)size < why_size) {
        snprintf(why + size, why_size - (size_t)size, ": %s", strerror(error));
    }
    return error == ENOSPC || error == EDQUOT ? PDR_NO_SPACE
           : error == ECANCELED               ? PDR_CANCELLED
           : error == EEXIST || error == ENOTEMPTY || error == ENOTDIR || error == ENOENT || error == EACCES ||
                   error == EROFS || error == ENAMETOOLONG
               ? PDR_INVALID
               : PDR_INTERNAL;
}

static enum pdr_status begin(struct backup_place *place, const char *directory, const char **staging, char *why,
                             size_t why_size)
{
    struct backup_files *files = (struct backup_files *)place;
    char store[FILES_PATH_SIZE];
    *staging = files->staging;
    if (!files_remove_directory(files->staging)) {
        return fail(why, why_size, "%s: the rest of an earlier backup cannot be removed", files->staging);
    }
    files->made = mkdir(directory, 0700) == 0;
    if (!files->made && (errno != EEXIST || !files_is_empty(directory, NULL))) {
        return fail(why, why_size, "%s: a backup goes to a new directory, or an empty one", directory);
    }
    if (files_path(store, directory, "store") && mkdir(store, 0700) == 0) {
        return PDR_OK;
    }
    enum pdr_status status = fail(why, why_size, "%s/store: cannot be made", directory);
    if (files->made) {
        rmdir(directory);
    }
    return status;
}

static bool bring(void *user, const char *name)
{
    struct bringing *b = user;
    char from[FILES_PATH_SIZE], to[FILES_PATH_SIZE];
    struct stat of;
    if (!files_path(from, b->files->staging, name) || !files_path(to, b->store, name) || stat(from, &of) != 0 ||
        !files_link_or_copy(from, to, b->progress)) {
        return false;
    }
    return manifest_add_file(b->manifest, name, (uint64_t)of.st_size);
}

static bool write_manifest(const char *directory, const struct manifest *manifest)
{
    char *text = manifest_print(manifest);
    bool fine = files_replace(directory, "manifest", text);
    int error = errno;
    mem_free(text);
    errno = error;
    return fine;
}

static bool sync_parent(const char *directory)
{
    char parent[FILES_PATH_SIZE];
    return files_path(parent, directory, "..") && files_sync_directory(parent);
}

static enum pdr_status finish(struct backup_place *place, const char *directory, struct manifest *manifest,
                              struct files_progress *progress, char *why, size_t why_size)
{
    struct backup_files *files = (struct backup_files *)place;
    struct bringing b = {.files = files, .manifest = manifest, .progress = progress};
    manifest->identity = *files->identity;
    manifest->time_s = (uint64_t)time(NULL);
    snprintf(manifest->version, sizeof manifest->version, "%s", PDR_VERSION);
    snprintf(manifest->name, sizeof manifest->name, "%s", files->name);
    if (!files_path(b.store, directory, "store") || !files_each(files->staging, bring, &b) ||
        !files_sync_directory(b.store) || !write_manifest(directory, manifest) || !sync_parent(directory)) {
        return fail(why, why_size, "%s: the backup cannot be written", directory);
    }
    files_remove_directory(files->staging); /* else the next start does */
    return PDR_OK;
}

static void abandon(struct backup_place *place, const char *directory)
{
    struct backup_files *files = (struct backup_files *)place;
    char path[FILES_PATH_SIZE];
    files_remove_directory(files->staging);
    if (files_path(path, directory, "manifest.new")) {
        unlink(path);
    }
    if (files_path(path, directory, "manifest")) {
        unlink(path);
    }
    if (files_path(path, directory, "store")) {
        files_remove_directory(path);
    }
    if (files->made) {
        rmdir(directory);
    }
}

struct counting {
    const char *directory;
    uint64_t bytes;
};

static bool count(void *user, const char *name)
{
    struct counting *counting = user;
    char path[FILES_PATH_SIZE];
    struct stat of;
    if (files_path(path, counting->directory, name) && stat(path, &of) == 0) {
        counting->bytes += (uint64_t)of.st_size;
    }
    return true;
}

static uint64_t size(struct backup_place *place)
{
    struct counting counting = {((struct backup_files *)place)->staging, 0};
    files_each(counting.directory, count, &counting);
    return counting.bytes;
}

struct backup_place *backup_files_new(const char *data, const struct identity *identity, const char *name)
{
    struct backup_files *files = mem_new(sizeof *files);
    files->place = (struct backup_place){begin, finish, abandon, size};
    files->identity = identity;
    files->name = name;
    snprintf(files->staging, sizeof files->staging, "%s/backup", data);
    return &files->place;
}

void backup_files_free(struct backup_place *place)
{
    mem_free(place);
}

void backup_files_clean(const char *data)
{
    char path[FILES_PATH_SIZE];
    static const char *const names[] = {"backup", "backup.tmp"}; /* the second is the store's own, before it is whole */
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (files_path(path, data, names[i])) {
            files_remove_directory(path);
        }
    }
}
