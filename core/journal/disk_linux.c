/* core/journal/disk_linux.c: the log's disk on Linux files.
 *
 * write_sync is one pwrite and one fdatasync on the calling thread, which is the journal's own and has nothing better
 * to do. Files are zero-filled when they are made, so that this fdatasync has no metadata to write. Chores run on the
 * work pool. A file comes into being under NAME.new and gets its name when it is whole, so a crash leaves no stump that
 * looks like a segment. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/list.h"
#include "core/base/mem.h"
#include "core/env/clock.h"
#include "core/env/work.h"
#include "core/journal/disk.h"

/* Zero-filling competes with commits for the disk. Measured beside a writer of 8 KiB groups (p50 115 us alone): 1 MiB
 * chunks back to back raise its p50 to 550 us; 256 KiB chunks with 1 ms between them leave it as it is and take 0.4 s
 * for 64 MiB. The pause is left out while nobody commits. */
#define FILL_CHUNK (256u << 10)
#define FILL_PAUSE_NS 1000000
#define NEW_SUFFIX ".new"
#define NAME_MAX_BYTES 64

struct linux_disk;

enum chore_kind { CHORE_CREATE, CHORE_RENAME, CHORE_REMOVE };

struct chore {
    struct job job;
    struct linux_disk *disk;
    enum chore_kind kind;
    bool active, cancelled, pause, finished;
    char name[NAME_MAX_BYTES], other[NAME_MAX_BYTES]; /* create: the temporary name; rename: the old one */
    int fd, error;
    void *zeros;
    uint64_t offset, size;
    disk_synced cb;
    void *user;
};

struct linux_disk {
    struct disk disk;
    struct loop *loop;
    struct work *work;
    int directory;
    bool direct; /* open files with O_DIRECT */
    bool synced; /* a write_sync since the last chunk of a create */
    bool cancel; /* asked for; the chore learns of it between two chunks */
    char *path;
    char error[256];
    struct chore chore;
};

struct linux_file {
    struct disk_file file;
    int fd;
    uint64_t size;
    char name[NAME_MAX_BYTES];
};

static struct linux_disk *linux_disk(struct disk *disk)
{
    return LIST_ITEM(disk, struct linux_disk, disk);
}

static struct linux_file *linux_file(struct disk_file *file)
{
    return LIST_ITEM(file, struct linux_file, file);
}

static enum pdr_status status_of(int error)
{
    switch (error) {
    case 0:
        return PDR_OK;
    case ENOSPC:
    case EDQUOT:
    case EMFILE: /* no descriptor for a new file: as little harm is done, and it passes */
    case ENFILE:
        return PDR_NO_SPACE;
    case ENOENT:
        return PDR_NOT_FOUND;
    default:
        return PDR_INTERNAL;
    }
}

static enum pdr_status failed(struct linux_disk *d, const char *doing, const char *name, int error)
{
    snprintf(d->error, sizeof d->error, "cannot %s %s/%s: %s", doing, d->path, name, strerror(error));
    return status_of(error);
}

static void set_name(char *to, const char *name, const char *suffix)
{
    CHECK(snprintf(to, NAME_MAX_BYTES, "%s%s", name, suffix) < NAME_MAX_BYTES);
}

static int write_all(int fd, const void *data, size_t size, uint64_t offset)
{
    const char *from = data;
    while (size > 0) {
        ssize_t n = pwrite(fd, from, size, (off_t)offset);
        if (n < 0 && errno != EINTR) {
            return errno;
        }
        if (n > 0) {
            from += n;
            offset += (uint64_t)n;
            size -= (size_t)n;
        }
    }
    return 0;
}

/* Reading and writing. */

