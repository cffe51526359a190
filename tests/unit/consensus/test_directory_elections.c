/* tests/unit/consensus/test_directory_elections.c: who stands, who leads, under which token; and every refusal. */
#include <stdio.h>

#include "consensus/directory.h"
#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

#define EXPECT_CODE(result, want) EXPECT_INT((result)->code, DIRECTORY_##want)

static struct command campaign(const char *name, uint64_t owner, const char *value)
{
    return (struct command){.kind = COMMAND_CAMPAIGN,
                            .campaign = {pdr_str(name), owner, 1, 1000, pdr_bytes(value, strlen(value))}};
}

static struct command resign(const char *name, uint64_t owner, uint64_t token)
{
    return (struct command){.kind = COMMAND_RESIGN, .resign = {pdr_str(name), owner, token}};
}

static const struct cluster_election *election_of(const struct directory *d, const char *name)
{
    return cluster_rows_election(directory_rows(d), pdr_str(name));
}

/* The owners of its candidates, in order: "7 8". */
static const char *queue_of(const struct directory *d, const char *name)
{
    static char text[256];
    const struct cluster_election *election = election_of(d, name);
    struct pdr_bytes rest = candidates_items(election != NULL ? election->candidates : (struct candidates){{NULL, 0}});
    struct candidate candidate;
    int used = 0;
    text[0] = '\0';
    while (candidates_next(&rest, &candidate)) {
        used += snprintf(text + used, sizeof text - (size_t)used, "%s%llu", used > 0 ? " " : "",
                         (unsigned long long)candidate.owner);
    }
    return text;
}

TEST(who_comes_first_leads_and_the_others_follow_in_order)
{
    struct directory *d = small_directory();
    uint64_t first = tell(d, campaign("e", 7, "\x01"))->dir_index;
    EXPECT_CODE(tell(d, campaign("e", 8, "\x02")), DONE);
    EXPECT_CODE(tell(d, campaign("e", 9, "\x03")), DONE);
    EXPECT_STR(queue_of(d, "e"), "7 8 9");
    EXPECT(election_of(d, "e")->token == first);
    EXPECT_CODE(tell(d, resign("e", 8, 0)), DONE);
    EXPECT(election_of(d, "e")->token == first); /* who waits may go: the leader stays */
    uint64_t second = tell(d, resign("e", 7, 0))->dir_index;
    EXPECT_STR(queue_of(d, "e"), "9");
    EXPECT(election_of(d, "e")->token == second && second > first);
    EXPECT(directory_fault(d) == NULL);
    directory_free(d);
}

TEST(standing_twice_is_standing_once_and_may_say_another_value)
{
    struct directory *d = small_directory();
    uint64_t token = tell(d, campaign("e", 7, "\x01"))->dir_index, hash = directory_hash(d);
    EXPECT_CODE(tell(d, campaign("e", 7, "\x01")), ALREADY);
    EXPECT(directory_hash(d) == hash);
    EXPECT_CODE(tell(d, campaign("e", 7, "\x05")), DONE);
    struct candidate candidate;
    uint32_t ahead;
    REQUIRE(candidates_find(election_of(d, "e")->candidates, 7, &candidate, &ahead));
    EXPECT(candidate.order == token && ahead == 0 && *(const char *)candidate.value.data == 5);
    EXPECT(election_of(d, "e")->token == token);
    directory_free(d);
}

TEST(a_token_resigns_its_leader_and_nobody_else)
{
    struct directory *d = small_directory();
    uint64_t token = tell(d, campaign("e", 7, "\x01"))->dir_index;
    EXPECT_CODE(tell(d, campaign("e", 8, "\x01")), DONE);
    EXPECT_CODE(tell(d, resign("e", 0, token + 1)), NOT_STANDING);
    EXPECT_CODE(tell(d, resign("e", 0, token)), DONE);
    EXPECT_STR(queue_of(d, "e"), "8");
    EXPECT_CODE(tell(d, resign("e", 0, token)), NOT_STANDING);
    EXPECT_CODE(tell(d, resign("e", 7, 0)), NOT_STANDING);
    EXPECT_CODE(tell(d, resign("other", 7, 0)), NOT_STANDING);
    directory_free(d);
}

