/* tests/simulation/peers/traffic.c: what the nodes say to one another, and whether it comes as it should. */
#include <inttypes.h>
#include <string.h>

#include "core/base/hash_bytes.h"
#include "core/base/mem.h"
#include "tests/simulation/peers/world.h"

#define STEP_MS 40u
#define ANSWER_MS 400u
#define SENDS_MAX 12u

enum what { PLAIN, QUESTION, ANSWER };

/* A frame: this, then filler that follows from it. */
struct head {
    uint64_t node, start, slot, life; /* of the sender */
    uint64_t number;                  /* in that life, whatever the kind */
    uint64_t kind, what;
    uint64_t asker_life; /* ANSWER: in which it was asked */
    uint64_t filler_size;
    uint64_t check;
};

static uint64_t head_check(const struct head *head)
{
    return hash_bytes(pdr_bytes(head, offsetof(struct head, check)), 0);
}

static uint8_t filler(const struct head *head, uint64_t i)
{
    return (uint8_t)((head->check + i * 37) >> (i & 7));
}

static struct life *life_at(struct core_of *c, uint64_t life)
{
    return &c->lives[life - 1];
}

static struct node_of *node_by_id(struct world *w, uint64_t id)
{
    for (uint32_t i = 0; i < w->node_count; i++) {
        if (w->nodes[i].id == id) {
            return &w->nodes[i];
        }
    }
    return NULL;
}

/* Lives. */

static void up(void *user, uint64_t node, uint64_t life)
{
    struct core_of *c = user;
    struct world *w = c->node->world;
    const struct node_of *other = node_by_id(w, node);
    sim_note(&w->sim, "link.up", c->node->number * 8 + c->slot, life);
    w->lives++;
    if (other == NULL) {
        sim_fail(&w->sim, "node %u came up with the attacker, who never saw the secret", c->node->number);
        return;
    }
    SIM_CHECK(&w->sim, other->flaw == FLAW_NONE || c->node->flaw != FLAW_NONE,
              "node %u came up with node %u, whose flaw is %d", c->node->number, other->number, (int)other->flaw);
    SIM_CHECK(&w->sim, life == c->life_count + 1, "life %" PRIu64 " follows %" PRIu64, life, c->life_count);
    c->lives = mem_grow(c->lives, (size_t)life * sizeof *c->lives);
    c->life_count = life;
    *life_at(c, life) = (struct life){.is_up = true, .node = other->number};
}

static void gone(void *user, uint64_t node, uint64_t life, const char *why)
{
    struct core_of *c = user;
    struct world *w = c->node->world;
    sim_tell(&w->sim, "link.gone %u life %" PRIu64 ": %s", c->node->number * 8 + c->slot, life, why);
    if (life == 0 || life > c->life_count || !life_at(c, life)->is_up) {
        sim_fail(&w->sim, "life %" PRIu64 " went, which was not up", life);
        return;
    }
    life_at(c, life)->is_up = false;
}

/* The first frame of a life shows whose it is. */
static void pair(struct core_of *c, uint64_t life, const struct head *head)
{
    struct world *w = c->node->world;
    struct pairing p = {{c->node->number, c->node->starts, c->slot, life},
                        {head->node, head->start, head->slot, head->life}};
    for (uint64_t i = 0; i < w->pairing_count; i++) {
        const struct pairing *old = &w->pairings[i];
        bool same_receiver = memcmp(old->receiver, p.receiver, sizeof p.receiver) == 0;
        bool same_sender = memcmp(old->sender, p.sender, sizeof p.sender) == 0;
        if (same_receiver && same_sender) {
            return;
        }
        if (same_receiver || same_sender) {
            sim_fail(&w->sim, "frames of life %" PRIu64 " of node %" PRIu64 " came to a life that is not its own",
                     head->life, head->node);
            return;
        }
    }
    w->pairings = mem_grow(w->pairings, (w->pairing_count + 1) * sizeof p);
    w->pairings[w->pairing_count++] = p;
}

/* Frames. */

