/* tests/bench/client_calls.c: calls a second that one client makes, and what each costs its thread, against a peer on
 * another thread that answers everything with the first argument and does nothing else.
 *
 *     client_calls [OUTSTANDING [SECONDS]] */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <perdure/client.h>

#include "net/transport/transport_uv.h"
#include "net/wire/codec.h"
#include "net/wire/frame.h"

/* The peer. */

struct peer {
    uv_loop_t loop;
    struct transport *transport;
    struct stream *stream;
    struct frame_scan scan;
    pdr_writer in, out;
    char address[64];
};

static size_t answer_all(struct peer *peer, struct pdr_bytes bytes)
{
    size_t done = 0, used = 1;
    const char *why;
    while (used > 0 && done < bytes.size) {
        struct frame frame;
        if (frame_decode(&peer->scan, pdr_bytes((const char *)bytes.data + done, bytes.size - done), &frame, &used,
                         &why) != PDR_OK) {
            printf("the peer got: %s\n", why);
            exit(1);
        }
        done += used;
        if (used > 0) {
            codec_response(&peer->out, frame.msgid, pdr_value_at(frame.args, 0));
        }
    }
    return done;
}

static void peer_received(void *user, struct pdr_bytes data)
{
    struct peer *peer = user;
    if (peer->in.size > 0) {
        pdr_write_raw(&peer->in, data.data, data.size);
        data = pdr_written(&peer->in);
    }
    size_t done = answer_all(peer, data);
    if (data.data != peer->in.data) {
        pdr_write_raw(&peer->in, (const char *)data.data + done, data.size - done);
    } else {
        memmove(peer->in.data, peer->in.data + done, data.size - done);
        peer->in.size -= done;
    }
    peer->transport->ops->write(peer->stream, pdr_written(&peer->out));
    pdr_writer_clear(&peer->out);
}

static void peer_closed(void *user, const char *why) {}

static void peer_accepted(void *user, intptr_t pending)
{
    static const struct stream_handler handler = {.received = peer_received, .closed = peer_closed};
    struct peer *peer = user;
    peer->stream = peer->transport->ops->adopt(peer->transport, pending, &handler, peer);
}

static void *peer_run(void *user)
{
    uv_run(&((struct peer *)user)->loop, UV_RUN_DEFAULT);
    return NULL;
}

static void peer_start(struct peer *peer)
{
    struct listener *listener;
    const char *why;
    pthread_t thread;
    uv_loop_init(&peer->loop);
    peer->transport = transport_uv_new_on(&peer->loop);
    if (peer->transport->ops->listen(peer->transport, "127.0.0.1:0", peer_accepted, peer, &listener, &why) != PDR_OK) {
        printf("%s\n", why);
        exit(1);
    }
    snprintf(peer->address, sizeof peer->address, "127.0.0.1:%u",
             (unsigned)peer->transport->ops->listener_port(listener));
    if (pthread_create(&thread, NULL, peer_run, peer) != 0) {
        exit(1);
    }
}

/* The load. */

struct load {
    pdr_client *client;
    pdr_writer args;
    uint64_t answered, failed;
    bool stopping;
};

static void on_outcome(void *user, const struct pdr_outcome *outcome);

static void call(struct load *load)
{
    if (pdr_client_call(load->client, pdr_str("echo/a17"), "ping", pdr_written(&load->args), NULL, on_outcome, load) !=
        PDR_OK) {
        printf("refused: %s\n", pdr_client_refusal(load->client));
        exit(1);
    }
}

static void on_outcome(void *user, const struct pdr_outcome *outcome)
{
    struct load *load = user;
    if (load->stopping) {
        return;
    }
    load->answered++;
    load->failed += outcome->status != PDR_OK;
    call(load);
}

static double clock_s(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    static struct peer peer;
    static uint8_t payload[100];
    struct load load = {0};
    unsigned outstanding = argc > 1 ? (unsigned)atoi(argv[1]) : 1024;
    double seconds = argc > 2 ? atof(argv[2]) : 3;
    const char *why;
    uv_loop_t loop;
    peer_start(&peer);
    pdr_write_array(&load.args, 1);
    pdr_write_bin(&load.args, pdr_bytes(payload, sizeof payload));
    uv_loop_init(&loop);
    if (pdr_client_open(&loop, &(struct pdr_client_options){.node = peer.address}, &load.client, &why) != PDR_OK) {
        printf("%s\n", why);
        return 1;
    }
    for (unsigned i = 0; i < outstanding; i++) {
        call(&load);
    }
    double end = clock_s(CLOCK_MONOTONIC) + 0.3;
    while (clock_s(CLOCK_MONOTONIC) < end) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    double began = clock_s(CLOCK_MONOTONIC), cpu = clock_s(CLOCK_THREAD_CPUTIME_ID);
    load.answered = 0;
    while (clock_s(CLOCK_MONOTONIC) < began + seconds) {
        uv_run(&loop, UV_RUN_ONCE);
    }
    double wall = clock_s(CLOCK_MONOTONIC) - began;
    cpu = clock_s(CLOCK_THREAD_CPUTIME_ID) - cpu;
    printf("%u outstanding: %.0f calls/s, %.0f ns of this thread a call, %llu failed\n", outstanding,
           (double)load.answered / wall, cpu / (double)load.answered * 1e9, (unsigned long long)load.failed);
    load.stopping = true;
    pdr_client_close(load.client, NULL, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    pdr_writer_release(&load.args);
    return 0;
}
