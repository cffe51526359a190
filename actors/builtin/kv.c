/* kv/NAME: a small map, kept with its order. Keys are strings or bytes; values are any MessagePack value.
 *
 * put key value -> nil              get key -> the value, nil if there is none
 * delete key -> whether it existed   scan [from [to [limit = 100]]] -> [[key, value], ...] of from <= key < to
 * cas key expected value -> whether it was exchanged (nil as expected: only if there is none; nil as value: deletes) */
#include <perdure/actor.h>

#define SCAN_LIMIT 1000

static int read_key(pdr_turn *turn, const pdr_args *args, struct pdr_bytes *key)
{
    *key = pdr_arg_bytes(args, 0, pdr_bytes(NULL, 0));
    if (key->size == 0) {
        return pdr_fail_status(turn, PDR_INVALID, "the first argument is the key: a string or bytes, not empty");
    }
    return PDR_OK;
}

/* PDR_OK also if there is none: then `value` is empty. */
static int read_value(pdr_turn *turn, struct pdr_bytes key, struct pdr_bytes *value)
{
    *value = pdr_bytes(NULL, 0);
    int status = pdr_get(turn, key, value);
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

static int put(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes key;
    int status = read_key(turn, args, &key);
    if (status != PDR_OK) {
        return status;
    }
    pdr_value value = pdr_arg(args, 1);
    if (value.size == 0) {
        return pdr_fail_status(turn, PDR_INVALID, "put takes a key and a value");
    }
    status = pdr_put(turn, key, value);
    return status == PDR_OK ? pdr_reply_nil(turn) : status;
}

static int get(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes key, value;
    int status = read_key(turn, args, &key);
    if (status == PDR_OK) {
        status = read_value(turn, key, &value);
    }
    if (status != PDR_OK) {
        return status;
    }
    return value.size == 0 ? pdr_reply_nil(turn) : pdr_reply(turn, value);
}

static int delete (pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes key, value;
    int status = read_key(turn, args, &key);
    if (status == PDR_OK) {
        status = read_value(turn, key, &value);
    }
    if (status == PDR_OK && value.size > 0) {
        status = pdr_delete(turn, key);
    }
    return status == PDR_OK ? pdr_reply_bool(turn, value.size > 0) : status;
}

static int cas(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes key, now;
    int status = read_key(turn, args, &key);
    if (status == PDR_OK && pdr_arg_count(args) < 3) {
        status = pdr_fail_status(turn, PDR_INVALID, "cas takes a key, the expected value and the new one");
    }
    if (status == PDR_OK) {
        status = read_value(turn, key, &now);
    }
    if (status != PDR_OK) {
        return status;
    }
    pdr_value expected = pdr_arg(args, 1), value = pdr_arg(args, 2);
    bool none_expected = pdr_value_kind(expected) == PDR_KIND_NIL;
    if (none_expected ? now.size > 0 : !pdr_bytes_equal(now, expected)) {
        return pdr_reply_bool(turn, false);
    }
    if (pdr_value_kind(value) != PDR_KIND_NIL) {
        status = pdr_put(turn, key, value);
    } else if (now.size > 0) {
        status = pdr_delete(turn, key);
    }
    return status == PDR_OK ? pdr_reply_bool(turn, true) : status;
}

/* Pairs are gathered first: an array's count comes before its elements. */
static int scan(pdr_turn *turn, const pdr_args *args)
{
    struct pdr_bytes none = {NULL, 0}, key, value;
    int64_t limit = pdr_arg_int(args, 2, 100);
    pdr_scan *rows = pdr_scan_open(turn, pdr_arg_bytes(args, 0, none), pdr_arg_bytes(args, 1, none));
    pdr_writer pairs, reply;
    uint32_t count = 0;
    int status = rows == NULL ? PDR_TOO_LARGE : PDR_OK;
    pdr_writer_init(&pairs, NULL, 0, 1u << 20);
    while (status == PDR_OK && count < limit && count < SCAN_LIMIT && !pairs.failed) {
        status = pdr_scan_next(rows, &key, &value);
        if (status == PDR_OK) {
            pdr_write_array(&pairs, 2);
            pdr_write_str(&pairs, key);
            pdr_write_value(&pairs, value);
            count++;
        }
    }
    if (pairs.failed) {
        status = pdr_fail_status(turn, PDR_TOO_LARGE, "the rows are over 1 MiB: scan a smaller range, or with a limit");
    } else if (status == PDR_OK || status == PDR_NOT_FOUND) {
        pdr_writer_init(&reply, NULL, 0, (1u << 20) + 8);
        pdr_write_array(&reply, count);
        pdr_write_raw(&reply, pairs.data, pairs.size);
        status = pdr_reply(turn, pdr_written(&reply));
        pdr_writer_release(&reply);
    }
    pdr_writer_release(&pairs);
    return status;
}

PDR_ACTOR(kv, PDR_METHOD("put", put), PDR_READER("get", get), PDR_METHOD("delete", delete), PDR_METHOD("cas", cas),
          PDR_READER("scan", scan))
