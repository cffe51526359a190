/* tests/unit/tools/perdure/test_base64.c: the vectors of RFC 4648, section 10, and what must be refused. */
#include "tools/perdure/base64.h"

#include "tests/lib/test.h"

static const struct {
    const char *bytes, *text;
} vectors[] = {{"", ""},
               {"f", "Zg=="},
               {"fo", "Zm8="},
               {"foo", "Zm9v"},
               {"foob", "Zm9vYg=="},
               {"fooba", "Zm9vYmE="},
               {"foobar", "Zm9vYmFy"}};

TEST(the_vectors_of_the_rfc)
{
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++) {
        pdr_writer text = {0}, bytes = {0};
        base64_encode(pdr_str(vectors[i].bytes), &text);
        EXPECT(pdr_bytes_equal(pdr_written(&text), pdr_str(vectors[i].text)));
        EXPECT(base64_decode(pdr_str(vectors[i].text), &bytes));
        EXPECT(pdr_bytes_equal(pdr_written(&bytes), pdr_str(vectors[i].bytes)));
        pdr_writer_release(&text);
        pdr_writer_release(&bytes);
    }
}

TEST(nothing_else_is_taken)
{
    static const char *const wrong[] = {
        "Z", "Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==", "Zm 9v", "Zm9v\n", "Zm-v", "\xffm9v"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        pdr_writer bytes = {0};
        EXPECT(!base64_decode(pdr_str(wrong[i]), &bytes));
        pdr_writer_release(&bytes);
    }
    pdr_writer bytes = {0};
    EXPECT(!base64_decode(pdr_bytes("Zm\0v", 4), &bytes));
    pdr_writer_release(&bytes);
}

TEST_MAIN()
