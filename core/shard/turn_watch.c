/* core/shard/turn_watch.c: the line about a slow turn. */
#include "core/shard/turn_watch.h"

#include "core/base/log.h"

void turn_watch_tell(const struct turn_watch *watch, struct activation *a, struct pdr_bytes method)
{
    uint64_t lasted = a->core->slice_ns - watch->begun_ns;
    uint64_t waited = lasted - watch->ran_ns;
    bool held = watch->ran_ns >= waited; /* the thread, from everybody else */
    a->core->stats.slow_turns++;
    LOG_WARN("turn.slow", "actor=%.*s method=%.*s ran_ms=%llu waited_ms=%llu where=%s core=%u", (int)a->address_size,
             a->address, (int)method.size, (const char *)method.data, (unsigned long long)(watch->ran_ns / NS_PER_MS),
             (unsigned long long)(waited / NS_PER_MS), held || watch->longest == NULL ? "running" : watch->longest,
             a->core->index);
}
