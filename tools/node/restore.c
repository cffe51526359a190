/* tools/node/restore.c: from a backup to a data directory. */
#include "tools/node/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/store/snapshot.h"

#define MANIFEST_SIZE_MAX (256u << 20) /* of a store of a million files */

struct restoring {
    const char *backup, *data;
    struct manifest *manifest;
    struct files_progress *progress;
    int lock;  /* of the data directory; -1: not locked */
    bool made; /* the data directory, by us */
    char *why;
    size_t why_size;
};

PDR_PRINTF(3, 4) static enum pdr_status fail(struct restoring *r, enum pdr_status status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->why, r->why_size, format, args);
    va_end(args);
    return status;
}

static enum pdr_status fail_errno(struct restoring *r, const char *directory, const char *name, const char *what)
{
    enum pdr_status status = errno == ENOSPC ? PDR_NO_SPACE : PDR_INTERNAL;
    return fail(r, status, "%s/%s: %s: %s", directory, name, what, strerror(errno));
}

/* The backup. */

static char *read_text(const char *path)
{
    FILE *file = fopen(path, "re");
    struct stat of;
    if (file == NULL) {
        return NULL;
    }
    char *text = NULL;
    if (fstat(fileno(file), &of) == 0 && of.st_size <= (off_t)MANIFEST_SIZE_MAX) {
        text = mem_new((size_t)of.st_size + 1);
        if (fread(text, 1, (size_t)of.st_size, file) != (size_t)of.st_size) {
            mem_free(text);
            text = NULL;
        }
    }
    fclose(file);
    return text;
}

static enum pdr_status read_manifest(struct restoring *r)
{
    char path[FILES_PATH_SIZE];
    if (!files_path(path, r->backup, "manifest") || access(path, F_OK) != 0) {
        return fail(r, PDR_INVALID,
                    "%s has no manifest: it is no backup, or one that did not come to its end; use another", r->backup);
    }
    char *text = read_text(path);
    if (text == NULL) {
        return fail_errno(r, r->backup, "manifest", "cannot be read");
    }
    bool fine = manifest_parse(text, r->manifest);
    mem_free(text);
    return fine ? PDR_OK
                : fail(r, PDR_INVALID, "%s is damaged, or of another version of perdure; use another backup", path);
}

static enum pdr_status check_files(struct restoring *r)
{
    char store[FILES_PATH_SIZE], path[FILES_PATH_SIZE];
    if (!files_path(store, r->backup, "store")) {
        return fail_errno(r, r->backup, "store", "cannot be read");
    }
    for (uint32_t i = 0; i < r->manifest->file_count; i++) {
        const struct manifest_file *file = &r->manifest->files[i];
        struct stat of;
        if (!files_path(path, store, file->name) || stat(path, &of) != 0) {
            return fail(r, PDR_INVALID, "%s/%s is missing: this backup is not whole; use another", store, file->name);
        }
        if ((uint64_t)of.st_size != file->size) {
            return fail(r, PDR_INVALID,
                        "%s has %llu bytes, and had %llu when it was made: this backup is damaged; use another", path,
                        (unsigned long long)of.st_size, (unsigned long long)file->size);
        }
    }
    return PDR_OK;
}

/* The data directory. */

static enum pdr_status take_directory(struct restoring *r)
{
    struct stat of;
    bool there = stat(r->data, &of) == 0;
    if (there && !files_is_empty(r->data, "LOCK")) {
        int lock;
        if (identity_lock(r->data, &lock, r->why, r->why_size) == PDR_UNAVAILABLE) {
            return PDR_UNAVAILABLE; /* a node runs there, and `why` names it */
        }
        close(lock);
        return fail(r, PDR_INVALID,
                    "%s is there already, and is not overwritten: move it away, or name another directory with --data",
                    r->data);
    }
    enum pdr_status status = identity_lock(r->data, &r->lock, r->why, r->why_size);
    r->made = status == PDR_OK && !there;
    return status;
}

/* Tables never change, so a second name will do. The rest is short, and the store's to write. */
static bool bring(struct restoring *r, const char *from, const char *to, const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL && strcmp(dot, ".sst") == 0 ? files_link_or_copy(from, to, r->progress)
                                                   : files_copy(from, to, r->progress);
}

