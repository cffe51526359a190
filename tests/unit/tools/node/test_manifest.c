/* tests/unit/tools/node/test_manifest.c: what a backup says of itself, to text and back; nothing of it is trusted. */
#include "tools/node/manifest.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/hash_bytes.h"
#include "core/base/mem.h"
#include "tests/lib/test.h"

static char *example(void)
{
    struct manifest m = {.version = "1.2.3", .name = "a host", .time_s = 1764000000};
    memcpy(m.identity.cluster, "0123456789abcdef0123456789abcdef", IDENTITY_CLUSTER_SIZE);
    memcpy(m.identity.node, "fedcba9876543210", IDENTITY_NODE_SIZE);
    m.identity.epochs = 7711821561895845888u;
    for (uint32_t i = 0; i < 5; i++) {
        manifest_add_shard(&m, i * 51, UINT64_MAX, i);
    }
    REQUIRE(manifest_add_file(&m, "000012.sst", 40961));
    REQUIRE(manifest_add_file(&m, "MANIFEST-000005", 0));
    REQUIRE(manifest_add_file(&m, "CURRENT", UINT64_MAX));
    char *text = manifest_print(&m);
    manifest_release(&m);
    return text;
}

TEST(what_was_printed_is_read)
{
    struct manifest m;
    char *text = example();
    REQUIRE(manifest_parse(text, &m));
    EXPECT_STR(m.version, "1.2.3");
    EXPECT_STR(m.name, "a host");
    EXPECT_STR(m.identity.node, "fedcba9876543210");
    EXPECT(m.identity.epochs == 7711821561895845888u);
    EXPECT_INT(m.time_s, 1764000000);
    REQUIRE(m.shard_count == 5 && m.file_count == 3);
    EXPECT(m.shards[4].shard == 204 && m.shards[4].epoch == UINT64_MAX && m.shards[4].seq == 4);
    EXPECT_STR(m.files[0].name, "000012.sst");
    EXPECT(m.files[2].size == UINT64_MAX);
    char *again = manifest_print(&m);
    EXPECT_STR(again, text);
    mem_free(again);
    mem_free(text);
    manifest_release(&m);
}

TEST(any_changed_byte_is_seen)
{
    struct manifest m;
    char *text = example();
    for (size_t i = 0; text[i] != 0; i++) {
        text[i] ^= 1;
        EXPECT(!manifest_parse(text, &m));
        manifest_release(&m);
        text[i] ^= 1;
    }
    for (size_t size = strlen(text); size-- > 0;) {
        text[size] = 0;
        EXPECT(!manifest_parse(text, &m));
        manifest_release(&m);
    }
    mem_free(text);
}

/* With a checksum that is right. */
static bool takes(const char *lines)
{
    static const char ids[] = "perdure backup 1\nversion 1\ncluster 0123456789abcdef0123456789abcdef\n"
                              "node fedcba9876543210\n";
    char text[1024];
    struct manifest m;
    int size = snprintf(text, sizeof text, "%s%s", ids, lines);
    snprintf(text + size, sizeof text - (size_t)size, "checksum %016llx\n",
             (unsigned long long)hash_bytes(pdr_bytes(text, (size_t)size), 0));
    bool fine = manifest_parse(text, &m);
    manifest_release(&m);
    return fine;
}

TEST(a_right_checksum_does_not_make_it_right)
{
    EXPECT(takes("epochs 0\nname n\ntime 5\nfile CURRENT 16\n"));
    EXPECT(takes("epochs 0\nname n\ntime 5\nshard 1 epoch 2 seq 3\nfile CURRENT 16\n"));
    static const char *const bad[] = {
        "",
        "epochs 0\nname n\ntime 5\n",
        "epochs -1\nname n\ntime 5\nfile CURRENT 16\n",
        "epochs 0\nname n\ntime\nfile CURRENT 16\n",
        "epochs 0\nname n\ntime 99999999999999999999\nfile CURRENT 16\n",
        "epochs 0\nname n\ntime 5\nfile CURRENT\n",
        "epochs 0\nname n\ntime 5\nfile CURRENT x\n",
        "epochs 0\nname n\ntime 5\nfile ../CURRENT 16\n",
        "epochs 0\nname n\ntime 5\nfile .. 16\n",
        "epochs 0\nname n\ntime 5\nfile /etc/passwd 16\n",
        "epochs 0\nname n\ntime 5\nshard 1 epoch 2\nfile CURRENT 16\n",
        "epochs 0\nname n\ntime 5\nfile CURRENT 16\nmore 5\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (takes(bad[i])) {
            EXPECT_STR(bad[i], "refused");
        }
    }
}

TEST_MAIN()
