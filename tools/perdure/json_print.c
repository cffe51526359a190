/* tools/perdure/json_print.c: MessagePack to JSON, straight from the bytes. */
#include "tools/perdure/json_value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/perdure/base64.h"
#include "tools/perdure/utf8.h"

static void put(pdr_writer *out, const char *text)
{
    pdr_write_raw(out, text, strlen(text));
}

static void print_any(pdr_value value, pdr_writer *out);

static void print_base64(pdr_writer *out, const char *before, struct pdr_bytes bytes, const char *after)
{
    put(out, before);
    base64_encode(bytes, out);
    put(out, after);
}

/* C1 controls are escaped too: a terminal might obey them. */
void json_print_string(struct pdr_bytes text, pdr_writer *out)
{
    const uint8_t *at = text.data;
    put(out, "\"");
    for (size_t i = 0; i < text.size;) {
        uint32_t c;
        size_t size = utf8_next(at + i, text.size - i, &c);
        char escape[8] = {'\\', (char)c, 0};
        if (c == '"' || c == '\\') {
            put(out, escape);
        } else if (c == '\n') {
            put(out, "\\n");
        } else if (c == '\t') {
            put(out, "\\t");
        } else if (c < 0x20 || (c >= 0x7f && c < 0xa0)) {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)c);
            put(out, escape);
        } else {
            pdr_write_raw(out, at + i, size);
        }
        i += size == 0 ? 1 : size;
    }
    put(out, "\"");
}

static void print_float(double number, pdr_writer *out)
{
    char text[40];
    if (isnan(number) || isinf(number)) {
        put(out, isnan(number) ? "{\"$float\":\"nan\"}"
                 : number > 0  ? "{\"$float\":\"inf\"}"
                               : "{\"$float\":\"-inf\"}");
        return;
    }
    for (int digits = 15; digits <= 17; digits++) { /* the shortest that reads back the same */
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number) {
            break;
        }
    }
    put(out, text);
    if (strpbrk(text, ".e") == NULL) {
        put(out, ".0"); /* still a double when it is read */
    }
}

/* Type and bytes of an extension: what follows its head. */
static void print_ext(pdr_value value, pdr_writer *out)
{
    const uint8_t *at = value.data;
    size_t head = *at >= 0xd4 && *at <= 0xd8 ? 2 : *at == 0xc7 ? 3 : *at == 0xc8 ? 4 : 6;
    char type[24];
    snprintf(type, sizeof type, "{\"$ext\":[%d,\"", (int8_t)at[head - 1]);
    print_base64(out, type, pdr_bytes(at + head, value.size - head), "\"]}");
}

static void print_str(pdr_value value, pdr_writer *out)
{
    struct pdr_bytes text = {NULL, 0};
    pdr_value_bytes(value, &text);
    if (utf8_is(text)) {
        json_print_string(text, out);
    } else {
        print_base64(out, "{\"$str\":\"", text, "\"}");
    }
}

static int compare_keys(const void *a, const void *b)
{
    return pdr_bytes_compare(*(const struct pdr_bytes *)a, *(const struct pdr_bytes *)b);
}

/* Whether a JSON object with these keys would read back as the same map. */
static bool is_plain(pdr_value map)
{
    uint32_t count = pdr_value_count(map);
    struct pdr_bytes items = pdr_value_items(map), *keys = calloc(count + 1u, sizeof *keys);
    bool plain = keys != NULL;
    for (uint32_t i = 0; plain && i < count; i++) {
        pdr_value key = pdr_value_next(&items);
        pdr_value_next(&items);
        plain = pdr_value_kind(key) == PDR_KIND_STR && pdr_value_bytes(key, &keys[i]) && utf8_is(keys[i]) &&
                (keys[i].size == 0 || memchr(keys[i].data, 0, keys[i].size) == NULL);
    }
    if (plain && count == 1) {
        plain = !json_is_special(keys[0]);
    } else if (plain && count > 1) {
        qsort(keys, count, sizeof *keys, compare_keys);
        for (uint32_t i = 1; plain && i < count; i++) {
            plain = !pdr_bytes_equal(keys[i - 1], keys[i]);
        }
    }
    free(keys);
    return plain;
}

static void print_map(pdr_value map, pdr_writer *out)
{
    struct pdr_bytes items = pdr_value_items(map);
    uint32_t count = pdr_value_count(map);
    bool plain = is_plain(map);
    put(out, plain ? "{" : "{\"$map\":[");
    for (uint32_t i = 0; i < count; i++) {
        put(out, i > 0 ? "," : "");
        put(out, plain ? "" : "[");
        print_any(pdr_value_next(&items), out);
        put(out, plain ? ":" : ",");
        print_any(pdr_value_next(&items), out);
        put(out, plain ? "" : "]");
    }
    put(out, plain ? "}" : "]}");
}

static void print_array(pdr_value array, pdr_writer *out)
{
    struct pdr_bytes items = pdr_value_items(array);
    uint32_t count = pdr_value_count(array);
    put(out, "[");
    for (uint32_t i = 0; i < count; i++) {
        put(out, i > 0 ? "," : "");
        print_any(pdr_value_next(&items), out);
    }
    put(out, "]");
}

static void print_any(pdr_value value, pdr_writer *out)
{
    char text[48];
    int64_t whole = 0;
    uint64_t large = 0;
    double number = 0;
    bool yes = false;
    struct pdr_bytes bytes = {NULL, 0};
    switch (pdr_value_kind(value)) {
    case PDR_KIND_BOOL:
        pdr_value_bool(value, &yes);
        put(out, yes ? "true" : "false");
        break;
    case PDR_KIND_INT:
        pdr_value_int(value, &whole);
        snprintf(text, sizeof text, "%" PRId64, whole);
        put(out, text);
        break;
    case PDR_KIND_UINT:
        pdr_value_uint(value, &large);
        snprintf(text, sizeof text, "{\"$uint\":\"%" PRIu64 "\"}", large);
        put(out, text);
        break;
    case PDR_KIND_FLOAT:
        pdr_value_float(value, &number);
        print_float(number, out);
        break;
    case PDR_KIND_STR:
        print_str(value, out);
        break;
    case PDR_KIND_BIN:
        pdr_value_bytes(value, &bytes);
        print_base64(out, "{\"$bin\":\"", bytes, "\"}");
        break;
    case PDR_KIND_ARRAY:
        print_array(value, out);
        break;
    case PDR_KIND_MAP:
        print_map(value, out);
        break;
    case PDR_KIND_EXT:
        print_ext(value, out);
        break;
    default:
        put(out, "null");
        break;
    }
}

bool json_print(pdr_value value, pdr_writer *text)
{
    if (value.size == 0 || pdr_value_skip(value.data, value.size, PDR_VALUE_DEPTH_MAX) != (int64_t)value.size) {
        return false;
    }
    print_any(value, text);
    return !text->failed;
}