static void send(struct core_of *c, uint64_t node, uint64_t life, enum what what, uint64_t asker_life)
{
    struct world *w = c->node->world;
    struct sim *sim = &w->sim;
    uint64_t through = life != 0 ? life : peer_life(&c->net->peers, node);
    enum peer_kind kind = what == PLAIN ? (enum peer_kind)sim_draw(sim, PEER_KIND_COUNT) : PEER_CALL;
    struct life *l = through != 0 ? life_at(c, through) : NULL;
    struct head head = {.node = c->node->number, .start = c->node->starts, .slot = c->slot, .life = through};
    head.number = l != NULL ? l->sent : 0;
    head.kind = kind;
    head.what = what;
    head.asker_life = asker_life;
    head.filler_size = sim_draw(sim, sim_chance(sim, 20) ? w->filler_max : 100);
    head.check = head_check(&head);
    uint8_t *frame = mem_new(sizeof head + head.filler_size);
    memcpy(frame, &head, sizeof head);
    for (uint64_t i = 0; i < head.filler_size; i++) {
        frame[sizeof head + i] = filler(&head, i);
    }
    enum pdr_status status =
        peer_send(&c->net->peers, node, life, kind, pdr_bytes(frame, sizeof head + head.filler_size));
    mem_free(frame);
    if (status == PDR_OK && l != NULL) {
        l->sent++;
        w->sent++;
    } else if (status == PDR_OVERLOADED && l != NULL) {
        l->waits_for |= 1u << kind;
        w->refused++;
    }
    bool is_up = l != NULL && l->is_up;
    SIM_CHECK(sim, (status == PDR_UNAVAILABLE) == !is_up, "a frame for a life that is %s was answered %d",
              is_up ? "up" : "over", (int)status);
}

static void answer_later(struct core_of *c, uint64_t node, uint64_t life, const struct head *head)
{
    struct answer *a = mem_new(sizeof *a);
    uint64_t delay_ms = sim_draw(&c->node->world->sim, ANSWER_MS);
    *a = (struct answer){.at_ns = loop_now_ns(&c->loop.loop) + delay_ms * NS_PER_MS,
                         .node = node,
                         .life = life,
                         .asker_life = head->life};
    list_push_back(&c->answers, &a->list);
}

static void check_frame(struct core_of *c, uint64_t node, uint64_t life, const struct head *head)
{
    struct world *w = c->node->world;
    struct sim *sim = &w->sim;
    const struct node_of *from = node_by_id(w, node);
    if (life == 0 || life > c->life_count || !life_at(c, life)->is_up) {
        sim_fail(sim, "a frame of life %" PRIu64 " was received, which is not up", life);
        return;
    }
    struct life *l = life_at(c, life);
    SIM_CHECK(sim, !l->held, "a frame was received of a life that is held");
    SIM_CHECK(sim, from != NULL && from->number == head->node && l->node == head->node,
              "a frame of node %" PRIu64 " came as if of %016" PRIx64, head->node, node);
    SIM_CHECK(sim, head->number == l->received, "frame %" PRIu64 " came where %" PRIu64 " was next", head->number,
              l->received);
    SIM_CHECK(sim, head->what != ANSWER || head->asker_life == life,
              "an answer to a question of life %" PRIu64 " came in life %" PRIu64, head->asker_life, life);
    if (l->received == 0) {
        pair(c, life, head);
    }
    l->received++;
}

static void take(struct core_of *c, uint64_t node, uint64_t life, struct pdr_bytes frame, enum peer_kind kind)
{
    struct world *w = c->node->world;
    struct head head;
    bool is_whole = frame.size >= sizeof head;
    if (is_whole) {
        memcpy(&head, frame.data, sizeof head);
        is_whole = head.check == head_check(&head) && frame.size == sizeof head + head.filler_size && head.kind == kind;
    }
    for (uint64_t i = 0; is_whole && i < head.filler_size; i++) {
        is_whole = ((const uint8_t *)frame.data)[sizeof head + i] == filler(&head, i);
    }
    if (!is_whole) {
        sim_fail(&w->sim, "node %u received a frame of %zu bytes that nobody sent", c->node->number, frame.size);
        return;
    }
    w->received++;
    w->answered += head.what == ANSWER;
    check_frame(c, node, life, &head);
    if (head.what == QUESTION) {
        answer_later(c, node, life, &head);
    }
    if (!w->quiet && !w->sim.failed && sim_chance(&w->sim, 1)) {
        life_at(c, life)->held = true;
        peer_hold(&c->net->peers, node, life, true);
    }
}

