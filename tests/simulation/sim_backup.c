/* tests/simulation/sim_backup.c: where a simulated node's backups go. */
#include "tests/simulation/sim_backup.h"

#include <perdure/value.h>

#include "core/store/keys.h"

#define STAGING "staging"

static struct sim_backup *of(struct backup_place *place)
{
    return (struct sim_backup *)place;
}

static void close_store(struct store *store)
{
    if (store != NULL) {
        store->ops->close(store);
    }
}

static void abandon(struct backup_place *place, const char *directory)
{
    close_store(store_mem_open_checkpoint(of(place)->media->inner_store, STAGING));
}

static enum pdr_status begin(struct backup_place *place, const char *directory, const char **staging, char *why,
                             size_t why_size)
{
    abandon(place, directory); /* what a crash left */
    *staging = STAGING;
    return PDR_OK;
}

static enum pdr_status finish(struct backup_place *place, const char *directory, struct manifest *manifest,
                              struct files_progress *progress, char *why, size_t why_size)
{
    struct sim_backup *b = of(place);
    struct store *copy = store_mem_open_checkpoint(b->media->inner_store, STAGING);
    if (copy == NULL) {
        return PDR_INTERNAL;
    }
    close_store(b->copy);
    b->copy = copy;
    snprintf(b->directory, sizeof b->directory, "%s", directory);
    b->made++;
    return PDR_OK;
}

static uint64_t size(struct backup_place *place)
{
    return 0;
}

struct looking {
    struct pdr_bytes address, key;
    int64_t number;
};

static bool look(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct looking *l = user;
    struct keys_state_parts parts;
    bool found = keys_state_parse(key, &parts) && parts.kind == KEYS_USER &&
                 pdr_bytes_equal(parts.address, l->address) && pdr_bytes_equal(parts.user_key, l->key);
    return !found || !pdr_value_int(value, &l->number);
}

int64_t sim_backup_number(const struct sim_backup *b, const char *address, const char *key)
{
    struct looking l = {pdr_str(address), pdr_str(key), 0};
    struct store_cursor *cursor = b->copy->ops->cursor_new(b->copy);
    enum pdr_status status = b->copy->ops->cursor_scan(cursor, pdr_bytes(NULL, 0), pdr_bytes(NULL, 0), look, &l);
    SIM_CHECK(b->media->sim, status == PDR_OK, "backup: the copy cannot be read");
    b->copy->ops->cursor_free(cursor);
    return l.number;
}

void sim_backup_init(struct sim_backup *b, struct sim_media *media)
{
    *b = (struct sim_backup){.place = {begin, finish, abandon, size}, .media = media};
}

void sim_backup_release(struct sim_backup *b)
{
    close_store(b->copy);
    b->copy = NULL;
}
