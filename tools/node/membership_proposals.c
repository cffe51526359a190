/* tools/node/membership_proposals.c: what copies of shards ask of the directory goes from their core to the control
 * core, and the answer back: proposals of primaries (replication.md R1, R41 to R45, R50), and whether a copy that no
 * row names is wanted after all (R65). */
#include "core/base/mem.h"
#include "core/shard/replicas.h"
#include "tools/node/membership_parts.h"

#define PROPOSE_MS 1000u /* then it is settled by another (R44) */

struct errand {
    struct message message;
    struct list list; /* membership->proposed */
    struct node *node;
    struct core *core;
    struct replog_proposal proposal;
    bool done;
    struct replicas_question question;
    enum replicas_verdict verdict;
};

/* To the control core. */
static struct errand *errand_new(struct node *node, struct core *core, void (*arrive)(struct message *message))
{
    struct errand *errand = mem_new(sizeof *errand);
    errand->message.deliver = arrive;
    errand->node = node;
    errand->core = core;
    list_init(&errand->list);
    return errand;
}

/* NULL: there is nobody to ask any more, and the errand is over. */
static struct membership *membership_of(struct errand *errand)
{
    struct membership *m = errand->node->membership;
    if (errand->node->control->dead || m == NULL || m->member == NULL) {
        mem_free(errand);
        return NULL;
    }
    return m;
}

/* Proposals. */

struct command proposals_command(const struct replog_proposal *p)
{
    switch (p->kind) {
    case REPLOG_ADD:
        return (struct command){.kind = COMMAND_ADD, .add = {p->shard, p->cv, p->node, p->rid}};
    case REPLOG_REMOVE:
        return (struct command){.kind = COMMAND_REMOVE, .remove = {p->shard, p->cv, p->rid}};
    case REPLOG_TRANSFER:
        return (struct command){.kind = COMMAND_TRANSFER, .transfer = {p->shard, p->cv, p->node}};
    case REPLOG_LOST:
        return (struct command){.kind = COMMAND_LOST, .lost = {p->shard, p->cv, p->rid}};
    case REPLOG_TOUCH:
    case REPLOG_NONE:
        break;
    }
    return (struct command){.kind = COMMAND_TOUCH, .touch = {p->shard, p->cv}};
}

static void come_back(struct message *message)
{
    struct errand *errand = LIST_ITEM(message, struct errand, message);
    if (!errand->core->dead) {
        replicas_proposed(errand->core, errand->proposal.shard, errand->proposal.number, errand->done);
    }
    mem_free(errand);
}

/* Applied or refused is told; of what nobody knows, nothing: the machine will touch the row, or read of it. */
static void answered(void *user, const struct member_answer *answer)
{
    struct errand *errand = user;
    list_remove(&errand->list);
    bool is_settled = answer->outcome != LETTER_NOWHERE || errand->proposal.kind != REPLOG_TOUCH;
    if (answer->outcome == LETTER_UNKNOWN || !is_settled) {
        mem_free(errand);
        return;
    }
    errand->done = answer->outcome == LETTER_DONE && answer->code == DIRECTORY_DONE;
    errand->message.deliver = come_back;
    loop_post(errand->core->world.loop, &errand->message);
}

static void arrive(struct message *message)
{
    struct errand *errand = LIST_ITEM(message, struct errand, message);
    struct membership *m = membership_of(errand);
    if (m == NULL) {
        return;
    }
    struct command command = proposals_command(&errand->proposal);
    list_push_back(&m->proposed, &errand->list); /* the answer may come before the call returns */
    member_propose(m->member, &command, PROPOSE_MS, answered, errand);
}

void proposals_send(void *node, struct core *core, const struct replog_proposal *proposal)
{
    struct errand *errand = errand_new(node, core, arrive);
    errand->proposal = *proposal;
    loop_post(errand->node->world.control_loop, &errand->message);
}

/* Questions. */

static void bring_verdict(struct message *message)
{
    struct errand *errand = LIST_ITEM(message, struct errand, message);
    if (!errand->core->dead) {
        replicas_asked(errand->core, &errand->question, errand->verdict);
    }
    mem_free(errand);
}

/* What the view has counts only if it has all that the directory had when it was asked. */
static void judge(struct errand *errand, const struct membership *m)
{
    const struct cluster_view *view = member_view(m->member);
    const struct cluster_shard *row = cluster_rows_shard(&view->rows, errand->question.shard);
    errand->verdict = REPLICAS_NOT_YET;
    if (errand->question.index != 0 && view->index >= errand->question.index && row != NULL) {
        bool is_wanted = copies_have(&row->isr, m->options.node) || ids_have(&row->targets, m->options.node);
        errand->verdict = is_wanted ? REPLICAS_WANTED : REPLICAS_ABSENT;
    }
    errand->message.deliver = bring_verdict;
    loop_post(errand->core->world.loop, &errand->message);
}

static void was_read(void *user, const struct member_answer *answer)
{
    struct errand *errand = user;
    list_remove(&errand->list);
    errand->question.index = answer->outcome == LETTER_DONE ? answer->dir_index : 0;
    judge(errand, errand->node->membership);
}

static void look(struct message *message)
{
    struct errand *errand = LIST_ITEM(message, struct errand, message);
    struct membership *m = membership_of(errand);
    if (m == NULL) {
        return;
    }
    if (errand->question.index != 0) {
        judge(errand, m);
    } else {
        list_push_back(&m->proposed, &errand->list);
        member_read(m->member, PROPOSE_MS, was_read, errand);
    }
}

void proposals_ask(void *node, struct core *core, const struct replicas_question *question)
{
    struct errand *errand = errand_new(node, core, look);
    errand->question = *question;
    loop_post(errand->node->world.control_loop, &errand->message);
}

void proposals_free(struct membership *m)
{
    struct list *node;
    while ((node = list_pop(&m->proposed)) != NULL) {
        mem_free(LIST_ITEM(node, struct errand, list));
    }
}
