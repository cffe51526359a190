/* net/transport/connect_uv.c: connecting: a name becomes addresses, which are tried in turn until one answers.
 *
 * An attempt is a thing of its own beside the stream, with a plain socket: so the stream can be closed at any moment,
 * while a lookup still runs, and a second address needs no second stream. */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "net/transport/transport_uv.h"

struct attempt {
    struct stream_uv *stream; /* NULL: cancelled, or done */
    uv_getaddrinfo_t lookup;
    bool looking_up;
    struct addrinfo *found;
    const struct addrinfo *next; /* to be tried */
    uv_poll_t poll;
    bool polling;    /* `poll` is open or closing */
    int fd;          /* of the address that is being tried; -1: none */
    const char *why; /* the last address's failure; static */
};

static void attempt_free(struct attempt *a)
{
    if (a->found != NULL) {
        freeaddrinfo(a->found);
    }
    mem_free(a);
}

static void fail(struct attempt *a, const char *why)
{
    struct stream_uv *s = a->stream;
    a->stream = NULL;
    s->attempt = NULL;
    attempt_free(a);
    stream_uv_break(s, why);
}

static void try_next(struct attempt *a);

static void on_poll_closed(uv_handle_t *poll)
{
    struct attempt *a = poll->data;
    a->polling = false;
    if (a->stream == NULL) {
        attempt_free(a);
    } else {
        try_next(a);
    }
}

static void stop_polling(struct attempt *a)
{
    uv_close((uv_handle_t *)&a->poll, on_poll_closed);
}

static void on_answer(uv_poll_t *poll, int status, int events)
{
    struct attempt *a = poll->data;
    struct stream_uv *s = a->stream;
    int fd = a->fd, error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
        error = errno;
    }
    a->fd = -1;
    stop_polling(a); /* on_poll_closed goes on, or frees */
    if (error != 0) {
        close(fd);
        a->why = uv_strerror(uv_translate_sys_error(error));
        return;
    }
    a->stream = NULL;
    s->attempt = NULL;
    stream_uv_start(s, fd);
    if (s->state == STREAM_OPEN) {
        s->handler->opened(s->user);
    }
}

/* True: the address is being tried. */
static bool try_address(struct attempt *a, const struct addrinfo *info)
{
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        a->why = uv_strerror(uv_translate_sys_error(errno));
        return false;
    }
    int rv = connect(fd, info->ai_addr, info->ai_addrlen) == 0 || errno == EINPROGRESS ? 0 : errno;
    if (rv != 0 || uv_poll_init_socket(a->stream->tcp.loop, &a->poll, fd) != 0) {
        a->why = rv != 0 ? uv_strerror(uv_translate_sys_error(rv)) : "the socket cannot be polled";
        close(fd);
        return false;
    }
    a->fd = fd;
    a->poll.data = a;
    a->polling = true;
    uv_poll_start(&a->poll, UV_WRITABLE, on_answer);
    return true;
}

static void try_next(struct attempt *a)
{
    while (a->next != NULL) {
        const struct addrinfo *info = a->next;
        a->next = info->ai_next;
        if (try_address(a, info)) {
            return;
        }
    }
    fail(a, a->why);
}

static void on_found(uv_getaddrinfo_t *lookup, int status, struct addrinfo *found)
{
    struct attempt *a = lookup->data;
    a->looking_up = false;
    a->found = found;
    if (a->stream == NULL) {
        attempt_free(a);
    } else if (status != 0) {
        fail(a, uv_strerror(status));
    } else {
        a->next = found;
        try_next(a);
    }
}

void attempt_cancel(struct attempt *a)
{
    a->stream = NULL;
    if (a->looking_up) {
        uv_cancel((uv_req_t *)&a->lookup); /* if it runs already, on_found comes when it has run */
    } else if (a->polling && !uv_is_closing((uv_handle_t *)&a->poll)) {
        stop_polling(a);
        close(a->fd);
    }
}

/* IP addresses need no lookup, and so no thread. */
static void begin(struct attempt *a, const struct address *address)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    if (getaddrinfo(address->host, address->service, &hints, &a->found) == 0) {
        a->next = a->found;
        try_next(a);
        return;
    }
    a->found = NULL;
    hints.ai_flags = AI_ADDRCONFIG;
    a->looking_up = true;
    int error = uv_getaddrinfo(a->stream->tcp.loop, &a->lookup, on_found, address->host, address->service, &hints);
    if (error != 0) {
        fail(a, uv_strerror(error));
    }
}

struct stream *connect_uv(struct transport *transport, const char *text, const struct stream_handler *handler,
                          void *user, const char **why)
{
    struct transport_uv *t = transport_uv_of(transport);
    struct address address;
    *why = t->why;
    if (address_parse(text, &address, t->why, sizeof t->why) != PDR_OK) {
        return NULL;
    }
    struct stream_uv *s = stream_uv_new(transport, handler, user);
    struct attempt *a = mem_new(sizeof *a);
    a->stream = s;
    a->lookup.data = a;
    a->fd = -1;
    a->why = "no address to connect to";
    s->attempt = a;
    begin(a, &address);
    return &s->stream;
}
