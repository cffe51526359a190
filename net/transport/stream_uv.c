/* net/transport/stream_uv.c: the bytes of one TCP connection.
 *
 * Writing: what the socket takes goes at once. The rest is kept in two buffers that change places, one that libuv sends
 * and one that grows behind it, so that many small writes to a slow reader leave as one.
 *
 * Closing with linger: when all is sent we say so (shutdown), then read and throw away until the peer has closed too. A
 * socket that is closed with unread bytes in it is reset, and the reset overtakes what the peer has yet to read. */
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "net/transport/transport_uv.h"

#define SILENCE_S 30 /* a peer that does not acknowledge for so long is gone: its machine, or the way to it */
#define KEEP_BUFFER_MAX (16u << 10) /* a buffer larger than that is given back once it is sent */

static struct stream_uv *self(const struct stream *stream)
{
    return (struct stream_uv *)stream;
}

static uv_stream_t *tcp_of(struct stream_uv *s)
{
    return (uv_stream_t *)&s->tcp;
}

struct stream_uv *stream_uv_new(struct transport *t, const struct stream_handler *handler, void *user)
{
    struct stream_uv *s = mem_new(sizeof *s);
    s->stream.transport = t;
    s->handler = handler;
    s->user = user;
    s->state = STREAM_CONNECTING;
    uv_tcp_init(transport_uv_of(t)->loop, &s->tcp);
    s->tcp.data = s->linger.data = s->write.data = s->shutdown.data = s;
    return s;
}

/* The end. */

static void on_handle_closed(uv_handle_t *handle)
{
    struct stream_uv *s = handle->data;
    if (--s->open_handles > 0) {
        return;
    }
    s->handler->closed(s->user, s->why);
    pdr_writer_release(&s->sending);
    pdr_writer_release(&s->waiting);
    mem_free(s);
}

void stream_uv_break(struct stream_uv *s, const char *why)
{
    if (s->state == STREAM_CLOSING) {
        return;
    }
    s->why = s->state == STREAM_LINGERING ? "" : why; /* its owner has closed it: how that ends is no news */
    s->state = STREAM_CLOSING;
    if (s->attempt != NULL) {
        attempt_cancel(s->attempt);
        s->attempt = NULL;
    }
    s->open_handles = s->has_timer ? 2 : 1;
    uv_close((uv_handle_t *)&s->tcp, on_handle_closed);
    if (s->has_timer) {
        uv_close((uv_handle_t *)&s->linger, on_handle_closed);
    }
}

/* Reading. */

static void give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *out)
{
    struct stream_uv *s = handle->data;
    struct transport_uv *t = transport_uv_of(s->stream.transport);
    *out = uv_buf_init(t->received, sizeof t->received);
}

static void end_if_both_have(struct stream_uv *s)
{
    if (s->ended && s->shut) {
        stream_uv_break(s, "");
    }
}

static void on_read(uv_stream_t *tcp, ssize_t size, const uv_buf_t *buffer)
{
    struct stream_uv *s = tcp->data;
    if (size > 0 && s->state == STREAM_OPEN) {
        s->handler->received(s->user, pdr_bytes(buffer->base, (size_t)size));
    } else if (size == UV_EOF && s->state == STREAM_LINGERING) {
        s->ended = true;
        uv_read_stop(tcp);
        end_if_both_have(s);
    } else if (size < 0) {
        stream_uv_break(s, size == UV_EOF ? "connection closed by peer" : uv_strerror((int)size));
    }
}

void stream_uv_pause(struct stream *stream)
{
    struct stream_uv *s = self(stream);
    if (s->state == STREAM_OPEN && !s->paused) {
        s->paused = true;
        uv_read_stop(tcp_of(s));
    }
}

void stream_uv_resume(struct stream *stream)
{
    struct stream_uv *s = self(stream);
    if (s->state == STREAM_OPEN && s->paused) {
        s->paused = false;
        uv_read_start(tcp_of(s), give_buffer, on_read);
    }
}

/* Beginning. */

static void set(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value); /* without it the stream works, only not as well */
}

static void set_options(int fd)
{
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1); /* whole frames are written, so waiting for more gains nothing */
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, SILENCE_S);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, SILENCE_S / 3);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, SILENCE_S * 1000);
}

void stream_uv_start(struct stream_uv *s, int fd)
{
    int error = uv_tcp_open(&s->tcp, fd);
    if (error != 0) {
        close(fd);
        stream_uv_break(s, uv_strerror(error));
        return;
    }
    set_options(fd);
    s->state = STREAM_OPEN;
    error = uv_read_start(tcp_of(s), give_buffer, on_read);
    if (error != 0) {
        stream_uv_break(s, uv_strerror(error));
    }
}

