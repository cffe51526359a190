/* tools/node/manifest.c: DIR/manifest to text and back. */
#include "tools/node/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/hash_bytes.h"
#include "core/base/mem.h"

#define HEAD "perdure backup 1"
#define SEED 0

void manifest_release(struct manifest *m)
{
    mem_free(m->shards);
    mem_free(m->files);
    *m = (struct manifest){0};
}

/* Full at each power of two: twice the room then. */
static void *room_for_one(void *array, uint32_t count, size_t size)
{
    return (count & (count - 1)) == 0 ? mem_grow(array, (count == 0 ? 1 : 2 * (size_t)count) * size) : array;
}

void manifest_add_shard(struct manifest *m, uint32_t shard, uint64_t epoch, uint64_t seq)
{
    m->shards = room_for_one(m->shards, m->shard_count, sizeof *m->shards);
    m->shards[m->shard_count++] = (struct manifest_shard){shard, epoch, seq};
}

bool manifest_add_file(struct manifest *m, const char *name, uint64_t size)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    struct manifest_file file = {.size = size};
    size_t length = strlen(name);
    if (length == 0 || length >= sizeof file.name || *name == '.' || strspn(name, letters) != length) {
        return false;
    }
    memcpy(file.name, name, length);
    m->files = room_for_one(m->files, m->file_count, sizeof *m->files);
    m->files[m->file_count++] = file;
    return true;
}

/* Out */

struct text {
    char *data;
    size_t size, capacity;
};

PDR_PRINTF(2, 3) static void line(struct text *text, const char *format, ...)
{
    va_list args;
    if (text->capacity - text->size < 512) { /* no line is longer */
        text->capacity = text->capacity == 0 ? 4096 : 2 * text->capacity;
        text->data = mem_grow(text->data, text->capacity);
    }
    va_start(args, format);
    text->size += (size_t)vsnprintf(text->data + text->size, 512, format, args);
    va_end(args);
}

char *manifest_print(const struct manifest *m)
{
    struct text text = {0};
    line(&text, HEAD "\nversion %s\ncluster %s\nnode %s\nepochs %" PRIu64 "\nname %s\ntime %" PRIu64 "\n", m->version,
         m->identity.cluster, m->identity.node, m->identity.epochs, m->name, m->time_s);
    for (uint32_t i = 0; i < m->shard_count; i++) {
        const struct manifest_shard *s = &m->shards[i];
        line(&text, "shard %" PRIu32 " epoch %" PRIu64 " seq %" PRIu64 "\n", s->shard, s->epoch, s->seq);
    }
    for (uint32_t i = 0; i < m->file_count; i++) {
        line(&text, "file %s %" PRIu64 "\n", m->files[i].name, m->files[i].size);
    }
    line(&text, "checksum %016" PRIx64 "\n", hash_bytes(pdr_bytes(text.data, text.size), SEED));
    return text.data;
}

/* In: line by line; what the checksum covers was written by manifest_print, but who knows whose checksum it is. */

/* The rest of the line that begins with `word`, and *at moves on; NULL: another line. */
static char *take(char **at, const char *word)
{
    size_t size = strlen(word);
    char *end = strchr(*at, '\n'), *rest = *at + size + 1;
    if (end == NULL || (size_t)(end - *at) <= size || strncmp(*at, word, size) != 0 || (*at)[size] != ' ') {
        return NULL;
    }
    *end = 0;
    *at = end + 1;
    return rest;
}

static bool take_text(char **at, const char *word, char *out, size_t size)
{
    const char *rest = take(at, word);
    return rest != NULL && (size_t)snprintf(out, size, "%s", rest) < size;
}

static bool number(const char *digits, uint64_t *out)
{
    char *end;
    if (*digits < '0' || *digits > '9') {
        return false;
    }
    errno = 0;
    *out = strtoull(digits, &end, 10);
    return *end == 0 && errno == 0;
}

static bool take_number(char **at, const char *word, uint64_t *out)
{
    const char *rest = take(at, word);
    return rest != NULL && number(rest, out);
}

static bool parse_shard(const char *rest, struct manifest *out)
{
    uint32_t shard;
    uint64_t epoch, seq;
    int used = 0;
    if (sscanf(rest, "%" SCNu32 " epoch %" SCNu64 " seq %" SCNu64 "%n", &shard, &epoch, &seq, &used) != 3 ||
        rest[used] != 0) {
        return false;
    }
    manifest_add_shard(out, shard, epoch, seq);
    return true;
}

static bool parse_file(char *rest, struct manifest *out)
{
    char *space = strchr(rest, ' ');
    uint64_t size;
    if (space == NULL || !number(space + 1, &size)) {
        return false;
    }
    *space = 0;
    return manifest_add_file(out, rest, size);
}

static bool parse_lines(char *at, struct manifest *out)
{
    char *rest;
    if (!take_text(&at, "version", out->version, sizeof out->version) ||
        !take_text(&at, "cluster", out->identity.cluster, sizeof out->identity.cluster) ||
        !take_text(&at, "node", out->identity.node, sizeof out->identity.node) ||
        !take_number(&at, "epochs", &out->identity.epochs) || !take_text(&at, "name", out->name, sizeof out->name) ||
        !take_number(&at, "time", &out->time_s) || !identity_is_cluster(out->identity.cluster) ||
        !identity_is_node(out->identity.node)) {
        return false;
    }
    while ((rest = take(&at, "shard")) != NULL) {
        if (!parse_shard(rest, out)) {
            return false;
        }
    }
    while ((rest = take(&at, "file")) != NULL) {
        if (!parse_file(rest, out)) {
            return false;
        }
    }
    return *at == 0 && out->file_count > 0;
}

bool manifest_parse(const char *text, struct manifest *out)
{
    static const char last[] = "\nchecksum ";
    const char *end = strstr(text, last);
    char checksum[40];
    *out = (struct manifest){0};
    if (end == NULL || strncmp(text, HEAD "\n", sizeof HEAD) != 0) {
        return false;
    }
    size_t size = (size_t)(end + 1 - text); /* what the checksum is of */
    snprintf(checksum, sizeof checksum, "checksum %016" PRIx64 "\n", hash_bytes(pdr_bytes(text, size), SEED));
    if (strcmp(end + 1, checksum) != 0) {
        return false;
    }
    char *lines = mem_new(size + 1);
    memcpy(lines, text, size);
    bool fine = parse_lines(lines + sizeof HEAD, out);
    mem_free(lines);
    return fine;
}
