/* tests/simulation/peers/attacker.c: who knows all but the secret. It sees the wire, is where members should be, stands
 * between two nodes, and says whatever it likes. */
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/limits.h"
#include "core/base/mem.h"
#include "tests/simulation/peers/world.h"

#define PHANTOM_ADDRESS "attacker:7100"
#define BETWEEN_ADDRESS "attacker:7101"
#define RECORD_MAX (64u << 10)
#define CALLS_MAX 8u /* of its own making, at a time */
#define ACT_MS 120u
#define TAMPER_PERCENT 2u

enum role {
    ROLE_CALLER,   /* it connected to a node: garbage, guesses, replays */
    ROLE_PHANTOM,  /* a node connected to it */
    ROLE_ACCEPTED, /* it stands between: the side of who connected ... */
    ROLE_PASSED,   /* ... and the side of whom it wanted */
};

/** One stream. Those between two nodes come in pairs. */
struct wire {
    struct list node;
    struct attacker *attacker;
    struct stream *stream;
    enum role role;
    enum attack attack;
    struct wire *other; /* ACCEPTED, PASSED; NULL once it is gone */
    bool is_open, is_clean;
    unsigned frames;  /* that came */
    pdr_writer in;    /* the beginning of a frame */
    pdr_writer out;   /* until it is open */
    pdr_writer saved; /* a frame that comes after the next one */
    pdr_writer heard; /* ACCEPTED: all of it, to be replayed */
};

struct attacker {
    struct world *world;
    struct sim_clock clock;
    struct sim_loop loop;
    struct transport *transport;
    struct listener *phantoms, *between;
    struct node_of *behind; /* the node it stands before */
    struct list wires;
    uint32_t host, calls;
    bool rests;
    pdr_writer record;
    uint64_t counts[ATTACKS];
};

static bool chance(struct attacker *a, unsigned percent)
{
    return sim_chance(&a->world->sim, percent);
}

static uint64_t draw(struct attacker *a, uint64_t below)
{
    return sim_draw(&a->world->sim, below);
}

static void tried(struct attacker *a, enum attack attack)
{
    a->counts[attack]++;
    sim_note(&a->world->sim, "attack", 0, attack);
}

/* Wires. */

static const struct stream_handler handler;

static struct wire *wire_new(struct attacker *a, enum role role)
{
    struct wire *w = mem_new(sizeof *w);
    *w = (struct wire){.attacker = a, .role = role, .is_clean = true};
    pdr_writer *const buffers[] = {&w->in, &w->out, &w->saved, &w->heard};
    for (unsigned i = 0; i < 4; i++) {
        pdr_writer_init(buffers[i], NULL, 0, 0);
    }
    list_push_back(&a->wires, &w->node);
    return w;
}

static void wire_free(struct wire *w)
{
    list_remove(&w->node);
    pdr_writer_release(&w->in);
    pdr_writer_release(&w->out);
    pdr_writer_release(&w->saved);
    pdr_writer_release(&w->heard);
    mem_free(w);
}

static void say(struct wire *w, struct pdr_bytes bytes)
{
    if (w == NULL || bytes.size == 0) {
        return;
    }
    if (w->is_open) {
        w->attacker->transport->ops->write(w->stream, bytes);
    } else {
        pdr_write_raw(&w->out, bytes.data, bytes.size);
    }
}

static void hang_up(struct wire *w)
{
    w->attacker->transport->ops->close(w->stream, 0);
}

static void say_random(struct wire *w, uint64_t size)
{
    uint8_t bytes[512];
    for (uint64_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)draw(w->attacker, 256);
    }
    say(w, pdr_bytes(bytes, size));
}

static void say_frame(struct wire *w, unsigned kind, struct pdr_bytes payload)
{
    pdr_writer frame;
    pdr_writer_init(&frame, NULL, 0, 0);
    peer_frame_encode(&frame, kind, payload);
    say(w, pdr_written(&frame));
    pdr_writer_release(&frame);
}