static bool is_new(const char *name)
{
    size_t size = strlen(name), suffix = strlen(NEW_SUFFIX);
    return size > suffix && strcmp(name + size - suffix, NEW_SUFFIX) == 0;
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static enum pdr_status linux_list(struct disk *disk, void (*each)(void *user, const char *name), void *user)
{
    struct linux_disk *d = linux_disk(disk);
    struct dirent **entries;
    int n = scandirat(d->directory, ".", &entries, NULL, by_bytes);
    if (n < 0) {
        return failed(d, "list", "", errno);
    }
    for (int i = 0; i < n; i++) {
        const char *name = entries[i]->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && !is_new(name)) {
            each(user, name);
        }
        free(entries[i]);
    }
    free(entries);
    return PDR_OK;
}

static int open_file(struct linux_disk *d, const char *name, int flags)
{
    int fd = openat(d->directory, name, flags | O_CLOEXEC | (d->direct ? O_DIRECT : 0), 0640);
    if (fd < 0 && errno == EINVAL && d->direct) { /* this file system has no O_DIRECT */
        d->direct = false;
        fd = openat(d->directory, name, flags | O_CLOEXEC, 0640);
    }
    return fd;
}

static enum pdr_status linux_open(struct disk *disk, const char *name, struct disk_file **out)
{
    struct linux_disk *d = linux_disk(disk);
    struct stat stat;
    int fd = open_file(d, name, O_RDWR);
    if (fd < 0) {
        return failed(d, "open", name, errno);
    }
    if (fstat(fd, &stat) != 0) {
        int error = errno;
        close(fd);
        return failed(d, "examine", name, error);
    }
    if (!d->direct) {
        /* An earlier process may have failed to write (R27): the cache then has what the disk lacks, marked as written.
         * Without it we read what is there. */
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    }
    struct linux_file *f = mem_new(sizeof *f);
    f->file.disk = disk;
    f->fd = fd;
    f->size = (uint64_t)stat.st_size;
    set_name(f->name, name, "");
    *out = &f->file;
    return PDR_OK;
}

static uint64_t linux_size(struct disk_file *file)
{
    return linux_file(file)->size;
}

static enum pdr_status linux_read(struct disk_file *file, uint64_t offset, void *data, uint32_t size)
{
    struct linux_file *f = linux_file(file);
    char *to = data;
    while (size > 0) {
        ssize_t n = pread(f->fd, to, size, (off_t)offset);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            return failed(linux_disk(file->disk), "read", f->name, n == 0 ? ENODATA : errno);
        }
        if (n > 0) {
            to += n;
            offset += (uint64_t)n;
            size -= (uint32_t)n;
        }
    }
    return PDR_OK;
}

static void linux_write_sync(struct disk_file *file, uint64_t offset, const void *data, uint32_t size, disk_synced cb,
                             void *user)
{
    struct linux_file *f = linux_file(file);
    struct linux_disk *d = linux_disk(file->disk);
    uint64_t begin = clock_now_ns(clock_os());
    enum pdr_status status = PDR_OK;
    int error = write_all(f->fd, data, size, offset);
    if (error != 0) {
        status = failed(d, "write", f->name, error);
    } else if (fdatasync(f->fd) != 0) {
        status = failed(d, "sync", f->name, errno); /* R27: never again, it might succeed without the data */
    }
    d->synced = true;
    d->disk.sync_ns = clock_now_ns(clock_os()) - begin;
    cb(user, status);
}

static void linux_close_file(struct disk_file *file)
{
    struct linux_file *f = linux_file(file);
    close(f->fd);
    mem_free(f);
}

/* Chores. Their `run` is on a pool thread and touches the chore and the descriptor of the directory only. */

static void chore_done(struct job *job);

static void chore_start(struct disk *disk, enum chore_kind kind, void (*run)(struct job *job), disk_synced cb,
                        void *user)
{
    struct linux_disk *d = linux_disk(disk);
    struct chore *chore = &d->chore;
    CHECK(!chore->active);
    chore->disk = d;
    chore->kind = kind;
    chore->active = true;
    chore->cancelled = chore->pause = d->cancel = false;
    chore->finished = kind != CHORE_CREATE;
    chore->error = 0;
    chore->cb = cb;
    chore->user = user;
    chore->job.run = run;
    chore->job.done = chore_done;
    work_submit(d->work, d->loop, &chore->job);
}

