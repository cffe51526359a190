/* tests/unit/net/peer/test_peers.c: links: who connects, when again, what each side is told, what is cut. */
#include "tests/unit/net/peer/scripted_peers.h"

#include "core/base/limits.h"

#define LOW 1u
#define HIGH 2u
#define SECRET "a secret that all of them know"

struct two {
    struct secret *secret, *other;
    struct side *low, *high;
    struct pipe_end *at_low, *at_high;
};

static struct two two_new(const struct peers_limits *limits)
{
    struct two t = {.secret = make_secret(SECRET), .other = make_secret("another one, for strangers")};
    struct handshake_self low = make_self(t.secret, LOW), high = make_self(t.secret, HIGH);
    t.low = side_new(&low, limits);
    t.high = side_new(&high, limits);
    know(t.low, HIGH);
    know(t.high, LOW);
    return t;
}

static struct two two_up(const struct peers_limits *limits)
{
    struct two t = two_new(limits);
    meet(t.low, &t.at_low, t.high, &t.at_high);
    EXPECT(t.low->life != 0 && t.high->life != 0);
    return t;
}

static void two_free(struct two *t)
{
    side_free(t->low);
    side_free(t->high);
    secret_free(t->secret);
    secret_free(t->other);
}

static enum pdr_status say(struct side *s, uint64_t node, uint64_t life, const char *text)
{
    return peer_send(&s->net->peers, node, life, PEER_CALL, pdr_str(text));
}

static void carry(struct two *t)
{
    peers_flush(t->low->net);
    peers_flush(t->high->net);
    pass_all(t->low, t->at_low, t->high, t->at_high);
}

TEST(higher_id_connects)
{
    struct two t = two_up(&(struct peers_limits){0});
    EXPECT_INT(t.low->connects, 0);
    EXPECT_INT(t.high->connects, 1);
    EXPECT_INT(peer_life(&t.low->net->peers, HIGH), t.low->life);
    EXPECT_INT(peer_life(&t.low->net->peers, 99), 0);
    two_free(&t);
}

TEST(frames_both_ways)
{
    struct two t = two_up(&(struct peers_limits){0});
    EXPECT_INT(say(t.low, HIGH, 0, "one"), PDR_OK);
    EXPECT_INT(say(t.low, HIGH, t.low->life, "two"), PDR_OK);
    EXPECT_INT(say(t.high, LOW, 0, "back"), PDR_OK);
    EXPECT_INT(t.at_low->written.size, 0); /* only the end of the tick writes */
    carry(&t);
    EXPECT_INT(t.high->received, 2);
    EXPECT_STR(t.high->last, "two");
    EXPECT_STR(t.low->last, "back");
    two_free(&t);
}

TEST(a_tick_is_one_write)
{
    struct two t = two_up(&(struct peers_limits){0});
    size_t frame = PEER_BATCH_HEADER_SIZE + 5;
    say(t.low, HIGH, 0, "12345");
    say(t.low, HIGH, 0, "12345");
    peers_flush(t.low->net);
    EXPECT_INT(t.at_low->written.size, PEER_FRAME_HEADER_SIZE + 2 * frame + PEER_TAG_SIZE);
    two_free(&t);
}

TEST(pieces_of_any_size)
{
    struct two t = two_up(&(struct peers_limits){0});
    say(t.low, HIGH, 0, "in pieces");
    say(t.low, HIGH, 0, "and one more");
    peers_flush(t.low->net);
    for (size_t i = 0; i < t.at_low->written.size; i++) {
        end_hears(t.high, t.at_high, pdr_bytes(t.at_low->written.data + i, 1));
    }
    EXPECT_INT(t.high->received, 2);
    EXPECT_STR(t.high->last, "and one more");
    two_free(&t);
}

