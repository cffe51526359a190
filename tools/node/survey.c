/* tools/node/survey.c: a question to all cores, and their answers. */
#include "tools/node/survey.h"

#include "core/base/mem.h"

struct question {
    struct message message;
    struct survey *survey;
    unsigned index;
};

static void answered(struct message *message)
{
    struct question *question = LIST_ITEM(message, struct question, message);
    struct survey *survey = question->survey;
    mem_free(question);
    if (--survey->awaited > 0 || survey->owner->control->dead) {
        return;
    }
    if (survey->owner->stop == STOP_DONE) { /* journal and store may be gone */
        call_fail(survey->call, PDR_UNAVAILABLE, "the node is stopping");
        survey_finish(survey);
    } else {
        survey->kind->conclude(survey);
    }
}

static void asked(struct message *message)
{
    struct question *question = LIST_ITEM(message, struct question, message);
    struct survey *survey = question->survey;
    struct node *node = survey->owner;
    struct core *core = node->cores[question->index];
    if (!core->dead) {
        survey->kind->ask(survey, core, question->index);
    }
    message->deliver = answered;
    loop_post(node->world.control_loop, message);
}

void survey_start(struct survey *survey, const struct survey_kind *kind, struct node *node, struct call *call)
{
    unsigned cores = node->world.cores;
    survey->kind = kind;
    survey->owner = node;
    survey->call = call;
    survey->awaited = cores;
    list_push_back(&node->surveys, &survey->node);
    for (unsigned i = 0; i < cores; i++) {
        struct question *question = mem_new(sizeof *question);
        *question = (struct question){{.deliver = asked}, survey, i};
        loop_post(node->world.core_loops[i], &question->message);
    }
}

void survey_finish(struct survey *survey)
{
    struct call *call = survey->call;
    list_remove(&survey->node);
    survey->kind->release(survey);
    call_finish(call);
}

uint32_t survey_count(const struct node *node, const struct survey_kind *kind)
{
    uint32_t count = 0;
    for (const struct list *at = node->surveys.next; at != &node->surveys; at = at->next) {
        count += LIST_ITEM(at, struct survey, node)->kind == kind;
    }
    return count;
}

void put_uint(pdr_writer *out, const char *key, uint64_t value)
{
    pdr_write_cstr(out, key);
    pdr_write_uint(out, value);
}

void put_str(pdr_writer *out, const char *key, const char *value)
{
    pdr_write_cstr(out, key);
    pdr_write_cstr(out, value);
}
