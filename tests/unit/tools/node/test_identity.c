/* tests/unit/tools/node/test_identity.c: whose directory it is, and one process at a time. */
#include "tools/node/identity.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/test.h"

static char why[1024];

static const char *below(const char *directory, const char *name)
{
    static char path[2][1024];
    static unsigned turn;
    char *out = path[turn++ % 2];
    snprintf(out, sizeof path[0], "%s/%s", directory, name);
    return out;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL);
    EXPECT(fputs(text, file) >= 0);
    EXPECT(fclose(file) == 0);
}

/* As a start does, of a node that founds its cluster. */
static enum pdr_status next(const char *directory, struct identity *out, char *text, size_t size)
{
    enum pdr_status status = identity_find(directory, out, text, size);
    if (status == PDR_NOT_FOUND) {
        *out = identity_new(NULL);
        status = PDR_OK;
    }
    return status == PDR_OK ? identity_begin(directory, out, text, size) : status;
}

TEST(it_is_made_once_and_counts_the_starts)
{
    const char *directory = test_dir();
    struct identity first, second;
    REQUIRE(next(directory, &first, why, sizeof why) == PDR_OK);
    REQUIRE(next(directory, &second, why, sizeof why) == PDR_OK);
    EXPECT_INT(first.incarnation, 1);
    EXPECT_INT(second.incarnation, 2);
    EXPECT_STR(second.cluster, first.cluster);
    EXPECT_STR(second.node, first.node);
    EXPECT(strcmp(first.cluster, first.node) != 0);
    EXPECT(identity_is_node(first.node) && identity_is_cluster(first.cluster) && first.founds);
    EXPECT(first.boot != 0 && first.known == 0 && second.boot == first.boot);
    EXPECT(access(below(directory, "identity.new"), F_OK) != 0);
}

TEST(what_is_restored_is_another_node_in_epochs_of_its_own)
{
    const char *directory = test_dir();
    struct identity first, read;
    REQUIRE(next(test_dir(), &first, why, sizeof why) == PDR_OK);
    struct identity once = identity_restored(&first, 1764000000), twice = identity_restored(&once, 1764000000);
    EXPECT(strcmp(once.cluster, first.cluster) != 0 && strcmp(once.node, first.node) != 0);
    EXPECT_INT(once.epochs >> 32, 1764000000);
    EXPECT_INT(twice.epochs >> 32, 1764000001); /* later than what it was made of, whatever the clock says */
    EXPECT_INT(identity_restored(&twice, 5).epochs >> 32, 1764000002);
    EXPECT(identity_restored(&first, 1764000001).epochs != once.epochs);
    REQUIRE(identity_save(directory, &once, why, sizeof why) == PDR_OK);
    REQUIRE(next(directory, &read, why, sizeof why) == PDR_OK);
    EXPECT_INT(read.incarnation, 1);
    EXPECT(read.epochs == once.epochs);
    EXPECT_STR(read.node, once.node);
    REQUIRE(next(directory, &read, why, sizeof why) == PDR_OK);
    EXPECT(read.epochs == once.epochs);
}

/* Each answer is to a number that the disk had before the question (R70). */
TEST(a_registration_is_known_once)
{
    struct identity joined = identity_new("0123456789abcdef0123456789abcdef"), before = joined;
    EXPECT(!joined.founds);
    EXPECT_STR(joined.cluster, "0123456789abcdef0123456789abcdef");
    EXPECT(!identity_registered(&joined, before.boot + 2));
    EXPECT(joined.boot == before.boot && joined.known == 0);
    EXPECT(identity_registered(&joined, before.boot));
    EXPECT(joined.known == before.boot && joined.boot != before.boot && joined.boot != 0);
    EXPECT(!identity_registered(&joined, before.boot));
}

TEST(two_directories_have_two_identities)
{
    struct identity a, b;
    REQUIRE(next(test_dir(), &a, why, sizeof why) == PDR_OK);
    REQUIRE(next(test_dir(), &b, why, sizeof why) == PDR_OK);
    EXPECT(strcmp(a.cluster, b.cluster) != 0 && strcmp(a.node, b.node) != 0);
}

TEST(a_damaged_one_is_refused)
{
    static const char good[] = "perdure identity 1\ncluster 0123456789abcdef0123456789abcdef\n"
                               "node fedcba9876543210\norigin joined\nincarnation 7\nboot 0123456789abcdef\n"
                               "known 0000000000000000\n";
    char text[sizeof good + 8];
    struct identity identity;
    const char *directory = test_dir();
    write_file(below(directory, "identity"), good);
    REQUIRE(next(directory, &identity, why, sizeof why) == PDR_OK);
    EXPECT_INT(identity.incarnation, 8);
    for (size_t i = 0; i + 1 < sizeof good; i++) { /* any one byte changed, or cut there */
        memcpy(text, good, sizeof good);
        text[i] = text[i] == 'x' ? 'y' : 'x';
        write_file(below(directory, "identity"), text);
        EXPECT(next(directory, &identity, why, sizeof why) == PDR_INTERNAL);
        EXPECT(strstr(why, directory) != NULL);
        text[i] = 0;
        write_file(below(directory, "identity"), text);
        EXPECT(next(directory, &identity, why, sizeof why) == PDR_INTERNAL);
    }
    snprintf(text, sizeof text, "%s\n", good);
    write_file(below(directory, "identity"), text);
    EXPECT(next(directory, &identity, why, sizeof why) == PDR_INTERNAL);
}

TEST(data_without_an_identity_is_refused)
{
    const char *directory = test_dir();
    struct identity identity;
    REQUIRE(mkdir(below(directory, "log"), 0700) == 0);
    EXPECT(next(directory, &identity, why, sizeof why) == PDR_INTERNAL);
    EXPECT(strstr(why, "backup") != NULL);
}

TEST(a_crash_while_it_was_written_leaves_the_old_one)
{
    const char *directory = test_dir();
    struct identity before, after;
    REQUIRE(next(directory, &before, why, sizeof why) == PDR_OK);
    write_file(below(directory, "identity.new"), "perdure iden");
    REQUIRE(next(directory, &after, why, sizeof why) == PDR_OK);
    EXPECT_STR(after.node, before.node);
    EXPECT_INT(after.incarnation, 2);
}

TEST(one_at_a_time)
{
    const char *directory = below(test_dir(), "made");
    int first = -1, second = -1;
    char pid[32];
    REQUIRE(identity_lock(directory, &first, why, sizeof why) == PDR_OK);
    EXPECT(identity_lock(directory, &second, why, sizeof why) == PDR_UNAVAILABLE);
    snprintf(pid, sizeof pid, "process %ld", (long)getpid());
    EXPECT(strstr(why, directory) != NULL);
    EXPECT(strstr(why, pid) != NULL);
    close(first);
    EXPECT(identity_lock(directory, &second, why, sizeof why) == PDR_OK);
    close(second);
}

TEST(a_directory_that_cannot_be_made_is_named)
{
    const char *directory = below(test_dir(), "no/such/parent");
    int lock = -1;
    EXPECT(identity_lock(directory, &lock, why, sizeof why) == PDR_INTERNAL);
    EXPECT(strstr(why, "no/such/parent") != NULL && strstr(why, "No such file") != NULL);
    EXPECT(lock == -1);
}

TEST_MAIN()