struct stream *stream_uv_adopt(struct transport *t, intptr_t pending, const struct stream_handler *handler, void *user)
{
    struct stream_uv *s = stream_uv_new(t, handler, user);
    stream_uv_start(s, (int)pending);
    return &s->stream;
}

static void closed_for_nobody(void *user, const char *why) {}

/* The descriptor goes on under another number: libuv closes the one it has. */
intptr_t stream_uv_detach(struct stream *stream)
{
    static const struct stream_handler nobody = {.closed = closed_for_nobody};
    struct stream_uv *s = self(stream);
    CHECK(s->state == STREAM_OPEN && stream_uv_unsent(stream) == 0);
    int fd;
    if (uv_fileno((uv_handle_t *)&s->tcp, &fd) != 0) {
        return -1;
    }
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (fd >= 0) {
        s->handler = &nobody;
        stream_uv_break(s, "");
    }
    return fd;
}

/* Writing. */

static void on_written(uv_write_t *write, int status);

static void give_back(pdr_writer *buffer)
{
    pdr_writer_clear(buffer);
    if (buffer->capacity > KEEP_BUFFER_MAX) {
        pdr_writer_release(buffer);
    }
}

/* What waits becomes what is sent. */
static void send_waiting(struct stream_uv *s)
{
    pdr_writer sent = s->sending;
    s->sending = s->waiting;
    s->waiting = sent;
    uv_buf_t buffer = uv_buf_init((char *)s->sending.data, (unsigned)s->sending.size);
    int error = uv_write(&s->write, tcp_of(s), &buffer, 1, on_written);
    if (error != 0) {
        stream_uv_break(s, uv_strerror(error));
    }
}

static void shut(struct stream_uv *s);

static void on_written(uv_write_t *write, int status)
{
    struct stream_uv *s = write->data;
    give_back(&s->sending);
    if (s->state == STREAM_CLOSING) {
        return; /* and the stream is freed soon */
    }
    if (status != 0) {
        stream_uv_break(s, uv_strerror(status));
    } else if (s->waiting.size > 0) {
        send_waiting(s);
    } else if (s->state == STREAM_LINGERING) {
        shut(s);
    } else if (s->handler->drained != NULL) {
        s->handler->drained(s->user);
    }
}

void stream_uv_write(struct stream *stream, struct pdr_bytes data)
{
    struct stream_uv *s = self(stream);
    CHECK(s->state != STREAM_CONNECTING);
    if (s->state != STREAM_OPEN) {
        return;
    }
    size_t taken = 0;
    if (s->sending.size == 0) {
        uv_buf_t buffer = uv_buf_init((char *)data.data, (unsigned)data.size);
        int rv = uv_try_write(tcp_of(s), &buffer, 1);
        if (rv < 0 && rv != UV_EAGAIN) {
            stream_uv_break(s, uv_strerror(rv));
            return;
        }
        taken = rv > 0 ? (size_t)rv : 0;
    }
    if (taken == data.size) {
        return;
    }
    pdr_write_raw(&s->waiting, (const char *)data.data + taken, data.size - taken);
    if (s->waiting.failed) {
        stream_uv_break(s, "no memory for what the peer does not read");
    } else if (s->sending.size == 0) {
        send_waiting(s);
    }
}

uint64_t stream_uv_unsent(const struct stream *stream)
{
    struct stream_uv *s = self(stream);
    return uv_stream_get_write_queue_size(tcp_of(s)) + s->waiting.size;
}

/* Closing. */

static void on_shut(uv_shutdown_t *shutdown, int status)
{
    struct stream_uv *s = shutdown->data;
    s->shut = true;
    if (status != 0) {
        stream_uv_break(s, "");
    } else {
        end_if_both_have(s);
    }
}

static void shut(struct stream_uv *s)
{
    if (uv_shutdown(&s->shutdown, tcp_of(s), on_shut) != 0) {
        stream_uv_break(s, "");
    }
}

static void on_linger_over(uv_timer_t *timer)
{
    stream_uv_break(timer->data, "");
}

void stream_uv_close(struct stream *stream, uint64_t linger_ms)
{
    struct stream_uv *s = self(stream);
    if (linger_ms == 0 || s->state == STREAM_CONNECTING) {
        stream_uv_break(s, "");
    }
    if (s->state != STREAM_OPEN) {
        return;
    }
    s->state = STREAM_LINGERING;
    s->has_timer = true;
    uv_timer_init(s->tcp.loop, &s->linger);
    uv_timer_start(&s->linger, on_linger_over, linger_ms, 0);
    if (s->paused) {
        uv_read_start(tcp_of(s), give_buffer, on_read);
    }
    if (s->sending.size == 0) {
        shut(s);
    }
}
