/* tests/unit/net/peer/test_handshake.c: two who prove a secret to each other, and all who try without it. */
#include "net/peer/handshake.h"

#include <stdlib.h>

#include "core/base/limits.h"
#include "core/base/mem.h"
#include "core/base/rng.h"
#include "tests/lib/test.h"

#define DIALER 9u
#define ACCEPTOR 4u

struct party {
    struct secret *secret;
    struct handshake_self self;
    struct handshake shake;
    uint8_t nonce[PEER_NONCE_SIZE];
    pdr_writer out; /* one frame at a time */
};

static void party_init(struct party *p, uint64_t node, const char *secret)
{
    const char *why;
    memset(p, 0, sizeof *p);
    REQUIRE(secret_new(pdr_str(secret), &p->secret, &why) == PDR_OK);
    p->self = (struct handshake_self){
        .secret = p->secret, .cluster = "blue", .address = "host:7077", .node = node, .incarnation = 3, .cores = 2};
    memset(p->nonce, (int)node, sizeof p->nonce);
    pdr_writer_init(&p->out, NULL, 0, 0);
}

static void party_release(struct party *p)
{
    handshake_release(&p->shake);
    secret_free(p->secret);
    pdr_writer_release(&p->out);
}

/* `p` takes the frame in `bytes`; what it says to that is in p->out. */
static enum handshake_step hear(struct party *p, struct pdr_bytes bytes)
{
    static const struct peer_frame_shape shape = {.payload_max = LIMIT_PEER_HELLO_BYTES_MAX};
    struct peer_frame frame;
    const char *why;
    size_t used;
    REQUIRE(peer_frame_decode(bytes, &shape, &frame, &used, &why) == PDR_OK && used == bytes.size);
    pdr_writer_clear(&p->out);
    return handshake_take(&p->shake, &frame, &p->out);
}

struct pair {
    struct party dialer, acceptor;
};

static void pair_init(struct pair *p)
{
    party_init(&p->dialer, DIALER, "the secret of blue");
    party_init(&p->acceptor, ACCEPTOR, "the secret of blue");
}

static void pair_release(struct pair *p)
{
    party_release(&p->dialer);
    party_release(&p->acceptor);
}

static void begin(struct pair *p)
{
    handshake_dial(&p->dialer.shake, &p->dialer.self, ACCEPTOR, 1, false, p->dialer.nonce, &p->dialer.out);
    handshake_answer(&p->acceptor.shake, &p->acceptor.self, p->acceptor.nonce);
}

/* To the end, or to whoever refuses; that one's handshake, or NULL. */
static struct handshake *meet(struct pair *p)
{
    struct party *turn = &p->acceptor, *other = &p->dialer;
    begin(p);
    for (;;) {
        enum handshake_step step = hear(turn, pdr_written(&other->out));
        if (step == HANDSHAKE_REFUSED) {
            return &turn->shake;
        }
        if (step == HANDSHAKE_DONE && turn == &p->dialer) {
            return NULL;
        }
        if (step == HANDSHAKE_DONE) {
            pdr_writer_clear(&turn->out);
            handshake_finish(&turn->shake, &turn->out);
        }
        struct party *next = other;
        other = turn;
        turn = next;
    }
}

static void refused(struct pair *p, enum peer_refusal refusal, const char *sentence)
{
    struct handshake *who = meet(p);
    REQUIRE(who != NULL);
    EXPECT_INT(who->refusal, refusal);
    EXPECT(strstr(who->why, sentence) != NULL);
    pair_release(p);
}

TEST(both_prove)
{
    struct pair p;
    struct seal *seals[4];
    uint8_t tags[4][PEER_TAG_SIZE];
    pair_init(&p);
    EXPECT(meet(&p) == NULL);
    EXPECT_INT(p.dialer.shake.peer.node, ACCEPTOR);
    EXPECT_INT(p.acceptor.shake.peer.node, DIALER);
    EXPECT_INT(p.acceptor.shake.peer.incarnation, 3);
    EXPECT_INT(p.acceptor.shake.peer.core, 1);
    EXPECT_STR(p.acceptor.shake.peer.address, "host:7077");
    handshake_seals(&p.dialer.shake, &seals[0], &seals[1]);
    handshake_seals(&p.acceptor.shake, &seals[2], &seals[3]);
    for (int i = 0; i < 4; i++) {
        seal_next(seals[i], pdr_str("a frame"), tags[i]);
        seal_free(seals[i]);
    }
    EXPECT(memcmp(tags[0], tags[3], PEER_TAG_SIZE) == 0); /* what the one sends the other takes */
    EXPECT(memcmp(tags[1], tags[2], PEER_TAG_SIZE) == 0);
    EXPECT(memcmp(tags[0], tags[1], PEER_TAG_SIZE) != 0); /* and no frame can be sent back */
    pair_release(&p);
}

