/* tests/simulation/sim_raft.c: changes of the log, and what must be found of them. */
#include "tests/simulation/sim_raft.h"

#include <string.h>

#include "consensus/raft_disk_shard.h"
#include "core/base/check.h"
#include "core/base/mem.h"
#include "tools/node/node_parts.h"

#define TRAILING 4u
#define LONG 20u /* entries, that make for a snapshot */
#define ENTRY_BYTES_MAX 3000u
#define WISHES_MAX 8u
#define OUTSTANDING_MAX 12u

/* One server, "a", a voter of id 1: consensus/raft_config.h. */
static const uint8_t config[24] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 'a', 0, 1};

static uint8_t fill_byte(uint64_t index, uint64_t term)
{
    return (uint8_t)(index * 31 + term * 7 + 1);
}

static bool is_filled(struct pdr_bytes bytes, uint32_t size, uint8_t with)
{
    const uint8_t *at = bytes.data;
    return bytes.size == size && (size == 0 || (at[0] == with && memcmp(at, at + 1, size - 1) == 0));
}

static struct sim_raft_state *newest(struct sim_raft *raft)
{
    return &raft->states[raft->state_count - 1];
}

/* Those before the k-th are over. */
static void forget_before(struct sim_raft *raft, uint32_t k)
{
    raft->state_count -= k;
    memmove(raft->states, raft->states + k, raft->state_count * sizeof raft->states[0]);
}

/* Changes. */

static void append(struct sim_raft *raft, struct sim_raft_state *s, uint64_t index, uint32_t size)
{
    uint8_t *bytes = mem_new(size + 1);
    struct raft_log_entry entry = {s->number, RAFT_LOG_COMMAND, pdr_bytes(bytes, size)};
    memset(bytes, fill_byte(index, s->number), size);
    if (index == 1) {
        entry = (struct raft_log_entry){s->number, RAFT_LOG_CHANGE, pdr_bytes(config, sizeof config)};
    }
    CHECK(index - s->first < SIM_RAFT_LOG_MAX);
    replica_log_append(raft->log, index, &entry);
    s->last = index;
    s->terms[index - s->first] = s->number;
    s->sizes[index - s->first] = (uint32_t)entry.bytes.size;
    mem_free(bytes);
}

/* One to three entries; now and then they replace some. */
static void append_some(struct sim_raft *raft, struct sim_raft_state *s)
{
    uint64_t count = 1 + sim_draw(raft->sim, 3), from = s->last + 1;
    uint64_t lowest = s->first > s->snapshot ? s->first : s->snapshot + 1;
    if (from > lowest && sim_chance(raft->sim, 20)) {
        from = sim_between(raft->sim, lowest, s->last);
    }
    for (uint64_t i = 0; i < count; i++) {
        uint32_t size = (uint32_t)sim_draw(raft->sim, sim_chance(raft->sim, 20) ? ENTRY_BYTES_MAX : 100);
        append(raft, s, from + i, size);
    }
}

static struct raft_log_snapshot make_snapshot(uint64_t index, uint64_t term, uint32_t size)
{
    uint8_t *state = mem_new(size + 1);
    memset(state, fill_byte(index, index), size);
    return (struct raft_log_snapshot){index, term, 1, pdr_bytes(config, sizeof config), pdr_bytes(state, size)};
}

static void take(struct sim_raft *raft, struct sim_raft_state *s)
{
    uint64_t index = s->last - sim_draw(raft->sim, 3);
    uint32_t size = (uint32_t)sim_draw(raft->sim, raft->state_bytes_max);
    struct raft_log_snapshot snapshot = make_snapshot(index, s->terms[index - s->first], size);
    replica_log_take(raft->log, &snapshot, TRAILING);
    mem_free((void *)(uintptr_t)snapshot.state.data);
    uint64_t gone = index - TRAILING + 1 - s->first;
    memmove(s->terms, s->terms + gone, (SIM_RAFT_LOG_MAX - gone) * sizeof s->terms[0]);
    memmove(s->sizes, s->sizes + gone, (SIM_RAFT_LOG_MAX - gone) * sizeof s->sizes[0]);
    s->first += gone;
    s->snapshot = index;
    s->snapshot_size = size;
}