TEST(life_that_is_over)
{
    struct two t = two_up(&(struct peers_limits){0});
    uint64_t old = t.high->life;
    end_closed(t.at_high, "connection reset by peer");
    EXPECT_INT(t.high->gones, 1);
    EXPECT_STR(t.high->why, "connection reset by peer");
    EXPECT_INT(say(t.high, LOW, 0, "x"), PDR_UNAVAILABLE);
    end_closed(t.at_low, "connection closed by peer");
    meet(t.low, &t.at_low, t.high, &t.at_high);
    EXPECT(t.high->life != old && t.high->life != 0);
    EXPECT_INT(say(t.high, LOW, old, "x"), PDR_UNAVAILABLE);
    EXPECT_INT(say(t.high, LOW, t.high->life, "y"), PDR_OK);
    carry(&t);
    EXPECT_STR(t.low->last, "y");
    two_free(&t);
}

/* The other side has noticed first: the newest connection counts, and gone comes before up. */
TEST(newest_connection_counts)
{
    struct two t = two_up(&(struct peers_limits){0});
    uint64_t old = t.low->life;
    end_closed(t.at_high, "connection timed out");
    meet(t.low, &t.at_low, t.high, &t.at_high);
    EXPECT_INT(t.low->gones, 1);
    EXPECT(strstr(t.low->why, "newer connection") != NULL);
    EXPECT(t.low->life != old);
    say(t.high, LOW, 0, "again");
    carry(&t);
    EXPECT_STR(t.low->last, "again");
    two_free(&t);
}

TEST(too_large)
{
    struct two t = two_up(&(struct peers_limits){0});
    struct pdr_bytes large = pdr_bytes(mem_new(LIMIT_PEER_FRAME_BYTES_MAX + 1), LIMIT_PEER_FRAME_BYTES_MAX + 1);
    EXPECT_INT(peer_send(&t.low->net->peers, HIGH, 0, PEER_CALL, large), PDR_TOO_LARGE);
    large.size--;
    EXPECT_INT(peer_send(&t.low->net->peers, HIGH, 0, PEER_CALL, large), PDR_OK); /* alone, though beyond the queue */
    EXPECT_INT(say(t.low, HIGH, 0, "no more"), PDR_OVERLOADED);
    carry(&t);
    EXPECT_INT(t.high->received, 1);
    mem_free((void *)large.data);
    two_free(&t);
}

/* Half of the queue is for calls; the other half is there for what decides about leases. */
TEST(queue_and_room)
{
    static const struct peer_handler deaf = {0};
    struct two t = two_new(&(struct peers_limits){.queue_max = 10000});
    side_free(t.low);
    struct handshake_self self = make_self(t.secret, LOW);
    t.low = side_new(&self, &(struct peers_limits){.queue_max = 10000});
    peer_listen(&t.low->net->peers, PEER_RAFT, &deaf, NULL);
    know(t.low, HIGH);
    meet(t.low, &t.at_low, t.high, &t.at_high);
    char text[1001];
    memset(text, 'x', 1000);
    text[1000] = '\0';
    t.at_low->unsent = 4000;
    EXPECT_INT(say(t.low, HIGH, 0, text), PDR_OK);
    EXPECT_INT(say(t.low, HIGH, 0, text), PDR_OVERLOADED);
    EXPECT_INT(peer_send(&t.low->net->peers, HIGH, 0, PEER_RAFT, pdr_str(text)), PDR_OK);
    EXPECT_INT(peer_send(&t.low->net->peers, HIGH, 0, PEER_RAFT, pdr_bytes(text, 1000)), PDR_OK);
    peers_flush(t.low->net);
    EXPECT_INT(t.low->rooms, 0);
    t.at_low->unsent = 3000; /* less, but no room yet */
    t.at_low->handler->drained(t.at_low->user);
    EXPECT_INT(t.low->rooms, 0);
    t.at_low->unsent = 0;
    t.at_low->handler->drained(t.at_low->user);
    EXPECT_INT(t.low->rooms, 1);
    t.at_low->handler->drained(t.at_low->user);
    EXPECT_INT(t.low->rooms, 1); /* once for each refusal */
    two_free(&t);
}

