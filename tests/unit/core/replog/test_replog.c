/* tests/unit/core/replog/test_replog.c: one copy, told by hand what happens; what it says and does in turn. The whole
 * protocol, with all that may go wrong, is tests/simulation/replog's. */
#include "core/replog/replog.h"

#include <stdlib.h>

#include "core/env/clock.h"
#include "core/replog/message.h"
#include "tests/lib/test.h"

#define SELF 1u
#define SAID_MAX 64u

/* What it told its peers and its host since the last look. */
struct fixture {
    struct peers peers;
    const struct peer_handler *handler;
    void *handler_user;
    struct replog *replog;
    struct replica *replica;
    uint64_t now_ns;
    uint64_t lives[4]; /* of links to nodes 2 and 3; 0: down */
    struct replog_message said[SAID_MAX];
    uint64_t to[SAID_MAX];
    uint8_t *frames[SAID_MAX];
    uint32_t said_count, frame_count;
    struct record record; /* the last one */
    uint32_t records;
    uint64_t committed, cut, confirmed;
    bool ready, led, lost, broken;
    struct replog_proposal proposal; /* the last one */
};

static struct fixture *fixture_of(const struct peers *peers)
{
    return (struct fixture *)(uintptr_t)peers;
}

static void peers_listen(struct peers *peers, enum peer_kind kind, const struct peer_handler *handler, void *user)
{
    fixture_of(peers)->handler = handler;
    fixture_of(peers)->handler_user = user;
}

static uint64_t peers_life(const struct peers *peers, uint64_t node)
{
    return fixture_of(peers)->lives[node];
}

static enum pdr_status peers_send(struct peers *peers, uint64_t node, uint64_t life, enum peer_kind kind,
                                  struct pdr_bytes frame)
{
    struct fixture *f = fixture_of(peers);
    struct fault fault;
    uint8_t *copy = malloc(frame.size);
    memcpy(copy, frame.data, frame.size);
    f->frames[f->frame_count++] = copy;
    struct pdr_bytes rest = pdr_bytes(copy, frame.size);
    while (rest.size > 0) {
        REQUIRE(f->said_count < SAID_MAX && message_next(&rest, &f->said[f->said_count], &fault) == PDR_OK);
        f->to[f->said_count++] = node;
    }
    return PDR_OK;
}

static void peers_hold(struct peers *peers, uint64_t node, uint64_t life, bool held) {}

static const struct peers_ops peer_ops = {peers_listen, peers_life, peers_send, peers_hold};

static void on_journal(void *user, const struct record *record, uint64_t promised)
{
    struct fixture *f = user;
    f->record = *record;
    f->records++;
}
static void on_committed(void *user, uint64_t seq)
{
    ((struct fixture *)user)->committed = seq;
}
static void on_began(void *user, uint64_t epoch)
{
    ((struct fixture *)user)->led = true;
}
static void on_ready(void *user)
{
    ((struct fixture *)user)->ready = true;
}
static void on_stepped_down(void *user)
{
    ((struct fixture *)user)->led = ((struct fixture *)user)->ready = false;
}
static void on_cut(void *user, uint64_t seq)
{
    ((struct fixture *)user)->cut = seq;
}
static void on_paused(void *user, bool paused) {}
static bool is_quiet(void *user)
{
    return true;
}
static void on_propose(void *user, const struct replog_proposal *proposal)
{
    ((struct fixture *)user)->proposal = *proposal;
}
static void on_confirmed(void *user, uint64_t round)
{
    ((struct fixture *)user)->confirmed = round;
}
static void on_lost(void *user, const char *why)
{
    ((struct fixture *)user)->lost = true;
}
static void on_broken(void *user, const char *why)
{
    ((struct fixture *)user)->broken = true;
}
static void on_open(void *user, uint64_t snapshot, uint64_t at_least) {}
static void on_number(void *user, uint64_t snapshot) {}
static void on_begin(void *user, uint64_t seq, const struct control_epoch *history, uint32_t count) {}
static void on_chunk(void *user, struct pdr_bytes bytes, bool last) {}
static void on_stop(void *user) {}

static const struct replog_hooks hooks = {
    on_journal,   on_committed, on_began,  on_ready, on_stepped_down, on_cut,    on_paused, is_quiet, on_propose,
    on_confirmed, on_lost,      on_broken, on_open,  on_number,       on_number, on_begin,  on_chunk, on_stop};

