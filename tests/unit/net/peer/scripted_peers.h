/* tests/unit/net/peer/scripted_peers.h: links over a transport that does what the test says, by a clock that it moves.
 *
 * A `side` is one core of one node. What it writes is kept in its stream until the test passes it on. */
#ifndef TESTS_UNIT_NET_PEER_SCRIPTED_PEERS_H
#define TESTS_UNIT_NET_PEER_SCRIPTED_PEERS_H

#include <stdio.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "net/peer/peer_link.h"
#include "tests/lib/test.h"

#define STREAMS_MAX 300

struct pipe_end {
    struct stream stream;
    const struct stream_handler *handler;
    void *user;
    pdr_writer written; /* and not passed on */
    uint64_t unsent;    /* what it says */
    bool stuck;         /* what is written adds to that */
    bool used, is_open, paused, closing;
    uint64_t linger_ms;
};

struct side {
    struct transport transport;
    struct loop loop;
    uint64_t now_ns;
    struct timerwheel wheel;
    struct rng rng;
    struct peers_net *net;
    struct pipe_end ends[STREAMS_MAX];
    unsigned connects;
    bool refuses; /* connect fails at once */
    uint8_t nonce;
    bool is_closed;
    uint32_t sent_on_to; /* elsewhere */
    intptr_t sent_on;
    /* What the handler of PEER_CALL was told. */
    uint64_t life, ups, gones, rooms, received;
    char why[320], last[64];
    char told[320]; /* the refusal that it was sent */
};

static struct side *side_of(const struct transport *t)
{
    return (struct side *)t;
}

static struct pipe_end *end_new(struct side *s, const struct stream_handler *handler, void *user)
{
    for (unsigned i = 0; i < STREAMS_MAX; i++) {
        struct pipe_end *e = &s->ends[i];
        if (!e->used) {
            *e = (struct pipe_end){.stream = {&s->transport}, .handler = handler, .user = user, .used = true};
            return e;
        }
    }
    abort();
}

static struct stream *scripted_connect(struct transport *t, const char *address, const struct stream_handler *handler,
                                       void *user, const char **why)
{
    struct side *s = side_of(t);
    s->connects++;
    *why = "the address is none";
    return s->refuses ? NULL : &end_new(s, handler, user)->stream;
}

static struct stream *scripted_adopt(struct transport *t, intptr_t pending, const struct stream_handler *handler,
                                     void *user)
{
    struct pipe_end *e = end_new(side_of(t), handler, user);
    e->is_open = true;
    return &e->stream;
}

static void scripted_discard(struct transport *t, intptr_t pending) {}

static intptr_t scripted_detach(struct stream *stream)
{
    ((struct pipe_end *)stream)->used = false;
    return 77;
}

static void scripted_write(struct stream *stream, struct pdr_bytes data)
{
    struct pipe_end *e = (struct pipe_end *)stream;
    REQUIRE(e->is_open);
    pdr_write_raw(&e->written, data.data, data.size);
    e->unsent += e->stuck ? data.size : 0;
}

static uint64_t scripted_unsent(const struct stream *stream)
{
    return ((const struct pipe_end *)stream)->unsent;
}

static void scripted_pause(struct stream *stream)
{
    ((struct pipe_end *)stream)->paused = true;
}

static void scripted_resume(struct stream *stream)
{
    ((struct pipe_end *)stream)->paused = false;
}

static void scripted_close(struct stream *stream, uint64_t linger_ms)
{
    struct pipe_end *e = (struct pipe_end *)stream;
    e->closing = true;
    e->linger_ms = linger_ms;
}

static void scripted_peer_name(const struct stream *stream, char *text, unsigned long size)
{
    snprintf(text, size, "192.0.2.7:7077");
}

static const struct transport_ops scripted_ops = {.connect = scripted_connect,
                                                  .adopt = scripted_adopt,
                                                  .discard = scripted_discard,
                                                  .detach = scripted_detach,
                                                  .write = scripted_write,
                                                  .unsent = scripted_unsent,
                                                  .pause = scripted_pause,
                                                  .resume = scripted_resume,
                                                  .close = scripted_close,
                                                  .peer_name = scripted_peer_name};

static uint64_t scripted_now(struct loop *loop)
{
    return LIST_ITEM(loop, struct side, loop)->now_ns;
}

static const struct loop_ops scripted_loop = {.now_ns = scripted_now};

static void scripted_entropy(void *user, void *out, size_t size)
{
    memset(out, ++((struct side *)user)->nonce, size);
}

static void scripted_elsewhere(void *user, uint32_t core, intptr_t pending, struct pdr_bytes first)
{
    struct side *s = user;
    s->sent_on_to = core;
    s->sent_on = pending;
}

/* The handler of PEER_CALL. */

static void noted_up(void *user, uint64_t node, uint64_t life)
{
    struct side *s = user;
    s->ups++;
    s->life = life;
}

static void noted_gone(void *user, uint64_t node, uint64_t life, const char *why)
{
    struct side *s = user;
    s->gones++;
    EXPECT_INT(life, s->life);
    s->life = 0;
    snprintf(s->why, sizeof s->why, "%s", why);
}

static void noted_room(void *user, uint64_t node, uint64_t life)
{
    ((struct side *)user)->rooms++;
}

