/* net/wire/rpc.c: arguments of `_sys/conn.*`, each message as a table of fields. */
#include "net/wire/rpc.h"

#include <stddef.h>

#include "core/base/limits.h"

/* What a field may hold, where it goes, and the sentence when it holds anything else. */
enum field_kind { FIELD_BYTES, FIELD_UINT, FIELD_BOOL, FIELD_DURABILITY };

struct field {
    const char *name;
    enum field_kind kind;
    uint64_t low, high; /* a number, or a number of bytes */
    size_t at;          /* in the message */
    size_t has_at;      /* a bool in the message; 0: none */
    const char *why;
};

#define HELLO(member) offsetof(struct rpc_hello, member)
static const struct field hello_fields[] = {
    {"client", FIELD_BYTES, 0, LIMIT_CLIENT_NAME_BYTES_MAX, HELLO(client), 0,
     "\"client\" of hello must be a string of at most 128 bytes (limit client_name_bytes_max)"},
    {"session", FIELD_BYTES, 0, LIMIT_SESSION_BYTES_MAX, HELLO(session), HELLO(has_session),
     "\"session\" of hello must be the bytes that an earlier hello answered, at most 64 (limit "
     "session_bytes_max), or empty to open a session"},
    {"token", FIELD_BYTES, 0, LIMIT_TOKEN_BYTES_MAX, HELLO(token), 0,
     "\"token\" of hello must be a string of at most 4096 bytes (limit token_bytes_max)"},
    {"deadline_ms", FIELD_UINT, 1, LIMIT_DEADLINE_MS_MAX, HELLO(deadline_ms), 0,
     "\"deadline_ms\" of hello must be an integer from 1 to 86400000 (limit deadline_ms_max)"},
    {"ack_below", FIELD_UINT, 0, UINT64_MAX, HELLO(ack_below), HELLO(has_ack_below),
     "\"ack_below\" of hello must be an integer from 0 on"},
    {NULL, FIELD_BYTES, 0, 0, 0, 0, NULL},
};

#define CALL(member) offsetof(struct rpc_call, member)
static const struct field call_fields[] = {
    {"deadline_ms", FIELD_UINT, 1, LIMIT_DEADLINE_MS_MAX, CALL(deadline_ms), 0,
     "option \"deadline_ms\" must be an integer from 1 to 86400000 (limit deadline_ms_max)"},
    {"id", FIELD_UINT, 0, UINT64_MAX, CALL(id), CALL(has_id), "option \"id\" must be an integer from 0 on"},
    {"durability", FIELD_DURABILITY, 0, 0, CALL(durability), 0,
     "option \"durability\" must be \"sync\", \"memory\" or \"volatile\""},
    {"ack_below", FIELD_UINT, 0, UINT64_MAX, CALL(ack_below), CALL(has_ack_below),
     "option \"ack_below\" must be an integer from 0 on"},
    {NULL, FIELD_BYTES, 0, 0, 0, 0, NULL},
};

#define WATCH(member) offsetof(struct rpc_watch, member)
static const struct field watch_fields[] = {
    {"after", FIELD_UINT, 0, UINT64_MAX, WATCH(after), WATCH(has_after),
     "option \"after\" must be the number of an event, from 0 on"},
    {"seq", FIELD_BOOL, 0, 0, WATCH(wants_seq), 0, "option \"seq\" must be true or false"},
    {NULL, FIELD_BYTES, 0, 0, 0, 0, NULL},
};

static bool parse_durability(pdr_value value, enum pdr_durability *out)
{
    static const char *const names[] = {
        [PDR_DURABILITY_SYNC] = "sync",
        [PDR_DURABILITY_MEMORY] = "memory",
        [PDR_DURABILITY_VOLATILE] = "volatile",
    };
    struct pdr_bytes name;
    if (!pdr_value_bytes(value, &name)) {
        return false;
    }
    for (unsigned i = PDR_DURABILITY_SYNC; i <= PDR_DURABILITY_VOLATILE; i++) {
        if (pdr_bytes_equal(name, pdr_str(names[i]))) {
            *out = (enum pdr_durability)i;
            return true;
        }
    }
    return false;
}

static bool parse_field(const struct field *field, pdr_value value, char *message)
{
    struct pdr_bytes bytes;
    uint64_t number;
    switch (field->kind) {
    case FIELD_BYTES:
        if (!pdr_value_bytes(value, &bytes) || bytes.size > field->high) {
            return false;
        }
        memcpy(message + field->at, &bytes, sizeof bytes);
        break;
    case FIELD_UINT:
        if (!pdr_value_uint(value, &number) || number < field->low || number > field->high) {
            return false;
        }
        memcpy(message + field->at, &number, sizeof number);
        break;
    case FIELD_BOOL:
        if (!pdr_value_bool(value, (bool *)(message + field->at))) {
            return false;
        }
        break;
    case FIELD_DURABILITY:
        if (!parse_durability(value, (enum pdr_durability *)(void *)(message + field->at))) {
            return false;
        }
        break;
    }
    if (field->has_at > 0) {
        *(bool *)(message + field->has_at) = true;
    }
    return true;
}

