/* consensus/server.c: Raft's hooks over the directory, proposals by name, rounds of confirmation. */
#include "consensus/server.h"

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/hash.h"
#include "core/base/list.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"

#define ENVELOPE 16u /* life, no */

/* A command of ours, from its proposal until Raft has done with it. */
struct proposal {
    struct hash_node by_no;
    struct server *server;
    uint64_t no;
    server_answered answered; /* NULL: it was answered when the command was applied */
    void *user;
};

/* Who waits for a round of confirmations, and then for an entry to be applied. */
struct reader {
    struct list node;
    uint64_t index;
    server_answered answered;
    void *user;
};

struct server {
    struct server_hooks hooks;
    struct clock *clock;
    struct directory *directory;
    struct raft_node *raft;
    uint64_t id, life, last_no;
    struct hash proposals;
    bool failed;

    uint64_t round, round_term, round_ns; /* of the open one; round_term 0: none is */
    struct ids confirmed;                 /* voters that have answered it */
    struct list asking;                   /* struct reader: for the next round */
    struct list asked;                    /* for the open one */
    struct list reading;                  /* confirmed; until their entry is applied */
};

/* What Raft wants of the state machine. */

static struct proposal *find(struct server *s, uint64_t no)
{
    struct hash_node *node = hash_first(&s->proposals, no);
    return node != NULL ? LIST_ITEM(node, struct proposal, by_no) : NULL;
}

static void fail(struct server *s, const char *why)
{
    if (!s->failed) {
        s->failed = true;
        s->hooks.failed(s->hooks.user, why);
    }
}

static void readers_go_on(struct server *s);

static void on_apply(void *user, uint64_t index, uint64_t term, struct pdr_bytes entry)
{
    struct server *s = user;
    const uint8_t *at = entry.data;
    if (entry.size < ENVELOPE) {
        fail(s, "an entry of the directory's log is shorter than any that was ever written");
        return;
    }
    const struct directory_result *result =
        directory_apply(s->directory, index, pdr_bytes(at + ENVELOPE, entry.size - ENVELOPE));
    if (result->code == DIRECTORY_BEHIND) {
        fail(s, "this program is older than the format that the cluster has agreed on: install the newer one");
        return;
    }
    s->hooks.applied(s->hooks.user, result);
    struct proposal *proposal = get_le64(at) == s->life ? find(s, get_le64(at + 8)) : NULL;
    if (proposal != NULL && proposal->answered != NULL) {
        server_answered answered = proposal->answered;
        proposal->answered = NULL;
        answered(proposal->user, &(struct server_answer){LETTER_DONE, 0, result});
    }
    readers_go_on(s);
}

static void on_snapshot(void *user, struct raft_bytes *out)
{
    struct server *s = user;
    pdr_writer writer;
    pdr_writer_init(&writer, NULL, 0, SIZE_MAX);
    directory_snapshot(s->directory, &writer);
    CHECK(!writer.failed);
    struct pdr_bytes bytes = pdr_written(&writer);
    raft_bytes_put(out, bytes.data, bytes.size);
    pdr_writer_release(&writer);
}

static bool on_restore(void *user, uint64_t index, struct pdr_bytes state)
{
    struct server *s = user;
    struct directory *directory;
    const char *why;
    if (directory_restore(state, &directory, &why) != PDR_OK) {
        LOG_ERROR("directory.snapshot_refused", "index=%llu why=\"%s\"", (unsigned long long)index, why);
        return false;
    }
    directory_free(s->directory);
    s->directory = directory;
    s->hooks.applied(s->hooks.user, NULL);
    return true;
}

static void on_send(void *user, uint64_t to, struct pdr_bytes letter)
{
    struct server *s = user;
    s->hooks.send_raft(s->hooks.user, to, letter);
}

static void end_round(struct server *s, bool confirmed);

static void on_changed(void *user)
{
    struct server *s = user;
    if (s->raft == NULL) {
        return; /* raft_node_start */
    }
    struct raft_node_state state = raft_node_state(s->raft);
    if (s->round_term != 0 && (state.term != s->round_term || !state.ready)) {
        end_round(s, false);
    }
    s->hooks.changed(s->hooks.user);
}

static void on_failed(void *user, const char *why)
{
    fail(user, why);
}

/* Proposals. */