TEST(other_secret)
{
    struct pair p;
    pair_init(&p);
    party_release(&p.dialer);
    party_init(&p.dialer, DIALER, "the secret of nobody");
    refused(&p, PEER_REFUSAL_SECRET, "have different secrets for cluster blue");
}

TEST(other_cluster)
{
    struct pair p;
    pair_init(&p);
    p.dialer.self.cluster = "r\x1b"
                            "d";
    refused(&p, PEER_REFUSAL_CLUSTER, "belongs to cluster r?d, and node 0000000000000004 to cluster blue");
}

TEST(own_id)
{
    struct pair p;
    pair_init(&p);
    p.dialer.self.node = ACCEPTOR;
    refused(&p, PEER_REFUSAL_TWIN, "a node of its own id");
}

TEST(another_is_there)
{
    struct pair p;
    pair_init(&p);
    p.acceptor.self.node = ACCEPTOR + 1;
    refused(&p, PEER_REFUSAL_ADDRESSEE, "wants node 0000000000000004, and node 0000000000000005 answers");
}

TEST(wrong_direction)
{
    struct pair p;
    pair_init(&p);
    p.dialer.self.node = ACCEPTOR - 1;
    refused(&p, PEER_REFUSAL_DIRECTION, "whose id is higher");
}

/* Hellos as others might write them. */

static struct peer_hello hello_of(const struct party *p, bool dials, uint64_t to)
{
    return (struct peer_hello){.version_min = 1,
                               .version_max = 1,
                               .cluster = pdr_str("blue"),
                               .node = p->self.node,
                               .incarnation = 3,
                               .dials = dials,
                               .to = to,
                               .core = 1,
                               .cores = 2,
                               .nonce = p->nonce};
}

static enum handshake_step hear_hello(struct party *p, const struct peer_hello *hello)
{
    pdr_writer payload, frame;
    pdr_writer_init(&payload, NULL, 0, 0);
    pdr_writer_init(&frame, NULL, 0, 0);
    peer_hello_encode(&payload, hello);
    peer_frame_encode(&frame, PEER_FRAME_HELLO, pdr_written(&payload));
    enum handshake_step step = hear(p, pdr_written(&frame));
    pdr_writer_release(&payload);
    pdr_writer_release(&frame);
    return step;
}

TEST(other_version)
{
    struct pair p;
    pair_init(&p);
    begin(&p);
    struct peer_hello hello = hello_of(&p.dialer, true, ACCEPTOR);
    hello.version_min = 2;
    hello.version_max = 7;
    EXPECT_INT(hear_hello(&p.acceptor, &hello), HANDSHAKE_REFUSED);
    EXPECT_INT(p.acceptor.shake.refusal, PEER_REFUSAL_VERSION);
    EXPECT(strstr(p.acceptor.shake.why, "speaks the peer protocol 2 to 7") != NULL);
    pair_release(&p);
}

/* An older node that speaks ours too is let in, and what it offered is part of what is proved. */
TEST(offer_is_proved)
{
    struct pair p;
    pair_init(&p);
    begin(&p);
    struct peer_hello hello = hello_of(&p.dialer, true, ACCEPTOR);
    hello.version_max = 2; /* somebody between the two has changed it */
    EXPECT_INT(hear_hello(&p.acceptor, &hello), HANDSHAKE_MORE);
    EXPECT_INT(hear(&p.dialer, pdr_written(&p.acceptor.out)), HANDSHAKE_MORE);
    EXPECT_INT(hear(&p.acceptor, pdr_written(&p.dialer.out)), HANDSHAKE_REFUSED);
    EXPECT_INT(p.acceptor.shake.refusal, PEER_REFUSAL_SECRET);
    pair_release(&p);
}

/* Reflections. */

TEST(own_hello_back)
{
    struct pair p;
    pdr_writer hello;
    pdr_writer_init(&hello, NULL, 0, 0);
    pair_init(&p);
    begin(&p);
    pdr_write_raw(&hello, p.dialer.out.data, p.dialer.out.size);
    EXPECT_INT(hear(&p.dialer, pdr_written(&hello)), HANDSHAKE_REFUSED);
    EXPECT_INT(p.dialer.shake.refusal, PEER_REFUSAL_TWIN);
    pdr_writer_release(&hello);
    pair_release(&p);
}

TEST(own_role_back)
{
    struct pair p;
    pair_init(&p);
    begin(&p);
    struct peer_hello hello = hello_of(&p.acceptor, true, DIALER);
    EXPECT_INT(hear_hello(&p.dialer, &hello), HANDSHAKE_REFUSED);
    EXPECT(strstr(p.dialer.shake.why, "gave our own part of the handshake back") != NULL);
    pair_release(&p);
}