/* A copy with five entries, of epochs 1 and 2, two of which are applied; it follows epoch 2. */
static void begin(struct fixture *f)
{
    static const struct control_epoch history[] = {{1, 1}, {2, 4}};
    *f = (struct fixture){.peers = {&peer_ops}, .now_ns = NS_PER_S, .lives = {0, 0, 1, 1}};
    struct replog_options options = {.node = SELF, .incarnation = 7, .peers = &f->peers};
    struct replica_options copy = {.shard = 9,
                                   .user = f,
                                   .rid = 11,
                                   .promised = 2,
                                   .last_seq = 5,
                                   .applied_seq = 2,
                                   .history = history,
                                   .history_count = 2};
    f->replog = replog_new(&options, &hooks, f->now_ns);
    f->replica = replog_open(f->replog, &copy);
    for (uint64_t seq = 3; seq <= 5; seq++) {
        replog_recovered(f->replica, seq < 4 ? 1 : 2, seq, pdr_str("old"));
    }
}

static void forget(struct fixture *f)
{
    while (f->frame_count > 0) {
        free(f->frames[--f->frame_count]);
    }
    f->said_count = 0;
}

static void end(struct fixture *f)
{
    forget(f);
    replog_free(f->replog);
}

/* What it says now. NULL: not such a message to that node. */
static const struct replog_message *said(struct fixture *f, uint64_t to, enum message_kind kind)
{
    replog_flush(f->replog);
    for (uint32_t i = 0; i < f->said_count; i++) {
        if (f->to[i] == to && f->said[i].kind == kind) {
            return &f->said[i];
        }
    }
    return NULL;
}

static void tell(struct fixture *f, uint64_t from, struct replog_message message)
{
    pdr_writer bytes = {0};
    message_write(&bytes, &message);
    forget(f);
    f->handler->received(f->handler_user, from, f->lives[from], pdr_written(&bytes));
    pdr_writer_release(&bytes);
}

static void wait_ms(struct fixture *f, uint64_t ms)
{
    forget(f);
    for (uint64_t end_ns = f->now_ns + ms * NS_PER_MS; f->now_ns < end_ns;) {
        f->now_ns += 50 * NS_PER_MS;
        replog_tick(f->replog, f->now_ns);
    }
}

static struct cluster_shard row(uint64_t cv, uint64_t epoch, struct copies isr, struct ids targets)
{
    return (struct cluster_shard){.shard = 9,
                                  .lineage = 1,
                                  .epoch = epoch,
                                  .cv = cv,
                                  .primary = SELF,
                                  .incarnation = 7,
                                  .min_isr = 1,
                                  .isr = isr,
                                  .targets = targets};
}

static const struct copies alone = {1, {{SELF, 11}}}, pair = {2, {{SELF, 11}, {2, 12}}};

static void lead(struct fixture *f, struct copies isr, struct ids targets)
{
    struct cluster_shard first = row(3, 3, isr, targets);
    replog_row(f->replica, &first);
    REQUIRE(f->led && f->record.kind == RECORD_EPOCH && f->record.epoch == 3 && f->record.seq == 5);
    replog_durable(f->replica, 3, 5);
}

static void follows(struct fixture *f, uint64_t from, uint64_t rid, uint64_t durable)
{
    tell(f, from, (struct replog_message){.kind = MESSAGE_FOLLOWS, .follows = {9, 3, rid, durable, 0}});
}

static void acks(struct fixture *f, uint64_t from, uint64_t rid, uint64_t cv, uint64_t durable)
{
    tell(f, from, (struct replog_message){.kind = MESSAGE_ACK, .ack = {9, 3, rid, cv, durable, 0}});
}

TEST(a_copy_alone_commits_what_is_durable)
{
    struct fixture f;
    begin(&f);
    lead(&f, alone, (struct ids){1, {SELF}});
    EXPECT(f.committed == 5 && f.ready && replog_may_read(f.replica));
    EXPECT_INT(replog_made(f.replica, pdr_str("six")), 6);
    EXPECT_INT(f.committed, 5);
    replog_durable(f.replica, 3, 6);
    EXPECT_INT(f.committed, 6);
    replog_flush(f.replog);
    EXPECT_INT(f.said_count, 0);
    end(&f);
}