/* Everything left at once, so nothing ever drains: room is told of all the same, a moment later. */
TEST(room_without_drain)
{
    struct two t = two_up(&(struct peers_limits){.queue_max = 1000});
    char text[401];
    memset(text, 'x', 400);
    text[400] = '\0';
    EXPECT_INT(say(t.low, HIGH, 0, text), PDR_OK);
    EXPECT_INT(say(t.low, HIGH, 0, text), PDR_OVERLOADED);
    peers_flush(t.low->net);
    EXPECT_INT(t.low->rooms, 0);
    side_tick(t.low, 2);
    EXPECT_INT(t.low->rooms, 1);
    two_free(&t);
}

/* In the middle of a batch: what follows in it waits, and is not checked or delivered twice. */
static void hold_and_note(void *user, uint64_t node, uint64_t life, struct pdr_bytes frame)
{
    struct side *s = user;
    noted_received(user, node, life, frame);
    peer_hold(&s->net->peers, node, life, true);
}

TEST(hold_inside)
{
    static const struct peer_handler holding = {noted_up, hold_and_note, noted_room, noted_gone};
    struct two t = two_up(&(struct peers_limits){0});
    t.high->net->owners[PEER_CALL].handler = &holding;
    for (int i = 1; i <= 3; i++) {
        say(t.low, HIGH, 0, i == 1 ? "one" : i == 2 ? "two" : "three");
    }
    peers_flush(t.low->net);
    pass(t.at_low, t.high, t.at_high);
    for (uint64_t i = 1; i <= 3; i++) {
        EXPECT_INT(t.high->received, i);
        peer_hold(&t.high->net->peers, LOW, t.high->life, false);
        peers_flush(t.high->net);
    }
    EXPECT_STR(t.high->last, "three");
    say(t.low, HIGH, 0, "four");
    carry(&t);
    EXPECT_STR(t.high->last, "four");
    EXPECT_INT(t.high->gones, 0);
    two_free(&t);
}

TEST(much_in_a_tick)
{
    struct two t = two_up(&(struct peers_limits){0});
    char text[1001];
    memset(text, 'x', 1000);
    text[1000] = '\0';
    for (int i = 0; i < 500; i++) {
        EXPECT_INT(say(t.low, HIGH, 0, text), PDR_OK);
    }
    carry(&t);
    EXPECT_INT(t.high->received, 500);
    two_free(&t);
}

TEST(hold)
{
    struct two t = two_up(&(struct peers_limits){0});
    peer_hold(&t.high->net->peers, LOW, t.high->life, true);
    EXPECT(t.at_high->paused);
    say(t.low, HIGH, 0, "one");
    say(t.low, HIGH, 0, "two");
    peers_flush(t.low->net);
    pass(t.at_low, t.high, t.at_high); /* had been read already */
    EXPECT_INT(t.high->received, 0);
    side_tick(t.high, 60000); /* who is held is not dead for being silent */
    EXPECT_INT(t.high->gones, 0);
    peer_hold(&t.high->net->peers, LOW, t.high->life, false);
    EXPECT_INT(t.high->received, 0); /* not from inside */
    peers_flush(t.high->net);
    EXPECT_INT(t.high->received, 2);
    EXPECT(!t.at_high->paused);
    two_free(&t);
}

/* Alive. */

TEST(says_that_it_lives)
{
    struct two t = two_up(&(struct peers_limits){.alive_ms = 100, .silence_ms = 1000});
    for (int i = 0; i < 100; i++) {
        side_tick(t.low, 100);
        side_tick(t.high, 100);
        pass_all(t.low, t.at_low, t.high, t.at_high);
    }
    EXPECT_INT(t.low->gones + t.high->gones, 0);
    two_free(&t);
}

