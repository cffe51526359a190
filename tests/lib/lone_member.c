/* tests/lib/lone_member.c: the member, its clock, and what the others answer. */
#include "tests/lib/lone_member.h"

#include "tests/lib/small_directory.h"
#include "tests/lib/test.h"

static void on_send(void *user, uint64_t to, enum peer_kind kind, struct pdr_bytes frame)
{
    post_put(&((struct lone *)user)->post, LONE_ID, to, kind, frame);
}

static void on_changed(void *user, bool rows, bool lease)
{
    struct lone *w = user;
    w->rows_changed += rows;
    w->lease_changed += lease;
}

static void on_registered(void *user, uint64_t boot)
{
    struct lone *w = user;
    w->registered++;
    w->boot = boot;
}

static void on_must_end(void *user, const char *why)
{
    struct lone *w = user;
    w->ended++;
    snprintf(w->why, sizeof w->why, "%s", why);
}

void lone_begin_knowing(struct lone *w, uint64_t seed)
{
    const char *why = "";
    *w = (struct lone){.directory = small_directory()};
    hand_clock_init(&w->clock, 100 * NS_PER_S);
    raft_memory_init(&w->disk);
    struct member_options options = {.id = LONE_ID,
                                     .incarnation = LONE_INCARNATION,
                                     .boot = LONE_BOOT,
                                     .known = LONE_BOOT - 1,
                                     .name = pdr_str("n5"),
                                     .address = pdr_str("h5:1"),
                                     .labels = no_pairs(),
                                     .seeds = {seed},
                                     .seed_count = seed != 0,
                                     .seed = test_seed(),
                                     .clock = &w->clock.clock,
                                     .disk = &w->disk.disk,
                                     .hooks = {w, on_send, on_changed, on_registered, on_must_end}};
    REQUIRE(member_start(&options, &w->member, &why) == PDR_OK);
}

void lone_begin(struct lone *w)
{
    lone_begin_knowing(w, 2);
}

void lone_end(struct lone *w)
{
    member_free(w->member);
    raft_memory_release(&w->disk);
    directory_free(w->directory);
    post_release(&w->post);
}

void lone_run_ms(struct lone *w, uint64_t ms)
{
    uint64_t end = w->clock.now_ns + ms * NS_PER_MS;
    for (int ticks = 0;; ticks++) {
        uint64_t due = member_due_ns(w->member);
        REQUIRE(ticks < 100000);
        if (due > end) {
            break;
        }
        w->clock.now_ns = due > w->clock.now_ns ? due : w->clock.now_ns;
        member_tick(w->member);
        raft_memory_sync(&w->disk);
        if (w->clock.now_ns == end) {
            break;
        }
    }
    w->clock.now_ns = end;
}

void lone_hears(struct lone *w, uint64_t from, struct letter letter)
{
    pdr_writer bytes = {0};
    letter_write(&bytes, &letter);
    member_receive(w->member, from, PEER_DIRECTORY, pdr_written(&bytes));
    pdr_writer_release(&bytes);
}

bool lone_proposes(struct lone *w, uint64_t from)
{
    struct letter letter;
    if (!post_take(&w->post, from, LETTER_PROPOSE, &letter)) {
        return false;
    }
    const struct directory_result *result =
        directory_apply(w->directory, directory_raft_index(w->directory) + 1, letter.propose.command);
    struct letter answer = {.kind = LETTER_ANSWER,
                            .answer = {.no = letter.propose.no,
                                       .outcome = LETTER_DONE,
                                       .dir_index = result->dir_index,
                                       .code = (uint8_t)result->code,
                                       .text = pdr_str(result->text)}};
    lone_hears(w, from, answer);
    return true;
}

void lone_gets_page(struct lone *w, uint64_t from, uint64_t since, size_t bytes)
{
    struct directory_page page;
    pdr_writer writer = {0};
    REQUIRE(directory_feed(w->directory, since, bytes, &writer, &page));
    lone_hears(w, from, (struct letter){.kind = LETTER_PAGE, .page = {pdr_written(&writer)}});
    pdr_writer_release(&writer);
}

bool lone_asks(struct lone *w, uint64_t from)
{
    struct letter letter;
    if (!post_take(&w->post, from, LETTER_ASK, &letter)) {
        return false;
    }
    lone_gets_page(w, from, letter.ask.since, LETTER_PAGE_BYTES);
    return true;
}

void lone_is_let_in(struct lone *w)
{
    lone_run_ms(w, 10);
    REQUIRE(lone_proposes(w, 2) && lone_asks(w, 2));
    REQUIRE(member_is_registered(w->member));
    REQUIRE(member_view(w->member)->index == directory_index(w->directory));
}

uint64_t lone_take_any(struct lone *w, enum letter_kind kind, struct letter *out)
{
    for (uint64_t node = 1; node <= 4; node++) {
        if (post_take(&w->post, node, kind, out)) {
            return node;
        }
    }
    return 0;
}

struct letter lone_renewal(struct lone *w, uint64_t *to)
{
    struct letter letter;
    for (int tries = 0; (*to = lone_take_any(w, LETTER_RENEW, &letter)) == 0; tries++) {
        REQUIRE(tries < 40);
        lone_run_ms(w, 10);
    }
    return letter;
}

struct letter lone_answer(uint64_t no, enum letter_outcome outcome, uint64_t leader)
{
    return (struct letter){.kind = LETTER_ANSWER, .answer = {.no = no, .outcome = (uint8_t)outcome, .leader = leader}};
}
