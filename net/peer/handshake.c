/* net/peer/handshake.c: hello and proof. */
#include "net/peer/handshake.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/check.h"
#include "core/base/limits.h"
#include "core/base/mutation.h"

#define LABEL_DIALER "perdure peer 1: dialer"
#define LABEL_ACCEPTOR "perdure peer 1: acceptor"
#define LABEL_TO_DIALER "perdure peer 1: seals to dialer"
#define LABEL_TO_ACCEPTOR "perdure peer 1: seals to acceptor"

static enum handshake_step refuse(struct handshake *h, enum peer_refusal refusal, const char *format, ...)
    PDR_PRINTF(3, 4);

static enum handshake_step refuse(struct handshake *h, enum peer_refusal refusal, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(h->why, sizeof h->why, format, args);
    va_end(args);
    h->refusal = refusal;
    return HANDSHAKE_REFUSED;
}

static void begin(struct handshake *h, const struct handshake_self *self, const uint8_t nonce[PEER_NONCE_SIZE])
{
    *h = (struct handshake){.self = self, .state = HANDSHAKE_WANTS_HELLO};
    memcpy(h->nonce, nonce, sizeof h->nonce);
    pdr_writer_init(&h->hellos, NULL, 0, 0);
}

void handshake_release(struct handshake *h)
{
    pdr_writer_release(&h->hellos);
}

/* Our hello goes out, and into what is proved. */
static void say_hello(struct handshake *h, uint64_t to, uint32_t core, pdr_writer *out)
{
    const struct handshake_self *self = h->self;
    uint8_t room[LIMIT_PEER_HELLO_BYTES_MAX];
    pdr_writer payload;
    pdr_writer_init(&payload, room, sizeof room, sizeof room);
    peer_hello_encode(&payload, &(struct peer_hello){.version_min = HANDSHAKE_VERSION,
                                                     .version_max = HANDSHAKE_VERSION,
                                                     .cluster = pdr_str(self->cluster),
                                                     .node = self->node,
                                                     .incarnation = self->incarnation,
                                                     .dials = h->dials,
                                                     .knocks = h->knocks,
                                                     .to = to,
                                                     .core = core,
                                                     .cores = self->cores,
                                                     .address = pdr_str(self->address),
                                                     .nonce = h->nonce});
    CHECK(!payload.failed); /* cluster and address are our own */
    size_t begin_at = h->hellos.size;
    peer_frame_encode(&h->hellos, PEER_FRAME_HELLO, pdr_written(&payload));
    pdr_write_raw(out, h->hellos.data + begin_at, h->hellos.size - begin_at);
    pdr_writer_release(&payload);
}

void handshake_dial(struct handshake *h, const struct handshake_self *self, uint64_t node, uint32_t core, bool knocks,
                    const uint8_t nonce[PEER_NONCE_SIZE], pdr_writer *out)
{
    begin(h, self, nonce);
    h->dials = true;
    h->knocks = knocks;
    h->wanted = node;
    h->core = core;
    say_hello(h, node, core, out);
}

void handshake_answer(struct handshake *h, const struct handshake_self *self, const uint8_t nonce[PEER_NONCE_SIZE])
{
    static const uint8_t repeated[PEER_NONCE_SIZE];
    begin(h, self, MUTATION(124) ? repeated : nonce);
}

/* Hello. */

static enum handshake_step check_cluster(struct handshake *h, const struct peer_hello *hello)
{
    char theirs[65];
    size_t size = hello->cluster.size;
    if (pdr_bytes_equal(hello->cluster, pdr_str(h->self->cluster))) {
        return HANDSHAKE_MORE;
    }
    for (size_t i = 0; i < size; i++) {
        char c = ((const char *)hello->cluster.data)[i];
        theirs[i] = c;
        if (c <= ' ' || c > '~') {
            theirs[i] = '?';
        }
    }
    theirs[size] = '\0';
    return refuse(h, PEER_REFUSAL_CLUSTER,
                  "node %016" PRIx64 " belongs to cluster %s, and node %016" PRIx64 " to cluster %s", hello->node,
                  theirs, h->self->node, h->self->cluster);
}

static enum handshake_step check_names(struct handshake *h, const struct peer_hello *hello)
{
    const struct handshake_self *self = h->self;
    if (hello->node == self->node) {
        return refuse(h, PEER_REFUSAL_TWIN,
                      "node %016" PRIx64 " met a node of its own id: it reached itself, or its directory was copied",
                      self->node);
    }
    if (hello->to != self->node) {
        return refuse(h, PEER_REFUSAL_ADDRESSEE,
                      "node %016" PRIx64 " wants node %016" PRIx64 ", and node %016" PRIx64 " answers at its address",
                      hello->node, hello->to, self->node);
    }
    if (h->dials && hello->node != h->wanted) {
        return refuse(h, PEER_REFUSAL_ADDRESSEE,
                      "node %016" PRIx64 " wants node %016" PRIx64 ", and node %016" PRIx64 " answers at its address",
                      self->node, h->wanted, hello->node);
    }
    if (!h->dials && !hello->knocks && hello->node < self->node) {
        return refuse(h, PEER_REFUSAL_DIRECTION,
                      "node %016" PRIx64 " waits to be connected to by node %016" PRIx64 ", whose id is higher",
                      hello->node, self->node);
    }
    return HANDSHAKE_MORE;
}