static void ticks(struct side *s, int count, uint64_t ms)
{
    for (int i = 0; i < count; i++) {
        side_tick(s, ms);
    }
}

TEST(silence_is_death)
{
    struct two t = two_up(&(struct peers_limits){.alive_ms = 100, .silence_ms = 1000});
    ticks(t.high, 9, 100);
    EXPECT_INT(t.high->gones, 0);
    ticks(t.high, 3, 100);
    EXPECT_INT(t.high->gones, 1);
    EXPECT_INT(t.high->net->stats.silent, 1);
    EXPECT(t.at_high->closing);
    two_free(&t);
}

/* A process that was stopped for a minute: what the others said meanwhile is still to be read. */
TEST(own_absence_is_not_their_silence)
{
    struct two t = two_up(&(struct peers_limits){.alive_ms = 100, .silence_ms = 1000, .unread_ms = 1000});
    t.at_high->unsent = 100;
    t.at_high->stuck = true;
    ticks(t.high, 5, 100);
    side_tick(t.high, 60000);
    EXPECT_INT(t.high->gones, 0);
    t.high->now_ns += 60000 * NS_PER_MS; /* and what they said may be read before the timers are looked at */
    say(t.low, HIGH, 0, "alive");
    peers_flush(t.low->net);
    pass(t.at_low, t.high, t.at_high);
    side_tick(t.high, 0);
    EXPECT_INT(t.high->gones, 0);
    ticks(t.high, 8, 100); /* now it counts again */
    EXPECT_INT(t.high->gones, 1);
    two_free(&t);
}

TEST(who_does_not_read_is_cut)
{
    struct two t = two_up(&(struct peers_limits){.alive_ms = 100, .silence_ms = 100000, .unread_ms = 2000});
    t.at_low->unsent = 500;
    t.at_low->stuck = true;
    ticks(t.low, 16, 100);
    t.at_low->unsent -= 100; /* it took some */
    ticks(t.low, 19, 100);
    EXPECT_INT(t.low->gones, 0);
    ticks(t.low, 3, 100);
    EXPECT_INT(t.low->gones, 1);
    EXPECT(strstr(t.low->why, "taken nothing") != NULL);
    two_free(&t);
}

/* Trying again. */

TEST(back_off)
{
    struct two t = two_new(&(struct peers_limits){.backoff_ms_min = 100, .backoff_ms_max = 800});
    static const uint64_t most[] = {100, 100, 200, 400, 800, 800, 800};
    static const uint64_t least[] = {0, 50, 100, 200, 400, 400, 400};
    for (unsigned i = 0; i < sizeof most / sizeof *most; i++) {
        uint64_t waited = 0;
        while (t.high->connects == i && waited < 5000) {
            side_tick(t.high, 1);
            waited++;
        }
        EXPECT(waited >= least[i] && waited <= most[i] + 1);
        end_closed(side_end(t.high, 0), "connection refused");
    }
    two_free(&t);
}

TEST(back_off_begins_anew_after_a_good_life)
{
    struct two t = two_new(&(struct peers_limits){.backoff_ms_min = 100, .backoff_ms_max = 800, .silence_ms = 60000});
    for (int i = 0; i < 5; i++) {
        while (side_end(t.high, 0) == NULL) {
            side_tick(t.high, 1);
        }
        end_closed(side_end(t.high, 0), "connection refused");
    }
    meet(t.low, &t.at_low, t.high, &t.at_high);
    side_tick(t.high, 900);
    end_closed(t.at_high, "connection reset by peer");
    unsigned before = t.high->connects;
    side_tick(t.high, 101);
    EXPECT_INT(t.high->connects, before + 1);
    two_free(&t);
}

TEST(address_that_is_none)
{
    struct two t = two_new(&(struct peers_limits){.backoff_ms_min = 100, .backoff_ms_max = 100});
    t.high->refuses = true;
    for (int i = 0; i < 1000; i++) {
        side_tick(t.high, 1);
    }
    EXPECT(t.high->connects >= 10 && t.high->connects <= 21);
    two_free(&t);
}