static void install(struct sim_raft *raft, struct sim_raft_state *s, uint32_t size)
{
    uint64_t index = s->last + 10;
    struct raft_log_snapshot snapshot = make_snapshot(index, s->number, size);
    replica_log_install(raft->log, &snapshot);
    mem_free((void *)(uintptr_t)snapshot.state.data);
    s->first = index + 1;
    s->last = s->snapshot = index;
    s->snapshot_size = size;
}

static struct sim_raft_state *begin_change(struct sim_raft *raft)
{
    raft->states[raft->state_count] = *newest(raft);
    struct sim_raft_state *s = &raft->states[raft->state_count++];
    s->number = ++raft->number;
    replica_log_set_vote(raft->log, s->number, s->number % 5);
    raft->refused += raft->disk->ops->is_full(raft->disk);
    return s;
}

static void end_change(struct sim_raft *raft, struct sim_raft_state *s)
{
    raft->outstanding++;
    raft->batches++;
    s->seq = replica_log_flush(raft->log);
}

static void change(struct sim_raft *raft)
{
    bool is_taking = raft->taken_seq > raft->answered_seq;
    struct sim_raft_state *s = begin_change(raft);
    bool takes = s->last + 1 - s->first > LONG && !is_taking;
    if (takes) {
        take(raft, s);
    } else if (!is_taking && sim_chance(raft->sim, 4)) {
        install(raft, s, (uint32_t)sim_draw(raft->sim, raft->state_bytes_max));
    } else if (s->last + 1 - s->first < SIM_RAFT_LOG_MAX - 4 && sim_chance(raft->sim, 80)) {
        append_some(raft, s);
    }
    end_change(raft, s);
    raft->taken_seq = takes ? s->seq : raft->taken_seq;
}

void sim_raft_install(struct sim_raft *raft, uint32_t size, uint32_t entries, uint32_t entry_size)
{
    struct sim_raft_state *s = begin_change(raft);
    install(raft, s, size);
    for (uint32_t i = 0; i < entries; i++) {
        append(raft, s, s->last + 1, entry_size);
    }
    end_change(raft, s);
}

static void make_wishes(struct sim_source *source)
{
    struct sim_raft *raft = LIST_ITEM(source, struct sim_raft, wish);
    for (; raft->wished > 0 && raft->disk != NULL; raft->wished--) {
        if (raft->outstanding < OUTSTANDING_MAX && raft->state_count < SIM_RAFT_STATES_MAX) {
            change(raft);
        }
    }
}

void sim_raft_wish(struct sim_raft *raft)
{
    sim_raft_on(raft);
    if (raft->disk != NULL && raft->wished < WISHES_MAX) {
        raft->wished++;
        sim_loop_ready(raft->loop, &raft->wish);
    }
}

/* Answers. */

static void durable(void *user, uint64_t seq)
{
    struct sim_raft *raft = user;
    SIM_CHECK(raft->sim, seq == raft->answered_seq + 1, "raft: batch %llu is answered after %llu",
              (unsigned long long)seq, (unsigned long long)raft->answered_seq);
    uint32_t k = 0;
    while (k < raft->state_count && raft->states[k].seq != seq) {
        k++;
    }
    if (raft->sim->failed || k == raft->state_count) {
        return;
    }
    raft->answered_seq = seq;
    raft->outstanding--;
    forget_before(raft, k);
    raft->answered = raft->states[0].number;
    sim_note(raft->sim, "raft.durable", raft->host, raft->answered);
    if (seq == raft->taken_seq) {
        replica_log_snapshot_done(raft->log);
    }
}

/* What is found at a start. */