TEST(nothing_is_said_of_an_epoch_that_is_not_on_disk)
{
    struct fixture f;
    begin(&f);
    struct cluster_shard first = row(3, 3, pair, (struct ids){2, {SELF, 2}});
    replog_row(f.replica, &first);
    replog_made(f.replica, pdr_str("six"));
    EXPECT(said(&f, 2, MESSAGE_NEWEPOCH) == NULL);
    replog_durable(f.replica, 3, 6);
    const struct replog_message *message = said(&f, 2, MESSAGE_NEWEPOCH);
    REQUIRE(message != NULL);
    EXPECT(message->newepoch.epoch == 3 && message->newepoch.seq == 5); /* the log at its start */
    end(&f);
}

TEST(an_entry_is_committed_when_all_in_sync_have_it)
{
    struct fixture f;
    begin(&f);
    lead(&f, pair, (struct ids){2, {SELF, 2}});
    follows(&f, 2, 12, 4);
    EXPECT(!f.ready && f.committed == 4); /* the epoch began with 5 */
    const struct replog_message *append = said(&f, 2, MESSAGE_APPEND);
    REQUIRE(append != NULL);
    EXPECT(append->append.seq == 4 && append->append.prev_epoch == 2 && append->append.entries.size > 0);
    acks(&f, 2, 12, 3, 5);
    EXPECT(f.ready && f.committed == 5);
    replog_made(f.replica, pdr_str("six"));
    acks(&f, 2, 12, 3, 6);
    EXPECT_INT(f.committed, 5); /* not on the own disk */
    replog_durable(f.replica, 3, 6);
    EXPECT_INT(f.committed, 6);
    end(&f);
}

TEST(another_copy_of_the_node_is_not_the_one_in_sync)
{
    struct fixture f;
    begin(&f);
    lead(&f, pair, (struct ids){2, {SELF, 2}});
    follows(&f, 2, 99, 5);
    EXPECT(!f.ready && f.committed == 0);
    EXPECT(f.proposal.kind == REPLOG_REMOVE && f.proposal.rid == 12); /* the one that is gone */
    end(&f);
}

TEST(a_lower_epoch_is_refused_and_a_higher_one_unknown)
{
    struct fixture f;
    begin(&f);
    tell(&f, 2, (struct replog_message){.kind = MESSAGE_APPEND, .append = {.shard = 9, .epoch = 1, .seq = 5}});
    const struct replog_message *nack = said(&f, 2, MESSAGE_NACK);
    REQUIRE(nack != NULL);
    EXPECT(nack->nack.reason == NACK_STALE && nack->nack.promised == 2);
    tell(&f, 2, (struct replog_message){.kind = MESSAGE_APPEND, .append = {.shard = 9, .epoch = 3, .seq = 5}});
    nack = said(&f, 2, MESSAGE_NACK);
    REQUIRE(nack != NULL);
    EXPECT_INT(nack->nack.reason, NACK_NEED_EPOCH);
    EXPECT_INT(f.records, 0);
    end(&f);
}

/* R31, R32: what is not the primary's is cut, on disk, before it is said; and a double cuts nothing. */
TEST(a_new_epoch_cuts_once)
{
    struct fixture f;
    pdr_writer history = {0};
    static const struct control_epoch theirs[] = {{1, 1}};
    begin(&f);
    message_history_write(&history, theirs, 1);
    struct replog_message newepoch = {
        .kind = MESSAGE_NEWEPOCH,
        .newepoch = {.shard = 9, .epoch = 3, .cv = 4, .seq = 6, .history = pdr_written(&history)}};
    tell(&f, 2, newepoch);
    EXPECT(f.record.kind == RECORD_CUT && f.record.epoch == 3 && f.record.seq == 3 && f.cut == 3);
    EXPECT(said(&f, 2, MESSAGE_FOLLOWS) == NULL);
    replog_durable(f.replica, 3, 3);
    const struct replog_message *answer = said(&f, 2, MESSAGE_FOLLOWS);
    REQUIRE(answer != NULL);
    EXPECT(answer->follows.rid == 11 && answer->follows.durable == 3);
    pdr_writer entries = {0};
    message_entry_write(&entries, 3, pdr_str("four"));
    tell(&f, 2,
         (struct replog_message){.kind = MESSAGE_APPEND, .append = {9, 3, 4, 1, 3, 0, false, pdr_written(&entries)}});
    EXPECT(f.record.kind == RECORD_ENTRY && f.record.seq == 4);
    replog_durable(f.replica, 3, 4);
    uint32_t records = f.records;
    tell(&f, 2, newepoch);
    EXPECT_INT(f.records, records);
    answer = said(&f, 2, MESSAGE_FOLLOWS);
    REQUIRE(answer != NULL);
    EXPECT_INT(answer->follows.durable, 4);
    pdr_writer_release(&history);
    pdr_writer_release(&entries);
    end(&f);
}