TEST(patience)
{
    struct two t = two_new(&(struct peers_limits){.handshake_ms = 500});
    while (t.high->connects == 0) {
        side_tick(t.high, 1);
    }
    struct pipe_end *e = side_end(t.high, 0);
    side_tick(t.high, 400);
    EXPECT(!e->closing);
    side_tick(t.high, 101);
    EXPECT(e->closing);
    peers_adopt(t.low->net, 1, pdr_bytes(NULL, 0)); /* who says nothing at all */
    struct pipe_end *silent = side_end(t.low, 0);
    side_tick(t.low, 501);
    EXPECT(silent->closing);
    EXPECT_INT(t.low->net->stats.refused, 1);
    two_free(&t);
}

/* Who is refused, and what both sides read of it. */

static void refused(struct two *t, const char *sentence)
{
    meet(t->low, &t->at_low, t->high, &t->at_high);
    EXPECT_INT(t->high->life, 0);
    EXPECT_INT(t->low->life, 0);
    EXPECT(t->at_low->closing && t->at_high->closing);
    EXPECT_INT(t->low->net->stats.refused + t->high->net->stats.refused, 1);
    EXPECT_INT(t->low->net->stats.refused_by + t->high->net->stats.refused_by, 1);
    const struct side *who = t->low->net->stats.refused == 1 ? t->high : t->low;
    EXPECT(strstr(who->told, sentence) != NULL);
    two_free(t);
}

static void replace(struct side **side, struct handshake_self self, uint64_t other)
{
    side_free(*side);
    *side = side_new(&self, &(struct peers_limits){0});
    know(*side, other);
}

TEST(other_secret)
{
    struct two t = two_new(&(struct peers_limits){0});
    replace(&t.high, make_self(t.other, HIGH), LOW);
    refused(&t, "different secrets");
}

TEST(other_cluster)
{
    struct two t = two_new(&(struct peers_limits){0});
    struct handshake_self self = make_self(t.secret, HIGH);
    self.cluster = "red";
    replace(&t.high, self, LOW);
    refused(&t, "belongs to cluster red");
}

TEST(other_node_at_the_address)
{
    struct two t = two_new(&(struct peers_limits){0});
    replace(&t.high, make_self(t.secret, HIGH), LOW + 5);
    replace(&t.high, make_self(t.secret, HIGH + 9), LOW + 5);
    refused(&t, "answers at its address");
}

TEST(removed)
{
    struct two t = two_new(&(struct peers_limits){0});
    peers_members(t.low->net, &(struct peer_member){.node = HIGH, .address = "h:1", .removed = true}, 1);
    refused(&t, "was removed");
}

TEST(unknown)
{
    struct two t = two_new(&(struct peers_limits){0});
    peers_members(t.low->net, NULL, 0);
    refused(&t, "is no member");
}

static bool let_in(void *user, const struct handshake_peer *who)
{
    *(struct handshake_peer *)user = *who;
    return true;
}

/* A node that wants to join is known to nobody, and the lower id would wait to be connected to. */
TEST(a_guest_who_knocks)
{
    struct handshake_peer guest = {0};
    struct two t = two_new(&(struct peers_limits){0});
    peers_members(t.high->net, NULL, 0);
    t.high->net->world.guest = let_in;
    t.high->net->world.guest_user = &guest;
    peers_members(t.low->net, &(struct peer_member){.node = HIGH, .address = "h:1", .knocks = true}, 1);
    meet(t.high, &t.at_high, t.low, &t.at_low);
    EXPECT(guest.node == LOW);
    EXPECT(peer_life(&t.high->net->peers, LOW) != 0 && peer_life(&t.low->net->peers, HIGH) != 0);
    EXPECT_INT(say(t.high, LOW, 0, "come in"), PDR_OK);
    carry(&t);
    peers_members(t.high->net, NULL, 0); /* and was not told of again */
    carry(&t);
    EXPECT(peer_life(&t.high->net->peers, LOW) == 0 && peer_life(&t.low->net->peers, HIGH) == 0);
    two_free(&t);
}

