/* tests/fuzz/fuzz_address.c: hostile names: TYPE/KEY, TYPE/KEY.METHOD (include/perdure/ref.h), HOST:PORT
 * (net/transport/address.h). What is accepted is put together again and must be the same text. */
#include <perdure/ref.h>

#include "net/transport/address.h"
#include "tests/fuzz/fuzz.h"

static bool is_word(struct pdr_bytes text, bool upper)
{
    const char *c = text.data;
    for (size_t i = 0; i < text.size; i++) {
        bool letter = (c[i] >= 'a' && c[i] <= 'z') || (upper && c[i] >= 'A' && c[i] <= 'Z') || c[i] == '_';
        bool other = i > 0 && ((c[i] >= '0' && c[i] <= '9') || c[i] == '-');
        if (!letter && !other) {
            return false;
        }
    }
    return text.size > 0;
}

static void check_ref(const struct pdr_ref *ref, struct pdr_bytes text)
{
    FUZZ_CHECK(fuzz_inside(ref->type, text) && fuzz_inside(ref->key, text));
    FUZZ_CHECK(ref->type.data == text.data && ref->type.size + 1 + ref->key.size == text.size);
    FUZZ_CHECK(((const char *)text.data)[ref->type.size] == '/');
    FUZZ_CHECK(ref->type.size <= PDR_TYPE_SIZE_MAX && is_word(ref->type, false));
    FUZZ_CHECK(ref->key.size > 0 && ref->key.size <= PDR_KEY_SIZE_MAX);
    for (size_t i = 0; i < ref->key.size; i++) {
        uint8_t c = ((const uint8_t *)ref->key.data)[i];
        FUZZ_CHECK(c >= 0x20 && c != 0x7f && c != 0xc0 && c != 0xc1 && c <= 0xf4);
    }
}

static void check_tag(struct pdr_bytes key)
{
    struct pdr_bytes tag = pdr_ref_tag(key);
    uint8_t *copy = fuzz_copy(tag.data, tag.size);
    FUZZ_CHECK(tag.size > 0 && fuzz_inside(tag, key));
    if (tag.size != key.size) { /* placed by the tag alone */
        FUZZ_CHECK(((const char *)tag.data)[-1] == '{' && ((const char *)tag.data)[tag.size] == '}');
        FUZZ_CHECK(memchr(tag.data, '}', tag.size) == NULL);
    }
    if (memchr(copy, '{', tag.size) == NULL) {
        FUZZ_CHECK(pdr_ref_hash(key) == pdr_ref_hash(pdr_bytes(copy, tag.size)));
    }
    free(copy);
}

static void fuzz_ref(struct pdr_bytes text)
{
    struct pdr_ref ref;
    const char *why = NULL;
    if (pdr_ref_parse(text, &ref, &why) == PDR_OK) {
        check_ref(&ref, text);
        check_tag(ref.key);
    } else {
        FUZZ_CHECK(why != NULL && strlen(why) > 10);
        FUZZ_CHECK(pdr_ref_parse(text, &ref, NULL) == PDR_INVALID);
    }
}

static void fuzz_call(struct pdr_bytes text)
{
    struct pdr_ref ref, alone;
    struct pdr_bytes method;
    const char *why = NULL;
    if (pdr_ref_parse_call(text, &ref, &method, &why) != PDR_OK) {
        FUZZ_CHECK(why != NULL && strlen(why) > 10);
        return;
    }
    struct pdr_bytes address = pdr_bytes(text.data, text.size - method.size - 1);
    FUZZ_CHECK(fuzz_inside(method, text) && ((const char *)method.data)[-1] == '.');
    FUZZ_CHECK(method.size <= PDR_METHOD_SIZE_MAX && is_word(method, true));
    check_ref(&ref, address);
    FUZZ_CHECK(pdr_ref_parse(address, &alone, &why) == PDR_OK);
    FUZZ_CHECK(pdr_bytes_equal(alone.key, ref.key) && pdr_bytes_equal(alone.type, ref.type));
}

static void fuzz_host(const char *text)
{
    struct address address, again;
    char why[256] = "", joined[300];
    if (address_parse(text, &address, why, sizeof why) != PDR_OK) {
        FUZZ_CHECK(strlen(why) > 10 && strlen(why) < sizeof why);
        return;
    }
    bool v6 = strchr(address.host, ':') != NULL;
    FUZZ_CHECK(address.host[0] != '\0' && strlen(address.host) <= ADDRESS_HOST_MAX);
    FUZZ_CHECK(strtoul(address.service, NULL, 10) == address.port);
    snprintf(joined, sizeof joined, v6 ? "[%s]:%s" : "%s:%s", address.host, address.service);
    FUZZ_CHECK(address_parse(joined, &again, why, sizeof why) == PDR_OK);
    FUZZ_CHECK(strcmp(again.host, address.host) == 0 && again.port == address.port);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *text = fuzz_copy(data, size); /* without a terminator: slices have none */
    char *string = malloc(size + 1);
    FUZZ_CHECK(string != NULL);
    memcpy(string, text, size);
    string[size] = '\0';
    fuzz_ref(pdr_bytes(text, size));
    fuzz_call(pdr_bytes(text, size));
    fuzz_host(string);
    free(string);
    free(text);
    return 0;
}
