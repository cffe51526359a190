/* net/wire/buffer.h: a connection's buffers: what has come of a frame whose end has not, and what is to be written. */
#ifndef NET_WIRE_BUFFER_H
#define NET_WIRE_BUFFER_H

#include <string.h>

#include <perdure/value.h>

#define WIRE_BUFFER_KEPT_MAX (256u << 10) /* bytes; a larger one is given back when it is empty */

static inline void wire_buffer_give_back(pdr_writer *buffer)
{
    if (buffer->size == 0 && buffer->capacity > WIRE_BUFFER_KEPT_MAX) {
        pdr_writer_release(buffer);
        pdr_writer_init(buffer, NULL, 0, 0);
    }
}

/** `done` of `bytes`, which are what is in `in` or what has just come, were taken; keeps the rest in `in`. */
static inline void wire_buffer_keep_rest(pdr_writer *in, struct pdr_bytes bytes, size_t done)
{
    if (bytes.data != in->data) {
        if (done < bytes.size) {
            pdr_write_raw(in, (const uint8_t *)bytes.data + done, bytes.size - done);
        }
    } else if (done > 0) {
        memmove(in->data, in->data + done, in->size - done);
        in->size -= done;
    }
    wire_buffer_give_back(in);
}

#endif
