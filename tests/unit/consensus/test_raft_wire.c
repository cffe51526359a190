/* tests/unit/consensus/test_raft_wire.c: letters come back as they were written, and nothing else is taken. */
#include "consensus/raft_wire.h"

#include "core/base/rng.h"
#include "tests/lib/test.h"

static const struct raft_wire_reader reader = {.self = 2, .term = 7};
/* One server, "a", a voter of id 1. */
static const uint8_t config[24] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 1};

static struct raft_letter head(enum raft_letter_kind kind)
{
    struct raft_letter letter = {
        .kind = kind, .from = 1, .to = 2, .from_life = 3, .to_life = 4, .number = 5, .term = 6};
    return letter;
}

static bool is_taken(const struct raft_letter *letter, struct raft_letter *out, const char **why)
{
    static struct raft_bytes bytes; /* out borrows from it */
    bytes.size = 0;
    raft_wire_write(&bytes, letter);
    return raft_wire_read(&reader, raft_bytes_slice(&bytes), out, why) == PDR_OK;
}

static void expect_refused(const struct raft_letter *letter, const char *sentence)
{
    struct raft_letter out;
    const char *why = "";
    EXPECT(!is_taken(letter, &out, &why));
    EXPECT_STR(why, sentence);
}

static struct raft_letter append_of(struct raft_bytes *entries, const struct raft_log_entry *entry, uint32_t count)
{
    struct raft_letter letter = head(RAFT_LETTER_APPEND);
    letter.append.prev_index = 10;
    letter.append.prev_term = 4;
    letter.append.commit = 9;
    letter.append.count = count;
    for (uint32_t i = 0; i < count; i++) {
        raft_wire_write_entry(entries, &entry[i]);
    }
    letter.append.entries = raft_bytes_slice(entries);
    return letter;
}

TEST(append_comes_back)
{
    struct raft_bytes entries = {0};
    struct raft_log_entry in[] = {{4, RAFT_LOG_COMMAND, pdr_str("hello")},
                                  {5, RAFT_LOG_BARRIER, pdr_str("")},
                                  {6, RAFT_LOG_CHANGE, pdr_bytes(config, sizeof config)}};
    struct raft_letter out, letter = append_of(&entries, in, 3);
    struct raft_log_entry entry;
    const char *why;
    REQUIRE(is_taken(&letter, &out, &why));
    EXPECT_INT(out.from_life, 3);
    EXPECT_INT(out.to_life, 4);
    EXPECT_INT(out.number, 5);
    EXPECT_INT(out.append.prev_index, 10);
    EXPECT_INT(out.append.commit, 9);
    for (uint32_t i = 0; i < 3; i++) {
        REQUIRE(raft_wire_next_entry(&out.append.entries, &entry));
        EXPECT_INT(entry.term, in[i].term);
        EXPECT_INT(entry.type, in[i].type);
        EXPECT(pdr_bytes_equal(entry.bytes, in[i].bytes));
    }
    EXPECT(!raft_wire_next_entry(&out.append.entries, &entry));
    raft_bytes_release(&entries);
}

TEST(other_kinds_come_back)
{
    const char *why;
    struct raft_letter out, vote = head(RAFT_LETTER_VOTE), result = head(RAFT_LETTER_RESULT),
                            granted = head(RAFT_LETTER_VOTE_RESULT), hello = head(RAFT_LETTER_HELLO);
    vote.vote.last_index = 8;
    vote.vote.last_term = 5;
    vote.vote.flags = RAFT_LETTER_PRE_VOTE;
    REQUIRE(is_taken(&vote, &out, &why));
    EXPECT(out.vote.last_index == 8 && out.vote.last_term == 5 && out.vote.flags == RAFT_LETTER_PRE_VOTE);
    result.result.rejected = 9;
    result.result.last_index = 8;
    REQUIRE(is_taken(&result, &out, &why));
    EXPECT(out.result.rejected == 9 && out.result.last_index == 8);
    granted.vote.flags = RAFT_LETTER_GRANTED;
    REQUIRE(is_taken(&granted, &out, &why));
    EXPECT_INT(out.vote.flags, RAFT_LETTER_GRANTED);
    hello.term = 0;
    EXPECT(is_taken(&hello, &out, &why));
}