static void proposed(void *user, struct raft_answer answer)
{
    static const enum letter_outcome outcomes[] = {[RAFT_COMMITTED] = LETTER_UNKNOWN, /* and in no entry of ours? */
                                                   [RAFT_NOT_LEADER] = LETTER_NOWHERE,
                                                   [RAFT_REFUSED] = LETTER_NOWHERE,
                                                   [RAFT_UNKNOWN] = LETTER_UNKNOWN};
    struct proposal *proposal = user;
    struct server *s = proposal->server;
    server_answered answered = proposal->answered;
    void *whose = proposal->user;
    hash_remove(&s->proposals, &proposal->by_no);
    mem_free(proposal);
    if (answered != NULL) {
        answered(whose, &(struct server_answer){outcomes[answer.outcome], answer.leader, NULL});
    }
}

void server_propose(struct server *s, struct pdr_bytes command, server_answered answered, void *user)
{
    struct proposal *proposal = mem_new(sizeof *proposal);
    *proposal = (struct proposal){.server = s, .no = ++s->last_no, .answered = answered, .user = user};
    hash_insert(&s->proposals, &proposal->by_no, proposal->no);
    uint8_t *entry = mem_grow(NULL, ENVELOPE + command.size);
    put_le64(entry, s->life);
    put_le64(entry + 8, proposal->no);
    memcpy(entry + ENVELOPE, command.data, command.size);
    raft_node_propose(s->raft, pdr_bytes(entry, ENVELOPE + command.size), proposed, proposal);
    mem_free(entry);
}

/* Rounds. */

static uint32_t voters(const struct server *s, uint64_t *out)
{
    struct raft_member members[RAFT_SERVERS_MAX];
    uint32_t count = raft_node_members(s->raft, members, RAFT_SERVERS_MAX), found = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (members[i].role == RAFT_ROLE_VOTER) {
            out[found++] = members[i].id;
        }
    }
    return found;
}

static bool is_voter(const struct server *s, uint64_t id)
{
    uint64_t all[RAFT_SERVERS_MAX];
    uint32_t count = voters(s, all);
    for (uint32_t i = 0; i < count; i++) {
        if (all[i] == id) {
            return true;
        }
    }
    return false;
}

static void answer_readers(struct list *readers, const struct server_answer *answer)
{
    struct list these, *node;
    list_init(&these);
    list_splice(&these, readers); /* who is answered may ask again */
    while ((node = list_pop(&these)) != NULL) {
        struct reader *reader = LIST_ITEM(node, struct reader, node);
        reader->answered(reader->user, answer);
        mem_free(reader);
    }
}

static uint64_t leader_of(const struct server *s)
{
    struct raft_node_state state = raft_node_state(s->raft);
    return state.leader ? 0 : state.leader_id;
}

/* Index 0 is a mere confirmation's. */
static void readers_go_on(struct server *s)
{
    struct list done;
    uint64_t applied = s->raft != NULL ? raft_node_state(s->raft).applied_index : 0;
    list_init(&done);
    for (struct list *node = s->reading.next, *next; node != &s->reading; node = next) {
        next = node->next;
        if (LIST_ITEM(node, struct reader, node)->index <= applied) {
            list_remove(node);
            list_push_back(&done, node);
        }
    }
    answer_readers(&done, &(struct server_answer){LETTER_DONE, 0, NULL});
}

static bool has_quorum(const struct server *s)
{
    uint64_t all[RAFT_SERVERS_MAX];
    uint32_t count = voters(s, all), said = 0;
    for (uint32_t i = 0; i < count; i++) {
        said += all[i] == s->id || ids_have(&s->confirmed, all[i]);
    }
    return count > 0 && said > count / 2;
}

static void ask_voters(struct server *s)
{
    uint64_t all[RAFT_SERVERS_MAX];
    uint32_t count = voters(s, all);
    struct letter letter = {.kind = LETTER_CONFIRM, .confirm = {s->round, s->round_term}};
    s->round_ns = clock_now_ns(s->clock);
    for (uint32_t i = 0; i < count; i++) {
        if (all[i] != s->id && !ids_have(&s->confirmed, all[i])) {
            s->hooks.send(s->hooks.user, all[i], &letter);
        }
    }
}

static void begin_round(struct server *s)
{
    if (s->round_term != 0 || list_empty(&s->asking)) {
        return;
    }
    s->round++;
    s->round_term = raft_node_state(s->raft).term;
    s->confirmed = (struct ids){0};
    list_splice(&s->asked, &s->asking);
    ask_voters(s);
    if (has_quorum(s) || MUTATION(130)) {
        end_round(s, true);
    }
}

static void end_round(struct server *s, bool confirmed)
{
    s->round_term = 0;
    if (confirmed) {
        list_splice(&s->reading, &s->asked);
        readers_go_on(s);
    } else {
        answer_readers(&s->asked, &(struct server_answer){LETTER_NOWHERE, leader_of(s), NULL});
        answer_readers(&s->asking, &(struct server_answer){LETTER_NOWHERE, leader_of(s), NULL});
    }
    begin_round(s);
}

