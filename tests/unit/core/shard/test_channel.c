/* A channel's numbers: given out, taken back, sent in order, taken once; and both ends against a network that loses,
 * repeats and reorders, while entries are undone and either end crashes. */
#include "core/shard/channel.h"

#include "core/base/rng.h"
#include "tests/lib/test.h"

TEST(numbers_go_back_with_their_entries)
{
    struct channel_out out = {0};
    EXPECT_INT(channel_out_next(&out), 1);
    EXPECT_INT(channel_out_next(&out), 2);
    EXPECT_INT(channel_out_next(&out), 3);
    channel_out_undo(&out, 2);
    channel_out_undo(&out, 3);
    EXPECT_INT(channel_out_next(&out), 2);
}

TEST(sent_in_order_and_again_from_the_first_refused)
{
    struct channel_out out = {.last = 3};
    EXPECT(!channel_out_send(&out, 2));
    EXPECT(channel_out_send(&out, 1));
    EXPECT(channel_out_send(&out, 2));
    EXPECT(channel_out_send(&out, 3));
    channel_out_acked(&out, 1);
    channel_out_refused(&out, 2);
    EXPECT(!channel_out_send(&out, 3));
    channel_out_refused(&out, 3); /* it comes back later */
    EXPECT(channel_out_send(&out, 2));
    EXPECT(channel_out_send(&out, 3));
    channel_out_refused(&out, 1); /* old news */
    EXPECT(!channel_out_send(&out, 2));
}

TEST(rows_are_deleted_once_acknowledged)
{
    struct channel_out out = {.last = 5, .sent = 5};
    EXPECT_INT(channel_out_settle(&out, 100), 0);
    channel_out_acked(&out, 3);
    EXPECT_INT(channel_out_settle(&out, 100), 3);
    channel_out_acked(&out, 4);
    EXPECT_INT(channel_out_settle(&out, 100), 0); /* one entry at a time */
    channel_out_settled(&out, false);             /* undone: once more, with what came since */
    EXPECT_INT(out.settled, 0);
    EXPECT_INT(channel_out_settle(&out, 100), 4);
    channel_out_settled(&out, true);
    EXPECT_INT(out.settled, 4);
    EXPECT(!channel_out_owes(&out));
    channel_out_acked(&out, 5);
    EXPECT_INT(channel_out_settle(&out, 1), 5);
    channel_out_settled(&out, true);
    out.last = out.sent = 20;
    channel_out_acked(&out, 20);
    EXPECT_INT(channel_out_settle(&out, 10), 15); /* the rest with the next */
}

TEST(found_at_start)
{
    struct channel_out out = {0};
    channel_out_found(&out, 7, true);
    EXPECT_INT(channel_out_next(&out), 8); /* also when no row is left */
    out = (struct channel_out){0};
    channel_out_found(&out, 7, true);
    channel_out_found(&out, 8, false);
    channel_out_found(&out, 9, false);
    EXPECT(channel_out_send(&out, 8));
    EXPECT_INT(channel_out_next(&out), 10);
}

TEST(taken_once_and_in_order)
{
    struct channel_in in = {0};
    EXPECT(channel_in_judge(&in, 2) == CHANNEL_NEED);
    EXPECT(channel_in_judge(&in, 1) == CHANNEL_TAKE);
    channel_in_take(&in, 1, 10);
    EXPECT(channel_in_judge(&in, 1) == CHANNEL_AGAIN);
    channel_in_take(&in, 2, 11);
    channel_in_undo(&in, 2);
    EXPECT(channel_in_judge(&in, 1) == CHANNEL_AGAIN);
    EXPECT(channel_in_judge(&in, 2) == CHANNEL_TAKE);
}

/* Both ends and what is between them. A row is content[n]; 0: none. */

#define TELLS_MAX 4000
#define ON_THE_WAY_MAX 64

struct model {
    struct rng rng;
    struct channel_out out;
    struct channel_in in;
    uint64_t rows[TELLS_MAX]; /* the sender's outbox, committed */
    uint64_t floor;           /* ... and how far it was deleted */
    uint64_t open_from;       /* numbers from here on are of entries not committed; 0: none */
    uint64_t open[TELLS_MAX];
    uint64_t taken_for_good; /* the receiver's committed number */
    uint64_t sent[TELLS_MAX], sent_count;
    uint64_t got[TELLS_MAX], got_count; /* ... of which taken_for_good are committed */
    uint64_t packets[ON_THE_WAY_MAX];
    uint32_t packet_count;
    uint64_t next_content;
};

static void tell(struct model *m)
{
    uint64_t n = channel_out_next(&m->out);
    if (n >= TELLS_MAX - 1) {
        channel_out_undo(&m->out, n);
        return;
    }
    m->open_from = m->open_from == 0 ? n : m->open_from;
    m->open[n] = ++m->next_content;
}

