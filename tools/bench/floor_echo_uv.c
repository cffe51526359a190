/* tools/bench/floor_echo_uv.c: the bare TCP echo: libuv, one loop, and nothing in between. */
#include "tools/bench/floor.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "core/base/check.h"
#include "core/base/mem.h"

struct echo_conn {
    uv_tcp_t tcp;
    char in[64 * 1024];
};

struct echo_write {
    uv_write_t request;
    char data[];
};

static void echo_gone(uv_handle_t *handle)
{
    mem_free(handle->data);
}

static void echo_alloc(uv_handle_t *handle, size_t want, uv_buf_t *out)
{
    struct echo_conn *c = handle->data;
    (void)want;
    *out = uv_buf_init(c->in, sizeof c->in);
}

static void echo_written(uv_write_t *request, int status)
{
    (void)status; /* the reader is told too */
    mem_free(request->data);
}

static void echo_read(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf)
{
    if (size < 0) {
        uv_close((uv_handle_t *)stream, echo_gone);
        return;
    }
    uv_buf_t all = uv_buf_init(buf->base, (unsigned)size);
    int sent = uv_try_write(stream, &all, 1);
    size_t done = sent > 0 ? (size_t)sent : 0, left = (size_t)size - done;
    if (left == 0) {
        return;
    }
    struct echo_write *write = mem_new(sizeof *write + left);
    memcpy(write->data, buf->base + done, left);
    write->request.data = write;
    uv_buf_t rest = uv_buf_init(write->data, (unsigned)left);
    if (uv_write(&write->request, stream, &rest, 1, echo_written) != 0) {
        mem_free(write);
    }
}

static void echo_accept(uv_stream_t *listener, int status)
{
    if (status != 0) {
        return;
    }
    struct echo_conn *c = mem_new(sizeof *c);
    c->tcp.data = c;
    uv_tcp_init(listener->loop, &c->tcp);
    if (uv_accept(listener, (uv_stream_t *)&c->tcp) != 0) {
        uv_close((uv_handle_t *)&c->tcp, echo_gone);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    uv_read_start((uv_stream_t *)&c->tcp, echo_alloc, echo_read);
}

/** The echo's process: writes its port, or a negative error, to `report`, then serves until it is killed. */
static _Noreturn void echo_serve(int report)
{
    uv_loop_t loop;
    uv_tcp_t listener;
    struct sockaddr_in address;
    int size = sizeof address;
    CHECK(uv_loop_init(&loop) == 0);
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(&loop, &listener);
    int result = uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0);
    if (result == 0) {
        result = uv_listen((uv_stream_t *)&listener, 1024, echo_accept);
    }
    if (result == 0) {
        result = uv_tcp_getsockname(&listener, (struct sockaddr *)&address, &size);
    }
    if (result == 0) {
        result = ntohs(address.sin_port);
    }
    if (write(report, &result, sizeof result) == sizeof result && result > 0) {
        uv_run(&loop, UV_RUN_DEFAULT);
    }
    _exit(1);
}

bool floor_echo_start(struct floor_echo *echo, char *why, size_t why_size)
{
    int report[2], port = -EIO;
    if (pipe(report) != 0) {
        snprintf(why, why_size, "W0 cannot start its echo: pipe: %s", strerror(errno));
        return false;
    }
    pid_t parent = getpid();
    echo->pid = fork();
    if (echo->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) {
            _exit(1); /* it died before it could be watched */
        }
        close(report[0]);
        echo_serve(report[1]);
    }
    close(report[1]);
    bool told = echo->pid > 0 && read(report[0], &port, sizeof port) == sizeof port;
    close(report[0]);
    if (!told || port <= 0) {
        snprintf(why, why_size, "W0 cannot start its echo on 127.0.0.1: %s", strerror(-port));
        floor_echo_stop(echo);
        return false;
    }
    snprintf(echo->node, sizeof echo->node, "127.0.0.1:%d", port);
    return true;
}

void floor_echo_stop(struct floor_echo *echo)
{
    if (echo->pid > 0) {
        kill(echo->pid, SIGKILL);
        waitpid(echo->pid, NULL, 0);
        echo->pid = 0;
    }
}