/* What crashed libraft (design/raft.md 3.7): inflated counts, unknown types, absurd terms. */
TEST(absurd_letters_are_refused)
{
    struct raft_bytes entries = {0};
    struct raft_log_entry one = {6, RAFT_LOG_COMMAND, pdr_str("x")};
    struct raft_letter letter = append_of(&entries, &one, 1);
    letter.append.count = UINT32_MAX;
    expect_refused(&letter, "it has too many entries");
    letter.append.count = 2;
    expect_refused(&letter, "it ends within an entry");
    letter.append.count = 0;
    expect_refused(&letter, "something follows it");
    entries.data[8] = 77; /* its type */
    letter.append.count = 1;
    expect_refused(&letter, "an entry is of an unknown type");
    entries.data[8] = RAFT_LOG_CHANGE;
    expect_refused(&letter, "a configuration is malformed");
    letter.term = 1ull << 60;
    expect_refused(&letter, "its term cannot be");
    raft_bytes_release(&entries);
}

TEST(terms_and_indexes_must_fit_together)
{
    struct raft_bytes entries = {0};
    struct raft_log_entry falling[] = {{5, RAFT_LOG_COMMAND, pdr_str("x")}, {4, RAFT_LOG_COMMAND, pdr_str("y")}};
    struct raft_letter letter = append_of(&entries, falling, 2), result = head(RAFT_LETTER_RESULT);
    expect_refused(&letter, "an entry is of a term that cannot be");
    letter.append.prev_term = 0;
    expect_refused(&letter, "its previous entry cannot be");
    letter.append.prev_term = 4;
    letter.append.prev_index = UINT64_MAX;
    expect_refused(&letter, "its previous entry cannot be");
    result.result.rejected = result.result.last_index = 3;
    expect_refused(&result, "its indexes cannot be");
    letter = head(RAFT_LETTER_TIMEOUT_NOW);
    letter.vote.last_index = 4;
    expect_refused(&letter, "its last entry cannot be");
    raft_bytes_release(&entries);
}

TEST(only_for_us_and_from_somebody)
{
    struct raft_letter letter = head(RAFT_LETTER_VOTE);
    letter.to = 3;
    expect_refused(&letter, "it is for another server");
    letter = head(RAFT_LETTER_VOTE);
    letter.from = 2;
    expect_refused(&letter, "it is for another server");
    letter = head(RAFT_LETTER_VOTE);
    letter.from_life = 0;
    expect_refused(&letter, "it is of no life of a server");
}

TEST(snapshot_parts_have_bounds)
{
    struct raft_letter out, letter = head(RAFT_LETTER_SNAPSHOT);
    const char *why;
    letter.snapshot.index = 9;
    letter.snapshot.index_term = 4;
    letter.snapshot.conf_index = 1;
    letter.snapshot.conf_size = 3;
    letter.snapshot.total = 8;
    letter.snapshot.offset = 3;
    letter.snapshot.part = pdr_str("state");
    REQUIRE(is_taken(&letter, &out, &why));
    EXPECT(pdr_bytes_equal(out.snapshot.part, pdr_str("state")));
    letter.snapshot.offset = 4;
    expect_refused(&letter, "its part of a snapshot cannot be");
    letter.snapshot.total = RAFT_SNAPSHOT_SIZE_MAX + 1;
    expect_refused(&letter, "its snapshot is too large");
    letter.snapshot.conf_index = 10;
    expect_refused(&letter, "its snapshot cannot be");
}

/* Every shortened letter is refused, and none is read beyond its end (a sanitizer sees it). */
TEST(shortened_letters_are_refused)
{
    struct raft_bytes entries = {0}, bytes = {0};
    struct raft_log_entry one = {6, RAFT_LOG_CHANGE, pdr_bytes(config, sizeof config)};
    struct raft_letter out, letter = append_of(&entries, &one, 1);
    const char *why;
    raft_wire_write(&bytes, &letter);
    for (size_t size = 0; size < bytes.size; size++) {
        uint8_t *copy = mem_new(size + 1);
        memcpy(copy, bytes.data, size);
        EXPECT(raft_wire_read(&reader, pdr_bytes(copy, size), &out, &why) == PDR_INVALID);
        mem_free(copy);
    }
    raft_bytes_release(&entries);
    raft_bytes_release(&bytes);
}

TEST_MAIN()