static void sender_entries(struct model *m, bool committed)
{
    for (uint64_t n = m->open_from; n != 0 && n <= m->out.last; n++) {
        if (committed) {
            m->rows[n] = m->open[n];
            m->sent[m->sent_count++] = m->open[n];
        }
    }
    if (!committed && m->open_from != 0) {
        channel_out_undo(&m->out, m->open_from);
    }
    m->open_from = 0;
}

static void send_all(struct model *m)
{
    uint64_t to = m->open_from == 0 ? m->out.last : m->open_from - 1;
    while (m->packet_count < ON_THE_WAY_MAX && m->out.sent < to && channel_out_send(&m->out, m->out.sent + 1)) {
        m->packets[m->packet_count++] = m->out.sent;
    }
}

static void receiver_entries(struct model *m, bool committed)
{
    if (committed) {
        m->taken_for_good = m->in.last;
        channel_out_acked(&m->out, m->taken_for_good);
    } else {
        for (uint64_t n = m->taken_for_good + 1; n <= m->in.last; n++) {
            channel_out_refused(&m->out, n);
        }
        channel_in_undo(&m->in, m->taken_for_good + 1);
        m->got_count = m->taken_for_good;
    }
}

static void arrive(struct model *m)
{
    if (m->packet_count == 0) {
        return;
    }
    uint32_t i = (uint32_t)rng_below(&m->rng, m->packet_count);
    uint64_t n = m->packets[i];
    if (rng_chance(&m->rng, 80)) { /* else it arrives once more, later */
        m->packets[i] = m->packets[--m->packet_count];
    }
    if (rng_chance(&m->rng, 10)) { /* lost; the sender hears nothing, and tries again */
        channel_out_refused(&m->out, n);
        return;
    }
    switch (channel_in_judge(&m->in, n)) {
    case CHANNEL_TAKE:
        channel_in_take(&m->in, n, 1);
        m->got[m->got_count++] = m->rows[n];
        break;
    case CHANNEL_AGAIN:
        if (n <= m->taken_for_good) {
            channel_out_acked(&m->out, n);
        }
        break;
    case CHANNEL_NEED:
        channel_out_refused(&m->out, n);
        break;
    }
}

static void settle(struct model *m)
{
    uint64_t to = channel_out_settle(&m->out, 5);
    bool committed = rng_chance(&m->rng, 70);
    if (to == 0) {
        return;
    }
    for (uint64_t n = m->floor + 1; committed && n <= to; n++) {
        m->rows[n] = 0;
    }
    m->floor = committed ? to : m->floor;
    channel_out_settled(&m->out, committed);
}

static void crash_sender(struct model *m)
{
    sender_entries(m, rng_chance(&m->rng, 50));
    m->out = (struct channel_out){0};
    channel_out_found(&m->out, m->floor, true);
    for (uint64_t n = m->floor + 1; n < TELLS_MAX && m->rows[n] != 0; n++) {
        channel_out_found(&m->out, n, false);
    }
}

static void crash_receiver(struct model *m)
{
    receiver_entries(m, rng_chance(&m->rng, 50));
    m->in = (struct channel_in){.last = m->taken_for_good};
}

TEST(every_tell_once_and_in_order_whatever_happens)
{
    static struct model m;
    for (uint64_t seed = 0; seed < 200; seed++) {
        m = (struct model){0};
        rng_seed(&m.rng, test_seed() + seed);
        for (int step = 0; step < 3000; step++) {
            switch (rng_below(&m.rng, 12)) {
            case 0:
            case 1:
                tell(&m);
                break;
            case 2:
            case 3:
                sender_entries(&m, rng_chance(&m.rng, 80));
                break;
            case 4:
            case 5:
            case 6:
                send_all(&m);
                arrive(&m);
                break;
            case 7:
            case 8:
                receiver_entries(&m, rng_chance(&m.rng, 80));
                break;
            case 9:
                settle(&m);
                break;
            case 10:
                if (rng_chance(&m.rng, 10)) {
                    crash_sender(&m);
                }
                break;
            default:
                if (rng_chance(&m.rng, 10)) {
                    crash_receiver(&m);
                }
            }
        }
        sender_entries(&m, true);
        for (int step = 0; step < 100000 && m.taken_for_good < m.sent_count; step++) {
            send_all(&m);
            arrive(&m);
            receiver_entries(&m, true);
        }
        EXPECT_INT(m.got_count, m.sent_count);
        REQUIRE(memcmp(m.got, m.sent, m.sent_count * sizeof m.sent[0]) == 0);
        EXPECT(m.sent_count > 50);
    }
}

TEST_MAIN()
