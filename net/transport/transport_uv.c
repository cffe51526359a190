/* net/transport/transport_uv.c: TCP on libuv, as net/transport/transport.h wants it. */
#include "net/transport/transport_uv.h"

#include <stdio.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "core/env/loop_uv.h"

static void discard(struct transport *t, intptr_t pending)
{
    close((int)pending);
}

static void peer_name(const struct stream *stream, char *text, unsigned long size)
{
    const struct stream_uv *s = (const struct stream_uv *)stream;
    struct sockaddr_storage peer;
    int peer_size = sizeof peer;
    char host[64] = "";
    if (uv_tcp_getpeername(&s->tcp, (struct sockaddr *)&peer, &peer_size) != 0) {
        snprintf(text, size, "unknown");
    } else if (peer.ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer;
        uv_ip6_name(v6, host, sizeof host);
        snprintf(text, size, "[%s]:%u", host, (unsigned)ntohs(v6->sin6_port));
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer;
        uv_ip4_name(v4, host, sizeof host);
        snprintf(text, size, "%s:%u", host, (unsigned)ntohs(v4->sin_port));
    }
}

/* Handles that still close know nothing of the transport. */
static void transport_free(struct transport *t)
{
    mem_free(t);
}

static const struct transport_ops ops = {
    .listen = listener_uv_open,
    .unlisten = listener_uv_close,
    .listener_port = listener_uv_port,
    .adopt = stream_uv_adopt,
    .discard = discard,
    .detach = stream_uv_detach,
    .connect = connect_uv,
    .write = stream_uv_write,
    .unsent = stream_uv_unsent,
    .pause = stream_uv_pause,
    .resume = stream_uv_resume,
    .close = stream_uv_close,
    .peer_name = peer_name,
    .free = transport_free,
};

struct transport *transport_uv_new_on(uv_loop_t *loop)
{
    struct transport_uv *t = mem_try(sizeof *t);
    if (t == NULL) {
        return NULL;
    }
    t->transport.ops = &ops;
    t->loop = loop;
    t->why[0] = '\0';
    return &t->transport;
}

struct transport *transport_uv_new(struct loop *loop)
{
    return transport_uv_new_on(loop_uv_of(loop));
}
