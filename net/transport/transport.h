/* net/transport/transport.h: byte streams, as a seam. Production: transport_uv.c. Simulator: sim_net.c.
 *
 * A transport belongs to one loop: all its callbacks run there and all functions are called there. Accepted
 * connections may be carried to another core: accept hands out a `pending` number, and the transport of any loop of
 * the same process (or simulated node) can adopt it. */
#ifndef NET_TRANSPORT_TRANSPORT_H
#define NET_TRANSPORT_TRANSPORT_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>
#include <perdure/status.h>

struct stream;
struct listener;
struct transport;

/** What the owner of a stream is told. Set once; `user` is its first argument. */
struct stream_handler {
    void (*opened)(void *user);                          /* only for connect: the stream can be written */
    void (*received)(void *user, struct pdr_bytes data); /* borrowed until it returns; never empty */
    void (*drained)(void *user);                         /* stream_unsent fell to 0 after having been more */
    /* The last callback: the peer closed, the link broke, connect failed, or stream_close was called. The stream is
     * gone when it returns. `why` is a sentence's end such as "connection reset by peer"; "" for our own close. */
    void (*closed)(void *user, const char *why);
};

struct transport_ops {
    /** HOST:PORT. On failure *why is a sentence, valid until the next call. port 0 picks one: listener_port. */
    enum pdr_status (*listen)(struct transport *t, const char *address, void (*accepted)(void *user, intptr_t pending),
                              void *user, struct listener **out, const char **why);
    void (*unlisten)(struct listener *listener);
    uint16_t (*listener_port)(struct listener *listener);
    struct stream *(*adopt)(struct transport *t, intptr_t pending, const struct stream_handler *handler, void *user);
    void (*discard)(struct transport *t, intptr_t pending); /* closes a connection that nobody will adopt */
    /** Undoes adopt, for who looked at the first bytes and found them another's: the stream is gone, no callback fires
     * any more, and what it returns is pending again; what was received is the caller's to pass on. For an adopted
     * stream that is open, nothing unsent; from inside `received` too. -1, and nothing has changed: no descriptors. */
    intptr_t (*detach)(struct stream *stream);
    /** Begins to connect; opened or closed fires later. NULL with *why for a malformed address or no descriptors. */
    struct stream *(*connect)(struct transport *t, const char *address, const struct stream_handler *handler,
                              void *user, const char **why);
    /** Sends at once what the system takes and keeps a copy of the rest. Once the link is broken it does nothing. */
    void (*write)(struct stream *stream, struct pdr_bytes data);
    uint64_t (*unsent)(const struct stream *stream); /* bytes kept */
    void (*pause)(struct stream *stream);            /* no `received` until resume; nested calls don't count */
    void (*resume)(struct stream *stream);
    /** Sends what is kept (up to linger_ms), then closes; `closed` fires later, never from inside this call. */
    void (*close)(struct stream *stream, uint64_t linger_ms);
    void (*peer_name)(const struct stream *stream, char *text, unsigned long size); /* "127.0.0.1:5123" */
    void (*free)(struct transport *t); /* after every stream and listener is gone */
};

struct transport {
    const struct transport_ops *ops;
};
/** Implementations embed it first. */
struct stream {
    struct transport *transport;
};
struct listener {
    struct transport *transport;
};

struct loop;
/** TCP on a loop_uv loop: TCP_NODELAY, close-on-exec, backlog 4,096, SO_REUSEADDR. NULL out of memory. */
struct transport *transport_uv_new(struct loop *loop);

#endif