TEST(what_was_applied_is_never_cut)
{
    struct fixture f;
    begin(&f);
    tell(&f, 2,
         (struct replog_message){.kind = MESSAGE_NEWEPOCH, .newepoch = {.shard = 9, .epoch = 3, .cv = 4, .seq = 1}});
    EXPECT(f.lost && f.records == 0);
    const struct replog_message *nack = said(&f, 2, MESSAGE_NACK);
    REQUIRE(nack != NULL);
    EXPECT_INT(nack->nack.reason, NACK_LOST);
    end(&f);
}

/* R41, and R65: it has all, and has answered after it was told of the row. */
TEST(a_learner_gets_in_when_it_has_all_and_still_is_there)
{
    struct fixture f;
    begin(&f);
    lead(&f, alone, (struct ids){2, {SELF, 2}});
    follows(&f, 2, 12, 3);
    acks(&f, 2, 12, 2, 4);
    EXPECT_INT(f.proposal.kind, REPLOG_NONE); /* the epoch began with 5 */
    acks(&f, 2, 12, 2, 5);
    EXPECT_INT(f.proposal.kind, REPLOG_NONE); /* that is from before the row */
    REQUIRE(said(&f, 2, MESSAGE_APPEND) != NULL);
    acks(&f, 2, 12, 3, 5);
    EXPECT(f.proposal.kind == REPLOG_ADD && f.proposal.node == 2 && f.proposal.rid == 12 && f.proposal.cv == 3);
    EXPECT_INT(replog_state(f.replica).set.count, 2); /* from before it is in */
    replog_made(f.replica, pdr_str("six"));
    replog_durable(f.replica, 3, 6);
    EXPECT_INT(f.committed, 5);
    replog_proposed(f.replica, f.proposal.number, false);
    EXPECT_INT(replog_state(f.replica).set.count, 1);
    end(&f);
}

/* The only copy led without this; now there is to be another. What it made before is in no window. */
TEST(a_copy_that_led_alone_goes_on_with_others)
{
    struct fixture f;
    begin(&f);
    struct replica_options options = {.shard = 10, .user = &f, .rid = 11, .promised = 3, .led = true, .last_seq = 8};
    struct replica *replica = replog_open(f.replog, &options);
    struct cluster_shard now = row(5, 3, alone, (struct ids){2, {SELF, 2}});
    now.shard = 10;
    replog_resume(replica, &now, 7);
    EXPECT(replog_is_primary(replica) && replog_may_read(replica) && !f.led);
    EXPECT_INT(replog_state(replica).commit_seq, 7);
    replog_durable(replica, 3, 8);
    EXPECT_INT(f.committed, 8);
    const struct replog_message *message = said(&f, 2, MESSAGE_NEWEPOCH);
    REQUIRE(message != NULL);
    EXPECT(message->head.shard == 10 && message->newepoch.seq == 8);
    EXPECT_INT(replog_made(replica, pdr_str("nine")), 9);
    end(&f);
}

TEST(a_proposal_without_an_answer_is_settled_by_a_touch)
{
    struct fixture f;
    begin(&f);
    lead(&f, alone, (struct ids){2, {SELF, 2}});
    follows(&f, 2, 12, 5);
    acks(&f, 2, 12, 3, 5);
    REQUIRE(f.proposal.kind == REPLOG_ADD);
    wait_ms(&f, 1100);
    EXPECT_INT(f.proposal.kind, REPLOG_TOUCH);
    EXPECT_INT(replog_state(f.replica).set.count, 2); /* it may still get in */
    struct cluster_shard settled = row(4, 3, alone, (struct ids){2, {SELF, 2}});
    replog_row(f.replica, &settled);
    EXPECT_INT(replog_state(f.replica).set.count, 1);
    end(&f);
}

