/* tests/unit/core/base/test_ref.c: addresses: what is accepted, what is refused and why, where a key is placed. */
#include <perdure/ref.h>
#include <stdlib.h>

#include "core/base/rng.h"
#include "tests/lib/test.h"

/* A copy on the heap, without a terminator: a read past the end is seen by ASan. */
static struct pdr_bytes exact(const void *data, size_t size)
{
    char *copy = malloc(size);
    if (size > 0) {
        memcpy(copy, data, size);
    }
    return pdr_bytes(copy, size);
}

static bool parses(const char *text, size_t size)
{
    struct pdr_ref ref = {{0}, {0}};
    const char *why = NULL;
    struct pdr_bytes copy = exact(text, size);
    enum pdr_status status = pdr_ref_parse(copy, &ref, &why);
    bool ok = status == PDR_OK;
    EXPECT(ok ? why == NULL : why != NULL && strlen(why) > 0 && ref.type.data == NULL);
    free((void *)copy.data);
    return ok;
}

#define ACCEPTS(text) EXPECT(parses(text, sizeof(text) - 1))
#define REFUSES(text) EXPECT(!parses(text, sizeof(text) - 1))

static void expect_slice(struct pdr_bytes got, const char *want)
{
    char text[1024];
    snprintf(text, sizeof text, "%.*s", (int)got.size, got.size > 0 ? (const char *)got.data : "");
    EXPECT_STR(text, want);
}

TEST(splits_at_the_first_slash)
{
    struct pdr_ref ref;
    REQUIRE(pdr_ref_parse(pdr_str("kv/a/b.c/d"), &ref, NULL) == PDR_OK);
    expect_slice(ref.type, "kv");
    expect_slice(ref.key, "a/b.c/d");
}

TEST(type_names)
{
    ACCEPTS("a/k");
    ACCEPTS("_sys/directory");
    ACCEPTS("a-b_c9/k");
    ACCEPTS("a123456789012345678901234567890123456789012345678901234567890123/k"); /* 64 */
    REFUSES("a1234567890123456789012345678901234567890123456789012345678901234/k");
    REFUSES("/k");
    REFUSES("9a/k");
    REFUSES("-a/k");
    REFUSES("Abc/k");
    REFUSES("aBc/k");
    REFUSES("a.b/k");
    REFUSES("a b/k");
    REFUSES("\xc3\xa4/k");
}

TEST(an_address_needs_both_parts)
{
    REFUSES("");
    REFUSES("counter");
    REFUSES("counter/");
    REFUSES("/");
}

TEST(keys_have_1_to_512_bytes)
{
    char text[2 + 513];
    memset(text, 'k', sizeof text);
    text[0] = 'a';
    text[1] = '/';
    EXPECT(parses(text, 2 + 1));
    EXPECT(parses(text, 2 + 512));
    EXPECT(!parses(text, 2 + 513));
}

/* clang-format off */
TEST(keys_are_utf8)
{
    ACCEPTS("a/\xc2\xa0");         /* U+00A0, the first behind C1 */
    ACCEPTS("a/\xdf\xbf");         /* U+07FF */
    ACCEPTS("a/\xe0\xa0\x80");     /* U+0800 */
    ACCEPTS("a/\xed\x9f\xbf");     /* U+D7FF */
    ACCEPTS("a/\xee\x80\x80");     /* U+E000 */
    ACCEPTS("a/\xef\xbf\xbf");     /* U+FFFF */
    ACCEPTS("a/\xf0\x90\x80\x80"); /* U+10000 */
    ACCEPTS("a/\xf4\x8f\xbf\xbf"); /* U+10FFFF */
    REFUSES("a/\x80");             /* a continuation alone */
    REFUSES("a/\xbf");
    REFUSES("a/\xc0\x80");         /* overlong */
    REFUSES("a/\xc1\xbf");
    REFUSES("a/\xe0\x9f\xbf");
    REFUSES("a/\xf0\x8f\xbf\xbf");
    REFUSES("a/\xed\xa0\x80");     /* surrogates */
    REFUSES("a/\xed\xbf\xbf");
    REFUSES("a/\xf4\x90\x80\x80"); /* above U+10FFFF */
    REFUSES("a/\xf5\x80\x80\x80");
    REFUSES("a/\xff");
    REFUSES("a/\xc3");             /* cut short, at the end and in the middle */
    REFUSES("a/\xe2\x82");
    REFUSES("a/\xf0\x9f\x98");
    REFUSES("a/\xe2\x82zzzzzzzz");
}

/* clang-format on */
TEST(keys_have_no_control_characters)
{
    for (int c = 0; c < 0x100; c++) { /* at each place of a word of eight, and alone */
        bool fine = c >= 0x20 && c < 0x7f;
        for (int at = 0; at < 9; at++) {
            char text[] = "a/kkkkkkkkk";
            text[2 + at] = (char)c;
            EXPECT(parses(text, sizeof text - 1) == fine);
        }
    }
    REFUSES("a/\xc2\x80"); /* C1 */
    REFUSES("a/\xc2\x9f");
    ACCEPTS("a/ ~kkkkkkkk ~");
}

