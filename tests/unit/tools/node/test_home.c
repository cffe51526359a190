/* tests/unit/tools/node/test_home.c: what a node finds in its directory before it opens, and what it keeps there. */
#include "tools/node/home.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/peer/secret.h"
#include "tests/lib/test.h"

static const char *const nobody[] = {NULL};
static char why[1024];

static const char *below(const char *directory, const char *name)
{
    static char path[4][1024];
    static unsigned turn;
    char *out = path[turn++ % 4];
    snprintf(out, sizeof path[0], "%s/%s", directory, name);
    return out;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL);
    EXPECT(fputs(text, file) >= 0 && fclose(file) == 0);
}

static struct home_options founder(const char *directory)
{
    return (struct home_options){.data = directory, .listen = "127.0.0.1:7077", .join = nobody};
}

static void same_secret(const struct secret *a, const struct secret *b, bool expected)
{
    uint8_t proofs[2][SECRET_PROOF_SIZE];
    secret_prove(a, "test", pdr_str("text"), proofs[0]);
    secret_prove(b, "test", pdr_str("text"), proofs[1]);
    EXPECT(secret_equal(proofs[0], proofs[1], sizeof proofs[0]) == expected);
}

TEST(a_founder_makes_identity_and_secret_once)
{
    struct home first, again;
    struct stat found;
    const struct home_options options = founder(test_dir());
    REQUIRE(home_open(&first, &options, why, sizeof why) == PDR_OK);
    EXPECT(first.identity.founds && first.identity.incarnation == 1 && first.contact_count == 0);
    EXPECT_STR(first.advertise, "");
    REQUIRE(stat(below(options.data, "secret"), &found) == 0);
    EXPECT_INT(found.st_mode & 0777, 0600);
    REQUIRE(home_open(&again, &options, why, sizeof why) == PDR_OK);
    EXPECT_STR(again.identity.node, first.identity.node);
    EXPECT_INT(again.identity.incarnation, 2);
    same_secret(first.secret, again.secret, true);
    home_release(&first);
    home_release(&again);
}

/* A new one would be the secret of nobody else. */
TEST(a_secret_is_not_made_a_second_time)
{
    struct home home;
    const struct home_options options = founder(test_dir());
    REQUIRE(home_open(&home, &options, why, sizeof why) == PDR_OK);
    home_release(&home);
    REQUIRE(unlink(below(options.data, "secret")) == 0);
    EXPECT_INT(home_open(&home, &options, why, sizeof why), PDR_NOT_FOUND);
    EXPECT(strstr(why, "secret") != NULL && strstr(why, options.data) != NULL);
    home_release(&home);
}

TEST(a_secret_of_its_own_file)
{
    static const char *const bad[] = {"too short", ""};
    struct home home;
    struct home_options options = founder(test_dir());
    options.secret = below(test_dir(), "given");
    EXPECT_INT(home_open(&home, &options, why, sizeof why), PDR_NOT_FOUND);
    EXPECT(strstr(why, options.secret) != NULL);
    home_release(&home);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        write_file(options.secret, bad[i]);
        EXPECT_INT(home_open(&home, &options, why, sizeof why), PDR_INVALID);
        EXPECT(strstr(why, options.secret) != NULL);
        home_release(&home);
    }
    write_file(options.secret, "0123456789abcdef0123456789abcdef\n");
    REQUIRE(home_open(&home, &options, why, sizeof why) == PDR_OK);
    struct secret *same, *other;
    const char *reason;
    REQUIRE(secret_new(pdr_str("0123456789abcdef0123456789abcdef"), &same, &reason) == PDR_OK);
    REQUIRE(secret_new(pdr_str("another one, for strangers"), &other, &reason) == PDR_OK);
    same_secret(home.secret, same, true);
    same_secret(home.secret, other, false);
    EXPECT(access(below(options.data, "secret"), F_OK) != 0);
    secret_free(same);
    secret_free(other);
    home_release(&home);
}