static enum handshake_step check_hello(struct handshake *h, const struct peer_hello *hello)
{
    if (hello->version_min > HANDSHAKE_VERSION || hello->version_max < HANDSHAKE_VERSION) {
        return refuse(h, PEER_REFUSAL_VERSION,
                      "node %016" PRIx64 " speaks the peer protocol %u to %u, and node %016" PRIx64 " speaks %u",
                      hello->node, hello->version_min, hello->version_max, h->self->node, HANDSHAKE_VERSION);
    }
    enum handshake_step step = check_cluster(h, hello);
    if (step == HANDSHAKE_MORE) {
        step = check_names(h, hello);
    }
    if (step == HANDSHAKE_MORE && (hello->dials == h->dials || (h->dials && hello->core != h->core))) {
        step =
            refuse(h, PEER_REFUSAL_GARBAGE, "node %016" PRIx64 " gave our own part of the handshake back", hello->node);
    }
    return step;
}

static enum handshake_step take_hello(struct handshake *h, const struct peer_frame *frame)
{
    struct peer_hello hello;
    const char *why;
    if (frame->kind != PEER_FRAME_HELLO) {
        return refuse(h, PEER_REFUSAL_GARBAGE, "the first frame of a node must be a hello");
    }
    if (peer_hello_parse(frame->payload, &hello, &why) != PDR_OK) {
        return refuse(h, PEER_REFUSAL_GARBAGE, "%s", why);
    }
    h->peer = (struct handshake_peer){.node = hello.node,
                                      .incarnation = hello.incarnation,
                                      .features = hello.features,
                                      .version = HANDSHAKE_VERSION,
                                      .core = hello.core,
                                      .cores = hello.cores};
    snprintf(h->peer.address, sizeof h->peer.address, "%.*s", (int)hello.address.size,
             (const char *)hello.address.data);
    pdr_write_raw(&h->hellos, frame->sealed.data, frame->sealed.size);
    return check_hello(h, &hello);
}

/* Proof. */

static void prove(const struct handshake *h, bool dialer, uint8_t proof[SECRET_PROOF_SIZE])
{
    CHECK(!h->hellos.failed);
    secret_prove(h->self->secret, dialer || MUTATION(121) ? LABEL_DIALER : LABEL_ACCEPTOR, pdr_written(&h->hellos),
                 proof);
}

static void say_proof(const struct handshake *h, pdr_writer *out)
{
    uint8_t proof[SECRET_PROOF_SIZE];
    prove(h, h->dials, proof);
    peer_frame_encode(out, PEER_FRAME_PROOF, pdr_bytes(proof, sizeof proof));
}

static enum handshake_step check_proof(struct handshake *h, const struct peer_frame *frame)
{
    uint8_t expected[SECRET_PROOF_SIZE];
    if (frame->kind != PEER_FRAME_PROOF || frame->payload.size != SECRET_PROOF_SIZE) {
        return refuse(h, PEER_REFUSAL_GARBAGE, "the second frame of a node must be a proof of 32 bytes");
    }
    prove(h, !h->dials, expected);
    if (!secret_equal(expected, frame->payload.data, sizeof expected) && !MUTATION(120)) {
        return refuse(h, PEER_REFUSAL_SECRET,
                      "node %016" PRIx64 " and node %016" PRIx64 " have different secrets for cluster %s", h->peer.node,
                      h->self->node, h->self->cluster);
    }
    h->state = HANDSHAKE_PROVED;
    return HANDSHAKE_DONE;
}

enum handshake_step handshake_take(struct handshake *h, const struct peer_frame *frame, pdr_writer *out)
{
    CHECK(h->state != HANDSHAKE_PROVED);
    if (h->state == HANDSHAKE_WANTS_PROOF) {
        return check_proof(h, frame);
    }
    enum handshake_step step = take_hello(h, frame);
    if (step != HANDSHAKE_MORE) {
        return step;
    }
    if (h->dials) {
        say_proof(h, out);
    } else {
        say_hello(h, h->peer.node, h->peer.core, out);
    }
    h->state = HANDSHAKE_WANTS_PROOF;
    return HANDSHAKE_MORE;
}

void handshake_finish(const struct handshake *h, pdr_writer *out)
{
    CHECK(h->state == HANDSHAKE_PROVED && !h->dials);
    say_proof(h, out);
}

void handshake_seals(const struct handshake *h, struct seal **sends, struct seal **receives)
{
    uint8_t keys[2][SECRET_PROOF_SIZE];
    CHECK(h->state == HANDSHAKE_PROVED && !h->hellos.failed);
    secret_prove(h->self->secret, LABEL_TO_ACCEPTOR, pdr_written(&h->hellos), keys[0]);
    secret_prove(h->self->secret, LABEL_TO_DIALER, pdr_written(&h->hellos), keys[1]);
    *sends = seal_new(keys[h->dials ? 0 : 1]);
    *receives = seal_new(keys[h->dials ? 1 : 0]);
    secret_wipe(keys, sizeof keys);
}
