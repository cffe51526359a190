/* core/base/log_limit.h: how often an event may be logged: a burst in a window, the rest is only counted.
 *
 * Knows no clock and writes nothing: log.c has one for each thread, and tells it the time. */
#ifndef CORE_BASE_LOG_LIMIT_H
#define CORE_BASE_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define LOG_LIMIT_BURST 10u
#define LOG_LIMIT_WINDOW_NS 10000000000ull
#define LOG_LIMIT_EVENTS 24u /* kept apart; beyond, while all their windows are open, events are not limited */
#define LOG_LIMIT_NAME_MAX 48u

struct log_limit_event {
    char name[LOG_LIMIT_NAME_MAX]; /* its beginning, if it is longer; "": free */
    uint64_t begun_ns;
    uint64_t written, left_out;
    int level; /* of the last one left out */
};

/** Zero bytes are a new one. */
struct log_limit {
    struct log_limit_event events[LOG_LIMIT_EVENTS];
    uint64_t left_out; /* of all windows that are not told yet */
};

/** May it be written? */
bool log_limit_pass(struct log_limit *limit, const char *event, int level, uint64_t now_ns);
/** Takes a window that has ended and left something out; call it until it is false, before log_limit_pass. */
bool log_limit_over(struct log_limit *limit, uint64_t now_ns, struct log_limit_event *over);

#endif