TEST(own_proof_back)
{
    struct pair p;
    pair_init(&p);
    begin(&p);
    struct peer_hello hello = hello_of(&p.acceptor, false, DIALER);
    REQUIRE(hear_hello(&p.dialer, &hello) == HANDSHAKE_MORE);
    pdr_writer proof;
    pdr_writer_init(&proof, NULL, 0, 0);
    pdr_write_raw(&proof, p.dialer.out.data, p.dialer.out.size);
    EXPECT_INT(hear(&p.dialer, pdr_written(&proof)), HANDSHAKE_REFUSED);
    EXPECT_INT(p.dialer.shake.refusal, PEER_REFUSAL_SECRET);
    pdr_writer_release(&proof);
    pair_release(&p);
}

TEST(replay)
{
    struct pair p;
    pdr_writer hello, proof;
    pdr_writer_init(&hello, NULL, 0, 0);
    pdr_writer_init(&proof, NULL, 0, 0);
    pair_init(&p);
    begin(&p);
    pdr_write_raw(&hello, p.dialer.out.data, p.dialer.out.size);
    REQUIRE(hear(&p.acceptor, pdr_written(&hello)) == HANDSHAKE_MORE);
    REQUIRE(hear(&p.dialer, pdr_written(&p.acceptor.out)) == HANDSHAKE_MORE);
    pdr_write_raw(&proof, p.dialer.out.data, p.dialer.out.size);
    REQUIRE(hear(&p.acceptor, pdr_written(&proof)) == HANDSHAKE_DONE);
    handshake_release(&p.acceptor.shake);
    p.acceptor.nonce[0]++;
    handshake_answer(&p.acceptor.shake, &p.acceptor.self, p.acceptor.nonce);
    REQUIRE(hear(&p.acceptor, pdr_written(&hello)) == HANDSHAKE_MORE);
    EXPECT_INT(hear(&p.acceptor, pdr_written(&proof)), HANDSHAKE_REFUSED);
    pdr_writer_release(&hello);
    pdr_writer_release(&proof);
    pair_release(&p);
}

/* Any bit of any frame of the handshake, changed with a CRC to match: never do both come to the end. */
TEST(no_bit_may_change)
{
    struct rng rng;
    uint64_t seed = test_seed();
    rng_seed(&rng, seed);
    for (int i = 0; i < 2000; i++) {
        struct pair p;
        pair_init(&p);
        begin(&p);
        struct party *from = &p.dialer, *to = &p.acceptor, *changed = NULL;
        unsigned at = (unsigned)rng_below(&rng, 4); /* which of the four frames */
        bool done = false, refusal = false;
        for (unsigned k = 0; k < 4 && !refusal; k++) {
            pdr_writer frame;
            pdr_writer_init(&frame, NULL, 0, 0);
            size_t payload = from->out.size - PEER_FRAME_HEADER_SIZE;
            if (k == at) {
                from->out.data[PEER_FRAME_HEADER_SIZE + rng_below(&rng, payload)] ^=
                    (uint8_t)(1u << rng_below(&rng, 8));
                changed = to;
            }
            peer_frame_encode(&frame, from->out.data[1], pdr_bytes(from->out.data + PEER_FRAME_HEADER_SIZE, payload));
            enum handshake_step step = hear(to, pdr_written(&frame));
            refusal = step == HANDSHAKE_REFUSED;
            done = step == HANDSHAKE_DONE && to == &p.dialer;
            if (step == HANDSHAKE_DONE && to == &p.acceptor) {
                handshake_finish(&to->shake, &to->out);
            }
            pdr_writer_release(&frame);
            struct party *next = from;
            from = to;
            to = next;
        }
        if (done || !refusal || changed == NULL) {
            fprintf(stderr, "seed %llu, handshake %d, frame %u\n", (unsigned long long)seed, i, at);
        }
        EXPECT(refusal && !done);
        pair_release(&p);
    }
}

TEST(garbage)
{
    struct pair p;
    pdr_writer frame;
    pdr_writer_init(&frame, NULL, 0, 0);
    pair_init(&p);
    begin(&p);
    peer_frame_encode(&frame, PEER_FRAME_PROOF, pdr_str("not yet"));
    EXPECT_INT(hear(&p.acceptor, pdr_written(&frame)), HANDSHAKE_REFUSED);
    EXPECT_INT(p.acceptor.shake.refusal, PEER_REFUSAL_GARBAGE);
    pdr_writer_clear(&frame);
    peer_frame_encode(&frame, PEER_FRAME_HELLO, pdr_str("\x80"));
    EXPECT_INT(hear(&p.acceptor, pdr_written(&frame)), HANDSHAKE_REFUSED);
    EXPECT(strstr(p.acceptor.shake.why, "\"versions\"") != NULL);
    pdr_writer_release(&frame);
    pair_release(&p);
}

TEST_MAIN()