TEST(a_lapse_is_of_one_candidacy_and_of_no_later_one)
{
    struct directory *d = small_directory();
    uint64_t order = tell(d, campaign("e", 7, "\x01"))->dir_index;
    struct command lapse = {.kind = COMMAND_LAPSE, .lapse = {election_of(d, "e")->slot, order}};
    EXPECT_CODE(tell(d, resign("e", 7, 0)), DONE);
    EXPECT_CODE(tell(d, campaign("e", 7, "\x01")), DONE);
    EXPECT_CODE(tell(d, lapse), NOT_STANDING); /* it came too late */
    lapse.lapse.slot = 9;
    EXPECT_CODE(tell(d, lapse), NOT_STANDING);
    lapse.lapse = (struct command_lapse){election_of(d, "e")->slot, order + 2};
    EXPECT_CODE(tell(d, lapse), DONE);
    EXPECT(election_of(d, "e") == NULL);
    directory_free(d);
}

TEST(rooms_are_used_again_and_tokens_are_not)
{
    struct directory *d = small_directory();
    uint64_t newest = 0;
    for (uint32_t i = 0; i < 50; i++) {
        char name[16];
        snprintf(name, sizeof name, "job-%u", i);
        EXPECT_CODE(tell(d, campaign(name, 7, "\x01")), DONE);
        EXPECT(election_of(d, name)->token > newest && election_of(d, name)->slot == 0);
        newest = election_of(d, name)->token;
        EXPECT_CODE(tell(d, resign(name, 7, 0)), DONE);
        EXPECT(election_of(d, name) == NULL);
    }
    EXPECT_INT(directory_rows(d)->of[ROW_ELECTION].count, 1);
    EXPECT(directory_fault(d) == NULL);
    directory_free(d);
}

TEST(what_makes_no_sense_is_refused)
{
    struct directory *d = small_directory();
    struct command command = campaign("e", 7, "\x01");
    EXPECT_CODE(tell(d, campaign("", 7, "\x01")), BAD_VALUE);
    EXPECT_CODE(tell(d, campaign("e", 0, "\x01")), BAD_VALUE);
    EXPECT_CODE(tell(d, campaign("e", 7, "\xc1")), BAD_VALUE);     /* no value */
    EXPECT_CODE(tell(d, campaign("e", 7, "\x01\x01")), BAD_VALUE); /* two */
    EXPECT_CODE(tell(d, campaign("e", 7, "")), BAD_VALUE);
    command.campaign.lease_ms = LIMIT_CAMPAIGN_LEASE_MS_MIN - 1;
    EXPECT_CODE(tell(d, command), BAD_VALUE);
    EXPECT_INT(directory_rows(d)->of[ROW_ELECTION].count, 0);
    directory_free(d);
}

TEST(limits_have_sentences)
{
    struct directory *d = small_directory();
    for (uint64_t i = 1; i <= LIMIT_CANDIDATES_MAX; i++) {
        EXPECT_CODE(tell(d, campaign("e", i, "\x01")), DONE);
    }
    const struct directory_result *result = tell(d, campaign("e", 1000, "\x01"));
    EXPECT_CODE(result, LIMIT);
    EXPECT_STR(result->text, "128 candidates stand in this election (limit candidates_max)");
    for (uint32_t i = 1; i < LIMIT_ELECTIONS_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "e%u", i);
        REQUIRE(tell(d, campaign(name, 1, "\x01"))->code == DIRECTORY_DONE);
    }
    result = tell(d, campaign("more", 1, "\x01"));
    EXPECT_CODE(result, LIMIT);
    EXPECT_STR(result->text, "there are 16384 elections (limit elections_max)");
    EXPECT(directory_fault(d) == NULL);
    directory_free(d);
}

TEST(a_snapshot_keeps_elections)
{
    struct directory *d = small_directory(), *twin;
    const char *why;
    pdr_writer one = {0}, other = {0};
    tell(d, campaign("a", 7, "\x01"));
    tell(d, campaign("b", 8, "\xa3one"));
    tell(d, campaign("b", 9, "\xc0"));
    tell(d, resign("a", 7, 0));
    directory_snapshot(d, &one);
    REQUIRE(directory_restore(pdr_written(&one), &twin, &why) == PDR_OK);
    EXPECT_STR(queue_of(twin, "b"), "8 9");
    EXPECT(directory_rows(twin)->candidates == 2);
    tell(d, campaign("c", 1, "\x01")); /* takes the room of a, in both */
    tell(twin, campaign("c", 1, "\x01"));
    EXPECT(directory_hash(d) == directory_hash(twin));
    pdr_writer_clear(&one);
    directory_snapshot(d, &one);
    directory_snapshot(twin, &other);
    EXPECT(pdr_bytes_equal(pdr_written(&one), pdr_written(&other)));
    pdr_writer_release(&one);
    pdr_writer_release(&other);
    directory_free(d);
    directory_free(twin);
}

TEST_MAIN()