/* The fast path for ASCII and the slow one for the rest must agree wherever a key changes from one to the other. */
TEST(words_of_eight_agree_with_single_bytes)
{
    struct rng rng;
    rng_seed(&rng, test_seed());
    static const char *const pieces[] = {"a",       " ", "~", "}", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                         "abcdefgh"};
    for (int round = 0; round < 20000; round++) {
        char text[256] = "a/";
        while (strlen(text) < 60 && (strlen(text) == 2 || !rng_chance(&rng, 10))) {
            strcat(text, pieces[rng_below(&rng, 8)]);
        }
        size_t size = strlen(text);
        EXPECT(parses(text, size));
        size_t at = 2 + rng_below(&rng, size - 2);
        char before = text[at];
        text[at] = (char)rng_below(&rng, 0x20);
        EXPECT(!parses(text, size));
        text[at] = 0x7f;
        EXPECT(!parses(text, size));
        text[at] = (char)0xff;
        EXPECT(!parses(text, size));
        text[at] = before;
    }
}

TEST(the_last_dot_ends_the_key)
{
    struct pdr_ref ref;
    struct pdr_bytes method;
    REQUIRE(pdr_ref_parse_call(pdr_str("kv/www.example.org.put"), &ref, &method, NULL) == PDR_OK);
    expect_slice(ref.type, "kv");
    expect_slice(ref.key, "www.example.org");
    expect_slice(method, "put");
    REQUIRE(pdr_ref_parse_call(pdr_str("_sys/conn._x-9"), &ref, &method, NULL) == PDR_OK);
    expect_slice(method, "_x-9");
}

static void refuse_call(const char *text, const char *about)
{
    struct pdr_ref ref;
    struct pdr_bytes method;
    const char *why = "";
    EXPECT(pdr_ref_parse_call(pdr_str(text), &ref, &method, &why) == PDR_INVALID);
    if (strstr(why, about) == NULL) {
        EXPECT_STR(why, about);
    }
}

TEST(calls_that_are_refused_say_why)
{
    refuse_call("", "TYPE/KEY.METHOD");
    refuse_call("counter/a", "TYPE/KEY.METHOD");
    refuse_call("counter/a.", "method's name");
    refuse_call("counter/a.9x", "method's name");
    refuse_call("counter/a.-x", "method's name");
    refuse_call("counter/a.get now", "method's name");
    refuse_call("counter/.get", "1 to 512 bytes");
    refuse_call("counter.get", "no '/'");
    refuse_call("Counter/a.get", "type's name");
    refuse_call("counter/a\n.get", "control characters");
    refuse_call("counter/a.g/b", "method's name");
}

TEST(methods_have_1_to_64_bytes)
{
    char text[4 + 65] = "a/k.";
    struct pdr_ref ref;
    struct pdr_bytes method;
    memset(text + 4, 'm', 65);
    EXPECT(pdr_ref_parse_call(pdr_bytes(text, 4 + 64), &ref, &method, NULL) == PDR_OK);
    EXPECT_INT(method.size, 64);
    EXPECT(pdr_ref_parse_call(pdr_bytes(text, 4 + 65), &ref, &method, NULL) == PDR_INVALID);
}

static void tag_is(const char *key, const char *want)
{
    struct pdr_bytes copy = exact(key, strlen(key));
    expect_slice(pdr_ref_tag(copy), want);
    free((void *)copy.data);
}

TEST(tags)
{
    tag_is("plain", "plain");
    tag_is("{acme}-1", "acme");
    tag_is("room/{acme}", "acme");
    tag_is("a{b}c{d}", "b");
    tag_is("a{}b", "a{}b");
    tag_is("a{}{b}", "b");
    tag_is("a{b", "a{b");
    tag_is("a}b{c}", "c");
    tag_is("{{a}}", "{a");
    tag_is("{", "{");
    tag_is("}{", "}{");
    expect_slice(pdr_ref_tag(pdr_bytes(NULL, 0)), "");
}

TEST(a_tag_decides_alone)
{
    EXPECT(pdr_ref_hash(pdr_str("{acme}-1")) == pdr_ref_hash(pdr_str("x/{acme}")));
    EXPECT(pdr_ref_hash(pdr_str("{acme}-1")) == pdr_ref_hash(pdr_str("acme")));
    EXPECT(pdr_ref_hash(pdr_str("acme-1")) != pdr_ref_hash(pdr_str("acme-2")));
}

/* Data on disk lies where these say: they must never change. Made with libxxhash itself; the empty one is
 * its published value. */
TEST(hashes_stay_for_ever)
{
    EXPECT(pdr_ref_hash(pdr_str("")) == 0x2d06800538d394c2ull);
    EXPECT(pdr_ref_hash(pdr_str("a")) == 0xe6c632b61e964e1full);
    EXPECT(pdr_ref_hash(pdr_str("alice")) == 0x4da10dd61a0116b0ull);
    EXPECT(pdr_ref_hash(pdr_str("a key of more than sixteen bytes")) == 0x27258608776bc78aull);
    EXPECT(pdr_ref_hash(pdr_str("k\xc3\xb6ln")) == 0x4d689a63ce687316ull);
}

TEST_MAIN()