static enum pdr_status bring_files(struct restoring *r)
{
    char from_store[FILES_PATH_SIZE], to_store[FILES_PATH_SIZE], from[FILES_PATH_SIZE], to[FILES_PATH_SIZE];
    if (!files_path(from_store, r->backup, "store") || !files_path(to_store, r->data, "store") ||
        mkdir(to_store, 0700) != 0) {
        return fail_errno(r, r->data, "store", "cannot be made");
    }
    for (uint32_t i = 0; i < r->manifest->file_count; i++) {
        const char *name = r->manifest->files[i].name;
        if (!files_path(from, from_store, name) || !files_path(to, to_store, name) || !bring(r, from, to, name)) {
            return fail_errno(r, to_store, name, "cannot be written");
        }
    }
    return files_sync_directory(to_store) ? PDR_OK : fail_errno(r, r->data, "store", "cannot be synced");
}

static enum pdr_status check_shards(struct restoring *r, struct store *store)
{
    for (uint32_t i = 0; i < r->manifest->shard_count; i++) {
        const struct manifest_shard *want = &r->manifest->shards[i];
        struct keys_meta meta;
        enum pdr_status status = snapshot_current(store, want->shard, &meta);
        if (status != PDR_OK || meta.applied_seq < want->seq) {
            return fail(r, PDR_INVALID,
                        "the backup has shard %" PRIu32 " up to entry %" PRIu64 ", and the manifest says %" PRIu64
                        ": it is damaged; use another",
                        want->shard, meta.applied_seq, want->seq);
        }
    }
    return PDR_OK;
}

/* What a server of the directory wrote is not for whoever goes on from this copy: it would forget votes it gave and
 * entries it acknowledged since, and then promise the opposite. The rows are in the copy, which is of whole files, and
 * go here, with the shard's own row. */
static enum pdr_status forget_directory(struct restoring *r, struct store *store)
{
    uint8_t from[KEYS_HEAD_SIZE], to[KEYS_HEAD_SIZE];
    char text[200];
    struct store_batch *batch = store->ops->batch_new(store);
    keys_shard_range(from, to, KEYS_SHARD_DIRECTORY);
    store->ops->batch_delete_range(batch, pdr_bytes(from, sizeof from), pdr_bytes(to, sizeof to));
    enum pdr_status status = store->ops->write(store, batch);
    store->ops->batch_free(batch);
    if (status == PDR_OK) {
        status = store->ops->flush(store);
    }
    if (status != PDR_OK) {
        store->ops->last_error(store, text, sizeof text);
        return fail(r, status, "%s/store cannot be written: %s", r->data, text);
    }
    return PDR_OK;
}

/* It opens, it is of a version we know, and it has what the manifest says. */
static enum pdr_status check_store(struct restoring *r)
{
    static const struct store_rocks_options options = {0};
    char path[FILES_PATH_SIZE];
    struct store *store;
    const char *why;
    if (!files_path(path, r->data, "store")) {
        return fail_errno(r, r->data, "store", "cannot be opened");
    }
    enum pdr_status status = store_rocks_open(path, &options, &store, &why);
    if (status != PDR_OK) {
        return fail(r, PDR_INVALID, "the backup cannot be used: %s", why);
    }
    status = keys_check_format(store, &why) == PDR_OK ? check_shards(r, store) : fail(r, PDR_INVALID, "%s", why);
    if (status == PDR_OK) {
        status = forget_directory(r, store);
    }
    store->ops->close(store);
    return status;
}

static void remove_data(struct restoring *r)
{
    char path[FILES_PATH_SIZE];
    if (files_path(path, r->data, "store")) {
        files_remove_directory(path);
    }
    if (files_path(path, r->data, "identity.new")) {
        unlink(path);
    }
    if (files_path(path, r->data, "LOCK")) {
        unlink(path);
    }
    if (r->made) {
        rmdir(r->data);
    }
}

static enum pdr_status fill(struct restoring *r, uint64_t unix_s)
{
    enum pdr_status status = bring_files(r);
    if (status == PDR_OK) {
        status = check_store(r);
    }
    if (status == PDR_OK) {
        struct identity identity = identity_restored(&r->manifest->identity, unix_s);
        status = identity_save(r->data, &identity, r->why, r->why_size);
    }
    return status;
}

enum pdr_status restore(const char *backup, const char *data, uint64_t unix_s, struct manifest *manifest,
                        struct files_progress *progress, char *why, size_t why_size)
{
    struct restoring r = {backup, data, manifest, progress, -1, false, why, why_size};
    *manifest = (struct manifest){0};
    enum pdr_status status = read_manifest(&r);
    if (status == PDR_OK) {
        status = check_files(&r);
    }
    if (status == PDR_OK) {
        status = take_directory(&r);
    }
    if (status == PDR_OK) {
        status = fill(&r, unix_s);
        if (status != PDR_OK) {
            remove_data(&r);
        }
        close(r.lock);
    }
    if (status != PDR_OK) {
        manifest_release(manifest);
    }
    return status;
}