static const struct field *find_field(const struct field *fields, pdr_value key)
{
    struct pdr_bytes name;
    if (!pdr_value_bytes(key, &name)) {
        return NULL;
    }
    for (; fields->name != NULL; fields++) {
        if (pdr_bytes_equal(name, pdr_str(fields->name))) {
            return fields;
        }
    }
    return NULL;
}

/* A map, nil, or nothing. A key that comes twice counts as its last. */
static enum pdr_status parse_map(const struct field *fields, pdr_value map, void *message, const char *no_map,
                                 const char **why)
{
    enum pdr_kind kind = pdr_value_kind(map);
    if (kind == PDR_KIND_NONE || kind == PDR_KIND_NIL) {
        return PDR_OK;
    }
    if (kind != PDR_KIND_MAP) {
        *why = no_map;
        return PDR_INVALID;
    }
    struct pdr_bytes rest = pdr_value_items(map);
    for (uint32_t left = pdr_value_count(map); left > 0; left--) {
        pdr_value key = pdr_value_next(&rest), value = pdr_value_next(&rest);
        const struct field *field = find_field(fields, key);
        if (field != NULL && !parse_field(field, value, message)) {
            *why = field->why;
            return PDR_INVALID;
        }
    }
    return PDR_OK;
}

static enum pdr_status invalid(const char **why, const char *sentence)
{
    *why = sentence;
    return PDR_INVALID;
}

enum pdr_status rpc_parse_hello(struct pdr_bytes args, struct rpc_hello *out, const char **why)
{
    *out = (struct rpc_hello){0};
    if (pdr_value_count(args) > 1) {
        return invalid(why, "hello takes one argument, a map");
    }
    return parse_map(hello_fields, pdr_value_at(args, 0), out, "the argument of hello must be a map", why);
}

enum pdr_status rpc_parse_call(struct pdr_bytes args, struct rpc_call *out, const char **why)
{
    static const char shape[] = "this takes [address, method, args, options]: two strings, an array and a map";
    *out = (struct rpc_call){0};
    uint32_t count = pdr_value_count(args);
    if (count < 2 || count > 4) {
        return invalid(why, shape);
    }
    struct pdr_bytes rest = pdr_value_items(args);
    if (!pdr_value_bytes(pdr_value_next(&rest), &out->address)) {
        return invalid(why, "the address must be a string, \"TYPE/KEY\"");
    }
    if (!pdr_value_bytes(pdr_value_next(&rest), &out->method)) {
        return invalid(why, "the method must be a string");
    }
    pdr_value inner = count > 2 ? pdr_value_next(&rest) : pdr_bytes(NULL, 0);
    enum pdr_kind kind = pdr_value_kind(inner);
    if (kind == PDR_KIND_ARRAY) {
        out->args = inner;
    } else if (kind != PDR_KIND_NONE && kind != PDR_KIND_NIL) {
        return invalid(why, "the call's own arguments must be an array or nil");
    }
    pdr_value options = count > 3 ? pdr_value_next(&rest) : pdr_bytes(NULL, 0);
    return parse_map(call_fields, options, out, "the options of a call must be a map", why);
}

enum pdr_status rpc_parse_watch(struct pdr_bytes args, struct rpc_watch *out, const char **why)
{
    *out = (struct rpc_watch){0};
    uint32_t count = pdr_value_count(args);
    if (count < 1 || count > 2 || !pdr_value_bytes(pdr_value_at(args, 0), &out->address)) {
        return invalid(why, "this takes [address, options]: a string, \"TYPE/KEY\", and a map");
    }
    return parse_map(watch_fields, pdr_value_at(args, 1), out, "the options of a watch must be a map", why);
}

void rpc_parse_error(pdr_value error, struct rpc_error *out)
{
    *out = (struct rpc_error){.code = pdr_str("error")};
    if (pdr_value_bytes(error, &out->message)) {
        return;
    }
    if (!pdr_value_bytes(pdr_value_get(error, "message"), &out->message)) {
        out->message = pdr_str("the answer is an error without a message");
    }
    pdr_value_bytes(pdr_value_get(error, "code"), &out->code);
    pdr_value_uint(pdr_value_get(error, "retry_ms"), &out->retry_ms);
    pdr_value_bool(pdr_value_get(error, "final"), &out->is_final);
}

enum pdr_status rpc_check_args(struct pdr_bytes args, const char **why)
{
    if (args.size > LIMIT_PAYLOAD_BYTES_MAX) {
        *why = "the arguments of a call may have 1048576 bytes, encoded (limit payload_bytes_max)";
        return PDR_TOO_LARGE;
    }
    if (pdr_value_count(args) > LIMIT_ARGS_MAX) {
        *why = "a call may have 64 arguments (limit args_max)";
        return PDR_TOO_LARGE;
    }
    return PDR_OK;
}
