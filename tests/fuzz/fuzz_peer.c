/* tests/fuzz/fuzz_peer.c: hostile bytes where a node is expected (net/wire/peer_frame.c, peer_hello.c, net/peer/
 * handshake.c). What must hold for any input:
 *
 * - pieces: cut anywhere, it gives the same frames and the same refusal;
 * - slices lie inside of the input, sizes within the limit;
 * - a frame, or a hello, that is accepted and encoded again is the same;
 * - nobody who just says things proves a secret; each refusal has a sentence. */
#include "core/base/limits.h"
#include "net/peer/handshake.h"
#include "tests/fuzz/fuzz.h"

#define CUTS_MAX 200

struct result {
    enum pdr_status status;
    size_t used;
    struct peer_frame frame;
};

static struct result decode(const uint8_t *data, size_t size, const struct peer_frame_shape *shape)
{
    struct result r = {.used = 1};
    const char *why = NULL;
    r.status = peer_frame_decode(pdr_bytes(data, size), shape, &r.frame, &r.used, &why);
    FUZZ_CHECK(r.status == PDR_OK || r.status == PDR_INVALID || r.status == PDR_TOO_LARGE);
    FUZZ_CHECK(r.status == PDR_OK ? r.used <= size : r.used == 0 && why != NULL && strlen(why) > 10);
    return r;
}

static void check_frame(const struct result *r, struct pdr_bytes input, const struct peer_frame_shape *shape)
{
    const struct peer_frame *f = &r->frame;
    pdr_writer again;
    FUZZ_CHECK(fuzz_inside(f->payload, input) && fuzz_inside(f->sealed, input));
    FUZZ_CHECK(f->payload.size <= shape->payload_max && f->kind > 0 && f->kind <= PEER_FRAME_BATCH);
    FUZZ_CHECK((f->tag != NULL) == shape->is_batch);
    FUZZ_CHECK(r->used == f->sealed.size + (shape->is_batch ? PEER_TAG_SIZE : 0));
    pdr_writer_init(&again, NULL, 0, 0);
    peer_frame_encode(&again, f->kind, f->payload);
    FUZZ_CHECK(pdr_bytes_equal(pdr_written(&again), f->sealed));
    pdr_writer_release(&again);
}

/* What the first bytes say, the whole says too. */
static void check_cuts(const uint8_t *data, size_t size, const struct peer_frame_shape *shape,
                       const struct result *whole)
{
    for (size_t cut = 0; cut < size; cut += size / CUTS_MAX + 1) {
        uint8_t *piece = fuzz_copy(data, cut);
        struct result first = decode(piece, cut, shape);
        if (first.status != PDR_OK || first.used > 0) {
            FUZZ_CHECK(first.status == whole->status && first.used == whole->used);
        } else {
            FUZZ_CHECK(whole->used == 0 || cut < whole->used);
        }
        free(piece);
    }
}

static void check_batch(struct pdr_bytes payload)
{
    struct pdr_bytes rest = payload;
    struct peer_frame frame;
    const char *why = NULL;
    pdr_writer again;
    pdr_writer_init(&again, NULL, 0, 0);
    size_t begin = peer_batch_begin(&again);
    while (rest.size > 0 && peer_batch_next(&rest, &frame, &why) == PDR_OK) {
        FUZZ_CHECK(fuzz_inside(frame.payload, payload));
        peer_batch_add(&again, frame.kind, frame.payload);
    }
    peer_batch_end(&again, begin);
    struct pdr_bytes same = pdr_bytes(again.data + PEER_FRAME_HEADER_SIZE, again.size - PEER_FRAME_HEADER_SIZE);
    FUZZ_CHECK(rest.size > 0 ? why != NULL : pdr_bytes_equal(same, payload));
    pdr_writer_release(&again);
}

