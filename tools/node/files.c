/* tools/node/files.c: files, written whole, copied, removed. */
#include "tools/node/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"

#define CHUNK (1u << 20)

enum pdr_status files_fail(enum pdr_status status, char *why, size_t why_size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, why_size, format, args);
    va_end(args);
    return status;
}

enum pdr_status files_read(const char *path, char *out, size_t size, size_t *length)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? PDR_NOT_FOUND : PDR_INTERNAL;
    }
    ssize_t got = read(fd, out, size);
    int error = errno;
    close(fd);
    errno = error;
    if (got < 0 || (size_t)got == size) {
        return got < 0 ? PDR_INTERNAL : PDR_TOO_LARGE;
    }
    out[got] = 0;
    *length = (size_t)got;
    return PDR_OK;
}

bool files_path(char *path, const char *directory, const char *name)
{
    if ((size_t)snprintf(path, FILES_PATH_SIZE, "%s/%s", directory, name) >= FILES_PATH_SIZE) {
        errno = ENAMETOOLONG;
        return false;
    }
    return true;
}

/* Syncs if all is fine so far, closes, and keeps the first error. */
static bool finish(int fd, bool fine)
{
    fine = fine && fsync(fd) == 0;
    int error = errno;
    bool closed = close(fd) == 0;
    errno = fine ? errno : error;
    return fine && closed;
}

static bool write_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno != EINTR) {
            return false;
        }
        data += written > 0 ? written : 0;
        size -= written > 0 ? (size_t)written : 0;
    }
    return true;
}

bool files_sync_directory(const char *directory)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd >= 0 && finish(fd, true);
}

bool files_replace(const char *directory, const char *name, const char *text)
{
    char path[FILES_PATH_SIZE], beside[FILES_PATH_SIZE];
    if (!files_path(path, directory, name) ||
        (size_t)snprintf(beside, sizeof beside, "%s/%s.new", directory, name) >= sizeof beside) {
        errno = ENAMETOOLONG;
        return false;
    }
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    return fd >= 0 && finish(fd, write_all(fd, text, strlen(text))) && rename(beside, path) == 0 &&
           files_sync_directory(directory);
}

static bool copy_bytes(int from, int to, struct files_progress *progress)
{
    char *chunk = mem_new(CHUNK);
    ssize_t size = 1;
    bool fine = true;
    while (fine && size != 0) {
        size = read(from, chunk, CHUNK);
        fine = size >= 0 ? write_all(to, chunk, (size_t)size) : errno == EINTR;
        if (progress != NULL && fine && size > 0) {
            atomic_fetch_add_explicit(&progress->bytes, (uint64_t)size, memory_order_relaxed);
            if (atomic_load_explicit(&progress->cancelled, memory_order_relaxed)) {
                errno = ECANCELED;
                fine = false;
            }
        }
    }
    mem_free(chunk);
    return fine;
}

bool files_copy(const char *from, const char *to, struct files_progress *progress)
{
    int source = open(from, O_RDONLY | O_CLOEXEC);
    if (source < 0) {
        return false;
    }
    int target = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool fine = target >= 0 && finish(target, copy_bytes(source, target, progress));
    int error = errno;
    close(source);
    errno = error;
    return fine;
}

bool files_link_or_copy(const char *from, const char *to, struct files_progress *progress)
{
    if (link(from, to) != 0) {
        bool may_copy = errno == EXDEV || errno == EPERM || errno == EMLINK || errno == EOPNOTSUPP;
        return may_copy && files_copy(from, to, progress);
    }
    struct stat linked;
    if (progress != NULL && stat(to, &linked) == 0) {
        atomic_fetch_add_explicit(&progress->bytes, (uint64_t)linked.st_size, memory_order_relaxed);
    }
    return true;
}

bool files_each(const char *directory, bool (*each)(void *user, const char *name), void *user)
{
    DIR *dir = opendir(directory);
    if (dir == NULL) {
        return false;
    }
    bool fine = true;
    const struct dirent *entry;
    errno = 0;
    while (fine && (entry = readdir(dir)) != NULL) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            fine = each(user, entry->d_name);
            errno = fine ? 0 : errno;
        }
    }
    fine = fine && errno == 0; /* readdir's */
    int error = errno;
    closedir(dir);
    errno = error;
    return fine;
}

static bool is_known(void *user, const char *name)
{
    errno = ENOTEMPTY;
    return user != NULL && strcmp(user, name) == 0;
}

bool files_is_empty(const char *directory, const char *but)
{
    char name[64] = "";
    snprintf(name, sizeof name, "%s", but != NULL ? but : "");
    return files_each(directory, is_known, but != NULL ? name : NULL);
}

static bool remove_file(void *user, const char *name)
{
    char path[FILES_PATH_SIZE];
    return files_path(path, user, name) && (unlink(path) == 0 || errno == ENOENT);
}

bool files_remove_directory(const char *directory)
{
    char path[FILES_PATH_SIZE];
    if ((size_t)snprintf(path, sizeof path, "%s", directory) >= sizeof path) {
        errno = ENAMETOOLONG;
        return false;
    }
    return (files_each(path, remove_file, path) && rmdir(path) == 0) || errno == ENOENT;
}