/* A batch of one frame, with a tag that is drawn. */
static void say_batch(struct wire *w, unsigned kind, struct pdr_bytes payload)
{
    pdr_writer batch;
    pdr_writer_init(&batch, NULL, 0, 0);
    size_t begin = peer_batch_begin(&batch);
    peer_batch_add(&batch, PEER_FRAME_CARRIED + kind, payload);
    peer_batch_end(&batch, begin);
    say(w, pdr_written(&batch));
    say_random(w, PEER_TAG_SIZE);
    pdr_writer_release(&batch);
}

/* As a member. */

static void say_hello(struct wire *w, uint64_t node, uint64_t to, uint32_t core, bool dials)
{
    uint8_t nonce[PEER_NONCE_SIZE] = {0}, room[LIMIT_PEER_HELLO_BYTES_MAX];
    pdr_writer payload;
    pdr_writer_init(&payload, room, sizeof room, sizeof room);
    peer_hello_encode(&payload, &(struct peer_hello){.version_min = 1,
                                                     .version_max = 1,
                                                     .cluster = pdr_str("00112233445566778899aabbccddeeff"),
                                                     .node = node,
                                                     .incarnation = UINT64_MAX - 1,
                                                     .dials = dials,
                                                     .to = to,
                                                     .core = core,
                                                     .cores = 1 + (uint32_t)draw(w->attacker, 4),
                                                     .nonce = nonce});
    say_frame(w, PEER_FRAME_HELLO, pdr_written(&payload));
    pdr_writer_release(&payload);
}

static void say_guess(struct wire *w)
{
    uint8_t proof[SECRET_PROOF_SIZE], junk[64] = {0};
    put_le64(proof, draw(w->attacker, UINT64_MAX));
    memset(proof + 8, (int)draw(w->attacker, 256), sizeof proof - 8);
    say_frame(w, PEER_FRAME_PROOF, pdr_bytes(proof, sizeof proof));
    say_batch(w, PEER_CALL, pdr_bytes(junk, sizeof junk));
}

/* A node has connected to a member that is not there. */
static void phantom_hears(struct wire *w, struct pdr_bytes frame)
{
    static const struct peer_frame_shape any = {.payload_max = LIMIT_PEER_HELLO_BYTES_MAX};
    struct attacker *a = w->attacker;
    struct peer_frame got;
    struct peer_hello hello;
    size_t used;
    const char *why;
    if (peer_frame_decode(frame, &any, &got, &used, &why) != PDR_OK || used == 0) {
        return;
    }
    if (got.kind == PEER_FRAME_PROOF) { /* its own proof, back: the heart of a reflection */
        tried(a, ATTACK_reflected);
        say(w, frame);
        say_batch(w, PEER_CALL, pdr_str("junk"));
    } else if (got.kind == PEER_FRAME_HELLO && peer_hello_parse(got.payload, &hello, &why) == PDR_OK) {
        if (chance(a, 10)) {
            tried(a, ATTACK_reflected);
            say(w, frame);
            return;
        }
        say_hello(w, hello.to, hello.node, hello.core, false);
        if (chance(a, 30)) {
            tried(a, ATTACK_guessed);
            say_guess(w);
        }
    }
}

/* Between two. */

static void flip(struct wire *to, struct pdr_bytes frame, bool mends)
{
    struct attacker *a = to->attacker;
    pdr_writer copy;
    size_t payload = get_le32((const uint8_t *)frame.data + 4);
    pdr_writer_init(&copy, NULL, 0, 0);
    pdr_write_raw(&copy, frame.data, frame.size);
    size_t begin = mends && payload > 0 ? PEER_FRAME_HEADER_SIZE : 0;
    copy.data[begin + draw(a, mends && payload > 0 ? payload : frame.size)] ^= (uint8_t)(1u << draw(a, 8));
    if (mends) {
        size_t rest = PEER_FRAME_HEADER_SIZE + payload;
        say_frame(to, copy.data[1], pdr_bytes(copy.data + PEER_FRAME_HEADER_SIZE, payload));
        say(to, pdr_bytes(copy.data + rest, frame.size - rest));
    } else {
        say(to, pdr_written(&copy));
    }
    pdr_writer_release(&copy);
}

