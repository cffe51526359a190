/* tests/unit/core/store/test_store_error.c: what RocksDB 7.8.3 says, word for word, and what we make of it. */
#include "core/store/store_error.h"

#include "tests/lib/test.h"

static void says(const char *message, enum pdr_status status, const char *want)
{
    char text[512];
    EXPECT_INT(store_error_status(message), status);
    store_error_sentence(text, sizeof text, "/data/store", message);
    EXPECT(strncmp(text, want, strlen(want)) == 0);
    EXPECT(strstr(text, message) != NULL); /* the words of the library, for who can make more of them */
}

TEST(full_disk)
{
    says("IO error: No space left on device: While appending to file: /data/store/000012.sst: No space left on device",
         PDR_NO_SPACE, "the disk of /data/store is full: free some space, and writing goes on by itself (");
    says("Result incomplete: IO error: No space left on device: While open a file for appending: "
         "/data/store/000026.sst: "
         "No space left on device",
         PDR_NO_SPACE, "the disk of /data/store is full");
    says("IO error: While appending to file: /data/store/000012.sst: Disk quota exceeded", PDR_NO_SPACE,
         "the disk of /data/store is full");
}

TEST(used_by_another_process)
{
    says("IO error: While lock file: /data/store/LOCK: Resource temporarily unavailable", PDR_INTERNAL,
         "another process uses /data/store: stop it, or give another data directory (");
    says("IO error: lock hold by current process, acquire time 1795488036 acquiring thread 140: /data/store/LOCK: No "
         "locks "
         "available",
         PDR_INTERNAL, "another process uses /data/store");
}

TEST(damaged)
{
    says("Corruption: Can't access /000012.sst: IO error: No such file or directory: while stat a file for size: "
         "/data/store/000012.sst: No such file or directory",
         PDR_INTERNAL, "the store in /data/store is damaged: restore a backup into an empty data directory (");
    says("Corruption: block checksum mismatch: stored = 1, computed = 2, type = 4  in /data/store/000012.sst offset 0 "
         "size 9",
         PDR_INTERNAL, "the store in /data/store is damaged");
}

TEST(the_rest)
{
    says("IO error: While mkdir if missing: /data/store: Permission denied", PDR_INTERNAL,
         "/data/store can't be used by this user: change its owner or permissions (");
    says("IO error: While mkdir if missing: /data/store: Read-only file system", PDR_INTERNAL,
         "/data/store is on a file system that is mounted read-only: give another data directory (");
    says("Invalid argument: Compression type LZ4 is not linked with the binary.", PDR_INTERNAL,
         "the store in /data/store needs another build of RocksDB: install the one that wrote it (");
    says("Invalid argument: Directory exists", PDR_INVALID, "/data/store exists: give a directory that does not (");
    says("IO error: While fsync: a file: Input/output error", PDR_INTERNAL,
         "the store in /data/store failed: look at the kernel's log, and start the node again (");
}

TEST(sentence_is_cut_to_its_place)
{
    char text[16];
    store_error_sentence(text, sizeof text, "/data", "Corruption: x");
    EXPECT_STR(text, "the store in /d");
}

TEST_MAIN()
