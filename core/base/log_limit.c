/* core/base/log_limit.c: a burst in a window, by event. */
#include "core/base/log_limit.h"

#include <string.h>

static bool is_over(const struct log_limit_event *e, uint64_t now_ns)
{
    return now_ns >= e->begun_ns + LOG_LIMIT_WINDOW_NS;
}

static bool is_named(const struct log_limit_event *e, const char *name)
{
    return strncmp(e->name, name, LOG_LIMIT_NAME_MAX - 1) == 0;
}

/* Its own place, or one whose window is over and told; NULL: all are taken. */
static struct log_limit_event *place_of(struct log_limit *limit, const char *name, uint64_t now_ns)
{
    struct log_limit_event *unused = NULL;
    for (unsigned i = 0; i < LOG_LIMIT_EVENTS; i++) {
        struct log_limit_event *e = &limit->events[i];
        if (e->name[0] != 0 && is_named(e, name)) {
            return e;
        }
        if (unused == NULL && (e->name[0] == 0 || (is_over(e, now_ns) && e->left_out == 0))) {
            unused = e;
        }
    }
    if (unused != NULL) {
        *unused = (struct log_limit_event){.begun_ns = now_ns};
        strncpy(unused->name, name, LOG_LIMIT_NAME_MAX - 1);
    }
    return unused;
}

bool log_limit_pass(struct log_limit *limit, const char *event, int level, uint64_t now_ns)
{
    struct log_limit_event *e = place_of(limit, event, now_ns);
    if (e == NULL) {
        return true;
    }
    if (is_over(e, now_ns)) {
        limit->left_out -= e->left_out;
        e->begun_ns = now_ns;
        e->written = e->left_out = 0;
    }
    if (e->written < LOG_LIMIT_BURST) {
        e->written++;
        return true;
    }
    e->left_out++;
    e->level = level;
    limit->left_out++;
    return false;
}

bool log_limit_over(struct log_limit *limit, uint64_t now_ns, struct log_limit_event *over)
{
    for (unsigned i = 0; i < LOG_LIMIT_EVENTS && limit->left_out > 0; i++) {
        struct log_limit_event *e = &limit->events[i];
        if (e->left_out > 0 && is_over(e, now_ns)) {
            *over = *e;
            limit->left_out -= e->left_out;
            e->left_out = 0;
            return true;
        }
    }
    return false;
}