static void chore_fail(struct chore *chore)
{
    chore->error = errno;
}

static bool create_begin(struct chore *chore)
{
    struct linux_disk *d = chore->disk;
    chore->zeros = aligned_alloc(DISK_BLOCK, FILL_CHUNK);
    if (chore->zeros == NULL) {
        errno = ENOMEM;
        return false;
    }
    memset(chore->zeros, 0, FILL_CHUNK);
    int flags = O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | (d->direct ? O_DIRECT : 0);
    chore->fd = openat(d->directory, chore->other, flags, 0640);
    /* One extent, and ENOSPC now rather than half-way. A file system that cannot just gets the zeros. */
    return chore->fd >= 0 && (fallocate(chore->fd, 0, 0, (off_t)chore->size) == 0 || errno == EOPNOTSUPP);
}

static void create_end(struct chore *chore)
{
    int directory = chore->disk->directory;
    if (chore->error == 0 && !chore->cancelled &&
        (fsync(chore->fd) != 0 || renameat(directory, chore->other, directory, chore->name) != 0 ||
         fsync(directory) != 0)) {
        chore_fail(chore);
    }
    if (chore->fd >= 0) {
        close(chore->fd);
    }
    if (chore->error != 0 || chore->cancelled) {
        unlinkat(directory, chore->other, 0);
    }
    free(chore->zeros);
    chore->finished = true;
}

/* One chunk a job: between two the loop may cancel, and sees whether commits go on. */
static void create_run(struct job *job)
{
    struct chore *chore = LIST_ITEM(job, struct chore, job);
    if (chore->pause) {
        nanosleep(&(struct timespec){.tv_nsec = FILL_PAUSE_NS}, NULL);
    }
    if (chore->offset == 0 && !create_begin(chore)) {
        chore_fail(chore);
    }
    if (chore->error == 0 && !chore->cancelled) {
        uint64_t left = chore->size - chore->offset;
        uint32_t size = left < FILL_CHUNK ? (uint32_t)left : FILL_CHUNK;
        chore->error = write_all(chore->fd, chore->zeros, size, chore->offset);
        chore->offset += size;
    }
    if (chore->error != 0 || chore->cancelled || chore->offset == chore->size) {
        create_end(chore);
    }
}

static void rename_run(struct job *job)
{
    struct chore *chore = LIST_ITEM(job, struct chore, job);
    int directory = chore->disk->directory;
    if (renameat(directory, chore->other, directory, chore->name) != 0 || fsync(directory) != 0) {
        chore_fail(chore);
    }
}

static void remove_run(struct job *job)
{
    struct chore *chore = LIST_ITEM(job, struct chore, job);
    int directory = chore->disk->directory;
    if (unlinkat(directory, chore->name, 0) != 0 || fsync(directory) != 0) {
        chore_fail(chore);
    }
}

static void chore_done(struct job *job)
{
    static const char *const doing[] = {"create", "rename a segment to", "remove"};
    struct chore *chore = LIST_ITEM(job, struct chore, job);
    struct linux_disk *d = chore->disk;
    if (!chore->finished) {
        chore->cancelled = d->cancel;
        chore->pause = d->synced && !d->cancel;
        d->synced = false;
        work_submit(d->work, d->loop, job);
        return;
    }
    enum pdr_status status = chore->cancelled ? PDR_CANCELLED : PDR_OK;
    if (chore->error != 0) {
        status = failed(d, doing[chore->kind], chore->name, chore->error);
    }
    chore->active = false;
    chore->cb(chore->user, status);
}

static void linux_create(struct disk *disk, const char *name, uint64_t size, disk_synced cb, void *user)
{
    struct chore *chore = &linux_disk(disk)->chore;
    CHECK(size > 0 && size % DISK_BLOCK == 0);
    set_name(chore->name, name, "");
    set_name(chore->other, name, NEW_SUFFIX);
    chore->offset = 0;
    chore->size = size;
    chore->fd = -1;
    chore->zeros = NULL;
    chore_start(disk, CHORE_CREATE, create_run, cb, user);
}

