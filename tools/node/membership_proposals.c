/* tools/node/membership_proposals.c: what primaries of shards with several copies ask of the directory goes from their
 * core to the control core, and the outcome back (replication.md R1, R41 to R45, R50). */
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
};

static struct command command_of(const struct replog_proposal *p)
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
    struct membership *m = errand->node->membership;
    if (errand->node->control->dead || m == NULL || m->member == NULL) {
        mem_free(errand);
        return;
    }
    struct command command = command_of(&errand->proposal);
    list_push_back(&m->proposed, &errand->list); /* the answer may come before the call returns */
    member_propose(m->member, &command, PROPOSE_MS, answered, errand);
}

void proposals_send(void *node, struct core *core, const struct replog_proposal *proposal)
{
    struct errand *errand = mem_new(sizeof *errand);
    *errand = (struct errand){.message = {.deliver = arrive}, .node = node, .core = core, .proposal = *proposal};
    list_init(&errand->list);
    loop_post(errand->node->world.control_loop, &errand->message);
}

void proposals_free(struct membership *m)
{
    struct list *node;
    while ((node = list_pop(&m->proposed)) != NULL) {
        mem_free(LIST_ITEM(node, struct errand, list));
    }
}
