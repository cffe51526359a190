/* tests/unit/consensus/test_raft_guard.c: the guards that the simulator cannot see fail with a core that is built
 * without its assertions, and the corners of others. */
#include "consensus/raft_guard.h"
#include "tests/lib/test.h"

static struct raft_letter letter_of(enum raft_letter_kind kind, uint64_t from_life, uint64_t to_life, uint64_t number)
{
    return (struct raft_letter){
        .kind = kind, .from = 2, .to = 1, .from_life = from_life, .to_life = to_life, .number = number, .term = 1};
}

TEST(order_drops_what_was_overtaken_or_doubled)
{
    struct raft_peer peer = {.id = 2};
    struct raft_letter third = letter_of(RAFT_LETTER_APPEND, 1, 9, 3), second = letter_of(RAFT_LETTER_APPEND, 1, 9, 2);
    EXPECT_INT(guard_order(&peer, 9, &third), GUARD_TAKE);
    EXPECT_INT(guard_order(&peer, 9, &third), GUARD_DROP);
    EXPECT_INT(guard_order(&peer, 9, &second), GUARD_DROP);
}

TEST(order_drops_what_is_of_another_life)
{
    struct raft_peer peer = {.id = 2};
    struct raft_letter later = letter_of(RAFT_LETTER_VOTE, 5, 9, 1), earlier = letter_of(RAFT_LETTER_VOTE, 4, 9, 7);
    EXPECT_INT(guard_order(&peer, 9, &later), GUARD_TAKE);
    EXPECT_INT(guard_order(&peer, 9, &earlier), GUARD_DROP);
}

TEST(order_answers_what_was_for_an_earlier_life)
{
    struct raft_peer peer = {.id = 2};
    struct raft_letter append = letter_of(RAFT_LETTER_APPEND, 1, 8, 1), result = letter_of(RAFT_LETTER_RESULT, 1, 8, 2),
                       unknown = letter_of(RAFT_LETTER_APPEND, 1, 0, 3), blind = letter_of(RAFT_LETTER_RESULT, 1, 0, 4);
    EXPECT_INT(guard_order(&peer, 9, &append), GUARD_HELLO);
    EXPECT_INT(guard_order(&peer, 9, &result), GUARD_DROP);
    EXPECT_INT(guard_order(&peer, 9, &unknown), GUARD_TAKE);
    EXPECT_INT(guard_order(&peer, 9, &blind), GUARD_DROP);
}

/* A union of the core holds another state then: it would believe it is in a pre-vote, or not, by chance. */
TEST(answers_to_votes_are_for_candidates)
{
    struct raft raft = {.state = RAFT_FOLLOWER};
    struct raft_letter letter = letter_of(RAFT_LETTER_VOTE_RESULT, 1, 1, 1);
    EXPECT(!guard_candidate(&raft, &letter));
    raft.state = RAFT_LEADER;
    EXPECT(!guard_candidate(&raft, &letter));
    raft.state = RAFT_CANDIDATE;
    EXPECT(guard_candidate(&raft, &letter));
    letter.term = 2; /* a denial tells of a newer term; a vote under one that nobody asked for is a lie */
    EXPECT(guard_candidate(&raft, &letter));
    letter.vote.flags = RAFT_LETTER_GRANTED;
    EXPECT(!guard_candidate(&raft, &letter));
}

TEST(a_leader_does_not_listen_to_another_of_its_term)
{
    struct raft raft = {.state = RAFT_LEADER, .current_term = 1};
    struct raft_letter letter = letter_of(RAFT_LETTER_APPEND, 1, 1, 1);
    EXPECT(!guard_one_leader(&raft, &letter));
    letter.term = 2;
    EXPECT(guard_one_leader(&raft, &letter));
}

TEST(a_change_is_first_or_alone)
{
    struct raft_bytes entries = {0};
    struct raft_log_entry command = {1, RAFT_LOG_COMMAND, pdr_str("x")}, change = {1, RAFT_LOG_CHANGE, pdr_str("y")};
    raft_wire_write_entry(&entries, &change);
    raft_wire_write_entry(&entries, &command);
    raft_wire_write_entry(&entries, &change);
    EXPECT_INT(guard_change_first(raft_bytes_slice(&entries), 3), 2);
    EXPECT_INT(guard_change_first(raft_bytes_slice(&entries), 2), 2);
    EXPECT_INT(guard_change_first(pdr_bytes(NULL, 0), 0), 0);
    raft_bytes_release(&entries);
}

TEST_MAIN()