static void tamper(struct wire *from, struct pdr_bytes frame)
{
    struct attacker *a = from->attacker;
    struct wire *to = from->other;
    tried(a, ATTACK_tampered);
    from->is_clean = false;
    switch (draw(a, 6)) {
    case 0:
        flip(to, frame, false);
        break;
    case 1:
        flip(to, frame, true);
        break;
    case 2:
        say(to, frame);
        say(to, frame);
        break;
    case 3:
        break; /* left out */
    case 4:
        pdr_write_raw(&from->saved, frame.data, frame.size);
        break;
    case 5:
        tried(a, ATTACK_forged);
        say_batch(to, (unsigned)draw(a, PEER_KIND_COUNT), pdr_str("forged"));
        say(to, frame);
        break;
    }
}

static void pass_on(struct wire *from, struct pdr_bytes frame)
{
    struct attacker *a = from->attacker;
    if (from->other == NULL) {
        return;
    }
    if (from->role == ROLE_ACCEPTED && from->is_clean && from->heard.size + frame.size <= RECORD_MAX) {
        pdr_write_raw(&from->heard, frame.data, frame.size);
    }
    if (!a->rests && from->saved.size == 0 && chance(a, TAMPER_PERCENT)) {
        tamper(from, frame);
    } else if (!a->rests && chance(a, 1) && chance(a, 20)) {
        tried(a, ATTACK_broken);
        say(from->other, pdr_bytes(frame.data, draw(a, frame.size)));
        hang_up(from->other);
    } else {
        say(from->other, frame);
        say(from->other, pdr_written(&from->saved));
        pdr_writer_clear(&from->saved);
    }
}

/* What streams tell. */

/* Bytes of the first frame of `in`; 0: it has not all come. */
static size_t frame_size(const struct wire *w)
{
    if (w->in.size < PEER_FRAME_HEADER_SIZE) {
        return 0;
    }
    size_t size = PEER_FRAME_HEADER_SIZE + (size_t)get_le32(w->in.data + 4) +
                  (w->in.data[1] == PEER_FRAME_BATCH ? PEER_TAG_SIZE : 0);
    return size <= w->in.size ? size : 0;
}

static void received(void *user, struct pdr_bytes data)
{
    struct wire *w = user;
    size_t size;
    if (w->role == ROLE_CALLER) {
        return;
    }
    pdr_write_raw(&w->in, data.data, data.size);
    while ((size = frame_size(w)) > 0) {
        if (w->role == ROLE_PHANTOM) {
            phantom_hears(w, pdr_bytes(w->in.data, size));
        } else {
            pass_on(w, pdr_bytes(w->in.data, size));
        }
        w->frames++;
        memmove(w->in.data, w->in.data + size, w->in.size - size);
        w->in.size -= size;
    }
}

static void opened(void *user)
{
    struct wire *w = user;
    w->is_open = true;
    say(w, pdr_written(&w->out));
}

static void closed(void *user, const char *why)
{
    struct wire *w = user;
    struct attacker *a = w->attacker;
    a->calls -= w->role == ROLE_CALLER;
    if (w->role == ROLE_ACCEPTED && w->frames > 3) {
        pdr_writer_clear(&a->record);
        pdr_write_raw(&a->record, w->heard.data, w->heard.size);
    }
    if (w->other != NULL) {
        w->other->other = NULL;
        hang_up(w->other);
    }
    wire_free(w);
}

static const struct stream_handler handler = {.opened = opened, .received = received, .closed = closed};

static struct wire *call(struct attacker *a, enum role role, const char *address)
{
    const char *why;
    struct wire *w = wire_new(a, role);
    w->stream = a->transport->ops->connect(a->transport, address, &handler, w, &why);
    CHECK(w->stream != NULL);
    return w;
}

static struct wire *adopt(struct attacker *a, enum role role, intptr_t pending)
{
    struct wire *w = wire_new(a, role);
    w->stream = a->transport->ops->adopt(a->transport, pending, &handler, w);
    w->is_open = true;
    CHECK(w->stream != NULL);
    return w;
}

static void phantom_called(void *user, intptr_t pending)
{
    adopt(user, ROLE_PHANTOM, pending);
}

static void between_called(void *user, intptr_t pending)
{
    struct attacker *a = user;
    struct wire *from = adopt(a, ROLE_ACCEPTED, pending);
    struct wire *to = call(a, ROLE_PASSED, a->behind->address);
    from->other = to;
    to->other = from;
}

