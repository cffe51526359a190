/* net/transport/transport_uv.h: what the four sources of TCP on libuv share: transport_uv.c (the seam, names),
 * listener_uv.c (accepting), connect_uv.c (connecting), stream_uv.c (bytes). */
#ifndef NET_TRANSPORT_TRANSPORT_UV_H
#define NET_TRANSPORT_TRANSPORT_UV_H

#include <uv.h>

#include <perdure/value.h>

#include "net/transport/address.h"
#include "net/transport/transport.h"

#define TRANSPORT_READ_SIZE (64u << 10)

struct transport_uv {
    struct transport transport;
    uv_loop_t *loop;
    char why[384];                      /* the last failure of listen or connect */
    char received[TRANSPORT_READ_SIZE]; /* one for all streams: a read is handed on before the next one begins */
};

/*   CONNECTING --> OPEN --close--> LINGERING --all sent and the peer closed, or time is over--> CLOSING --> (closed)
 *       |            |                                                                           ^
 *       +------------+-------- close without linger, an error, end of stream --------------------+        */
enum stream_state { STREAM_CONNECTING, STREAM_OPEN, STREAM_LINGERING, STREAM_CLOSING };

struct attempt;

struct stream_uv {
    struct stream stream;
    const struct stream_handler *handler;
    void *user;
    enum stream_state state;
    bool paused;
    bool ended; /* LINGERING: the peer sends nothing more */
    bool shut;  /* LINGERING: nor do we */
    bool has_timer;
    unsigned open_handles;
    const char *why;         /* CLOSING: static */
    pdr_writer sending;      /* libuv has it */
    pdr_writer waiting;      /* comes after it */
    struct attempt *attempt; /* CONNECTING: connect_uv.c */
    uv_tcp_t tcp;
    uv_timer_t linger;
    uv_write_t write;
    uv_shutdown_t shutdown;
};

static inline struct transport_uv *transport_uv_of(struct transport *transport)
{
    return (struct transport_uv *)transport;
}

/** transport_uv_new on a libuv loop that is not a loop_uv. */
struct transport *transport_uv_new_on(uv_loop_t *loop);

/* listener_uv.c */

enum pdr_status listener_uv_open(struct transport *t, const char *address,
                                 void (*accepted)(void *user, intptr_t pending), void *user, struct listener **out,
                                 const char **why);
void listener_uv_close(struct listener *listener);
uint16_t listener_uv_port(struct listener *listener);

/* connect_uv.c */

struct stream *connect_uv(struct transport *t, const char *address, const struct stream_handler *handler, void *user,
                          const char **why);
/** The stream closes: nobody waits for it any more. */
void attempt_cancel(struct attempt *attempt);

/* stream_uv.c */

/** In state CONNECTING, without a socket. */
struct stream_uv *stream_uv_new(struct transport *t, const struct stream_handler *handler, void *user);
/** Takes the socket and begins to read; breaks the stream if that fails. */
void stream_uv_start(struct stream_uv *stream, int fd);
/** The link is broken: `closed` will fire with that static text. Nothing if it closes already. */
void stream_uv_break(struct stream_uv *stream, const char *why);
intptr_t stream_uv_detach(struct stream *stream);
struct stream *stream_uv_adopt(struct transport *t, intptr_t pending, const struct stream_handler *handler, void *user);
void stream_uv_write(struct stream *stream, struct pdr_bytes data);
uint64_t stream_uv_unsent(const struct stream *stream);
void stream_uv_pause(struct stream *stream);
void stream_uv_resume(struct stream *stream);
void stream_uv_close(struct stream *stream, uint64_t linger_ms);

#endif
