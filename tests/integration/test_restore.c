/* tests/integration/test_restore.c: a restore from a backup that has rows of the directory's server: they stay behind,
 * for a server must not go back in time; all else comes along. */
#include "tools/node/restore.h"

#include <stdlib.h>

#include "core/store/keys.h"
#include "tests/lib/test.h"
#include "tools/node/backup.h"

static struct store *open_store(const char *path)
{
    static const struct store_rocks_options options = {0};
    const char *why = "";
    struct store *store;
    enum pdr_status status = store_rocks_open(path, &options, &store, &why);
    if (status != PDR_OK) {
        fprintf(stderr, "%s\n", why);
    }
    REQUIRE(status == PDR_OK);
    REQUIRE(keys_check_format(store, &why) == PDR_OK);
    return store;
}

static void put(struct store *store, struct pdr_bytes key, const char *value)
{
    struct store_batch *batch = store->ops->batch_new(store);
    store->ops->batch_put(batch, key, pdr_str(value));
    REQUIRE(store->ops->write(store, batch) == PDR_OK);
    store->ops->batch_free(batch);
}

static bool has(struct store *store, struct pdr_bytes key)
{
    void *value;
    size_t size;
    enum pdr_status status = store->ops->get(store, key, &value, &size);
    if (status == PDR_OK) {
        free(value);
    }
    return status == PDR_OK;
}

/* Rows on both sides of those that go, and the last of these. */
struct rows_of_a_node {
    uint8_t state[KEYS_STATE_SIZE_MAX], meta[KEYS_HEAD_SIZE], format[KEYS_HEAD_SIZE], raft[3][KEYS_HEAD_SIZE + 9];
    struct pdr_bytes kept[2], gone[4];
};

static void name_rows(struct rows_of_a_node *rows)
{
    static const char *const keys[] = {"E\0\0\0\0\0\0\0\1", "H\0\0\0\0\0\0\0\0",
                                       "\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
    rows->kept[0] = pdr_bytes(
        rows->state, keys_state(rows->state, KEYS_SHARD_DIRECTORY - 1, 0, pdr_str("kv/a"), KEYS_USER, pdr_str("k")));
    rows->kept[1] = pdr_bytes(rows->format, keys_meta(rows->format, KEYS_SHARD_NONE, 0));
    rows->gone[0] = pdr_bytes(rows->meta, keys_meta(rows->meta, KEYS_SHARD_DIRECTORY, 0));
    for (int i = 0; i < 3; i++) {
        rows->gone[i + 1] = pdr_bytes(
            rows->raft[i], keys_row(rows->raft[i], KEYS_SHARD_DIRECTORY, 0, KEYS_RAFT, pdr_bytes(keys[i], 9)));
    }
}

static void make_backup(struct store *store, const char *data, const char *directory)
{
    char why[512] = "";
    const char *staging;
    struct identity identity = {0};
    struct manifest manifest = {0};
    struct files_progress progress = {0};
    memset(identity.cluster, 'a', sizeof identity.cluster - 1);
    memset(identity.node, 'b', sizeof identity.node - 1);
    struct backup_place *place = backup_files_new(data, &identity, "n0");
    REQUIRE(place->begin(place, directory, &staging, why, sizeof why) == PDR_OK);
    REQUIRE(store->ops->checkpoint(store, staging) == PDR_OK);
    REQUIRE(place->finish(place, directory, &manifest, &progress, why, sizeof why) == PDR_OK);
    manifest_release(&manifest);
    backup_files_free(place);
}

TEST(leaves_out_what_the_directory_wrote)
{
    char data[512], store_path[600], backup[600], restored[600], why[1024] = "";
    struct rows_of_a_node rows;
    name_rows(&rows);
    snprintf(data, sizeof data, "%s", test_dir());
    snprintf(store_path, sizeof store_path, "%s/store", data);
    snprintf(backup, sizeof backup, "%s/b", data);
    snprintf(restored, sizeof restored, "%s/r", data);
    struct store *store = open_store(store_path);
    put(store, rows.kept[0], "value");
    for (int i = 0; i < 4; i++) {
        put(store, rows.gone[i], "raft");
    }
    make_backup(store, data, backup);
    for (int i = 0; i < 4; i++) {
        EXPECT(has(store, rows.gone[i])); /* the node that made it goes on */
    }
    store->ops->close(store);

    struct manifest manifest;
    struct files_progress progress = {0};
    enum pdr_status status = restore(backup, restored, 1764000000, &manifest, &progress, why, sizeof why);
    if (status != PDR_OK) {
        fprintf(stderr, "%s\n", why);
    }
    REQUIRE(status == PDR_OK);
    manifest_release(&manifest);
    snprintf(store_path, sizeof store_path, "%s/r/store", data);
    store = open_store(store_path);
    for (int i = 0; i < 4; i++) {
        EXPECT(!has(store, rows.gone[i]));
    }
    EXPECT(has(store, rows.kept[0]));
    EXPECT(has(store, rows.kept[1]));
    store->ops->close(store);
}

TEST_MAIN()
