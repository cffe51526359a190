/* tests/unit/core/replog/test_message.c: messages as bytes: what is taken, and what is not. */
#include "core/replog/message.h"

#include "core/base/rng.h"
#include "core/journal/record.h"
#include "tests/lib/test.h"

static struct replog_message append_of(pdr_writer *entries)
{
    return (struct replog_message){.kind = MESSAGE_APPEND,
                                   .append = {.shard = 3,
                                              .epoch = 9,
                                              .cv = 4,
                                              .prev_epoch = 2,
                                              .seq = 100,
                                              .committed = 90,
                                              .entries = pdr_written(entries)}};
}

static enum pdr_status read_back(const struct replog_message *message, struct replog_message *out, pdr_writer *bytes)
{
    struct fault fault;
    pdr_writer_clear(bytes);
    message_write(bytes, message);
    struct pdr_bytes frame = pdr_written(bytes);
    enum pdr_status status = message_next(&frame, out, &fault);
    EXPECT(status != PDR_OK || frame.size == 0);
    return status;
}

TEST(messages_of_a_frame_are_read_one_by_one)
{
    pdr_writer frame = {0}, entries = {0};
    struct replog_message out;
    struct message_entry entry;
    struct fault fault;
    message_entry_write(&entries, 2, pdr_str("one"));
    message_entry_write(&entries, 9, pdr_str(""));
    struct replog_message append = append_of(&entries);
    message_write(&frame, &append);
    message_write(&frame, &(struct replog_message){.kind = MESSAGE_ACK, .ack = {3, 9, 77, 4, 50, 40}});
    struct pdr_bytes rest = pdr_written(&frame);
    REQUIRE(message_next(&rest, &out, &fault) == PDR_OK && out.kind == MESSAGE_APPEND);
    REQUIRE(message_entry_next(&out.append.entries, &entry));
    EXPECT(entry.epoch == 2 && pdr_bytes_equal(entry.payload, pdr_str("one")));
    REQUIRE(message_entry_next(&out.append.entries, &entry));
    EXPECT(entry.epoch == 9 && entry.payload.size == 0);
    EXPECT(!message_entry_next(&out.append.entries, &entry));
    REQUIRE(message_next(&rest, &out, &fault) == PDR_OK && out.kind == MESSAGE_ACK);
    EXPECT(out.head.shard == 3 && out.ack.rid == 77 && out.ack.durable == 50 && rest.size == 0);
    EXPECT_STR(message_name(out.kind), "ACK");
    pdr_writer_release(&frame);
    pdr_writer_release(&entries);
}

TEST(entries_that_cannot_be_are_refused)
{
    static const uint64_t bad[][2] = {{1, 2}, {3, 2}, {5, 10}, {0, 2}};
    pdr_writer bytes = {0}, entries = {0};
    struct replog_message out;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) { /* below the one before, above the message's */
        pdr_writer_clear(&entries);
        message_entry_write(&entries, bad[i][0], pdr_str("x"));
        message_entry_write(&entries, bad[i][1], pdr_str("x"));
        struct replog_message append = append_of(&entries);
        EXPECT_INT(read_back(&append, &out, &bytes), PDR_INVALID);
    }
    pdr_writer_clear(&entries);
    message_entry_write(&entries, 3, pdr_str("cut short"));
    entries.size--;
    struct replog_message append = append_of(&entries);
    EXPECT_INT(read_back(&append, &out, &bytes), PDR_INVALID);
    pdr_writer_release(&bytes);
    pdr_writer_release(&entries);
}

static enum pdr_status newepoch(const struct control_epoch *at, uint32_t count, struct replog_message *out,
                                pdr_writer *bytes)
{
    pdr_writer history = {0};
    message_history_write(&history, at, count);
    struct replog_message message = {.kind = MESSAGE_NEWEPOCH,
                                     .newepoch = {.shard = 1, .epoch = 9, .seq = 50, .history = pdr_written(&history)}};
    enum pdr_status status = read_back(&message, out, bytes);
    pdr_writer_release(&history);
    return status;
}

TEST(histories_ascend)
{
    const struct control_epoch good[] = {{1, 1}, {4, 20}, {8, 50}}, flat[] = {{1, 1}, {1, 20}},
                               back[] = {{1, 5}, {2, 5}}, above[] = {{10, 5}}, behind[] = {{2, 51}}, first[] = {{1, 0}};
    struct control_epoch at[CONTROL_HISTORY_MAX];
    struct replog_message out;
    pdr_writer bytes = {0};
    REQUIRE(newepoch(good, 3, &out, &bytes) == PDR_OK);
    EXPECT_INT(message_history_read(out.newepoch.history, at), 3);
    EXPECT(at[2].epoch == 8 && at[2].first_seq == 50);
    EXPECT_INT(newepoch(NULL, 0, &out, &bytes), PDR_OK);
    EXPECT_INT(newepoch(flat, 2, &out, &bytes), PDR_INVALID);
    EXPECT_INT(newepoch(back, 2, &out, &bytes), PDR_INVALID);
    EXPECT_INT(newepoch(above, 1, &out, &bytes), PDR_INVALID);
    EXPECT_INT(newepoch(behind, 1, &out, &bytes), PDR_INVALID);
    EXPECT_INT(newepoch(first, 1, &out, &bytes), PDR_INVALID);
    pdr_writer_release(&bytes);
}

/* Any byte changed, or any cut: never taken for something that would be written otherwise. */
TEST(what_is_taken_is_written_the_same_way)
{
    uint64_t seed = test_seed();
    struct rng rng;
    pdr_writer frame = {0}, again = {0};
    rng_seed(&rng, seed);
    for (int round = 0; round < 20000; round++) {
        struct replog_message message = {.kind = MESSAGE_SNAP_CHUNK,
                                         .snap_chunk = {.shard = (uint32_t)rng_below(&rng, 300),
                                                        .epoch = rng_next(&rng) >> (2 + rng_below(&rng, 60)),
                                                        .snapshot = rng_next(&rng),
                                                        .number = rng_below(&rng, 10),
                                                        .last = rng_below(&rng, 2) == 1,
                                                        .bytes = pdr_bytes("0123456789", rng_below(&rng, 10))}};
        struct replog_message out;
        struct fault fault;
        pdr_writer_clear(&frame);
        message_write(&frame, &message);
        frame.data[rng_below(&rng, frame.size)] ^= (uint8_t)rng_below(&rng, 256);
        struct pdr_bytes rest = pdr_bytes(frame.data, frame.size - rng_below(&rng, 2));
        const uint8_t *begin = rest.data;
        if (message_next(&rest, &out, &fault) != PDR_OK) {
            EXPECT(fault.what != NULL);
            continue;
        }
        size_t taken = (size_t)((const uint8_t *)rest.data - begin);
        pdr_writer_clear(&again);
        message_write(&again, &out);
        if (!pdr_bytes_equal(pdr_written(&again), pdr_bytes(begin, taken))) {
            printf("seed %llu, round %d\n", (unsigned long long)seed, round);
            REQUIRE(false);
        }
    }
    pdr_writer_release(&frame);
    pdr_writer_release(&again);
}

TEST_MAIN()
