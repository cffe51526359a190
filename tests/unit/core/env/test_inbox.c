/* tests/unit/core/env/test_inbox.c: what the inbox promises, on one thread; tests/stress/test_inbox.c has threads. */
#include "core/env/inbox.h"

#include <stdlib.h>

#include "tests/lib/test.h"

struct note {
    struct message message;
    struct inbox *inbox;
    int number;
};

static int arrived[100], arrivals;

static void arrive(struct message *message)
{
    arrived[arrivals++] = ((struct note *)message)->number;
}

static void arrive_and_free(struct message *message)
{
    arrivals++;
    free(message);
}

/* Pushes itself once more, to where it came from. */
static void arrive_again(struct message *message)
{
    struct note *note = (struct note *)message;
    if (++arrivals < 5) {
        EXPECT(inbox_push(note->inbox, message)); /* all was taken: it is empty */
    }
}

TEST(the_first_push_says_wake)
{
    struct inbox inbox;
    struct note notes[3] = {{.message.deliver = arrive}, {.message.deliver = arrive}, {.message.deliver = arrive}};
    inbox_init(&inbox);
    EXPECT(inbox_empty(&inbox));
    EXPECT(inbox_push(&inbox, &notes[0].message));
    EXPECT(!inbox_push(&inbox, &notes[1].message));
    EXPECT(!inbox_empty(&inbox));
    EXPECT_INT(inbox_deliver(&inbox), 2);
    EXPECT(inbox_empty(&inbox));
    EXPECT(inbox_push(&inbox, &notes[2].message));
    EXPECT_INT(inbox_deliver(&inbox), 1);
    EXPECT_INT(inbox_deliver(&inbox), 0);
    EXPECT_INT(arrivals, 3);
}

TEST(who_is_awake_is_not_woken)
{
    struct inbox inbox;
    struct note notes[4] = {{.message.deliver = arrive, .number = 0},
                            {.message.deliver = arrive, .number = 1},
                            {.message.deliver = arrive, .number = 2},
                            {.message.deliver = arrive, .number = 3}};
    inbox_init(&inbox);
    inbox_awake(&inbox);
    EXPECT(inbox_empty(&inbox));
    EXPECT(!inbox_push(&inbox, &notes[0].message));
    EXPECT(!inbox_push(&inbox, &notes[1].message));
    EXPECT(!inbox_empty(&inbox));
    EXPECT(!inbox_asleep(&inbox)); /* it may not sleep over these */
    inbox_awake(&inbox);
    EXPECT_INT(inbox_deliver(&inbox), 2);
    EXPECT_INT(inbox_deliver(&inbox), 0);
    EXPECT(!inbox_push(&inbox, &notes[2].message));
    EXPECT_INT(inbox_deliver(&inbox), 1);
    EXPECT(inbox_asleep(&inbox));
    EXPECT(inbox_asleep(&inbox));
    EXPECT(inbox_empty(&inbox));
    EXPECT(inbox_push(&inbox, &notes[3].message));
    EXPECT_INT(inbox_deliver(&inbox), 1);
    EXPECT_INT(arrivals, 4);
    for (int i = 0; i < 4; i++) {
        EXPECT_INT(arrived[i], i);
    }
}

TEST(messages_arrive_in_the_order_pushed)
{
    struct inbox inbox;
    struct note notes[100];
    inbox_init(&inbox);
    for (int i = 0; i < 100; i++) {
        notes[i] = (struct note){.message.deliver = arrive, .number = i};
        inbox_push(&inbox, &notes[i].message);
    }
    EXPECT_INT(inbox_deliver(&inbox), 100);
    for (int i = 0; i < 100; i++) {
        EXPECT_INT(arrived[i], i);
    }
}

TEST(deliver_may_free_the_message)
{
    struct inbox inbox;
    inbox_init(&inbox);
    for (int i = 0; i < 10; i++) {
        struct note *note = calloc(1, sizeof *note);
        note->message.deliver = arrive_and_free;
        inbox_push(&inbox, &note->message);
    }
    EXPECT_INT(inbox_deliver(&inbox), 10);
    EXPECT_INT(arrivals, 10);
}

/* So a loop whose messages beget messages still comes to its other work. */
TEST(what_is_pushed_meanwhile_waits)
{
    struct inbox inbox;
    struct note note = {.message.deliver = arrive_again, .inbox = &inbox};
    inbox_init(&inbox);
    inbox_push(&inbox, &note.message);
    for (int i = 1; i <= 5; i++) {
        EXPECT_INT(inbox_deliver(&inbox), 1);
        EXPECT_INT(arrivals, i);
    }
    EXPECT_INT(inbox_deliver(&inbox), 0);
}

TEST_MAIN()
