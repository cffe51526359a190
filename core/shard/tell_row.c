/* core/shard/tell_row.c: tells to rows and back. */
#include "core/shard/tell_row.h"

#include "core/base/check.h"
#include "core/base/endian.h"

#define VERSION 1u
#define HEAD 18u
#define ADDRESS_END 0x00

static uint8_t *put_bytes(uint8_t *at, struct pdr_bytes bytes)
{
    if (bytes.size > 0) {
        memcpy(at, bytes.data, bytes.size);
    }
    return at + bytes.size;
}

void tell_row_put(struct rows *rows, enum keys_table table, struct pdr_bytes key, const struct tell_row *row)
{
    size_t size = HEAD + row->receiver.size + row->sender.size + row->method.size + row->code.size + row->text.size +
                  row->args.size;
    uint8_t *at = rows_reserve(rows, table, key, size);
    at[0] = VERSION;
    at[1] = (uint8_t)row->method.size;
    at[2] = (uint8_t)row->code.size;
    at[3] = (uint8_t)(row->attempts < UINT8_MAX ? row->attempts : UINT8_MAX);
    put_le16(at + 4, (uint16_t)row->receiver.size);
    put_le16(at + 6, (uint16_t)row->sender.size);
    put_le16(at + 8, (uint16_t)row->text.size);
    put_le64(at + 10, (uint64_t)row->when_ms);
    at = put_bytes(at + HEAD, row->receiver);
    at = put_bytes(at, row->sender);
    at = put_bytes(at, row->method);
    at = put_bytes(at, row->code);
    at = put_bytes(at, row->text);
    put_bytes(at, row->args);
}

static bool take(struct pdr_bytes *rest, size_t size, struct pdr_bytes *out)
{
    if (rest->size < size) {
        return false;
    }
    *out = pdr_bytes(rest->data, size);
    *rest = pdr_bytes((const uint8_t *)rest->data + size, rest->size - size);
    return true;
}

enum pdr_status tell_row_read(struct pdr_bytes value, struct tell_row *out)
{
    const uint8_t *at = value.data;
    if (value.size < HEAD || at[0] != VERSION) {
        return PDR_INVALID;
    }
    struct pdr_bytes rest = pdr_bytes(at + HEAD, value.size - HEAD);
    *out = (struct tell_row){.attempts = at[3], .when_ms = (int64_t)get_le64(at + 10)};
    if (!take(&rest, get_le16(at + 4), &out->receiver) || !take(&rest, get_le16(at + 6), &out->sender) ||
        !take(&rest, at[1], &out->method) || !take(&rest, at[2], &out->code) ||
        !take(&rest, get_le16(at + 8), &out->text)) {
        return PDR_INVALID;
    }
    out->args = rest;
    return out->method.size > 0 && out->receiver.size <= KEYS_ADDRESS_MAX && out->sender.size <= KEYS_ADDRESS_MAX
               ? PDR_OK
               : PDR_INVALID;
}

struct pdr_bytes tell_outbox_key(uint8_t *out, uint32_t to_shard, uint64_t n)
{
    put_be32(out, to_shard);
    put_be64(out + 4, n);
    return pdr_bytes(out, n == 0 ? 4 : 12);
}

bool tell_outbox_parse(struct pdr_bytes key, uint32_t *to_shard, uint64_t *n)
{
    const uint8_t *at = key.data;
    if (key.size != 4 && key.size != 12) {
        return false;
    }
    *to_shard = get_be32(at);
    *n = key.size == 12 ? get_be64(at + 4) : 0;
    return true;
}

struct pdr_bytes tell_channel_key(uint8_t *out, uint32_t from_shard)
{
    put_be32(out, from_shard);
    return pdr_bytes(out, 4);
}

struct pdr_bytes tell_dead_key(uint8_t *out, struct pdr_bytes address, uint64_t number)
{
    CHECK(address.size > 0 && address.size <= KEYS_ADDRESS_MAX);
    uint8_t *at = put_bytes(out, address);
    *at = ADDRESS_END;
    put_be64(at + 1, number);
    return pdr_bytes(out, address.size + 9);
}

struct pdr_bytes tell_pending_key(uint8_t *out, struct pdr_bytes address, uint64_t number, bool begun)
{
    size_t size = tell_dead_key(out, address, number).size;
    out[size] = begun;
    return pdr_bytes(out, size + 1);
}

bool tell_dead_parse(struct pdr_bytes key, struct pdr_bytes *address, uint64_t *number)
{
    const uint8_t *at = key.data;
    if (key.size < 10 || key.size - 9 > KEYS_ADDRESS_MAX || at[key.size - 9] != ADDRESS_END) {
        return false;
    }
    *address = pdr_bytes(at, key.size - 9);
    *number = get_be64(at + key.size - 8);
    return memchr(at, ADDRESS_END, address->size) == NULL;
}

bool tell_pending_parse(struct pdr_bytes key, struct pdr_bytes *address, uint64_t *number, bool *begun)
{
    const uint8_t *at = key.data;
    if (key.size == 0 || at[key.size - 1] > 1) {
        return false;
    }
    *begun = at[key.size - 1] == 1;
    return tell_dead_parse(pdr_bytes(at, key.size - 1), address, number);
}