TEST(a_silent_member_is_waited_for_until_it_is_out)
{
    struct fixture f;
    begin(&f);
    lead(&f, pair, (struct ids){2, {SELF, 2}});
    follows(&f, 2, 12, 5);
    replog_made(f.replica, pdr_str("six"));
    replog_durable(f.replica, 3, 6);
    wait_ms(&f, 1000);
    EXPECT_INT(f.proposal.kind, REPLOG_NONE);
    wait_ms(&f, 700);
    EXPECT(f.proposal.kind == REPLOG_REMOVE && f.proposal.rid == 12 && f.committed == 5);
    struct cluster_shard out = row(4, 3, alone, (struct ids){2, {SELF, 2}});
    replog_row(f.replica, &out);
    EXPECT_INT(f.committed, 6);
    end(&f);
}

/* R14: a round that began before a read says nothing about it. */
/* R42: a process that has ended closes its links. */
TEST(a_member_whose_link_is_gone_is_waited_for_less_long)
{
    struct fixture f;
    begin(&f);
    lead(&f, pair, (struct ids){2, {SELF, 2}});
    follows(&f, 2, 12, 5);
    f.lives[2] = 0;
    f.handler->gone(f.handler_user, 2, 1, "");
    wait_ms(&f, 450);
    EXPECT_INT(f.proposal.kind, REPLOG_NONE);
    wait_ms(&f, 100);
    EXPECT(f.proposal.kind == REPLOG_REMOVE && f.proposal.rid == 12);
    end(&f);
}

TEST(a_member_that_leaves_is_removed_at_once_and_not_added)
{
    struct fixture f;
    begin(&f);
    lead(&f, pair, (struct ids){2, {SELF, 2}});
    follows(&f, 2, 12, 5);
    struct replog_message leaves = {.kind = MESSAGE_NACK, .nack = {9, 3, 12, NACK_LEAVES, 3, 5}};
    tell(&f, 2, leaves);
    EXPECT(f.proposal.kind == REPLOG_REMOVE && f.proposal.rid == 12);
    f.proposal.kind = REPLOG_NONE;
    struct cluster_shard without = row(4, 3, alone, (struct ids){2, {SELF, 2}});
    replog_row(f.replica, &without);
    acks(&f, 2, 12, 4, 5);
    wait_ms(&f, 3000);
    EXPECT_INT(f.proposal.kind, REPLOG_NONE);
    f.handler->gone(f.handler_user, 2, 1, ""); /* and is back */
    f.lives[2] = 2;
    f.handler->up(f.handler_user, 2, 2);
    acks(&f, 2, 12, 4, 5);
    EXPECT(f.proposal.kind == REPLOG_ADD && f.proposal.rid == 12);
    end(&f);
}

TEST(who_leaves_hands_over_and_asks_out)
{
    struct fixture f;
    begin(&f);
    lead(&f, pair, (struct ids){2, {SELF, 2}});
    follows(&f, 2, 12, 5);
    replog_leave(f.replog);
    EXPECT(!replog_has_left(f.replog));
    wait_ms(&f, 50);
    EXPECT(!replog_admits(f.replica));
    wait_ms(&f, 50);
    EXPECT(f.proposal.kind == REPLOG_TRANSFER && f.proposal.node == 2);
    struct cluster_shard moved = row(4, 4, pair, (struct ids){2, {SELF, 2}});
    moved.primary = 2;
    replog_row(f.replica, &moved);
    EXPECT(!f.led && !replog_has_left(f.replog)); /* who leads now does not know yet */
    static const struct control_epoch epochs[] = {{1, 1}, {2, 4}};
    pdr_writer history = {0};
    message_history_write(&history, epochs, 2);
    tell(&f, 2, (struct replog_message){.kind = MESSAGE_NEWEPOCH, .newepoch = {9, 4, 4, 5, pdr_written(&history)}});
    pdr_writer_release(&history);
    replog_durable(f.replica, 4, 5);
    REQUIRE(said(&f, 2, MESSAGE_FOLLOWS) != NULL);
    const struct replog_message *nack = said(&f, 2, MESSAGE_NACK);
    REQUIRE(nack != NULL);
    EXPECT(nack->nack.reason == NACK_LEAVES && !replog_has_left(f.replog)); /* min_isr is 1, and it is one of two */
    struct cluster_shard out = row(5, 4, (struct copies){1, {{2, 12}}}, (struct ids){2, {SELF, 2}});
    out.primary = 2;
    replog_row(f.replica, &out);
    EXPECT(replog_has_left(f.replog));
    end(&f);
}