TEST(contacts_are_found_again)
{
    struct home home;
    const struct home_options options = founder(test_dir());
    struct membership_record record = {.has_contacts = true, .contact_count = 2};
    record.contacts[0] = (struct membership_contact){0xfedcba9876543210u, "node-3.example:7077"};
    record.contacts[1] = (struct membership_contact){7, "[::1]:65535"};
    REQUIRE(home_open(&home, &options, why, sizeof why) == PDR_OK);
    home_keep(&home, &record);
    home_release(&home);
    REQUIRE(home_open(&home, &options, why, sizeof why) == PDR_OK);
    REQUIRE(home.contact_count == 2);
    EXPECT(home.contacts[0].node == 0xfedcba9876543210u && home.contacts[1].node == 7);
    EXPECT_STR(home.contacts[0].address, "node-3.example:7077");
    EXPECT_STR(home.contacts[1].address, "[::1]:65535");
    home_release(&home);
}

/* It only says where to look first. */
TEST(damaged_contacts_are_passed_over)
{
    static const char *const texts[] = {"",
                                        "perdure contacts 1\n",
                                        "perdure contacts 2\n0000000000000001 a:1\n",
                                        "perdure contacts 1\n0000000000000000 a:1\n",
                                        "perdure contacts 1\n0000000000000001 nowhere\n0000000000000002 b:2\n",
                                        "perdure contacts 1\nfoo bar baz\n"};
    struct home home;
    const struct home_options options = founder(test_dir());
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file(below(options.data, "contacts"), texts[i]);
        REQUIRE(home_open(&home, &options, why, sizeof why) == PDR_OK);
        EXPECT_INT(home.contact_count, 0);
        home_release(&home);
    }
}

TEST(an_answered_registration_is_kept)
{
    struct home home;
    const struct home_options options = founder(test_dir());
    REQUIRE(home_open(&home, &options, why, sizeof why) == PDR_OK);
    struct membership_record record = {.boot = home.identity.boot};
    home_keep(&home, &record);
    EXPECT(home.identity.known == record.boot && home.identity.boot != record.boot);
    struct identity kept = home.identity;
    home_keep(&home, &record); /* the same answer, late */
    home_release(&home);
    REQUIRE(home_open(&home, &options, why, sizeof why) == PDR_OK);
    EXPECT(home.identity.known == kept.known && home.identity.boot == kept.boot);
    home_release(&home);
}

/* One command for a whole fleet, of one node. */
TEST(nobody_else_to_join)
{
    static const char *const itself[] = {"127.0.0.1:7077", NULL};
    struct home home;
    struct home_options options = founder(test_dir());
    options.secret = below(test_dir(), "given");
    write_file(options.secret, "0123456789abcdef0123456789abcdef\n");
    options.join = itself;
    REQUIRE(home_open(&home, &options, why, sizeof why) == PDR_OK);
    EXPECT(home.identity.founds && home.contact_count == 0);
    home_release(&home);
}

TEST(any_address_is_nobody_s)
{
    struct home home;
    struct home_options options = founder(test_dir());
    options.listen = "0.0.0.0:7077";
    REQUIRE(home_open(&home, &options, why, sizeof why) == PDR_OK);
    EXPECT(strstr(home.advertise, ":7077") != NULL && strstr(home.advertise, "0.0.0.0") == NULL);
    home_release(&home);
    options.listen = "[::]:0";
    EXPECT_INT(home_open(&home, &options, why, sizeof why), PDR_INVALID);
    EXPECT(strstr(why, "--advertise") != NULL);
    home_release(&home);
    options.advertise = "me.example:9";
    REQUIRE(home_open(&home, &options, why, sizeof why) == PDR_OK);
    EXPECT_STR(home.advertise, "me.example:9");
    home_release(&home);
}

TEST_MAIN()