static void noted_received(void *user, uint64_t node, uint64_t life, struct pdr_bytes frame)
{
    struct side *s = user;
    EXPECT_INT(life, s->life);
    s->received++;
    snprintf(s->last, sizeof s->last, "%.*s", (int)frame.size, (const char *)frame.data);
}

static const struct peer_handler noted = {noted_up, noted_received, noted_room, noted_gone};

/* A side. */

static inline struct secret *make_secret(const char *text)
{
    struct secret *secret = NULL;
    const char *why;
    REQUIRE(secret_new(pdr_str(text), &secret, &why) == PDR_OK);
    return secret;
}

static inline struct handshake_self make_self(const struct secret *secret, uint64_t node)
{
    return (struct handshake_self){
        .secret = secret, .cluster = "blue", .address = "192.0.2.1:7077", .node = node, .incarnation = 5, .cores = 1};
}

static inline struct side *side_new(const struct handshake_self *self, const struct peers_limits *limits)
{
    struct side *s = mem_new(sizeof *s);
    log_set_level(LOG_ERROR);
    s->transport.ops = &scripted_ops;
    s->loop.ops = &scripted_loop;
    s->now_ns = 1000 * NS_PER_S;
    s->nonce = (uint8_t)(self->node * 16);
    timerwheel_init(&s->wheel, s->now_ns);
    rng_seed(&s->rng, self->node);
    const struct peers_world world = {.loop = &s->loop,
                                      .wheel = &s->wheel,
                                      .rng = &s->rng,
                                      .transport = &s->transport,
                                      .entropy = scripted_entropy,
                                      .entropy_user = s,
                                      .elsewhere = scripted_elsewhere,
                                      .elsewhere_user = s};
    s->net = peers_new(&world, limits, self);
    peer_listen(&s->net->peers, PEER_CALL, &noted, s);
    return s;
}

static inline void side_free(struct side *s)
{
    peers_free(s->net);
    for (unsigned i = 0; i < STREAMS_MAX; i++) {
        pdr_writer_release(&s->ends[i].written);
    }
    EXPECT_INT(s->wheel.count, 0);
    mem_free(s);
}

/* The end of a tick, `ms` later. */
static inline void side_tick(struct side *s, uint64_t ms)
{
    s->now_ns += ms * NS_PER_MS;
    timerwheel_advance(&s->wheel, s->now_ns);
    peers_flush(s->net);
}

/* The k-th stream that is there. */
static inline struct pipe_end *side_end(struct side *s, unsigned k)
{
    for (unsigned i = 0; i < STREAMS_MAX; i++) {
        if (s->ends[i].used && k-- == 0) {
            return &s->ends[i];
        }
    }
    return NULL;
}

static inline void end_open(struct side *s, struct pipe_end *e)
{
    e->is_open = true;
    e->handler->opened(e->user);
    peers_flush(s->net);
}

static inline void end_closed(struct pipe_end *e, const char *why)
{
    e->used = false;
    pdr_writer_release(&e->written);
    e->handler->closed(e->user, why);
}

static inline void end_hears(struct side *s, struct pipe_end *e, struct pdr_bytes bytes)
{
    if (bytes.size > 0 && !e->closing) {
        e->handler->received(e->user, bytes);
    }
    peers_flush(s->net);
}

/* Unsealed frames alone. */
static inline void note_refusal(struct side *to, struct pdr_bytes bytes)
{
    static const struct peer_frame_shape stranger = {.payload_max = 1024};
    struct peer_frame frame;
    const char *why;
    size_t used;
    while (peer_frame_decode(bytes, &stranger, &frame, &used, &why) == PDR_OK && used > 0) {
        if (frame.kind == PEER_FRAME_REFUSE) {
            peer_refusal_text(frame.payload, to->told, sizeof to->told);
        }
        bytes = pdr_bytes((const uint8_t *)bytes.data + used, bytes.size - used);
    }
}

/* What the one wrote the other hears, once; true if there was anything. */
static inline bool pass(struct pipe_end *from, struct side *to_side, struct pipe_end *to)
{
    pdr_writer taken = from->written;
    from->written = (pdr_writer){0};
    note_refusal(to_side, pdr_written(&taken));
    end_hears(to_side, to, pdr_written(&taken));
    bool any = taken.size > 0;
    pdr_writer_release(&taken);
    return any;
}

static inline void pass_all(struct side *a, struct pipe_end *x, struct side *b, struct pipe_end *y)
{
    while (pass(x, b, y) || pass(y, a, x)) {
    }
}

static inline void know(struct side *s, uint64_t node)
{
    peers_members(s->net, &(struct peer_member){.node = node, .address = "192.0.2.9:7077"}, 1);
}

/* The higher id connects to the lower; both are up if nothing is wrong. Their streams are the last ones. */
static inline void meet(struct side *low, struct pipe_end **at_low, struct side *high, struct pipe_end **at_high)
{
    unsigned before = high->connects;
    for (unsigned i = 0; i < 3000 && high->connects == before; i++) {
        side_tick(high, 1);
    }
    REQUIRE(high->connects == before + 1);
    unsigned k = 0;
    while (side_end(high, k + 1) != NULL) {
        k++;
    }
    *at_high = side_end(high, k);
    peers_adopt(low->net, 1, pdr_bytes(NULL, 0));
    k = 0;
    while (side_end(low, k + 1) != NULL) {
        k++;
    }
    *at_low = side_end(low, k);
    end_open(high, *at_high);
    pass_all(high, *at_high, low, *at_low);
}

#endif
