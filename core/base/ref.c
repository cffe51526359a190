/* core/base/ref.c: addresses: parsed strictly, placed stably. */
#include <perdure/ref.h>
#include <stdbool.h>
#include <stdint.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { TYPE_FIRST = 1, TYPE_REST = 2, METHOD_FIRST = 4, METHOD_REST = 8 };

/* A table, because every call's address passes here. */
static const uint8_t classes[256] = {
    ['a' ... 'z'] = TYPE_FIRST | TYPE_REST | METHOD_FIRST | METHOD_REST,
    ['A' ... 'Z'] = METHOD_FIRST | METHOD_REST,
    ['0' ... '9'] = TYPE_REST | METHOD_REST,
    ['_'] = TYPE_FIRST | TYPE_REST | METHOD_FIRST | METHOD_REST,
    ['-'] = TYPE_REST | METHOD_REST,
};

static bool is_name(const uint8_t *at, size_t size, unsigned first, unsigned rest)
{
    if (size == 0 || !(classes[*at] & first)) {
        return false;
    }
    for (size_t i = 1; i < size; i++) {
        if (!(classes[at[i]] & rest)) {
            return false;
        }
    }
    return true;
}

/* One code point of two to four bytes (RFC 3629): its size, or 0. Control characters C1 are refused too. */
static size_t long_char(const uint8_t *at, size_t size)
{
    size_t n = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || size < n) {
        return 0;
    }
    uint32_t c = at[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        c = c << 6 | (at[i] & 0x3f);
    }
    bool overlong = (n == 3 && c < 0x800) || (n == 4 && c < 0x10000);
    bool surrogate = c >= 0xd800 && c <= 0xdfff;
    return overlong || surrogate || c > 0x10ffff || c < 0xa0 ? 0 : n;
}

/* Eight bytes at once: none over 0x7e, none below 0x20. A borrow may make the byte above a bad one look bad too; no bad
 * one looks good. */
static bool all_plain(const uint8_t *at)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t x;
    memcpy(&x, at, sizeof x);
    uint64_t below = (x - ones * 0x20) & ~x, deletes = (x ^ ones * 0x7f) - ones;
    return ((below | deletes | x) & tops) == 0;
}

static bool is_key(const uint8_t *at, size_t size)
{
    for (size_t i = 0; i < size;) {
        if (size - i >= 8 && all_plain(at + i)) {
            i += 8;
        } else if (at[i] < 0x80) {
            if (at[i] < 0x20 || at[i] == 0x7f) {
                return false;
            }
            i++;
        } else {
            size_t n = long_char(at + i, size - i);
            if (n == 0) {
                return false;
            }
            i += n;
        }
    }
    return true;
}

static enum pdr_status refuse(const char **why, const char *sentence)
{
    if (why != NULL) {
        *why = sentence;
    }
    return PDR_INVALID;
}

enum pdr_status pdr_ref_parse(struct pdr_bytes text, struct pdr_ref *out, const char **why)
{
    const uint8_t *at = text.data;
    const uint8_t *slash = text.size == 0 ? NULL : memchr(at, '/', text.size);
    if (slash == NULL) {
        return refuse(why, "an address is TYPE/KEY, and this has no '/'");
    }
    size_t type_size = (size_t)(slash - at), key_size = text.size - type_size - 1;
    if (type_size > PDR_TYPE_SIZE_MAX) {
        return refuse(why, "a type's name has at most 64 bytes (limit type_bytes_max)");
    }
    if (!is_name(at, type_size, TYPE_FIRST, TYPE_REST)) {
        return refuse(why, "a type's name is [a-z_][a-z0-9_-]{0,63}");
    }
    if (key_size == 0 || key_size > PDR_KEY_SIZE_MAX) {
        return refuse(why, "a key has 1 to 512 bytes (limit name_bytes_max)");
    }
    if (!is_key(slash + 1, key_size)) {
        return refuse(why, "a key is UTF-8 without control characters");
    }
    out->type = pdr_bytes(at, type_size);
    out->key = pdr_bytes(slash + 1, key_size);
    return PDR_OK;
}

enum pdr_status pdr_ref_parse_call(struct pdr_bytes text, struct pdr_ref *out, struct pdr_bytes *method,
                                   const char **why)
{
    const uint8_t *at = text.data;
    const uint8_t *dot = text.size == 0 ? NULL : memrchr(at, '.', text.size);
    if (dot == NULL) {
        return refuse(why, "a call is TYPE/KEY.METHOD, and this has no '.'");
    }
    size_t size = text.size - (size_t)(dot - at) - 1;
    if (size > PDR_METHOD_SIZE_MAX) {
        return refuse(why, "a method's name has at most 64 bytes (limit method_bytes_max)");
    }
    if (!is_name(dot + 1, size, METHOD_FIRST, METHOD_REST)) {
        return refuse(why, "a method's name is [A-Za-z_][A-Za-z0-9_-]{0,63}");
    }
    enum pdr_status status = pdr_ref_parse(pdr_bytes(at, (size_t)(dot - at)), out, why);
    if (status == PDR_OK) {
        *method = pdr_bytes(dot + 1, size);
    }
    return status;
}

struct pdr_bytes pdr_ref_tag(struct pdr_bytes key)
{
    const char *from = key.data, *end = from + key.size;
    const char *open = key.size == 0 ? NULL : memchr(from, '{', key.size);
    while (open != NULL) {
        const char *close = memchr(open, '}', (size_t)(end - open));
        if (close == NULL) {
            break;
        }
        if (close > open + 1) {
            return pdr_bytes(open + 1, (size_t)(close - open - 1));
        }
        open = memchr(close, '{', (size_t)(end - close));
    }
    return key;
}

unsigned long long pdr_ref_hash(struct pdr_bytes key)
{
    struct pdr_bytes tag = pdr_ref_tag(key);
    return XXH3_64bits(tag.data, tag.size);
}