static void linux_rename(struct disk *disk, const char *from, const char *to, disk_synced cb, void *user)
{
    struct chore *chore = &linux_disk(disk)->chore;
    set_name(chore->other, from, "");
    set_name(chore->name, to, "");
    chore_start(disk, CHORE_RENAME, rename_run, cb, user);
}

static void linux_remove(struct disk *disk, const char *name, disk_synced cb, void *user)
{
    set_name(linux_disk(disk)->chore.name, name, "");
    chore_start(disk, CHORE_REMOVE, remove_run, cb, user);
}

static void linux_cancel(struct disk *disk)
{
    struct linux_disk *d = linux_disk(disk);
    d->cancel = d->chore.active;
}

static void linux_last_error(struct disk *disk, char *text, unsigned long size)
{
    snprintf(text, size, "%s", linux_disk(disk)->error);
}

static void linux_close(struct disk *disk)
{
    struct linux_disk *d = linux_disk(disk);
    CHECK(!d->chore.active);
    close(d->directory);
    mem_free(d->path);
    mem_free(d);
}

static const struct disk_ops linux_ops = {
    .list = linux_list,
    .open = linux_open,
    .size = linux_size,
    .read = linux_read,
    .close_file = linux_close_file,
    .write_sync = linux_write_sync,
    .create = linux_create,
    .rename = linux_rename,
    .remove = linux_remove,
    .cancel = linux_cancel,
    .last_error = linux_last_error,
    .close = linux_close,
};

/* Opening. */

/* Stumps of a create that a crash ended. */
static int remove_stumps(struct linux_disk *d)
{
    struct dirent **entries;
    int n = scandirat(d->directory, ".", &entries, NULL, by_bytes), error = n < 0 ? errno : 0;
    for (int i = 0; i < n; i++) {
        if (is_new(entries[i]->d_name) && unlinkat(d->directory, entries[i]->d_name, 0) != 0) {
            error = errno;
        }
        free(entries[i]);
    }
    if (n >= 0) {
        free(entries);
    }
    return error;
}

/* Whether one may write here, and whether O_DIRECT works: some file systems take the flag and then refuse to write. A
 * full disk is no reason not to start: what is there can be read. */
static int probe(struct linux_disk *d)
{
    static const char name[] = "probe" NEW_SUFFIX;
    int fd = open_file(d, name, O_CREAT | O_TRUNC | O_WRONLY), error = fd < 0 ? errno : 0;
    void *block = aligned_alloc(DISK_BLOCK, DISK_BLOCK);
    if (block == NULL) {
        error = ENOMEM;
    } else if (error == 0) {
        memset(block, 0, DISK_BLOCK);
        error = write_all(fd, block, DISK_BLOCK, 0);
        if (error == EINVAL && d->direct) {
            d->direct = false;
            error = 0;
        }
    }
    free(block);
    if (fd >= 0) {
        close(fd);
        unlinkat(d->directory, name, 0);
    }
    return status_of(error) == PDR_NO_SPACE ? 0 : error;
}

enum pdr_status disk_linux_open(const char *directory, struct loop *loop, struct work *work, struct disk **out,
                                const char **why)
{
    static _Thread_local char text[256];
    struct linux_disk *d = mem_new(sizeof *d);
    d->disk.ops = &linux_ops;
    d->loop = loop;
    d->work = work;
    d->direct = true;
    d->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = d->directory < 0 ? errno : remove_stumps(d);
    if (error == 0) {
        error = probe(d);
    }
    if (error != 0) {
        snprintf(text, sizeof text, "cannot use %s for the log: %s", directory, strerror(error));
        *why = text;
        if (d->directory >= 0) {
            close(d->directory);
        }
        mem_free(d);
        return status_of(error);
    }
    size_t size = strlen(directory) + 1;
    d->path = mem_new(size);
    memcpy(d->path, directory, size);
    *out = &d->disk;
    return PDR_OK;
}
