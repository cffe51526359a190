/* net/wire/limits.h: every maximum of the wire, in one place. docs/reference/limits.md is written from this table.
 *
 * Each row becomes LIMIT_NAME. A limit is looked at before memory is asked for on a peer's word. */
#ifndef NET_WIRE_LIMITS_H
#define NET_WIRE_LIMITS_H

#include <perdure/ref.h>
#include <perdure/value.h>

/* clang-format off */
/*    name                   value                unit            what it bounds, and what happens at it */
#define LIMIT_TABLE(X)                                                                                                 \
    X(FRAME_BYTES_MAX,        4u << 20,            "bytes",        "one frame; a longer one ends the connection")      \
    X(DEPTH_MAX,              PDR_VALUE_DEPTH_MAX, "levels",       "nesting of a value; deeper ends the connection")   \
    X(PAYLOAD_BYTES_MAX,      1u << 20,            "bytes",        "encoded arguments or result of a call: too_large") \
    X(ARGS_MAX,               64,                  "arguments",    "of one call: too_large")                           \
    X(TYPE_BYTES_MAX,         PDR_TYPE_SIZE_MAX,   "bytes",        "TYPE of an address: invalid")                      \
    X(NAME_BYTES_MAX,         PDR_KEY_SIZE_MAX,    "bytes",        "KEY of an address: invalid")                       \
    X(METHOD_BYTES_MAX,       PDR_METHOD_SIZE_MAX, "bytes",        "name of a method: invalid")                        \
    X(KEY_BYTES_MAX,          1024,                "bytes",        "a key of an actor's state: too_large")             \
    X(VALUE_BYTES_MAX,        1u << 20,            "bytes",        "a value of an actor's state: too_large")           \
    X(OUTSTANDING_MAX,        4096,                "calls",        "unanswered on one connection: it is not read on")  \
    X(UNSENT_BYTES_MAX,       8u << 20,            "bytes",        "answers a peer leaves unread: it is not read on")  \
    X(UNREAD_BYTES_MAX,       32u << 20,           "bytes",        "beyond: a reader's is overloaded, others end it")  \
    X(UNREAD_EVENT_BYTES_MAX, 4u << 20,            "bytes",        "unread on a connection: its events wait")          \
    X(WATCHES_MAX,            1024,                "actors",       "that one connection watches: overloaded")          \
    X(DEADLINE_MS_DEFAULT,    30000,               "milliseconds", "deadline of a call that gives none")               \
    X(DEADLINE_MS_MAX,        24u * 3600 * 1000,   "milliseconds", "deadline of any call: invalid")                    \
    X(CLIENT_NAME_BYTES_MAX,  128,                 "bytes",        "\"client\" of hello: invalid")                     \
    X(SESSION_BYTES_MAX,      64,                  "bytes",        "\"session\" of hello: invalid")                    \
    X(TOKEN_BYTES_MAX,        4096,                "bytes",        "\"token\" of hello: invalid")
/* clang-format on */

enum limit {
#define LIMIT_ENUM(name, value, unit, text) LIMIT_##name = (int)(value),
    LIMIT_TABLE(LIMIT_ENUM)
#undef LIMIT_ENUM
};

#endif
