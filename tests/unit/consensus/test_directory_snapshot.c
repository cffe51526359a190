/* tests/unit/consensus/test_directory_snapshot.c: all as bytes, and back; what is not believed. */
#include "consensus/directory.h"

#include "core/base/endian.h"
#include "core/base/hash_bytes.h"
#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

static enum pdr_status restore(const pdr_writer *snapshot, struct directory **out, const char **why)
{
    return directory_restore(pdr_written(snapshot), out, why);
}

TEST(what_is_restored_goes_on_the_same)
{
    struct directory *d = small_directory(), *copy;
    pdr_writer first = {0}, second = {0};
    const char *why;
    directory_snapshot(d, &first);
    REQUIRE(restore(&first, &copy, &why) == PDR_OK);
    EXPECT(directory_hash(copy) == directory_hash(d) && directory_index(copy) == directory_index(d));
    EXPECT(directory_raft_index(copy) == directory_raft_index(d));
    uint64_t hash;
    EXPECT(directory_hash_at(copy, directory_index(d), &hash) && hash == directory_hash(d));
    EXPECT(!directory_hash_at(copy, directory_index(d) - 1, &hash)); /* not known here */
    tell(d, registration(5, 1));
    tell(copy, registration(5, 1));
    pdr_writer_clear(&first);
    directory_snapshot(d, &first);
    directory_snapshot(copy, &second);
    EXPECT(pdr_bytes_equal(pdr_written(&first), pdr_written(&second)) && directory_hash(copy) == directory_hash(d));
    pdr_writer_release(&first);
    pdr_writer_release(&second);
    directory_free(d);
    directory_free(copy);
}

TEST(an_empty_directory_has_a_snapshot)
{
    struct directory *d = directory_new(), *copy;
    pdr_writer snapshot = {0};
    const char *why;
    directory_snapshot(d, &snapshot);
    REQUIRE(restore(&snapshot, &copy, &why) == PDR_OK);
    EXPECT_INT(directory_index(copy), 0);
    directory_free(d);
    directory_free(copy);
    pdr_writer_release(&snapshot);
}

TEST(every_flipped_bit_and_every_cut_is_seen)
{
    struct directory *d = small_directory(), *copy;
    pdr_writer snapshot = {0};
    const char *why;
    directory_snapshot(d, &snapshot);
    for (size_t i = 0; i < snapshot.size; i++) {
        snapshot.data[i] ^= 1u << (i % 8);
        EXPECT(restore(&snapshot, &copy, &why) == PDR_INVALID);
        snapshot.data[i] ^= 1u << (i % 8);
        EXPECT(directory_restore(pdr_bytes(snapshot.data, i), &copy, &why) == PDR_INVALID);
    }
    EXPECT_STR(why, "the snapshot is damaged: its checksum is wrong");
    pdr_writer_release(&snapshot);
    directory_free(d);
}

/* With a checksum that is right. */
static const char *refusal(pdr_writer *snapshot)
{
    struct directory *copy;
    const char *why = NULL;
    struct pdr_bytes bytes = pdr_bytes(snapshot->data, snapshot->size - 8);
    put_le64(snapshot->data + bytes.size, hash_bytes(bytes, 0));
    EXPECT(restore(snapshot, &copy, &why) == PDR_INVALID);
    return why;
}

TEST(what_cannot_be_is_refused_with_a_sentence)
{
    struct directory *d = small_directory();
    pdr_writer snapshot = {0};
    directory_snapshot(d, &snapshot);
    snapshot.data[2] ^= 1; /* "perdure directory" */
    EXPECT_STR(refusal(&snapshot), "the snapshot is not one of a directory");
    snapshot.data[2] ^= 1;
    snapshot.data[19]++; /* the version behind it */
    EXPECT_STR(refusal(&snapshot), "the snapshot is of a version that this program does not know");
    snapshot.data[19]--;
    snapshot.data[20]++;
    EXPECT_STR(refusal(&snapshot), "the snapshot is of a cluster whose format this program does not know");
    snapshot.data[20]--;
    snapshot.data[21] = 1; /* dir_index: rows have changed later */
    EXPECT_STR(refusal(&snapshot), "the snapshot has rows out of order");
    pdr_writer_release(&snapshot);
    directory_free(d);
}

TEST_MAIN()
