/* net/transport/listener_uv.c: a listening socket. Connections are accepted here and handed out as descriptors, so that
 * any core's transport can adopt them.
 *
 * When the process has no more descriptors, the socket stays readable and accepting fails at once: that would spin. So
 * accepting pauses for a while, as after any other failure; whoever connects waits in the backlog.
 *
 * It pauses earlier, in fact: a process whose connections have all descriptors can open no file of its log or store. A
 * new descriptor is the lowest that is free, so its number tells how many are in use. The connection that gets one of
 * the reserve waits with it until it can have a lower one. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "net/transport/transport_uv.h"

#define BACKLOG 4096
#define ACCEPTS_MAX 64 /* a turn, so that other streams get theirs */
#define PAUSE_MS 100
#define TELL_AGAIN_MS 10000u
#define RESERVE_MAX 640u /* descriptors for files: the store's tables (store_rocks.c), the log, and some more */

struct listener_uv {
    struct listener listener;
    void (*accepted)(void *user, intptr_t pending);
    void *user;
    int fd;
    int held;    /* a connection that waits for a descriptor below the reserve; -1: none */
    int reserve; /* where it begins */
    uint16_t port;
    bool closing;
    uint64_t tell_ms; /* when the loop's time has come here, why it pauses may be told again */
    unsigned open_handles;
    uv_poll_t poll;
    uv_timer_t pause;
};

static void on_readable(uv_poll_t *poll, int status, int events);
static void on_pause_over(uv_timer_t *timer);

static void pause_accepting(struct listener_uv *l, int error)
{
    if (uv_now(l->pause.loop) >= l->tell_ms) {
        LOG_WARN("listener.paused",
                 "port=%u error=\"%s\" again_ms=%d note=\"raise the limit of open files (ulimit -n)"
                 " if it is reached\"",
                 l->port, strerror(error), PAUSE_MS);
        l->tell_ms = uv_now(l->pause.loop) + TELL_AGAIN_MS;
    }
    uv_poll_stop(&l->poll);
    uv_timer_start(&l->pause, on_pause_over, PAUSE_MS, 0);
}

/* Half of what there may be, if that is not much. */
static int reserve_begins(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur > INT_MAX) {
        return INT_MAX;
    }
    unsigned limit = (unsigned)files.rlim_cur;
    return (int)(limit / 2 < RESERVE_MAX ? limit - limit / 2 : limit - RESERVE_MAX);
}

static void hand_over(struct listener_uv *l, int fd)
{
    if (fd < l->reserve) {
        l->accepted(l->user, fd);
    } else {
        l->held = fd;
        pause_accepting(l, EMFILE);
    }
}

static void on_pause_over(uv_timer_t *timer)
{
    struct listener_uv *l = timer->data;
    if (l->held >= 0) {
        int fd = fcntl(l->held, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            uv_timer_start(timer, on_pause_over, PAUSE_MS, 0);
            return;
        }
        close(fd < l->held ? l->held : fd);
        fd = fd < l->held ? fd : l->held;
        l->held = -1;
        hand_over(l, fd);
    }
    if (l->held < 0) {
        uv_poll_start(&l->poll, UV_READABLE, on_readable);
    }
}

static bool is_of_one_connection(int error)
{
    return error == EINTR || error == ECONNABORTED || error == EPROTO || error == EPERM;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct listener_uv *l = poll->data;
    for (int i = 0; i < ACCEPTS_MAX && !l->closing; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            hand_over(l, fd);
            if (l->held >= 0) {
                return;
            }
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        } else if (!is_of_one_connection(errno)) {
            pause_accepting(l, errno);
            return;
        }
    }
}

/* Opening. */

static int bind_one(const struct addrinfo *info)
{
    int one = 1;
    int fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
        bind(fd, info->ai_addr, info->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

static const char *advice(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "; another process listens there: stop it, or choose another port";
    case EACCES:
        return "; ports below 1024 need a privilege: choose another port";
    case EADDRNOTAVAIL:
        return "; this machine has no such address: listen on one of its own, or on 0.0.0.0";
    default:
        return "";
    }
}

/* Names are looked up here and now: listening happens before anything runs. On failure t->why is a sentence. */
static enum pdr_status open_socket(struct transport_uv *t, const char *text, int *out)
{
    struct address address;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found;
    int fd = -1, error = 0;
    if (address_parse(text, &address, t->why, sizeof t->why) != PDR_OK) {
        return PDR_INVALID;
    }
    int rv = getaddrinfo(address.host, address.service, &hints, &found);
    if (rv != 0) {
        snprintf(t->why, sizeof t->why, "cannot listen on %s: %s", text, gai_strerror(rv));
        return PDR_UNAVAILABLE;
    }
    for (const struct addrinfo *info = found; info != NULL && fd < 0; info = info->ai_next) {
        fd = bind_one(info);
        error = fd < 0 ? errno : 0;
    }
    freeaddrinfo(found);
    if (fd < 0) {
        snprintf(t->why, sizeof t->why, "cannot listen on %s: %s%s", text, strerror(error), advice(error));
        return PDR_UNAVAILABLE;
    }
    *out = fd;
    return PDR_OK;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &size) != 0) {
        return 0;
    }
    return ntohs(own.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&own)->sin6_port
                                           : ((struct sockaddr_in *)&own)->sin_port);
}

enum pdr_status listener_uv_open(struct transport *transport, const char *address,
                                 void (*accepted)(void *user, intptr_t pending), void *user, struct listener **out,
                                 const char **why)
{
    struct transport_uv *t = transport_uv_of(transport);
    int fd;
    *why = t->why;
    enum pdr_status status = open_socket(t, address, &fd);
    if (status != PDR_OK) {
        return status;
    }
    struct listener_uv *l = mem_new(sizeof *l);
    int rv = uv_poll_init_socket(t->loop, &l->poll, fd);
    if (rv != 0) {
        snprintf(t->why, sizeof t->why, "cannot listen on %s: %s", address, uv_strerror(rv));
        close(fd);
        mem_free(l);
        return PDR_UNAVAILABLE;
    }
    l->listener.transport = transport;
    l->accepted = accepted;
    l->user = user;
    l->fd = fd;
    l->held = -1;
    l->reserve = reserve_begins();
    l->port = port_of(fd);
    l->open_handles = 2;
    l->poll.data = l->pause.data = l;
    uv_timer_init(t->loop, &l->pause);
    uv_poll_start(&l->poll, UV_READABLE, on_readable);
    *out = &l->listener;
    return PDR_OK;
}

uint16_t listener_uv_port(struct listener *listener)
{
    return ((struct listener_uv *)listener)->port;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct listener_uv *l = handle->data;
    if (--l->open_handles == 0) {
        mem_free(l);
    }
}

void listener_uv_close(struct listener *listener)
{
    struct listener_uv *l = (struct listener_uv *)listener;
    l->closing = true;
    uv_close((uv_handle_t *)&l->poll, on_handle_closed);
    uv_close((uv_handle_t *)&l->pause, on_handle_closed);
    if (l->held >= 0) {
        close(l->held);
    }
    close(l->fd); /* at once: the port is free when this returns */
}
