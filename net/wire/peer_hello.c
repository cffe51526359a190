/* net/wire/peer_hello.c: hello and refusal, from and to MessagePack. */
#include "net/wire/peer_hello.h"

#include "core/base/limits.h"

#define CLUSTER_BYTES_MAX 64u

/* Each is false if the field is not there, or not that. */

static bool read_uint(pdr_value map, const char *key, uint64_t low, uint64_t high, uint64_t *out)
{
    return pdr_value_uint(pdr_value_get(map, key), out) && *out >= low && *out <= high;
}

static bool read_uint32(pdr_value map, const char *key, uint64_t low, uint64_t high, uint32_t *out)
{
    uint64_t value;
    bool is_there = read_uint(map, key, low, high, &value);
    *out = is_there ? (uint32_t)value : 0;
    return is_there;
}

static bool read_bytes(pdr_value map, const char *key, size_t low, size_t high, struct pdr_bytes *out)
{
    return pdr_value_bytes(pdr_value_get(map, key), out) && out->size >= low && out->size <= high;
}

static bool read_versions(pdr_value map, struct peer_hello *out)
{
    uint64_t low, high;
    pdr_value pair = pdr_value_get(map, "versions");
    if (!pdr_value_uint(pdr_value_at(pair, 0), &low) || !pdr_value_uint(pdr_value_at(pair, 1), &high) || low == 0 ||
        low > high || high > UINT32_MAX) {
        return false;
    }
    out->version_min = (uint32_t)low;
    out->version_max = (uint32_t)high;
    return true;
}

/* May be left out. */
static bool read_knocks(pdr_value map, bool *out)
{
    pdr_value knocks = pdr_value_get(map, "knocks");
    *out = false;
    return knocks.size == 0 || pdr_value_bool(knocks, out);
}

enum pdr_status peer_hello_parse(struct pdr_bytes payload, struct peer_hello *out, const char **why)
{
    struct pdr_bytes nonce;
    *out = (struct peer_hello){0};
    if (pdr_value_skip(payload.data, payload.size, LIMIT_DEPTH_MAX) != (int64_t)payload.size || payload.size == 0 ||
        pdr_value_kind(payload) != PDR_KIND_MAP) {
        *why = "the hello of a node must be a map";
    } else if (!read_versions(payload, out)) {
        *why = "\"versions\" of a node's hello must be [lowest, highest]";
    } else if (!read_uint(payload, "features", 0, UINT64_MAX, &out->features)) {
        *why = "\"features\" of a node's hello must be an integer";
    } else if (!read_bytes(payload, "cluster", 1, CLUSTER_BYTES_MAX, &out->cluster)) {
        *why = "\"cluster\" of a node's hello must be a string of 1 to 64 bytes";
    } else if (!read_uint(payload, "node", 1, UINT64_MAX, &out->node)) {
        *why = "\"node\" of a node's hello must be an integer above 0";
    } else if (!read_uint(payload, "incarnation", 0, UINT64_MAX, &out->incarnation)) {
        *why = "\"incarnation\" of a node's hello must be an integer";
    } else if (!pdr_value_bool(pdr_value_get(payload, "dials"), &out->dials)) {
        *why = "\"dials\" of a node's hello must be true or false";
    } else if (!read_knocks(payload, &out->knocks)) {
        *why = "\"knocks\" of a node's hello must be true or false";
    } else if (!read_uint(payload, "to", 1, UINT64_MAX, &out->to)) {
        *why = "\"to\" of a node's hello must be an integer above 0";
    } else if (!read_uint32(payload, "cores", 1, LIMIT_PEER_CORES_MAX, &out->cores)) {
        *why = "\"cores\" of a node's hello must be an integer above 0 (limit peer_cores_max)";
    } else if (!read_uint32(payload, "core", 0, UINT16_MAX, &out->core)) {
        *why = "\"core\" of a node's hello must be an integer to 65535";
    } else if (!read_bytes(payload, "address", 0, LIMIT_ADDRESS_BYTES_MAX, &out->address)) {
        *why = "\"address\" of a node's hello must be a string (limit address_bytes_max)";
    } else if (!read_bytes(payload, "nonce", PEER_NONCE_SIZE, PEER_NONCE_SIZE, &nonce)) {
        *why = "\"nonce\" of a node's hello must be 32 bytes";
    } else {
        out->nonce = nonce.data;
        return PDR_OK;
    }
    return PDR_INVALID;
}

static void write_uint(pdr_writer *out, const char *key, uint64_t value)
{
    pdr_write_cstr(out, key);
    pdr_write_uint(out, value);
}

void peer_hello_encode(pdr_writer *out, const struct peer_hello *hello)
{
    pdr_write_map(out, 12);
    pdr_write_cstr(out, "versions");
    pdr_write_array(out, 2);
    pdr_write_uint(out, hello->version_min);
    pdr_write_uint(out, hello->version_max);
    write_uint(out, "features", hello->features);
    pdr_write_cstr(out, "cluster");
    pdr_write_str(out, hello->cluster);
    write_uint(out, "node", hello->node);
    write_uint(out, "incarnation", hello->incarnation);
    pdr_write_cstr(out, "dials");
    pdr_write_bool(out, hello->dials);
    pdr_write_cstr(out, "knocks");
    pdr_write_bool(out, hello->knocks);
    write_uint(out, "to", hello->to);
    write_uint(out, "core", hello->core);
    write_uint(out, "cores", hello->cores);
    pdr_write_cstr(out, "address");
    pdr_write_str(out, hello->address);
    pdr_write_cstr(out, "nonce");
    pdr_write_bin(out, pdr_bytes(hello->nonce, PEER_NONCE_SIZE));
}

/* Refusals. */

const char *peer_refusal_code(enum peer_refusal refusal)
{
    static const char *const codes[] = {
#define PEER_REFUSAL_CODE(name, code, text) code,
        PEER_REFUSAL_TABLE(PEER_REFUSAL_CODE)
#undef PEER_REFUSAL_CODE
    };
    return codes[refusal];
}

void peer_refusal_encode(pdr_writer *out, enum peer_refusal refusal, const char *sentence)
{
    pdr_write_array(out, 2);
    pdr_write_cstr(out, peer_refusal_code(refusal));
    pdr_write_cstr(out, sentence);
}

void peer_refusal_text(struct pdr_bytes payload, char *text, size_t size)
{
    struct pdr_bytes sentence = {0};
    if (pdr_value_skip(payload.data, payload.size, LIMIT_DEPTH_MAX) == (int64_t)payload.size) {
        (void)pdr_value_bytes(pdr_value_at(payload, 1), &sentence);
    }
    size_t length = sentence.size < size - 1 ? sentence.size : size - 1;
    const char *from = sentence.data;
    for (size_t i = 0; i < length; i++) {
        text[i] = from[i];
        if (from[i] < ' ' || from[i] > '~') {
            text[i] = '?';
        }
    }
    text[length] = '\0';
}
