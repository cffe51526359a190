/* tools/bench/channel_raw_uv.c: raw frames over libuv, for the floor. A frame is its slot (4 bytes, as they lie in
 * memory: both ends are this program) and the payload; the echo sends it back as it is. */
#include "tools/bench/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "tools/bench/floor.h"

struct raw_channel {
    struct channel base;
    struct channel_options options;
    uv_tcp_t tcp;
    uv_connect_t connect;
    bool connected, closed;
    size_t in_size, out_size, out_capacity;
    uint8_t *out;
    uint8_t in[64 * 1024];
};

struct raw_write {
    uv_write_t request;
    uint8_t data[];
};

static void raw_failed(struct raw_channel *c, int error)
{
    char text[160];
    if (c->closed) {
        return;
    }
    snprintf(text, sizeof text, "the echo at %s: %s", c->options.node, uv_strerror(error));
    c->options.answered(c->options.user, CHANNEL_BROKEN, text);
}

static void raw_written(uv_write_t *request, int status)
{
    struct raw_channel *c = request->handle->data;
    mem_free(request->data);
    if (status != 0) {
        raw_failed(c, status);
    }
}

static void raw_flush(struct channel *channel)
{
    struct raw_channel *c = (struct raw_channel *)channel;
    if (!c->connected || c->closed || c->out_size == 0) {
        return;
    }
    uv_buf_t all = uv_buf_init((char *)c->out, (unsigned)c->out_size);
    int sent = uv_try_write((uv_stream_t *)&c->tcp, &all, 1);
    size_t done = sent > 0 ? (size_t)sent : 0, left = c->out_size - done;
    c->out_size = 0;
    if (left == 0) {
        return;
    }
    struct raw_write *write = mem_new(sizeof *write + left);
    memcpy(write->data, c->out + done, left);
    write->request.data = write;
    uv_buf_t rest = uv_buf_init((char *)write->data, (unsigned)left);
    int error = uv_write(&write->request, (uv_stream_t *)&c->tcp, &rest, 1, raw_written);
    if (error != 0) {
        mem_free(write);
        raw_failed(c, error);
    }
}

static void raw_alloc(uv_handle_t *handle, size_t want, uv_buf_t *out)
{
    struct raw_channel *c = handle->data;
    (void)want;
    *out = uv_buf_init((char *)c->in + c->in_size, (unsigned)(sizeof c->in - c->in_size));
}

static void raw_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    struct raw_channel *c = stream->data;
    (void)buf;
    if (size < 0) {
        raw_failed(c, (int)size);
        return;
    }
    c->in_size += (size_t)size;
    size_t at = 0;
    for (; !c->closed && c->in_size - at >= FLOOR_FRAME_SIZE; at += FLOOR_FRAME_SIZE) {
        uint32_t slot;
        memcpy(&slot, c->in + at, sizeof slot);
        bool same = memcmp(c->in + at + sizeof slot, channel_payload(), BENCH_PAYLOAD_SIZE) == 0;
        c->options.answered(c->options.user, slot, same ? NULL : "the echo is not what was sent");
    }
    memmove(c->in, c->in + at, c->in_size - at);
    c->in_size -= at;
    raw_flush(&c->base);
}

static void raw_connected(uv_connect_t *connect, int status)
{
    struct raw_channel *c = connect->data;
    if (status != 0) {
        raw_failed(c, status);
        return;
    }
    c->connected = true;
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, raw_alloc, raw_read);
    raw_flush(&c->base);
}

static bool raw_send(struct channel *channel, uint32_t slot, uint64_t number)
{
    struct raw_channel *c = (struct raw_channel *)channel;
    (void)number; /* the floor has no names */
    if (c->out_size + FLOOR_FRAME_SIZE > c->out_capacity) {
        c->out_capacity = c->out_capacity == 0 ? 64 * 1024 : c->out_capacity * 2;
        c->out = mem_grow(c->out, c->out_capacity);
    }
    memcpy(c->out + c->out_size, &slot, sizeof slot);
    memcpy(c->out + c->out_size + sizeof slot, channel_payload(), BENCH_PAYLOAD_SIZE);
    c->out_size += FLOOR_FRAME_SIZE;
    return true;
}

static bool raw_greet(struct channel *channel)
{
    raw_send(channel, 0, 0);
    raw_flush(channel);
    return true;
}

static void raw_gone(uv_handle_t *handle)
{
    struct raw_channel *c = handle->data;
    mem_free(c->out);
    mem_free(c);
}

static void raw_close(struct channel *channel)
{
    struct raw_channel *c = (struct raw_channel *)channel;
    c->closed = true;
    uv_close((uv_handle_t *)&c->tcp, raw_gone);
}

static const struct channel_ops raw_ops = {raw_greet, raw_send, raw_flush, raw_close};

struct channel *channel_open_raw(struct uv_loop_s *loop, const struct channel_options *options, const char **why)
{
    struct sockaddr_in address;
    const char *colon = strrchr(options->node, ':');
    CHECK(colon != NULL); /* floor.c wrote it */
    uv_ip4_addr("127.0.0.1", (int)strtol(colon + 1, NULL, 10), &address);
    struct raw_channel *c = mem_new(sizeof *c);
    c->base.ops = &raw_ops;
    c->options = *options;
    c->tcp.data = c->connect.data = c;
    uv_tcp_init(loop, &c->tcp);
    int error = uv_tcp_connect(&c->connect, &c->tcp, (const struct sockaddr *)&address, raw_connected);
    if (error != 0) {
        *why = uv_strerror(error);
        raw_close(&c->base);
        return NULL;
    }
    return &c->base;
}
