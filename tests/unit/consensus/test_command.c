/* tests/unit/consensus/test_command.c: commands as bytes: what is taken, and what is not. */
#include "consensus/command.h"

#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

static enum pdr_status read_bytes(const void *data, size_t size, uint32_t format, struct fault *fault)
{
    struct command command;
    uint32_t since;
    return command_read(pdr_bytes(data, size), format, &command, &since, fault);
}

#define READ(format, ...)                                                                                              \
    read_bytes((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}), format, &fault)

TEST(a_command_is_read_as_it_was_written)
{
    struct command command = registration(3, 7), read;
    pdr_writer bytes = {0}, again = {0};
    struct fault fault;
    uint32_t since;
    command_write(&bytes, &command);
    REQUIRE(command_read(pdr_written(&bytes), 1, &read, &since, &fault) == PDR_OK);
    EXPECT(read.kind == COMMAND_REGISTER && since == 1 && read.register_.node == 3 && read.register_.incarnation == 7);
    EXPECT(pdr_bytes_equal(read.register_.name, pdr_str("n3")) && !read.register_.forgot);
    command_write(&again, &read);
    EXPECT(pdr_bytes_equal(pdr_written(&bytes), pdr_written(&again)));
    for (size_t size = 0; size < bytes.size; size++) {
        EXPECT(command_read(pdr_bytes(bytes.data, size), 1, &read, &since, &fault) == PDR_INVALID);
    }
    pdr_write_nil(&bytes);
    EXPECT(command_read(pdr_written(&bytes), 1, &read, &since, &fault) == PDR_INVALID);
    pdr_writer_release(&bytes);
    pdr_writer_release(&again);
}

TEST(one_value_has_one_encoding)
{
    struct fault fault;
    EXPECT(READ(1, 0x94, 1, 25, 7, 5) == PDR_OK); /* TOUCH shard 7, cv 5 */
    EXPECT(READ(1, 0x94, 1, 25, 7, 0xcc, 5) == PDR_INVALID);
    EXPECT_STR(fault.field, "cv");
    EXPECT_STR(fault.what, "is not a number");
    EXPECT(READ(1, 0xdc, 0, 4, 1, 25, 7, 5) == PDR_INVALID);
    EXPECT(READ(1, 0x94, 0xcc, 1, 25, 7, 5) == PDR_INVALID);
    EXPECT(READ(1, 0x94, 1, 0xcc, 25, 7, 5) == PDR_INVALID);
    EXPECT(READ(1, 0x94, 1, 25, 7, 0xff) == PDR_INVALID); /* -1 */
    EXPECT(READ(1, 0x94, 1, 25, 0xce, 0, 1, 0, 1, 5) == PDR_INVALID);
    EXPECT_STR(fault.field, "shard");
    EXPECT_STR(fault.what, "is too large");
    EXPECT(READ(1, 0x95, 1, 25, 7, 5, 5) == PDR_INVALID);
    EXPECT_STR(fault.what, "has another number of fields");
}

/* What is above the cluster's format is not looked at: the same answer from whoever knows it and who doesn't. */
TEST(formats_come_first)
{
    struct fault fault;
    EXPECT(READ(1, 0x92, 2, 99) == PDR_UNAVAILABLE);
    EXPECT(READ(2, 0x92, 2, 99) == PDR_INVALID);
    EXPECT(READ(1, 0x92, 1, 99) == PDR_INVALID);
    EXPECT(READ(1, 0x92, 1, 9) == PDR_INVALID);        /* a number that is not given */
    EXPECT(READ(2, 0x94, 2, 25, 7, 5) == PDR_INVALID); /* TOUCH came with format 1 */
    EXPECT(READ(0, 0x94, 1, 25, 7, 5) == PDR_OK);
    EXPECT(READ(1, 0x94, 0, 25, 7, 5) == PDR_INVALID);
    EXPECT(READ(1, 0x90) == PDR_INVALID);
    EXPECT(READ(1, 0xc1) == PDR_INVALID);
}

TEST(long_ones_are_refused_unseen)
{
    static uint8_t bytes[LIMIT_COMMAND_BYTES_MAX + 1];
    struct fault fault;
    EXPECT(read_bytes(bytes, sizeof bytes, 1, &fault) == PDR_TOO_LARGE);
    EXPECT_STR(command_name(COMMAND_PROMOTE), "PROMOTE");
    EXPECT_STR(command_name((enum command_kind)15), "?");
}

TEST_MAIN()
