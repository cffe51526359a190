/* tests/unit/net/peer/test_secret.c: HMAC and GMAC are what the standards say, and what we make of them. */
#include "net/peer/secret.h"

#include "net/wire/peer_frame.h"
#include "tests/lib/test.h"

static struct secret *secret_of(const void *bytes, size_t size)
{
    struct secret *secret = NULL;
    const char *why;
    REQUIRE(secret_new(pdr_bytes(bytes, size), &secret, &why) == PDR_OK);
    return secret;
}

/* Key 20 x 0x0b as in RFC 4231, text "Hi\0There"; by another implementation (Python's hmac). */
TEST(hmac_sha256)
{
    static const uint8_t expected[] = {0xa3, 0x60, 0xbc, 0x9c, 0x45, 0x3e, 0x3b, 0xc2, 0x4f, 0x8d, 0x59,
                                       0xec, 0xc9, 0xa5, 0x53, 0x18, 0x3a, 0x52, 0xed, 0x3d, 0x7b, 0x2e,
                                       0xe9, 0x86, 0x39, 0x3f, 0x1a, 0x89, 0x73, 0x12, 0x70, 0xbe};
    uint8_t key[20], proof[SECRET_PROOF_SIZE];
    memset(key, 0x0b, sizeof key);
    struct secret *secret = secret_of(key, sizeof key);
    secret_prove(secret, "Hi", pdr_str("There"), proof);
    EXPECT(secret_equal(proof, expected, sizeof proof));
    secret_prove(secret, "H", pdr_str("There"), proof); /* another label, another function */
    EXPECT(!secret_equal(proof, expected, sizeof proof));
    secret_free(secret);
}

TEST(sizes)
{
    struct secret *secret;
    const char *why = "";
    char long_one[1025] = {0};
    EXPECT_INT(secret_new(pdr_str("fifteen bytes.."), &secret, &why), PDR_INVALID);
    EXPECT(strstr(why, "16") != NULL);
    EXPECT_INT(secret_new(pdr_bytes(long_one, sizeof long_one), &secret, &why), PDR_INVALID);
    EXPECT_INT(secret_new(pdr_bytes(long_one, sizeof long_one - 1), &secret, &why), PDR_OK);
    secret_free(secret);
    secret_free(NULL);
}

/* The GCM specification, test case 13 (AES-256, no text): key and nonce 0. Nonce 0 is that of the first frame. */
TEST(gmac)
{
    static const uint8_t key[32] = {0};
    static const uint8_t expected[PEER_TAG_SIZE] = {0x53, 0x0f, 0x8a, 0xfb, 0xc7, 0x45, 0x36, 0xb9,
                                                    0xa9, 0x63, 0xb4, 0xf1, 0xc4, 0xcb, 0x73, 0x8b};
    uint8_t tag[PEER_TAG_SIZE], second[PEER_TAG_SIZE];
    struct seal *seal = seal_new(key);
    seal_next(seal, pdr_bytes(NULL, 0), tag);
    EXPECT(secret_equal(tag, expected, sizeof tag));
    seal_next(seal, pdr_bytes(NULL, 0), second); /* the same text is another frame */
    EXPECT(!secret_equal(tag, second, sizeof tag));
    seal_free(seal);
    seal_free(NULL);
}

TEST(entropy)
{
    uint8_t a[32] = {0}, b[32] = {0};
    secret_entropy(NULL, a, sizeof a);
    secret_entropy(NULL, b, sizeof b);
    EXPECT(!secret_equal(a, b, sizeof a));
}

TEST_MAIN()