static void room(struct core_of *c, uint64_t life, enum peer_kind kind)
{
    struct world *w = c->node->world;
    w->rooms++;
    if (life == 0 || life > c->life_count || (life_at(c, life)->waits_for & (1u << kind)) == 0) {
        sim_fail(&w->sim, "room was told of to a kind that was not refused");
        return;
    }
    life_at(c, life)->waits_for &= ~(1u << kind);
}

#define HANDLERS(name, share)                                                                                          \
    static void received_##name(void *user, uint64_t node, uint64_t life, struct pdr_bytes frame)                      \
    {                                                                                                                  \
        take(user, node, life, frame, PEER_##name);                                                                    \
    }                                                                                                                  \
    static void room_##name(void *user, uint64_t node, uint64_t life)                                                  \
    {                                                                                                                  \
        room(user, life, PEER_##name);                                                                                 \
    }
PEER_KIND_TABLE(HANDLERS)
#undef HANDLERS

static const struct peer_handler handlers[] = {
#define HANDLER(name, share)                                                                                           \
    {.up = PEER_##name == PEER_RAFT ? up : NULL,                                                                       \
     .received = received_##name,                                                                                      \
     .room = room_##name,                                                                                              \
     .gone = PEER_##name == PEER_REPLICA ? gone : NULL},
    PEER_KIND_TABLE(HANDLER)
#undef HANDLER
};

/* The rhythm. */

void traffic_begin(struct core_of *c)
{
    for (unsigned kind = 0; kind < PEER_KIND_COUNT; kind++) {
        peer_listen(&c->net->peers, (enum peer_kind)kind, &handlers[kind], c);
    }
}

static void give_answers(struct core_of *c)
{
    struct list later;
    struct list *node;
    list_init(&later);
    while ((node = list_pop(&c->answers)) != NULL) {
        struct answer *a = LIST_ITEM(node, struct answer, list);
        if (a->at_ns > loop_now_ns(&c->loop.loop)) {
            list_push_back(&later, node);
            continue;
        }
        send(c, a->node, a->life, ANSWER, a->asker_life);
        mem_free(a);
    }
    list_splice(&c->answers, &later);
}

static void let_go(struct core_of *c)
{
    struct world *w = c->node->world;
    for (uint64_t life = 1; life <= c->life_count; life++) {
        struct life *l = life_at(c, life);
        if (l->held && (w->quiet || sim_chance(&w->sim, 5))) {
            l->held = false;
            peer_hold(&c->net->peers, w->nodes[l->node].id, life, false);
        }
    }
}

void traffic_work(struct timer *timer)
{
    struct core_of *c = LIST_ITEM(timer, struct core_of, work);
    struct world *w = c->node->world;
    struct sim *sim = &w->sim;
    let_go(c);
    give_answers(c);
    for (uint64_t k = w->silent ? 0 : sim_draw(sim, SENDS_MAX); k > 0; k--) {
        uint32_t to = (uint32_t)sim_draw(sim, w->node_count);
        if (to != c->node->number) {
            send(c, w->nodes[to].id, 0, sim_chance(sim, 30) ? QUESTION : PLAIN, 0);
        }
    }
    timer_set(&c->wheel, timer, loop_now_ns(&c->loop.loop) + sim_between(sim, 1, STEP_MS) * NS_PER_MS);
}

void traffic_end(struct core_of *c)
{
    struct list *node;
    while ((node = list_pop(&c->answers)) != NULL) {
        mem_free(LIST_ITEM(node, struct answer, list));
    }
    mem_free(c->lives);
    c->lives = NULL;
    c->life_count = 0;
}

bool traffic_is_stuck(const struct core_of *c)
{
    for (uint64_t k = 0; k < c->life_count; k++) {
        if (c->lives[k].is_up && c->lives[k].waits_for != 0) {
            return true;
        }
    }
    return false;
}