static void ask(struct server *s, uint64_t index, server_answered answered, void *user)
{
    if (!server_is_ready(s)) {
        answered(user, &(struct server_answer){LETTER_NOWHERE, leader_of(s), NULL});
        return;
    }
    struct reader *reader = mem_new(sizeof *reader);
    *reader = (struct reader){.index = index, .answered = answered, .user = user};
    list_push_back(&s->asking, &reader->node);
    begin_round(s);
}

void server_read(struct server *s, server_answered answered, void *user)
{
    ask(s, raft_node_state(s->raft).commit_index, answered, user);
}

void server_confirm(struct server *s, server_answered answered, void *user)
{
    ask(s, 0, answered, user);
}

void server_receive(struct server *s, uint64_t from, const struct letter *letter)
{
    uint64_t term = raft_node_state(s->raft).term;
    if (letter->kind == LETTER_CONFIRM) {
        if (letter->confirm.term == term) {
            struct letter yes = {.kind = LETTER_CONFIRMED, .confirmed = {letter->confirm.round, letter->confirm.term}};
            s->hooks.send(s->hooks.user, from, &yes);
        }
        return;
    }
    bool is_ours = letter->confirmed.round == s->round && letter->confirmed.term == s->round_term;
    if (s->round_term != 0 && is_ours && is_voter(s, from) && !ids_have(&s->confirmed, from) &&
        s->confirmed.count < LIMIT_COPIES_MAX) {
        ids_add(&s->confirmed, from);
        if (has_quorum(s)) {
            end_round(s, true);
        }
    }
}

/* Time, start, end. */

void server_receive_raft(struct server *s, uint64_t from, struct pdr_bytes letter)
{
    const char *why;
    if (raft_node_receive(s->raft, letter, &why) != PDR_OK) {
        LOG_WARN("raft.letter_refused", "from=%016llx why=\"%s\"", (unsigned long long)from, why);
    }
    readers_go_on(s);
}

uint64_t server_due_ns(const struct server *s)
{
    uint64_t due = raft_node_due_ns(s->raft), round = s->round_ns + SERVER_ROUND_NS;
    return s->round_term != 0 && round < due ? round : due;
}

void server_tick(struct server *s)
{
    raft_node_tick(s->raft);
    if (s->round_term != 0 && clock_now_ns(s->clock) >= s->round_ns + SERVER_ROUND_NS) {
        if (has_quorum(s)) { /* who was asked may have become no voter meanwhile, and we the only one */
            end_round(s, true);
        } else {
            ask_voters(s);
        }
    }
    readers_go_on(s);
}

enum pdr_status server_start(const struct server_options *options, struct server **out, const char **why)
{
    struct server *s = mem_new(sizeof *s);
    *s = (struct server){.hooks = options->hooks, .clock = options->clock, .id = options->id, .life = options->life};
    hash_init(&s->proposals);
    list_init(&s->asking);
    list_init(&s->asked);
    list_init(&s->reading);
    s->directory = directory_new();
    struct raft_member self = {options->id, RAFT_ROLE_VOTER, options->address};
    struct raft_node_options raft = {
        .id = options->id,
        .address = options->address,
        .seed = options->seed,
        .clock = options->clock,
        .disk = options->disk,
        .hooks = {s, on_send, on_apply, on_snapshot, on_restore, on_changed, on_failed},
        .settings = options->settings,
        .founders = &self,
        .founder_count = options->founds,
    };
    enum pdr_status status = raft_node_start(&raft, &s->raft, why);
    if (status != PDR_OK) {
        server_free(s);
        return status;
    }
    *out = s;
    return PDR_OK;
}

static bool free_proposal(struct hash_node *node, void *user)
{
    struct server *s = user;
    hash_remove(&s->proposals, node);
    mem_free(LIST_ITEM(node, struct proposal, by_no));
    return true;
}

static void free_readers(struct list *readers)
{
    struct list *node;
    while ((node = list_pop(readers)) != NULL) {
        mem_free(LIST_ITEM(node, struct reader, node));
    }
}

void server_free(struct server *s)
{
    if (s->raft != NULL) {
        raft_node_free(s->raft);
    }
    hash_each(&s->proposals, free_proposal, s);
    hash_release(&s->proposals);
    free_readers(&s->asking);
    free_readers(&s->asked);
    free_readers(&s->reading);
    directory_free(s->directory);
    mem_free(s);
}

const struct directory *server_directory(const struct server *s)
{
    return s->directory;
}

struct raft_node *server_raft(struct server *s)
{
    return s->raft;
}

bool server_is_ready(const struct server *s)
{
    return raft_node_state(s->raft).ready;
}
