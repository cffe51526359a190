/* net/wire/codec.c: frames to bytes, by msgpack-c's packer over our writer. */
#include "net/wire/codec.h"

#include <msgpack.h>
#include <perdure/status.h>

#include "net/wire/frame.h"

static int append(void *writer, const char *data, size_t size)
{
    pdr_write_raw(writer, data, size);
    return 0; /* a failure stays in the writer */
}

static msgpack_packer packer(pdr_writer *w)
{
    msgpack_packer p;
    msgpack_packer_init(&p, w, append);
    return p;
}

static void pack_str(msgpack_packer *p, struct pdr_bytes text)
{
    msgpack_pack_str(p, text.size);
    msgpack_pack_str_body(p, text.data, text.size);
}

/* "TYPE/KEY.METHOD" */
static void pack_target(msgpack_packer *p, struct pdr_bytes address, struct pdr_bytes method)
{
    msgpack_pack_str(p, address.size + 1 + method.size);
    msgpack_pack_str_body(p, address.data, address.size);
    msgpack_pack_str_body(p, ".", 1);
    msgpack_pack_str_body(p, method.data, method.size);
}

static void pack_args(msgpack_packer *p, pdr_writer *w, struct pdr_bytes args)
{
    if (args.size == 0) {
        msgpack_pack_array(p, 0);
    } else {
        pdr_write_value(w, args);
    }
}

void codec_response(pdr_writer *w, uint64_t msgid, pdr_value result)
{
    msgpack_packer p = packer(w);
    msgpack_pack_array(&p, 4);
    msgpack_pack_uint8(&p, FRAME_RESPONSE);
    msgpack_pack_uint64(&p, msgid);
    msgpack_pack_nil(&p);
    pdr_write_value(w, result);
}

static msgpack_packer pack_error(pdr_writer *w, uint64_t msgid, struct pdr_bytes code, struct pdr_bytes message,
                                 unsigned more)
{
    msgpack_packer p = packer(w);
    msgpack_pack_array(&p, 4);
    msgpack_pack_uint8(&p, FRAME_RESPONSE);
    msgpack_pack_uint64(&p, msgid);
    msgpack_pack_map(&p, 2 + more);
    pack_str(&p, pdr_str("code"));
    pack_str(&p, code);
    pack_str(&p, pdr_str("message"));
    pack_str(&p, message);
    return p;
}

void codec_error(pdr_writer *w, uint64_t msgid, struct pdr_bytes code, struct pdr_bytes message, uint64_t retry_ms)
{
    msgpack_packer p = pack_error(w, msgid, code, message, retry_ms > 0);
    if (retry_ms > 0) {
        pack_str(&p, pdr_str("retry_ms"));
        msgpack_pack_uint64(&p, retry_ms);
    }
    msgpack_pack_nil(&p);
}

void codec_final_error(pdr_writer *w, uint64_t msgid, struct pdr_bytes code, struct pdr_bytes message)
{
    msgpack_packer p = pack_error(w, msgid, code, message, 1);
    pack_str(&p, pdr_str("final"));
    msgpack_pack_true(&p);
    msgpack_pack_nil(&p);
}

void codec_deadlock(pdr_writer *w, uint64_t msgid, struct pdr_bytes message, pdr_value chain)
{
    msgpack_packer p = pack_error(w, msgid, pdr_str(pdr_status_wire(PDR_DEADLOCK)), message, chain.size > 0);
    if (chain.size > 0) {
        pack_str(&p, pdr_str("chain"));
        pdr_write_value(w, chain);
    }
    msgpack_pack_nil(&p);
}

void codec_request(pdr_writer *w, uint64_t msgid, struct pdr_bytes address, struct pdr_bytes method,
                   struct pdr_bytes args)
{
    msgpack_packer p = packer(w);
    msgpack_pack_array(&p, 4);
    msgpack_pack_uint8(&p, FRAME_REQUEST);
    msgpack_pack_uint64(&p, msgid);
    pack_target(&p, address, method);
    pack_args(&p, w, args);
}

static msgpack_packer pack_call(pdr_writer *w, uint64_t msgid, struct pdr_bytes address, struct pdr_bytes method,
                                struct pdr_bytes args, unsigned options)
{
    msgpack_packer p = packer(w);
    msgpack_pack_array(&p, 4);
    msgpack_pack_uint8(&p, FRAME_REQUEST);
    msgpack_pack_uint64(&p, msgid);
    pack_target(&p, pdr_str("_sys/conn"), pdr_str("call"));
    msgpack_pack_array(&p, 4);
    pack_str(&p, address);
    pack_str(&p, method);
    pack_args(&p, w, args);
    msgpack_pack_map(&p, options);
    return p;
}

void codec_request_within(pdr_writer *w, uint64_t msgid, struct pdr_bytes address, struct pdr_bytes method,
                          struct pdr_bytes args, uint64_t deadline_ms)
{
    msgpack_packer p = pack_call(w, msgid, address, method, args, 1);
    pack_str(&p, pdr_str("deadline_ms"));
    msgpack_pack_uint64(&p, deadline_ms);
}

void codec_request_numbered(pdr_writer *w, uint64_t msgid, struct pdr_bytes address, struct pdr_bytes method,
                            struct pdr_bytes args, uint64_t deadline_ms, uint64_t number)
{
    msgpack_packer p = pack_call(w, msgid, address, method, args, 2);
    pack_str(&p, pdr_str("deadline_ms"));
    msgpack_pack_uint64(&p, deadline_ms);
    pack_str(&p, pdr_str("id"));
    msgpack_pack_uint64(&p, number);
}

void codec_notification(pdr_writer *w, struct pdr_bytes address, struct pdr_bytes method, struct pdr_bytes args)
{
    msgpack_packer p = packer(w);
    msgpack_pack_array(&p, 3);
    msgpack_pack_uint8(&p, FRAME_NOTIFICATION);
    pack_target(&p, address, method);
    pack_args(&p, w, args);
}

void codec_event(pdr_writer *w, struct pdr_bytes address, pdr_value event, const uint64_t *seq)
{
    msgpack_packer p = packer(w);
    msgpack_pack_array(&p, 3);
    msgpack_pack_uint8(&p, FRAME_NOTIFICATION);
    pack_str(&p, address);
    msgpack_pack_array(&p, seq != NULL ? 2 : 1);
    pdr_write_value(w, event);
    if (seq != NULL) {
        msgpack_pack_uint64(&p, *seq);
    }
}