TEST(a_read_waits_for_a_round_of_its_own)
{
    struct fixture f;
    begin(&f);
    EXPECT_INT(replog_confirm(f.replica), 0);
    lead(&f, pair, (struct ids){2, {SELF, 2}});
    follows(&f, 2, 12, 5);
    uint64_t first = replog_confirm(f.replica);
    REQUIRE(first != 0 && said(&f, 2, MESSAGE_CONFIRM) != NULL);
    uint64_t second = replog_confirm(f.replica);
    EXPECT(second > first && replog_confirm(f.replica) == second);
    tell(&f, 2, (struct replog_message){.kind = MESSAGE_CONFIRMED, .confirmed = {9, 3, 12, first}});
    EXPECT_INT(f.confirmed, first);
    const struct replog_message *ask = said(&f, 2, MESSAGE_CONFIRM);
    REQUIRE(ask != NULL && ask->confirm.round == second);
    tell(&f, 2, (struct replog_message){.kind = MESSAGE_CONFIRMED, .confirmed = {9, 3, 12, second}});
    EXPECT_INT(f.confirmed, second);
    end(&f);
}

/* R50, R51. */
TEST(a_move_drains_and_then_serves_nothing_by_lease)
{
    struct fixture f;
    begin(&f);
    lead(&f, pair, (struct ids){2, {2, SELF}});
    follows(&f, 2, 12, 5);
    replog_made(f.replica, pdr_str("six"));
    wait_ms(&f, 900);
    EXPECT(replog_admits(f.replica)); /* who hands over may be about to leave: not at once back */
    wait_ms(&f, 150);
    EXPECT(!replog_admits(f.replica) && replog_may_read(f.replica));
    replog_durable(f.replica, 3, 6);
    acks(&f, 2, 12, 3, 6);
    EXPECT(f.proposal.kind == REPLOG_TRANSFER && f.proposal.node == 2 && !replog_may_read(f.replica));
    struct cluster_shard moved = row(4, 4, pair, (struct ids){2, {2, SELF}});
    moved.primary = 2;
    replog_row(f.replica, &moved);
    EXPECT(!f.led && !replog_is_primary(f.replica));
    end(&f);
}

/* R74: what was sent is written when there is room; what was not is forgotten. */
TEST(no_room_in_the_journal)
{
    struct fixture f;
    begin(&f);
    lead(&f, pair, (struct ids){2, {SELF, 2}});
    follows(&f, 2, 12, 5);
    replog_made(f.replica, pdr_str("six"));
    replog_no_space(f.replica);
    EXPECT(!replog_admits(f.replica) && replog_may_read(f.replica) && replog_state(f.replica).last_seq == 6);
    replog_space(f.replica);
    EXPECT(f.record.kind == RECORD_ENTRY && f.record.seq == 6 && replog_admits(f.replica));
    end(&f);
    begin(&f);
    lead(&f, alone, (struct ids){1, {SELF}});
    replog_made(f.replica, pdr_str("six"));
    replog_no_space(f.replica);
    EXPECT(f.cut == 5 && replog_state(f.replica).last_seq == 5);
    end(&f);
}

/* R34: the directory promotes a process, and a copy. */
TEST(another_life_or_copy_is_not_promoted)
{
    struct fixture f;
    struct cluster_shard wrong = row(3, 3, alone, (struct ids){1, {SELF}});
    begin(&f);
    wrong.incarnation = 6;
    replog_row(f.replica, &wrong);
    EXPECT(!f.led);
    wrong = row(4, 3, (struct copies){1, {{SELF, 10}}}, (struct ids){1, {SELF}});
    replog_row(f.replica, &wrong);
    EXPECT(!f.led);
    struct replog_proposal proposal;
    EXPECT(replog_misplaced(&wrong, SELF, 7, 11, &proposal) && proposal.kind == REPLOG_LOST && proposal.rid == 10);
    end(&f);
}

TEST_MAIN()