static void check_hello(struct pdr_bytes payload)
{
    struct peer_hello hello, same;
    const char *why = NULL;
    pdr_writer again;
    if (peer_hello_parse(payload, &hello, &why) != PDR_OK) {
        FUZZ_CHECK(why != NULL && strlen(why) > 10);
        return;
    }
    FUZZ_CHECK(fuzz_inside(hello.cluster, payload) && fuzz_inside(hello.address, payload));
    FUZZ_CHECK(fuzz_inside(pdr_bytes(hello.nonce, PEER_NONCE_SIZE), payload));
    pdr_writer_init(&again, NULL, 0, 0);
    peer_hello_encode(&again, &hello);
    FUZZ_CHECK(peer_hello_parse(pdr_written(&again), &same, &why) == PDR_OK);
    FUZZ_CHECK(pdr_bytes_equal(hello.cluster, same.cluster) && pdr_bytes_equal(hello.address, same.address));
    FUZZ_CHECK(hello.node == same.node && hello.to == same.to && hello.incarnation == same.incarnation);
    FUZZ_CHECK(hello.core == same.core && hello.cores == same.cores && hello.dials == same.dials);
    FUZZ_CHECK(memcmp(hello.nonce, same.nonce, PEER_NONCE_SIZE) == 0);
    pdr_writer_release(&again);
}

static void check_refusal(struct pdr_bytes payload)
{
    char text[64];
    peer_refusal_text(payload, text, sizeof text);
    for (const char *c = text; *c != '\0'; c++) {
        FUZZ_CHECK(*c >= ' ' && *c <= '~');
    }
}

/* The frames of the input, said to a node that was connected to, or that has connected. */
static void check_handshake(const uint8_t *data, size_t size, bool dials)
{
    static const struct peer_frame_shape shape = {.payload_max = LIMIT_PEER_HELLO_BYTES_MAX};
    static const uint8_t nonce[PEER_NONCE_SIZE];
    struct secret *secret;
    struct handshake shake;
    const char *why;
    pdr_writer out;
    FUZZ_CHECK(secret_new(pdr_str("nobody can know it"), &secret, &why) == PDR_OK);
    const struct handshake_self self = {
        .secret = secret, .cluster = "blue", .address = "h:1", .node = 5, .incarnation = 1, .cores = 2};
    pdr_writer_init(&out, NULL, 0, 0);
    if (dials) {
        handshake_dial(&shake, &self, 4, 1, false, nonce, &out);
    } else {
        handshake_answer(&shake, &self, nonce);
    }
    enum handshake_step step = HANDSHAKE_MORE;
    struct result r = decode(data, size, &shape);
    while (step == HANDSHAKE_MORE && r.status == PDR_OK && r.used > 0) {
        step = handshake_take(&shake, &r.frame, &out);
        FUZZ_CHECK(step != HANDSHAKE_DONE);
        FUZZ_CHECK(step != HANDSHAKE_REFUSED || strlen(shake.why) > 10);
        data += r.used;
        size -= r.used;
        r = decode(data, size, &shape);
    }
    handshake_release(&shake);
    pdr_writer_release(&out);
    secret_free(secret);
}

static void check_frames(const uint8_t *data, size_t size, const struct peer_frame_shape *shape)
{
    for (;;) {
        struct result r = decode(data, size, shape);
        check_cuts(data, size, shape, &r);
        if (r.status != PDR_OK || r.used == 0) {
            return;
        }
        check_frame(&r, pdr_bytes(data, size), shape);
        check_hello(r.frame.payload);
        check_refusal(r.frame.payload);
        data += r.used;
        size -= r.used;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct peer_frame_shape stranger = {.payload_max = LIMIT_PEER_HELLO_BYTES_MAX};
    static const struct peer_frame_shape proved = {.payload_max = LIMIT_PEER_FRAME_BYTES_MAX, .is_batch = true};
    check_frames(data, size, &stranger);
    check_frames(data, size, &proved);
    check_hello(pdr_bytes(data, size)); /* so that a fuzzer need not find a CRC */
    check_refusal(pdr_bytes(data, size));
    check_batch(pdr_bytes(data, size));
    check_handshake(data, size, false);
    check_handshake(data, size, true);
    return 0;
}
