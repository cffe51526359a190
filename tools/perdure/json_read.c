/* tools/perdure/json_read.c: JSON to MessagePack, by jansson. */
#include "tools/perdure/json_value.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/perdure/base64.h"
#include "tools/perdure/utf8.h"

struct reader {
    pdr_writer *out;
    char *why;
    size_t why_size;
};

static bool read_any(struct reader *r, json_t *json, int depth);

PDR_PRINTF(2, 3) static bool refuse(struct reader *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->why, r->why_size, format, args);
    va_end(args);
    return false;
}

static struct pdr_bytes string_of(const json_t *json)
{
    return json_is_string(json) ? pdr_bytes(json_string_value(json), json_string_length(json)) : pdr_bytes(NULL, 0);
}

/* Bytes out of base64, kept until `bytes` is released. */
static bool decode(struct reader *r, const char *key, const json_t *json, pdr_writer *bytes)
{
    pdr_writer_init(bytes, NULL, 0, 0);
    if (json_is_string(json) && base64_decode(string_of(json), bytes) && !bytes->failed) {
        return true;
    }
    return refuse(r, "{\"%s\": ...} takes bytes in base64", key);
}

static bool read_bin(struct reader *r, json_t *json, int depth)
{
    pdr_writer bytes;
    bool fine = decode(r, "$bin", json, &bytes);
    if (fine) {
        pdr_write_bin(r->out, pdr_written(&bytes));
    }
    pdr_writer_release(&bytes);
    return fine;
}

static bool read_str(struct reader *r, json_t *json, int depth)
{
    pdr_writer bytes;
    bool fine = decode(r, "$str", json, &bytes);
    if (fine) {
        pdr_write_str(r->out, pdr_written(&bytes));
    }
    pdr_writer_release(&bytes);
    return fine;
}

static bool read_ext(struct reader *r, json_t *json, int depth)
{
    json_t *type = json_array_get(json, 0);
    if (json_array_size(json) != 2 || !json_is_integer(type) || json_integer_value(type) < -128 ||
        json_integer_value(type) > 127) {
        return refuse(r, "{\"$ext\": [TYPE, BASE64]} has a TYPE of -128 to 127");
    }
    pdr_writer bytes;
    bool fine = decode(r, "$ext", json_array_get(json, 1), &bytes);
    if (fine) {
        uint32_t n = (uint32_t)bytes.size;
        uint8_t head[] = {0xc9,
                          (uint8_t)(n >> 24),
                          (uint8_t)(n >> 16),
                          (uint8_t)(n >> 8),
                          (uint8_t)n,
                          (uint8_t)json_integer_value(type)};
        pdr_write_raw(r->out, head, sizeof head);
        pdr_write_raw(r->out, bytes.data, bytes.size);
    }
    pdr_writer_release(&bytes);
    return fine;
}

static bool read_uint(struct reader *r, json_t *json, int depth)
{
    struct pdr_bytes digits = string_of(json);
    char *end = NULL;
    errno = 0;
    unsigned long long n =
        digits.size > 0 && strspn(digits.data, "0123456789") == digits.size ? strtoull(digits.data, &end, 10) : 0;
    if (end == NULL || errno != 0) {
        return refuse(r, "{\"$uint\": \"DIGITS\"} is 0 to 18446744073709551615");
    }
    pdr_write_uint(r->out, n);
    return true;
}

static bool read_float(struct reader *r, json_t *json, int depth)
{
    static const struct {
        const char *name;
        double value;
    } named[] = {{"nan", NAN}, {"inf", INFINITY}, {"-inf", -INFINITY}};
    for (size_t i = 0; i < sizeof named / sizeof *named; i++) {
        if (pdr_bytes_equal(string_of(json), pdr_str(named[i].name))) {
            pdr_write_float(r->out, named[i].value);
            return true;
        }
    }
    return refuse(r, "{\"$float\": ...} is \"nan\", \"inf\" or \"-inf\"");
}

static bool read_map(struct reader *r, json_t *json, int depth)
{
    if (!json_is_array(json)) {
        return refuse(r, "{\"$map\": [[KEY, VALUE], ...]} takes a list of pairs");
    }
    pdr_write_map(r->out, (uint32_t)json_array_size(json));
    for (size_t i = 0; i < json_array_size(json); i++) {
        json_t *pair = json_array_get(json, i);
        if (json_array_size(pair) != 2) {
            return refuse(r, "{\"$map\": [[KEY, VALUE], ...]} takes a list of pairs");
        }
        if (!read_any(r, json_array_get(pair, 0), depth + 1) || !read_any(r, json_array_get(pair, 1), depth + 1)) {
            return false;
        }
    }
    return true;
}