TEST(old_incarnation)
{
    struct two t = two_new(&(struct peers_limits){0});
    peers_members(t.low->net, &(struct peer_member){.node = HIGH, .incarnation = 6, .address = "h:1"}, 1);
    refused(&t, "has been started again");
}

TEST(core_that_is_not_here)
{
    struct two t = two_new(&(struct peers_limits){0});
    t.low->net->world.elsewhere = NULL;
    struct handshake_self self = make_self(t.secret, HIGH);
    self.core = PEER_CORE_CONTROL;
    replace(&t.high, self, LOW);
    refused(&t, "wants a core");
}

TEST(core_elsewhere)
{
    struct two t = two_new(&(struct peers_limits){0});
    struct handshake_self self = make_self(t.secret, HIGH);
    self.core = PEER_CORE_CONTROL;
    replace(&t.high, self, LOW);
    while (t.high->connects == 0) {
        side_tick(t.high, 1);
    }
    peers_adopt(t.low->net, 1, pdr_bytes(NULL, 0));
    end_open(t.high, side_end(t.high, 0));
    pass(side_end(t.high, 0), t.low, side_end(t.low, 0));
    EXPECT_INT(t.low->sent_on_to, PEER_CORE_CONTROL);
    EXPECT_INT(t.low->sent_on, 77);
    EXPECT(list_empty(&t.low->net->conns));
    EXPECT_INT(t.low->net->strangers, 0);
    two_free(&t);
}

/* Two cores here, one there: the second core's link is taken over by the one. */
TEST(links_for_all_cores)
{
    struct two t = two_new(&(struct peers_limits){0});
    struct handshake_self self = make_self(t.secret, LOW);
    self.cores = 3;
    replace(&t.low, self, HIGH);
    meet(t.low, &t.at_low, t.high, &t.at_high);
    EXPECT_INT(t.high->ups, 1);
    const struct peer_node *peer = peer_node_find(t.high->net, LOW);
    EXPECT(peer_link_find(peer, 1) != NULL && peer_link_find(peer, 2) != NULL && peer_link_find(peer, 3) == NULL);
    for (int i = 0; i < 60; i++) {
        side_tick(t.high, 1);
    }
    EXPECT_INT(t.high->connects, 3);
    two_free(&t);
}

/* Changes of the members. */

TEST(member_goes)
{
    struct two t = two_up(&(struct peers_limits){0});
    peers_members(t.low->net, NULL, 0);
    EXPECT_INT(t.low->gones, 1);
    EXPECT(t.at_low->closing);
    pass_all(t.low, t.at_low, t.high, t.at_high);
    EXPECT_INT(t.high->gones, 1);
    EXPECT_STR(t.high->why, "the node is no member of the cluster, not yet or not any more");
    two_free(&t);
}

TEST(later_incarnation_ends_the_old)
{
    struct two t = two_up(&(struct peers_limits){0});
    struct peer_member member = {.node = HIGH, .incarnation = 5, .address = "192.0.2.9:7077"};
    peers_members(t.low->net, &member, 1);
    EXPECT_INT(t.low->gones, 0);
    member.incarnation = 6;
    peers_members(t.low->net, &member, 1);
    EXPECT_INT(t.low->gones, 1);
    two_free(&t);
}

/* What a proved node may not do. */

static void break_frame(size_t at, const char *code)
{
    struct two t = two_up(&(struct peers_limits){0});
    say(t.low, HIGH, 0, "harmless");
    peers_flush(t.low->net);
    t.at_low->written.data[at] ^= 1;
    pass(t.at_low, t.high, t.at_high);
    EXPECT_INT(t.high->received, 0);
    EXPECT_INT(t.high->gones, 1);
    EXPECT(strstr(t.high->why, code) != NULL);
    pass_all(t.low, t.at_low, t.high, t.at_high);
    EXPECT_STR(t.low->why, t.high->why); /* both know why */
    two_free(&t);
}

