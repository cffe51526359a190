/* tests/fuzz/fuzz_cluster.c: what voters and nodes send each other of the directory. The first byte says what: 'R' a
 * row, 'P' a page of the feed, 'S' a snapshot whose checksum is made right here. */
#include "consensus/directory.h"
#include "core/base/endian.h"
#include "core/base/hash_bytes.h"
#include "core/cluster/view.h"
#include "tests/fuzz/fuzz.h"

static void try_row(struct pdr_bytes bytes)
{
    struct cluster_row *row;
    struct fault fault;
    if (cluster_row_read(bytes, &row, &fault) != PDR_OK) {
        FUZZ_CHECK(fault.what != NULL);
        return;
    }
    struct cluster_row *again = cluster_row_new(&row->entry);
    FUZZ_CHECK(pdr_bytes_equal(cluster_row_bytes(again), bytes) && again->hash == row->hash);
    FUZZ_CHECK(entry_compare(&row->entry, &again->entry) == 0 && !entry_is_newer(&again->entry, &row->entry));
    cluster_row_free(row);
    cluster_row_free(again);
}

static void try_page(struct pdr_bytes bytes)
{
    struct cluster_view view;
    struct fault fault;
    bool changed;
    cluster_view_init(&view);
    if (cluster_view_take(&view, bytes, &changed, &fault) == PDR_OK) {
        FUZZ_CHECK(view.index <= view.cursor);
    } else {
        FUZZ_CHECK(fault.what != NULL && view.index == 0 && view.cursor == 0);
    }
    struct cluster_map *map = cluster_map_new(&view, 1, 1, false);
    FUZZ_CHECK(cluster_map_place(map, pdr_str("counter"), pdr_str("k"), 77) <= LIMIT_SHARDS_MAX);
    cluster_map_free(map);
    cluster_view_release(&view);
}

static void try_snapshot(struct pdr_bytes bytes)
{
    uint8_t *whole = malloc(bytes.size + 8);
    struct directory *directory;
    const char *why;
    FUZZ_CHECK(whole != NULL);
    if (bytes.size > 0) {
        memcpy(whole, bytes.data, bytes.size);
    }
    put_le64(whole + bytes.size, hash_bytes(bytes, 0));
    if (directory_restore(pdr_bytes(whole, bytes.size + 8), &directory, &why) == PDR_OK) {
        pdr_writer again = {0};
        FUZZ_CHECK(directory_fault(directory) == NULL);
        directory_snapshot(directory, &again);
        directory_free(directory);
        FUZZ_CHECK(directory_restore(pdr_written(&again), &directory, &why) == PDR_OK);
        directory_free(directory);
        pdr_writer_release(&again);
    } else {
        FUZZ_CHECK(why != NULL);
    }
    free(whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    uint8_t *copy = fuzz_copy(data + 1, size - 1);
    struct pdr_bytes bytes = pdr_bytes(copy, size - 1);
    switch (*data) {
    case 'R':
        try_row(bytes);
        break;
    case 'P':
        try_page(bytes);
        break;
    default:
        try_snapshot(bytes);
        break;
    }
    free(copy);
    return 0;
}
