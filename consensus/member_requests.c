/* consensus/member_requests.c: proposals and reads, to whoever leads: our own server, or another node's. */
#include "consensus/member_parts.h"

#include "core/base/check.h"
#include "core/base/mem.h"

#define ANSWER_NS (400 * NS_PER_MS) /* more than a leader that has a quorum needs */
#define AGAIN_NS (50 * NS_PER_MS)   /* nobody is known to lead */

static void finish(struct request *request, const struct member_answer *answer)
{
    list_remove(&request->node);
    request->member->request_count--;
    member_answered answered = request->answered;
    void *user = request->user;
    mem_free(request);
    answered(user, answer);
}

static void give_up(struct request *request)
{
    enum letter_outcome outcome = request->may_be_done ? LETTER_UNKNOWN : LETTER_NOWHERE;
    finish(request, &(struct member_answer){.outcome = outcome, .text = pdr_str("nobody leads the directory")});
}

/* To ask again is safe: nobody has it. */
static void ask_again(struct request *request)
{
    request->is_sent = request->is_here = false;
    request->due_ns = member_now(request->member) + AGAIN_NS;
}

static void done_here(void *user, const struct server_answer *answer)
{
    struct request *request = user;
    struct member *m = request->member;
    request->is_here = false;
    if (answer->outcome == LETTER_NOWHERE) {
        member_hint(m, answer->leader);
        ask_again(request);
        return;
    }
    struct member_answer out = {.outcome = answer->outcome, .dir_index = directory_index(server_directory(m->server))};
    if (answer->result != NULL) {
        out.code = answer->result->code;
        out.text = pdr_str(answer->result->text);
        out.dir_index = answer->result->dir_index;
    }
    finish(request, &out);
}

static void ask_here(struct request *request)
{
    struct member *m = request->member;
    request->is_sent = request->is_here = true;
    request->due_ns = UINT64_MAX; /* it will answer */
    if (request->kind == REQUEST_PROPOSE) {
        server_propose(m->server, pdr_bytes(request->command, request->size), done_here, request);
    } else {
        server_read(m->server, done_here, request);
    }
}

static void ask(struct request *request)
{
    struct member *m = request->member;
    uint64_t whom = member_whom(m);
    if (whom == m->options.id) {
        ask_here(request);
        return;
    }
    if (whom == 0) {
        ask_again(request);
        return;
    }
    struct letter letter = {.kind = LETTER_READ, .read = {request->no}};
    if (request->kind == REQUEST_PROPOSE) {
        letter = (struct letter){.kind = LETTER_PROPOSE,
                                 .propose = {request->no, pdr_bytes(request->command, request->size)}};
        request->may_be_done = true;
    }
    request->is_sent = true;
    request->due_ns = member_now(m) + ANSWER_NS;
    member_send(m, whom, &letter);
}

static void begin(struct member *m, enum request_kind kind, struct pdr_bytes command, uint64_t deadline_ms,
                  member_answered answered, void *user)
{
    if (m->request_count >= MEMBER_REQUESTS_MAX) {
        answered(user, &(struct member_answer){.outcome = LETTER_NOWHERE,
                                               .text = pdr_str("too many requests to the directory are under way")});
        return;
    }
    struct request *request = mem_new(sizeof *request + command.size);
    *request = (struct request){.member = m,
                                .no = ++m->last_no,
                                .kind = kind,
                                .deadline_ns = member_now(m) + deadline_ms * NS_PER_MS,
                                .answered = answered,
                                .user = user,
                                .size = (uint32_t)command.size};
    if (command.size > 0) {
        memcpy(request->command, command.data, command.size);
    }
    list_push_back(&m->requests, &request->node);
    m->request_count++;
    ask(request);
}

void member_propose(struct member *m, const struct command *command, uint64_t deadline_ms, member_answered answered,
                    void *user)
{
    uint8_t room[1024];
    pdr_writer writer;
    pdr_writer_init(&writer, room, sizeof room, LIMIT_COMMAND_BYTES_MAX);
    command_write(&writer, command);
    if (writer.failed) {
        answered(user, &(struct member_answer){.outcome = LETTER_DONE,
                                               .code = DIRECTORY_LIMIT,
                                               .text = pdr_str("the command is longer than a command may be")});
    } else {
        begin(m, REQUEST_PROPOSE, pdr_written(&writer), deadline_ms, answered, user);
    }
    pdr_writer_release(&writer);
}

void member_read(struct member *m, uint64_t deadline_ms, member_answered answered, void *user)
{
    begin(m, REQUEST_READ, pdr_bytes(NULL, 0), deadline_ms, answered, user);
}