TEST(damaged_payload)
{
    break_frame(PEER_FRAME_HEADER_SIZE + 2, "CRC-32C");
}

TEST(damaged_tag)
{
    break_frame(PEER_FRAME_HEADER_SIZE + PEER_BATCH_HEADER_SIZE + 8 + 3, "tag");
}

TEST(reserved_bits)
{
    break_frame(2, "must be 0");
}

TEST(frame_twice)
{
    struct two t = two_up(&(struct peers_limits){0});
    say(t.low, HIGH, 0, "once");
    peers_flush(t.low->net);
    end_hears(t.high, t.at_high, pdr_written(&t.at_low->written));
    pass(t.at_low, t.high, t.at_high);
    EXPECT_INT(t.high->received, 1);
    EXPECT_INT(t.high->gones, 1);
    two_free(&t);
}

/* Strangers. */

TEST(strangers_are_bounded)
{
    struct two t = two_new(&(struct peers_limits){0});
    for (int i = 0; i < 290; i++) {
        peers_adopt(t.low->net, 1, pdr_bytes(NULL, 0));
    }
    EXPECT(t.low->net->strangers <= LIMIT_PEER_STRANGERS_MAX * 2);
    unsigned closing = 0;
    for (unsigned i = 0; i < STREAMS_MAX; i++) {
        closing += t.low->ends[i].used && t.low->ends[i].closing;
    }
    EXPECT_INT(t.low->net->strangers - closing, LIMIT_PEER_STRANGERS_MAX);
    EXPECT(side_end(t.low, 0)->closing); /* the oldest went first */
    two_free(&t);
}

TEST(a_stranger_s_sentence_is_made_printable)
{
    struct two t = two_new(&(struct peers_limits){0});
    pdr_writer payload, frame;
    pdr_writer_init(&payload, NULL, 0, 0);
    pdr_writer_init(&frame, NULL, 0, 0);
    peer_refusal_encode(&payload, PEER_REFUSAL_SECRET, "\x1b[31mred\n");
    peer_frame_encode(&frame, PEER_FRAME_REFUSE, pdr_written(&payload));
    while (t.high->connects == 0) {
        side_tick(t.high, 1);
    }
    end_open(t.high, side_end(t.high, 0));
    end_hears(t.high, side_end(t.high, 0), pdr_written(&frame));
    EXPECT_INT(t.high->net->stats.refused_by, 1);
    char text[32];
    peer_refusal_text(pdr_written(&payload), text, sizeof text);
    EXPECT_STR(text, "?[31mred?");
    pdr_writer_release(&payload);
    pdr_writer_release(&frame);
    two_free(&t);
}

/* The end. */

static void note_closed(void *user)
{
    ((struct side *)user)->is_closed = true;
}

TEST(close)
{
    struct two t = two_up(&(struct peers_limits){0});
    say(t.low, HIGH, 0, "last words");
    peers_close(t.low->net, note_closed, t.low);
    EXPECT(!t.low->is_closed && t.at_low->closing && t.at_low->linger_ms > 0);
    EXPECT_INT(t.low->gones, 1);
    pass(t.at_low, t.high, t.at_high);
    EXPECT_STR(t.high->last, "last words");
    EXPECT_STR(t.high->why, "the node stops");
    end_closed(t.at_low, "");
    EXPECT(t.low->is_closed);
    EXPECT_INT(t.low->wheel.count, 0);
    peers_adopt(t.low->net, 1, pdr_bytes(NULL, 0));
    EXPECT(list_empty(&t.low->net->conns));
    two_free(&t);
}

TEST_MAIN()