static void judge_entries(struct sim_raft *raft, const struct sim_raft_state *s)
{
    for (uint64_t index = s->first; index <= s->last && !raft->sim->failed; index++) {
        const struct raft_log_entry *entry = replica_log_entry(raft->log, index);
        uint64_t term = s->terms[index - s->first];
        bool same = entry != NULL && entry->term == term &&
                    (index == 1 || is_filled(entry->bytes, s->sizes[index - s->first], fill_byte(index, term)));
        SIM_CHECK(raft->sim, same, "raft: entry %llu is not as batch %llu left it", (unsigned long long)index,
                  (unsigned long long)s->number);
    }
}

static void judge(struct sim_raft *raft, const struct sim_raft_state *s)
{
    const struct raft_log_snapshot *snapshot = replica_log_snapshot(raft->log);
    uint64_t first = replica_log_first(raft->log), last = replica_log_last(raft->log);
    SIM_CHECK(raft->sim, first == s->first && last == s->last && snapshot->index == s->snapshot,
              "raft: the log is %llu to %llu behind %llu; batch %llu left %llu to %llu behind %llu",
              (unsigned long long)first, (unsigned long long)last, (unsigned long long)snapshot->index,
              (unsigned long long)s->number, (unsigned long long)s->first, (unsigned long long)s->last,
              (unsigned long long)s->snapshot);
    SIM_CHECK(raft->sim,
              s->snapshot == 0 || is_filled(snapshot->state, s->snapshot_size, fill_byte(s->snapshot, s->snapshot)),
              "raft: the snapshot of entry %llu is another", (unsigned long long)s->snapshot);
    judge_entries(raft, s);
}

/* It is read, but not known to be durable: until something is answered, a power cut may take it back to any that is not
 * older than what was answered. */
static void judge_found(struct sim_raft *raft)
{
    uint64_t number = replica_log_term(raft->log);
    uint32_t k = 0;
    while (k < raft->state_count && raft->states[k].number != number) {
        k++;
    }
    SIM_CHECK(raft->sim, k < raft->state_count,
              "raft: the log is as of batch %llu; %llu was answered, and %llu given (0: none)",
              (unsigned long long)number, (unsigned long long)raft->answered, (unsigned long long)raft->number);
    if (k < raft->state_count) {
        raft->state_count = k + 1;
        judge(raft, newest(raft));
    }
}

static struct core *owner_of(const struct node *node)
{
    unsigned i = 0;
    while (node->cores[i]->directory == NULL) {
        i++;
    }
    return node->cores[i];
}

static void open_log(struct sim_raft *raft)
{
    const char *why = "";
    raft->disk = raft_disk_shard_new(raft->node->control, owner_of(raft->node), raft->node->store);
    raft->log = replica_log_new(raft->disk, durable, raft);
    raft->outstanding = raft->wished = 0;
    raft->answered_seq = raft->taken_seq = 0;
    for (uint32_t i = 0; i < raft->state_count; i++) {
        raft->states[i].seq = 0;
    }
    enum pdr_status status = replica_log_load(raft->log, &why);
    SIM_CHECK(raft->sim, status == PDR_OK, "raft: %s", why);
    judge_found(raft);
}

void sim_raft_on(struct sim_raft *raft)
{
    if (!raft->is_on) {
        raft->is_on = true;
        if (raft->node != NULL) {
            open_log(raft);
        }
    }
}

void sim_raft_up(struct sim_raft *raft, const struct node *node, struct sim_loop *control)
{
    CHECK(raft->node == NULL && raft->disk == NULL);
    raft->node = node;
    raft->loop = control;
    if (raft->is_on) {
        open_log(raft);
    }
}

void sim_raft_down(struct sim_raft *raft)
{
    raft->node = NULL;
    if (raft->disk != NULL) {
        sim_source_forget(&raft->wish);
        raft_disk_shard_free(raft->disk);
        replica_log_free(raft->log);
        raft->disk = NULL;
        raft->log = NULL;
    }
}

void sim_raft_init(struct sim_raft *raft, struct sim *sim, uint32_t host)
{
    *raft = (struct sim_raft){.sim = sim, .host = host, .state_bytes_max = 20000};
    raft->states[0] = (struct sim_raft_state){.first = 1};
    raft->state_count = 1;
    sim_source_init(&raft->wish, make_wishes);
}
