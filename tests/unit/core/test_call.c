/* The envelope: its path, and the sentence about a chain that goes round. */
#include "core/call.h"

#include "tests/lib/test.h"

static struct call_pool pool;

/* A call to `to`, for which the actors of `path` wait (0 between them), the last one being its caller. */
static struct call *call_along(const char *to, struct pdr_bytes path, const char *caller)
{
    static const uint64_t links[] = {1, 2};
    struct pdr_ref ref;
    REQUIRE(pdr_ref_parse(pdr_str(to), &ref, NULL) == PDR_OK);
    call_pool_init(&pool);
    struct call *call = call_new(&pool, NULL, &ref, pdr_str(to), pdr_str("m"), pdr_str("\x90"), path, links, 2, 3);
    REQUIRE(call != NULL);
    call_set_path(call, strlen(caller));
    return call;
}

static void end(struct call *call)
{
    call_free(&pool, call);
    call_pool_release(&pool);
}

TEST(the_last_of_the_path_is_the_caller)
{
    struct call *call = call_along("t/c", pdr_bytes("t/a\0t/b", 7), "t/b");
    EXPECT(pdr_bytes_equal(call->caller, pdr_str("t/b")));
    EXPECT(pdr_bytes_equal(call_path(call), pdr_bytes("t/a\0t/b", 7)));
    EXPECT_INT(call->chain_count, 3);
    EXPECT_INT(call->chain[2], 3);
    end(call);
}

static uint32_t print_of(const char *to, const char *method, const char *args)
{
    struct pdr_ref ref;
    REQUIRE(pdr_ref_parse(pdr_str(to), &ref, NULL) == PDR_OK);
    call_pool_init(&pool);
    struct pdr_bytes none = pdr_bytes(NULL, 0);
    struct call *call = call_new(&pool, NULL, &ref, pdr_str(to), pdr_str(method), pdr_str(args), none, NULL, 0, 0);
    REQUIRE(call != NULL);
    uint32_t print = call_print(call);
    end(call);
    return print;
}

TEST(a_print_is_of_address_method_and_arguments)
{
    uint32_t print = print_of("counter/a", "add", "\x91\1");
    EXPECT(print == print_of("counter/a", "add", "\x91\1"));
    EXPECT(print != print_of("counter/b", "add", "\x91\1"));
    EXPECT(print != print_of("counter/a", "set", "\x91\1"));
    EXPECT(print != print_of("counter/a", "add", "\x91\2"));
    EXPECT(print != print_of("counter/aa", "dd", "\x91\1")); /* the same bytes, parted elsewhere */
}

TEST(a_deadlock_names_its_circle)
{
    struct call *call = call_along("t/b", pdr_bytes("t/a\0t/b\0t/c", 11), "t/c");
    EXPECT(call_fail_deadlock(call) == PDR_DEADLOCK);
    EXPECT_STR(call->text, "the call would wait for itself: t/b -> t/c -> t/b");
    pdr_value chain = pdr_written(&call->reply);
    struct pdr_bytes name;
    EXPECT_INT(pdr_value_count(chain), 3);
    EXPECT(pdr_value_bytes(pdr_value_at(chain, 1), &name) && pdr_bytes_equal(name, pdr_str("t/c")));
    end(call);
}

/* Where the circle begins may lie before what the path has room for; and a sentence has an end. */
TEST(a_long_circle_is_cut)
{
    char path[CALL_PATH_MAX] = "...", key[] = "t/kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
    size_t size = 4;
    for (int i = 0; i < 20; i++) {
        memcpy(path + size, key, sizeof key);
        size += sizeof key;
    }
    struct call *call = call_along("t/a", pdr_bytes(path, size - 1), key);
    EXPECT(call_fail_deadlock(call) == PDR_DEADLOCK);
    EXPECT_INT(pdr_value_count(pdr_written(&call->reply)), 22);
    EXPECT(strlen(call->text) < sizeof call->text);
    EXPECT(strstr(call->text, "... -> t/kkk") != NULL);
    end(call);
}

TEST_MAIN()
