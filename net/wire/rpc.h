/* net/wire/rpc.h: the messages of the connection itself: arguments of `_sys/conn.*`, and the error of a response.
 *
 * Fields come from one table a message (rpc.c). A key that is not known is passed over, so that newer clients can talk
 * to older nodes; a key that is known with a value of the wrong kind is refused. Slices point into what was parsed. */
#ifndef NET_WIRE_RPC_H
#define NET_WIRE_RPC_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/actor.h>
#include <perdure/status.h>
#include <perdure/value.h>

/** `_sys/conn.hello [{"client", "session", "token", "deadline_ms", "ack_below"}]`; the map may be left out. */
struct rpc_hello {
    struct pdr_bytes client; /* empty: not given */
    bool has_session;
    struct pdr_bytes session; /* empty: open one */
    struct pdr_bytes token;
    uint64_t deadline_ms; /* 0: not given */
    bool has_ack_below;
    uint64_t ack_below;
};

/** `_sys/conn.call` and `.tell`: `[address, method, args, {"deadline_ms", "id", "durability", "ack_below"}]`; args and
 * the map may be left out or nil. Address and method have not been looked into. */
struct rpc_call {
    struct pdr_bytes address, method;
    struct pdr_bytes args; /* an encoded array; empty: no arguments */
    uint64_t deadline_ms;  /* 0: not given */
    bool has_id;
    uint64_t id;
    enum pdr_durability durability; /* DEFAULT: not given */
    bool has_ack_below;
    uint64_t ack_below;
};

/** `_sys/conn.watch [address, {"after", "seq"}]` and `.unwatch [address]`. */
struct rpc_watch {
    struct pdr_bytes address;
    bool has_after;
    uint64_t after;
    bool wants_seq;
};

/** The error of a response. */
struct rpc_error {
    struct pdr_bytes code, message;
    uint64_t retry_ms; /* 0: not given */
    bool is_final;     /* under a session: the call has run, and its number will be answered this for ever */
};

/** `args` is the encoded array of the call. PDR_INVALID: *why is a static sentence that names the field. */
enum pdr_status rpc_parse_hello(struct pdr_bytes args, struct rpc_hello *out, const char **why) PDR_MUST_CHECK;
enum pdr_status rpc_parse_call(struct pdr_bytes args, struct rpc_call *out, const char **why) PDR_MUST_CHECK;
enum pdr_status rpc_parse_watch(struct pdr_bytes args, struct rpc_watch *out, const char **why) PDR_MUST_CHECK;
/** Takes any value but nil: one that is not ours (a string, a number) becomes the code "error" and what it says. */
void rpc_parse_error(pdr_value error, struct rpc_error *out);

/** PDR_TOO_LARGE if encoded arguments are over payload_bytes_max or args_max; *why is a static sentence. */
enum pdr_status rpc_check_args(struct pdr_bytes args, const char **why) PDR_MUST_CHECK;

#endif
