/* tests/unit/net/wire/test_peer_hello.c: hello and refusal. */
#include "net/wire/peer_hello.h"

#include "core/base/limits.h"
#include "tests/lib/test.h"

static const uint8_t nonce[PEER_NONCE_SIZE] = {1, 2, 3};

static struct peer_hello sample(void)
{
    return (struct peer_hello){.version_min = 1,
                               .version_max = 3,
                               .features = UINT64_MAX,
                               .cluster = pdr_str("blue"),
                               .node = UINT64_MAX,
                               .incarnation = 7,
                               .dials = true,
                               .to = 5,
                               .core = 0xffff,
                               .cores = 16,
                               .address = pdr_str("host:7077"),
                               .nonce = nonce};
}

static enum pdr_status again(const struct peer_hello *hello, struct peer_hello *out, pdr_writer *w, const char **why)
{
    pdr_writer_init(w, NULL, 0, 0);
    peer_hello_encode(w, hello);
    return peer_hello_parse(pdr_written(w), out, why);
}

TEST(there_and_back)
{
    struct peer_hello hello = sample(), got;
    pdr_writer w;
    const char *why;
    EXPECT_INT(again(&hello, &got, &w, &why), PDR_OK);
    EXPECT_INT(got.version_min, 1);
    EXPECT_INT(got.version_max, 3);
    EXPECT(got.features == UINT64_MAX && got.node == UINT64_MAX);
    EXPECT(pdr_bytes_equal(got.cluster, hello.cluster) && pdr_bytes_equal(got.address, hello.address));
    EXPECT_INT(got.incarnation, 7);
    EXPECT(got.dials);
    EXPECT_INT(got.to, 5);
    EXPECT_INT(got.core, 0xffff);
    EXPECT_INT(got.cores, 16);
    EXPECT(memcmp(got.nonce, nonce, sizeof nonce) == 0);
    EXPECT(w.size < 300);
    pdr_writer_release(&w);
}

static void refused(struct peer_hello hello, const char *field)
{
    struct peer_hello got;
    pdr_writer w;
    const char *why = "";
    EXPECT_INT(again(&hello, &got, &w, &why), PDR_INVALID);
    EXPECT(strstr(why, field) != NULL);
    pdr_writer_release(&w);
}

TEST(fields_out_of_range)
{
    char text[300];
    memset(text, 'x', sizeof text);
#define WITH(member, value)                                                                                            \
    struct peer_hello with_##member = sample();                                                                        \
    with_##member.member = value;                                                                                      \
    refused(with_##member, "\"" #member "\"")
    WITH(cluster, pdr_bytes(text, 65));
    WITH(node, 0);
    WITH(to, 0);
    WITH(core, 0x10000);
    WITH(cores, 1025);
    WITH(address, pdr_bytes(text, LIMIT_ADDRESS_BYTES_MAX + 1));
#undef WITH
    struct peer_hello hello = sample();
    hello.version_min = 4;
    refused(hello, "\"versions\"");
}

TEST(not_a_map)
{
    static const char *const texts[] = {"", "\x90", "\x80 and more", "\x81\xa1x", "\xc1"};
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct peer_hello got;
        const char *why = "";
        EXPECT_INT(peer_hello_parse(pdr_str(texts[i]), &got, &why), PDR_INVALID);
        EXPECT_STR(why, "the hello of a node must be a map");
    }
}

/* A newer node says more. */
TEST(unknown_keys)
{
    struct peer_hello hello = sample(), got;
    pdr_writer w, longer;
    const char *why;
    EXPECT_INT(again(&hello, &got, &w, &why), PDR_OK);
    pdr_writer_init(&longer, NULL, 0, 0);
    pdr_write_map(&longer, 13);
    pdr_write_cstr(&longer, "mood");
    pdr_write_cstr(&longer, "fine");
    pdr_write_raw(&longer, w.data + 1, w.size - 1);
    EXPECT_INT(peer_hello_parse(pdr_written(&longer), &got, &why), PDR_OK);
    EXPECT_INT(got.to, 5);
    pdr_writer_release(&w);
    pdr_writer_release(&longer);
}

TEST(refusal)
{
    pdr_writer w;
    char text[20];
    pdr_writer_init(&w, NULL, 0, 0);
    peer_refusal_encode(&w, PEER_REFUSAL_OLD, "a sentence that is longer than what is there for it");
    peer_refusal_text(pdr_written(&w), text, sizeof text);
    EXPECT_STR(text, "a sentence that is ");
    pdr_value code = pdr_value_at(pdr_written(&w), 0);
    struct pdr_bytes bytes;
    EXPECT(pdr_value_bytes(code, &bytes) && pdr_bytes_equal(bytes, pdr_str("old")));
    peer_refusal_text(pdr_str("\x93"), text, sizeof text);
    EXPECT_STR(text, "");
    pdr_writer_release(&w);
}

TEST_MAIN()
