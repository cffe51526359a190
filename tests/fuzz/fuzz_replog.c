/* tests/fuzz/fuzz_replog.c: what copies of a shard write to each other: the messages of a frame, each written again to
 * the same bytes; and a copy that follows and one that leads, which are told all of it: neither may crash, or end up
 * with a log that contradicts itself. */
#include "core/base/log.h"
#include "core/replog/message.h"
#include "core/replog/replog.h"
#include "tests/fuzz/fuzz.h"

static void check_frame(struct pdr_bytes frame)
{
    struct replog_message message;
    struct message_entry entry;
    struct fault fault;
    while (frame.size > 0) {
        const uint8_t *begin = frame.data;
        pdr_writer again = {0};
        if (message_next(&frame, &message, &fault) != PDR_OK) {
            FUZZ_CHECK(fault.what != NULL);
            return;
        }
        message_write(&again, &message);
        FUZZ_CHECK(
            pdr_bytes_equal(pdr_written(&again), pdr_bytes(begin, (size_t)((const uint8_t *)frame.data - begin))));
        pdr_writer_release(&again);
        while (message.kind == MESSAGE_APPEND && message_entry_next(&message.append.entries, &entry)) {
            FUZZ_CHECK((const uint8_t *)entry.payload.data + entry.payload.size <= (const uint8_t *)frame.data);
        }
    }
}

/* A node whose journal is at once durable, and whose peers hear nothing. */

struct heard {
    struct peers peers;
    const struct peer_handler *handler;
    void *user;
    struct replica *replica;
    struct record last;
    uint64_t promised, installed;
    bool stopped;
};

static void peers_listen(struct peers *peers, enum peer_kind kind, const struct peer_handler *handler, void *user)
{
    ((struct heard *)peers)->handler = handler;
    ((struct heard *)peers)->user = user;
}
static uint64_t peers_life(const struct peers *peers, uint64_t node)
{
    return 1;
}
static enum pdr_status peers_send(struct peers *peers, uint64_t node, uint64_t life, enum peer_kind kind,
                                  struct pdr_bytes frame)
{
    FUZZ_CHECK(frame.size > 0);
    return PDR_OK;
}
static void peers_hold(struct peers *peers, uint64_t node, uint64_t life, bool held) {}
static const struct peers_ops ops = {peers_listen, peers_life, peers_send, peers_hold};

static void journal(void *user, const struct record *record, uint64_t promised)
{
    ((struct heard *)user)->last = *record;
    ((struct heard *)user)->promised = promised;
}
static void number(void *user, uint64_t n) {}
static void event(void *user) {}
static void paused(void *user, bool is) {}
static bool quiet(void *user)
{
    return true;
}
static void propose(void *user, const struct replog_proposal *proposal) {}
static void stops(void *user, const char *why)
{
    FUZZ_CHECK(why != NULL);
    ((struct heard *)user)->stopped = true;
}
static void two(void *user, uint64_t a, uint64_t b) {}
static void install_begin(void *user, uint64_t seq, const struct control_epoch *history, uint32_t count)
{
    FUZZ_CHECK(count <= CONTROL_HISTORY_MAX);
}
static void install_chunk(void *user, struct pdr_bytes bytes, bool last)
{
    ((struct heard *)user)->installed = last ? 2 : 1;
}

static const struct replog_hooks hooks = {journal, number, number,  event,         event,         number,
                                          paused,  quiet,  propose, number,        stops,         stops,
                                          two,     number, number,  install_begin, install_chunk, event};

static void tell(struct pdr_bytes frame, bool leads)
{
    struct heard heard = {.peers = {&ops}};
    static const struct control_epoch history[] = {{1, 1}, {3, 5}};
    struct replog_options options = {.node = 1, .incarnation = 1, .peers = &heard.peers};
    struct replica_options copy = {.shard = 1,
                                   .user = &heard,
                                   .rid = 11,
                                   .promised = 3,
                                   .last_seq = 8,
                                   .applied_seq = 6,
                                   .history = history,
                                   .history_count = 2};
    struct replog *replog = replog_new(&options, &hooks, 1);
    heard.replica = replog_open(replog, &copy);
    replog_recovered(heard.replica, 3, 7, pdr_bytes("seven", 5));
    replog_recovered(heard.replica, 3, 8, pdr_bytes("eight", 5));
    if (leads) {
        struct cluster_shard row = {.shard = 1,
                                    .lineage = 1,
                                    .epoch = 4,
                                    .cv = 2,
                                    .primary = 1,
                                    .incarnation = 1,
                                    .min_isr = 1,
                                    .isr = {2, {{1, 11}, {2, 12}}},
                                    .targets = {3, {1, 2, 3}}};
        replog_row(heard.replica, &row);
        replog_durable(heard.replica, 4, 8);
        replog_made(heard.replica, pdr_bytes("nine", 4));
        replog_durable(heard.replica, 4, 9);
    }
    for (int round = 0; round < 2 && !heard.stopped; round++) {
        heard.handler->received(heard.user, 2, 1, frame);
        if (heard.installed != 0) {
            heard.installed == 2 ? replog_installed(heard.replica) : replog_install_taken(heard.replica);
            heard.installed = 0;
        }
        struct replica_state state = replog_state(heard.replica);
        replog_durable(heard.replica, heard.promised, state.last_seq);
        replog_tick(replog, (uint64_t)(round + 2) * 1000000000u);
        replog_flush(replog);
        state = replog_state(heard.replica);
        FUZZ_CHECK(state.commit_seq <= state.durable_seq && state.durable_seq <= state.last_seq);
    }
    replog_free(replog);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *copy = fuzz_copy(data, size);
    log_set_level((enum log_level)(LOG_ERROR + 1));
    check_frame(pdr_bytes(copy, size));
    tell(pdr_bytes(copy, size), false);
    tell(pdr_bytes(copy, size), true);
    free(copy);
    return 0;
}
