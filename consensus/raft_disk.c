/* consensus/raft_disk.c: batches of rows: key size u8, deleted u8, value size u32, key, value, one after another. */
#include "consensus/raft_disk.h"

#include "core/base/check.h"

#define ROW_HEAD_SIZE 6u

static void add(struct raft_batch *batch, struct pdr_bytes key, struct pdr_bytes value, bool deleted)
{
    CHECK(key.size > 0 && key.size <= RAFT_DISK_KEY_MAX && value.size <= UINT32_MAX);
    raft_bytes_put_8(&batch->encoded, (uint8_t)key.size);
    raft_bytes_put_8(&batch->encoded, deleted);
    raft_bytes_put_32(&batch->encoded, (uint32_t)value.size);
    raft_bytes_put(&batch->encoded, key.data, key.size);
    raft_bytes_put(&batch->encoded, value.data, value.size);
    batch->rows++;
}

void raft_batch_put(struct raft_batch *batch, struct pdr_bytes key, struct pdr_bytes value)
{
    add(batch, key, value, false);
}

void raft_batch_delete(struct raft_batch *batch, struct pdr_bytes key)
{
    add(batch, key, pdr_bytes(NULL, 0), true);
}

bool raft_batch_next(const struct raft_batch *batch, size_t *at, struct raft_batch_row *out)
{
    if (*at == batch->encoded.size) {
        return false;
    }
    const uint8_t *row = batch->encoded.data + *at;
    size_t key_size = row[0], value_size = get_le32(row + 2);
    out->deleted = row[1] != 0;
    out->key = pdr_bytes(row + ROW_HEAD_SIZE, key_size);
    out->value = pdr_bytes(row + ROW_HEAD_SIZE + key_size, value_size);
    *at += ROW_HEAD_SIZE + key_size + value_size;
    return true;
}