/* What JSON has no word for. */
static const struct special {
    const char *key;
    bool (*read)(struct reader *r, json_t *json, int depth);
} specials[] = {{"$bin", read_bin},     {"$ext", read_ext}, {"$uint", read_uint},
                {"$float", read_float}, {"$str", read_str}, {"$map", read_map}};
#define SPECIALS (sizeof specials / sizeof *specials)

static const struct special *find(struct pdr_bytes key)
{
    for (size_t i = 0; i < SPECIALS; i++) {
        if (pdr_bytes_equal(key, pdr_str(specials[i].key))) {
            return &specials[i];
        }
    }
    return NULL;
}

bool json_is_special(struct pdr_bytes key)
{
    return find(key) != NULL;
}

static bool read_object(struct reader *r, json_t *json, int depth)
{
    const char *key;
    json_t *value;
    const struct special *special = NULL;
    if (json_object_size(json) == 1) {
        special = find(pdr_str(json_object_iter_key(json_object_iter(json))));
    }
    if (special != NULL) {
        return special->read(r, json_object_get(json, special->key), depth);
    }
    pdr_write_map(r->out, (uint32_t)json_object_size(json));
    json_object_foreach(json, key, value)
    {
        pdr_write_cstr(r->out, key);
        if (!read_any(r, value, depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool read_array(struct reader *r, json_t *json, int depth)
{
    pdr_write_array(r->out, (uint32_t)json_array_size(json));
    for (size_t i = 0; i < json_array_size(json); i++) {
        if (!read_any(r, json_array_get(json, i), depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool read_any(struct reader *r, json_t *json, int depth)
{
    if (depth > PDR_VALUE_DEPTH_MAX) {
        return refuse(r, "it is nested deeper than %d levels", PDR_VALUE_DEPTH_MAX);
    }
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return read_object(r, json, depth);
    case JSON_ARRAY:
        return read_array(r, json, depth);
    case JSON_STRING:
        pdr_write_str(r->out, string_of(json));
        return true;
    case JSON_INTEGER:
        pdr_write_int(r->out, json_integer_value(json));
        return true;
    case JSON_REAL:
        pdr_write_float(r->out, json_real_value(json));
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        pdr_write_bool(r->out, json_is_true(json));
        return true;
    default:
        pdr_write_nil(r->out);
        return true;
    }
}

/* Well-formed, and yet not to be had: that must not pass for a string. */
static bool explain(struct reader *r, const json_error_t *error)
{
    switch (json_error_code(error)) {
    case json_error_numeric_overflow:
        return refuse(r, "a number does not fit 64 bits; up to 2^64 - 1 it can be written {\"$uint\": \"DIGITS\"}");
    case json_error_duplicate_key:
        return refuse(r, "an object has a key twice");
    case json_error_null_byte_in_key:
        return refuse(r, "a key has a \\u0000");
    case json_error_stack_overflow:
        return refuse(r, "it is nested deeper than %d levels", PDR_VALUE_DEPTH_MAX);
    default:
        return true;
    }
}

enum json_reading json_read(struct pdr_bytes text, pdr_writer *value, char *why, size_t why_size)
{
    struct reader r = {value, why, why_size};
    json_error_t error;
    json_t *json = json_loadb(text.data, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        return explain(&r, &error) ? JSON_NO : JSON_REFUSED;
    }
    bool fine = read_any(&r, json, 0);
    json_decref(json);
    if (fine && value->failed) {
        fine = refuse(&r, "it is too large");
    }
    return fine ? JSON_READ : JSON_REFUSED;
}

bool json_read_argument(const char *text, pdr_writer *value, char *why, size_t why_size)
{
    switch (json_read(pdr_str(text), value, why, why_size)) {
    case JSON_READ:
        return true;
    case JSON_REFUSED:
        return false;
    default:
        break;
    }
    if (!utf8_is(pdr_str(text))) {
        snprintf(why, why_size, "it is not UTF-8; write bytes as {\"$bin\": BASE64}");
        return false;
    }
    pdr_write_cstr(value, text);
    return true;
}
