/* net/reply.c: stage 7 of 7 (commit before it). The position is reached: the outcome becomes a frame, which leaves at
 * the end of the tick with all others of its connection. */
#include "net/reply.h"

#include "core/base/mutation.h"
#include "core/shard/core.h"
#include "core/shard/stages.h"
#include "net/conn/conn.h"
#include "net/wire/codec.h"

/* The peer asks much faster than it reads. Reading pauses long before, but what was asked by then may be answered with
 * a MiB each: a read is then refused, as it may be asked again; the outcome of anything else can't be kept from it, so
 * that ends the connection. True: nothing is to be written any more. */
static bool is_flood(struct conn *conn, struct call *call)
{
    const char *limit = call->status == PDR_OK ? conn_flooded(conn, call->reply.size) : NULL;
    if (limit == NULL) {
        return false;
    }
    call->retry_ms = 100;
    call_fail(call, PDR_OVERLOADED, "too many answers before this one are unread (limit %s)", limit);
    if (!call->is_read) {
        conn_end(conn, PDR_OVERLOADED, call->text);
        return true;
    }
    return false;
}

void reply_finish(struct call *call)
{
    static const uint8_t nil[] = {0xc0};
    struct conn *conn = call->owner;
    pdr_writer *out = conn_begin_write(conn);
    if (out == NULL || is_flood(conn, call)) {
        /* the connection is gone, or about to go */
    } else if (call->status == PDR_OK) {
        codec_response(out, call->tag, call->reply.size > 0 ? pdr_written(&call->reply) : pdr_bytes(nil, sizeof nil));
    } else if (call->status == PDR_DEADLOCK) {
        codec_deadlock(out, call->tag, pdr_str(call->text), pdr_written(&call->reply));
    } else {
        const char *code = call->status == PDR_ACTOR ? call->code : pdr_status_wire(call->status);
        if (call->session.is_final) {
            codec_final_error(out, call->tag, pdr_str(code), pdr_str(call->text));
        } else {
            codec_error(out, call->tag, pdr_str(code), pdr_str(call->text), call->retry_ms);
        }
    }
    if (out != NULL && MUTATION(12)) {
        codec_response(out, call->tag, pdr_bytes(nil, sizeof nil));
    }
    stages_end(call->home, call);
    call_free(&call->home->calls, call);
    conn_call_ended(conn);
}

void reply_none(struct call *call)
{
    struct conn *conn = call->owner;
    call_free(&call->home->calls, call);
    conn_call_ended(conn);
}
