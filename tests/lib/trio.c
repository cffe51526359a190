/* tests/lib/trio.c: the three servers, their clock and their letters. */
#include "tests/lib/trio.h"

#include "tests/lib/test.h"

void trio_note(void *user, const struct server_answer *answer)
{
    struct outcome *out = user;
    out->times++;
    out->outcome = answer->outcome;
    out->leader = answer->leader;
    out->has_result = answer->result != NULL;
    if (answer->result != NULL) {
        out->code = answer->result->code;
        out->dir_index = answer->result->dir_index;
    }
    if (out->again != NULL) {
        server_read(out->again, trio_note, out->next);
    }
}

static void on_raft(void *user, uint64_t to, struct pdr_bytes letter)
{
    struct replica *replica = user;
    post_put(&replica->world->post, replica->id, to, PEER_RAFT, letter);
}

static void on_letter(void *user, uint64_t to, const struct letter *letter)
{
    struct replica *replica = user;
    post_put_letter(&replica->world->post, replica->id, to, letter);
}

static void on_applied(void *user, const struct directory_result *result)
{
    struct replica *replica = user;
    replica->applied++;
}

static void on_changed(void *user) {}

static void on_failed(void *user, const char *why)
{
    struct replica *replica = user;
    replica->failed = why;
}

void trio_init(struct trio *w)
{
    *w = (struct trio){.carried = 0};
    hand_clock_init(&w->clock, 100 * NS_PER_S);
}

void trio_stop(struct trio *w, uint64_t id)
{
    EXPECT(w->replicas[id].failed == NULL);
    server_free(w->replicas[id].server);
    w->replicas[id].server = NULL;
    raft_memory_crash(&w->replicas[id].disk);
}

void trio_start(struct trio *w, uint64_t id)
{
    static const char *const addresses[TRIO_SERVERS + 1] = {"", "h1:1", "h2:1", "h3:1"};
    struct replica *replica = &w->replicas[id];
    const char *why = "";
    if (replica->disk.rows == NULL) {
        raft_memory_init(&replica->disk);
    }
    struct server_options options = {.id = id,
                                     .life = 1000 * id + w->clock.now_ns,
                                     .address = addresses[id],
                                     .seed = id,
                                     .clock = &w->clock.clock,
                                     .disk = &replica->disk.disk,
                                     .founds = id == 1,
                                     .hooks = {replica, on_raft, on_letter, on_applied, on_changed, on_failed}};
    replica->world = w;
    replica->id = id;
    REQUIRE(server_start(&options, &replica->server, &why) == PDR_OK);
}

void trio_carry(struct trio *w)
{
    for (; w->carried < w->post.count; w->carried++) {
        struct posted *posted = &w->post.at[w->carried];
        struct replica *to = &w->replicas[posted->to];
        if (posted->kind == PEER_RAFT && !to->is_still && !w->replicas[posted->from].is_mute) {
            server_receive_raft(to->server, posted->from, posted->frame);
        }
    }
}

void trio_run_ms(struct trio *w, uint64_t ms)
{
    for (uint64_t end = w->clock.now_ns + ms * NS_PER_MS; w->clock.now_ns < end;) {
        w->clock.now_ns += TRIO_STEP_NS;
        for (uint64_t id = 1; id <= TRIO_SERVERS; id++) {
            if (w->replicas[id].server != NULL && !w->replicas[id].is_still) {
                server_tick(w->replicas[id].server);
                raft_memory_sync(&w->replicas[id].disk);
            }
        }
        trio_carry(w);
    }
}

struct server *trio_at(struct trio *w, uint64_t id)
{
    return w->replicas[id].server;
}

uint64_t trio_leader(struct trio *w)
{
    for (uint64_t id = 1; id <= TRIO_SERVERS; id++) {
        if (!w->replicas[id].is_still && server_is_ready(trio_at(w, id))) {
            return id;
        }
    }
    return 0;
}

static void changed_over(void *user, struct raft_answer answer)
{
    *(bool *)user = answer.outcome == RAFT_COMMITTED;
}

void trio_change(struct trio *w, const struct raft_membership *change)
{
    bool over = false;
    const char *why = "";
    for (int tries = 0; raft_node_change(server_raft(trio_at(w, 1)), change, changed_over, &over, &why) != PDR_OK;
         tries++) {
        REQUIRE(tries < 100);
        trio_run_ms(w, 10);
    }
    trio_run_ms(w, 200);
    REQUIRE(over);
}

void trio_begin(struct trio *w)
{
    static const char *const addresses[] = {"", "", "h2:1", "h3:1"};
    trio_init(w);
    for (uint64_t id = 1; id <= TRIO_SERVERS; id++) {
        trio_start(w, id);
    }
    trio_run_ms(w, 1000);
    REQUIRE(trio_leader(w) == 1);
    for (uint64_t id = 2; id <= TRIO_SERVERS; id++) {
        trio_change(w, &(struct raft_membership){RAFT_ADD, id, addresses[id], RAFT_ROLE_SPARE});
        trio_change(w, &(struct raft_membership){RAFT_ASSIGN, id, NULL, RAFT_ROLE_STANDBY});
        trio_change(w, &(struct raft_membership){RAFT_ASSIGN, id, NULL, RAFT_ROLE_VOTER});
    }
    REQUIRE(trio_leader(w) == 1);
}

void trio_end(struct trio *w)
{
    for (uint64_t id = 1; id <= TRIO_SERVERS; id++) {
        if (w->replicas[id].server != NULL) {
            trio_stop(w, id);
        }
        if (w->replicas[id].disk.rows != NULL) {
            raft_memory_release(&w->replicas[id].disk);
        }
    }
    post_release(&w->post);
}

void trio_propose(struct trio *w, uint64_t id, struct command command, struct outcome *out)
{
    pdr_writer bytes = {0};
    command_write(&bytes, &command);
    server_propose(trio_at(w, id), pdr_written(&bytes), trio_note, out);
    pdr_writer_release(&bytes);
}

struct command trio_founding(void)
{
    static const uint8_t id[CLUSTER_ID_SIZE] = {7};
    return (struct command){.kind = COMMAND_FOUND, .found = {pdr_bytes(id, sizeof id), 8, 3, 2, 3}};
}

bool trio_hand(struct trio *w, uint64_t from, uint64_t to, enum letter_kind kind)
{
    struct letter letter;
    if (!post_take(&w->post, to, kind, &letter)) {
        return false;
    }
    server_receive(trio_at(w, to), from, &letter);
    return true;
}

uint64_t trio_depose(struct trio *w)
{
    w->replicas[1].is_still = true;
    for (int tries = 0; trio_leader(w) == 0; tries++) {
        REQUIRE(tries < 500);
        trio_run_ms(w, 10);
    }
    return trio_leader(w);
}