static struct request *find(struct member *m, uint64_t no)
{
    for (struct list *at = m->requests.next; at != &m->requests; at = at->next) {
        struct request *request = LIST_ITEM(at, struct request, node);
        if (request->no >= no) {
            return request->no == no ? request : NULL;
        }
    }
    return NULL;
}

void requests_answered(struct member *m, const struct letter_answer *answer)
{
    struct request *request = find(m, answer->no);
    if (answer->outcome == LETTER_NOWHERE) {
        member_hint(m, answer->leader);
    }
    if (request == NULL || !request->is_sent || request->is_here) {
        return; /* a late one */
    }
    if (answer->outcome == LETTER_NOWHERE) {
        request->may_be_done = false;
        ask_again(request);
        return;
    }
    if (answer->outcome == LETTER_DONE) {
        feed_reach(m, answer->dir_index);
    }
    finish(request, &(struct member_answer){(enum letter_outcome)answer->outcome, (enum directory_code)answer->code,
                                            answer->text, answer->dir_index});
}

/* False: there is nothing to be done about it now. No answer: a read may be asked again, a proposal may have been
 * applied. Only its proposer knows what that means. */
static bool look_at(struct request *request, uint64_t now_ns)
{
    if (request->is_here || (now_ns < request->deadline_ns && now_ns < request->due_ns)) {
        return false;
    }
    if (now_ns >= request->deadline_ns || (now_ns >= request->due_ns && request->may_be_done && request->is_sent)) {
        give_up(request);
    } else if (now_ns >= request->due_ns) {
        request->is_sent = false;
        ask(request);
    }
    return true;
}

void requests_tick(struct member *m)
{
    uint64_t now_ns = member_now(m), last = m->last_no;
    struct list *at = m->requests.next;
    while (at != &m->requests) {
        uint64_t no = LIST_ITEM(at, struct request, node)->no;
        if (no > last) {
            return; /* made meanwhile */
        }
        if (!look_at(LIST_ITEM(at, struct request, node), now_ns)) {
            at = at->next;
            continue;
        }
        for (at = m->requests.next; at != &m->requests && LIST_ITEM(at, struct request, node)->no <= no;) {
            at = at->next; /* whoever was answered may have ended others' waiting too */
        }
    }
}

uint64_t requests_due_ns(const struct member *m)
{
    uint64_t due = UINT64_MAX;
    for (const struct list *at = m->requests.next; at != &m->requests; at = at->next) {
        const struct request *request = LIST_ITEM(at, const struct request, node);
        uint64_t own = request->due_ns < request->deadline_ns ? request->due_ns : request->deadline_ns;
        due = !request->is_here && own < due ? own : due;
    }
    return due;
}

void requests_hurry(struct member *m)
{
    for (struct list *at = m->requests.next; at != &m->requests; at = at->next) {
        struct request *request = LIST_ITEM(at, struct request, node);
        if (!request->is_sent) {
            request->due_ns = 0;
        }
    }
}

/* A request of another node's, at our server. */
struct service {
    struct list node;
    struct member *member;
    uint64_t from, no;
};

void requests_free(struct member *m)
{
    struct list *node;
    while ((node = list_pop(&m->requests)) != NULL) {
        mem_free(LIST_ITEM(node, struct request, node));
    }
    while ((node = list_pop(&m->services)) != NULL) {
        mem_free(LIST_ITEM(node, struct service, node));
    }
}

static void served(void *user, const struct server_answer *answer)
{
    struct service *service = user;
    struct member *m = service->member;
    struct letter letter = {.kind = LETTER_ANSWER,
                            .answer = {.no = service->no,
                                       .outcome = (uint8_t)answer->outcome,
                                       .leader = answer->leader,
                                       .dir_index = directory_index(server_directory(m->server))}};
    if (answer->result != NULL) {
        letter.answer.code = (uint8_t)answer->result->code;
        letter.answer.text = pdr_str(answer->result->text);
        letter.answer.dir_index = answer->result->dir_index;
    }
    if (answer->outcome == LETTER_NOWHERE && answer->leader == 0) {
        /* Raft tells nodes outside of its group nothing; but whoever grants us our lease leads. */
        uint64_t leader = member_leader(m);
        letter.answer.leader = leader == m->options.id || leader == service->from ? 0 : leader;
    }
    list_remove(&service->node);
    member_send(m, service->from, &letter);
    mem_free(service);
}

void requests_serve(struct member *m, uint64_t from, const struct letter *letter)
{
    struct service *service = mem_new(sizeof *service);
    *service = (struct service){.member = m, .from = from};
    list_push_back(&m->services, &service->node);
    if (letter->kind == LETTER_READ) {
        service->no = letter->read.no;
        server_read(m->server, served, service);
    } else {
        service->no = letter->propose.no;
        server_propose(m->server, letter->propose.command, served, service);
    }
}
