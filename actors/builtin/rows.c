/* actors/builtin/rows.c: numbered keys, rows of numbers, arguments within bounds. */
#include "actors/builtin/rows.h"

static void put_number(uint8_t *at, int64_t number)
{
    for (int i = 0; i < 8; i++) {
        at[i] = (uint8_t)((uint64_t)number >> (56 - 8 * i));
    }
}

struct row_key row_key(char table, int64_t number)
{
    struct row_key key = {.data = {(uint8_t)table}, .size = 1 + 8};
    put_number(key.data + 1, number);
    return key;
}

struct row_key row_key2(char table, int64_t first, int64_t second)
{
    struct row_key key = row_key(table, first);
    put_number(key.data + 9, second);
    key.size = 1 + 8 + 8;
    return key;
}

int64_t row_number(struct pdr_bytes key, int which)
{
    const uint8_t *at = (const uint8_t *)key.data + 1 + 8 * which;
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) {
        number = number << 8 | at[i];
    }
    return (int64_t)number;
}

int row_put(pdr_turn *turn, struct pdr_bytes key, const int64_t *numbers, uint32_t count)
{
    uint8_t room[5 + 9 * ROW_NUMBERS_MAX];
    pdr_writer writer;
    pdr_writer_init(&writer, room, sizeof room, sizeof room);
    pdr_write_array(&writer, count);
    for (uint32_t i = 0; i < count; i++) {
        pdr_write_int(&writer, numbers[i]);
    }
    return pdr_put(turn, key, pdr_written(&writer));
}

int row_get(pdr_turn *turn, struct pdr_bytes key, int64_t *numbers, uint32_t count)
{
    struct pdr_bytes value;
    int status = pdr_get(turn, key, &value);
    if (status != PDR_OK) {
        return status;
    }
    struct pdr_bytes rest = pdr_value_items(value);
    for (uint32_t i = 0; i < count; i++) {
        if (!pdr_value_int(pdr_value_next(&rest), &numbers[i])) {
            return pdr_fail_status(turn, PDR_INTERNAL, "a row of the actor's state is not as this version writes it");
        }
    }
    return PDR_OK;
}

int row_argument(pdr_turn *turn, const pdr_args *args, uint32_t k, const char *what, int64_t low, int64_t high,
                 int64_t otherwise, int64_t *out)
{
    enum pdr_kind kind = pdr_value_kind(pdr_arg(args, k));
    *out = otherwise;
    if (kind == PDR_KIND_NONE || kind == PDR_KIND_NIL) {
        return PDR_OK;
    }
    if (!pdr_value_int(pdr_arg(args, k), out) || *out < low || *out > high) {
        return pdr_fail_status(turn, PDR_INVALID, "argument %u, %s, must be an integer from %lld to %lld", k + 1, what,
                               (long long)low, (long long)high);
    }
    return PDR_OK;
}
