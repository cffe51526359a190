/* tools/node/membership_load.c: how much the node's shards work (core/shard/load.h): each core is asked once a second,
 * and when all have answered the directory's leader hears of it. */
#include "core/base/mem.h"
#include "tools/node/membership_parts.h"

#define LOAD_NS NS_PER_S

struct load_question {
    struct message message;
    struct membership *from;
    uint32_t core;
    struct load_report report;
};

static void come_back(struct message *message)
{
    struct load_question *question = LIST_ITEM(message, struct load_question, message);
    struct membership *m = question->from;
    load_report_add(&m->load, &question->report);
    mem_free(question);
    if (--m->load_awaited == 0 && m->member != NULL) {
        member_load(m->member, &m->load);
    }
}

/* On the core's thread. */
static void arrive(struct message *message)
{
    struct load_question *question = LIST_ITEM(message, struct load_question, message);
    struct node *node = question->from->node;
    struct core *core = node->cores[question->core];
    if (core->dead) { /* and so is the node */
        mem_free(question);
        return;
    }
    load_measure(core, &question->report);
    question->message.deliver = come_back;
    loop_post(node->world.control_loop, &question->message);
}

uint64_t loads_due_ns(const struct membership *m)
{
    return m->load_awaited > 0 ? UINT64_MAX : m->load_asked_ns + LOAD_NS;
}

void loads_tick(struct membership *m)
{
    struct node *node = m->node;
    uint64_t now_ns = clock_now_ns(node->world.clock);
    if (now_ns < loads_due_ns(m)) {
        return;
    }
    m->load_asked_ns = now_ns;
    m->load_awaited = node->world.cores;
    m->load = (struct load_report){.total = 0};
    for (uint32_t i = 0; i < node->world.cores; i++) {
        struct load_question *question = mem_new(sizeof *question);
        *question = (struct load_question){.message = {.deliver = arrive}, .from = m, .core = i};
        loop_post(node->world.core_loops[i], &question->message);
    }
}