/* Of its own accord. */

static void attack(struct attacker *a)
{
    struct world *world = a->world;
    const struct node_of *victim = &world->nodes[draw(a, world->node_count)];
    const struct node_of *as = &world->nodes[draw(a, world->node_count)];
    bool replays = a->behind != NULL && a->record.size > 0 && chance(a, 50);
    struct wire *w = call(a, ROLE_CALLER, (replays ? a->behind : victim)->address);
    a->calls++;
    if (replays) {
        tried(a, ATTACK_replayed);
        say(w, pdr_written(&a->record));
    } else if (chance(a, 60)) {
        tried(a, ATTACK_guessed);
        say_hello(w, as == victim || chance(a, 50) ? PHANTOM_HIGH : as->id, victim->id,
                  (uint32_t)draw(a, CORES_MAX + 1), true);
        say_guess(w);
    } else {
        tried(a, ATTACK_garbage);
        if (chance(a, 50)) {
            say_hello(w, PHANTOM_HIGH, victim->id, 0, true);
        }
        say_random(w, draw(a, 500));
    }
}

static void act(void *user)
{
    struct attacker *a = user;
    struct sim *sim = &a->world->sim;
    if (a->rests) {
        return;
    }
    if (a->calls < CALLS_MAX && a->world->node_count > 0) {
        attack(a);
    }
    for (struct list *node = a->wires.next; node != &a->wires; node = node->next) {
        struct wire *w = LIST_ITEM(node, struct wire, node);
        if (w->role == ROLE_CALLER && chance(a, 10)) {
            hang_up(w);
        }
    }
    loop_set_timer(&a->loop.loop, loop_now_ns(&a->loop.loop) + sim_between(sim, 1, ACT_MS) * NS_PER_MS);
}

static bool before_sleep(void *user)
{
    return false;
}

/* Beginning and end. */

struct attacker *attacker_new(struct world *world)
{
    struct attacker *a = mem_new(sizeof *a);
    const char *why;
    a->world = world;
    list_init(&a->wires);
    pdr_writer_init(&a->record, NULL, 0, 0);
    sim_clock_init(&a->clock, &world->sim);
    sim_loop_init(&a->loop, &world->sim, &a->clock, 99);
    loop_own(&a->loop.loop, a, act, before_sleep);
    a->host = sim_net_host(world->net, "attacker");
    a->transport = sim_net_transport(world->net, &a->loop, a->host);
    const struct transport_ops *ops = a->transport->ops;
    CHECK(ops->listen(a->transport, PHANTOM_ADDRESS, phantom_called, a, &a->phantoms, &why) == PDR_OK);
    CHECK(ops->listen(a->transport, BETWEEN_ADDRESS, between_called, a, &a->between, &why) == PDR_OK);
    sim_loop_run(&a->loop);
    loop_set_timer(&a->loop.loop, sim_clock_now_ns(&a->clock) + NS_PER_MS);
    return a;
}

void attacker_free(struct attacker *a)
{
    sim_loop_stop(&a->loop);
    sim_net_crash(a->world->net, a->host, false);
    while (!list_empty(&a->wires)) {
        wire_free(LIST_ITEM(a->wires.next, struct wire, node));
    }
    sim_net_reap(a->world->net, a->host);
    a->transport->ops->free(a->transport);
    pdr_writer_release(&a->record);
    mem_free(a);
}

void attacker_stand_before(struct attacker *a, struct node_of *n)
{
    a->behind = n;
    snprintf(n->seen_address, sizeof n->seen_address, BETWEEN_ADDRESS);
}

const char *attacker_address(const struct attacker *a)
{
    return PHANTOM_ADDRESS;
}

void attacker_rest(struct attacker *a)
{
    a->rests = true;
    for (struct list *node = a->wires.next; node != &a->wires; node = node->next) {
        struct wire *w = LIST_ITEM(node, struct wire, node);
        if (w->role != ROLE_PHANTOM) {
            hang_up(w);
        }
    }
}

void attacker_tell(const struct attacker *a, uint64_t counts[ATTACKS])
{
    memcpy(counts, a->counts, sizeof a->counts);
}
