/* net/wire/codec.h: frames to bytes. Its source is the one place where msgpack-c is used.
 *
 * Each function appends one whole frame; if memory ends, writer->failed is set and the writer's bytes are void. Slices
 * are copied. */
#ifndef NET_WIRE_CODEC_H
#define NET_WIRE_CODEC_H

#include <perdure/value.h>

/** `result` is one encoded value. */
void codec_response(pdr_writer *w, uint64_t msgid, pdr_value result);
/** The error map {"code", "message"}, with "retry_ms" unless it is 0. */
void codec_error(pdr_writer *w, uint64_t msgid, struct pdr_bytes code, struct pdr_bytes message, uint64_t retry_ms);
/** The same with "final": true, of a call under a session that has run. */
void codec_final_error(pdr_writer *w, uint64_t msgid, struct pdr_bytes code, struct pdr_bytes message);
/** `chain`: an encoded array of addresses, or no value. */
void codec_deadlock(pdr_writer *w, uint64_t msgid, struct pdr_bytes message, pdr_value chain);
/** `address` is "TYPE/KEY"; `args` an encoded array, or empty for no arguments. */
void codec_request(pdr_writer *w, uint64_t msgid, struct pdr_bytes address, struct pdr_bytes method,
                   struct pdr_bytes args);
/** The same call as `_sys/conn.call`, which takes a deadline along. */
void codec_request_within(pdr_writer *w, uint64_t msgid, struct pdr_bytes address, struct pdr_bytes method,
                          struct pdr_bytes args, uint64_t deadline_ms);
/** The same with a number in the connection's session that is not the msgid. */
void codec_request_numbered(pdr_writer *w, uint64_t msgid, struct pdr_bytes address, struct pdr_bytes method,
                            struct pdr_bytes args, uint64_t deadline_ms, uint64_t number);
void codec_notification(pdr_writer *w, struct pdr_bytes address, struct pdr_bytes method, struct pdr_bytes args);

/** An event of the actor `address`: `[2, "TYPE/KEY", [event]]`; `[event, seq]` unless seq is NULL. */
void codec_event(pdr_writer *w, struct pdr_bytes address, pdr_value event, const uint64_t *seq);

#endif
