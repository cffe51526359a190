/* tools/node/survey.h: a question to all cores, each of which answers for itself; the answers are put together on the
 * control core. A method of `_sys/node` that asks one embeds it as its first member. */
#ifndef TOOLS_NODE_SURVEY_H
#define TOOLS_NODE_SURVEY_H

#include "tools/node/node_parts.h"

struct survey;

struct survey_kind {
    /** On the thread of core `index`, once. It writes where nobody else does: cores answer at the same time. */
    void (*ask)(struct survey *survey, struct core *core, unsigned index);
    /** On the control core, after all have answered: ends in survey_finish, now or later. */
    void (*conclude)(struct survey *survey);
    /** Frees what the survey has, and the survey. */
    void (*release)(struct survey *survey);
};

struct survey {
    struct list node; /* of node->surveys: what a node that is taken down has yet to free */
    const struct survey_kind *kind;
    struct node *owner;
    struct call *call;
    unsigned awaited; /* cores */
};

/** Asks all cores. Takes the call and the survey, which is the first member of an object of mem_new. */
void survey_start(struct survey *survey, const struct survey_kind *kind, struct node *node, struct call *call);
/** Releases the survey, and finishes its call, which has its outcome. */
void survey_finish(struct survey *survey);
/** Those of this kind that are under way. */
uint32_t survey_count(const struct node *node, const struct survey_kind *kind);

/* Maps of answers. */

void put_uint(pdr_writer *out, const char *key, uint64_t value);
void put_str(pdr_writer *out, const char *key, const char *value);

#endif
