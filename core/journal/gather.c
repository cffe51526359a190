/* core/journal/gather.c: the wait before a group. */
#include "core/journal/gather.h"

#define WAIT_MAX_NS 1000000u
#define SYNC_MIN_NS 300000u /* faster than callers come back: then work and sync had better overlap */
#define SKIP_MAX 63u

void gather_begin(struct gather *gather, uint32_t answered, uint32_t pending, uint64_t sync_ns)
{
    gather->sync_ns = gather->sync_ns == 0 ? sync_ns : gather->sync_ns - gather->sync_ns / 8 + sync_ns / 8;
    gather->until_ns = 0;
    gather->answered = answered;
    gather->expected = answered + pending;
    if (gather->skip > 0) {
        gather->skip--;
        gather->expected = 0;
    }
    if (gather->sync_ns < SYNC_MIN_NS) {
        gather->expected = 0;
    }
}

/* The wait is over with `pending` entries. It paid if most of the answered came back. */
static void judge(struct gather *gather, uint32_t pending)
{
    if (gather->until_ns != 0 && (uint64_t)(pending - gather->seen) * 4 < (uint64_t)gather->answered * 3) {
        gather->skip_next = gather->skip_next < SKIP_MAX ? gather->skip_next * 2 + 1 : SKIP_MAX;
        gather->skip = gather->skip_next;
    } else if (gather->until_ns != 0) {
        gather->skip_next = 0;
    }
    gather->expected = 0;
    gather->until_ns = 0;
}

bool gather_wait(struct gather *gather, uint32_t pending, uint64_t now_ns)
{
    if (pending >= gather->expected) {
        judge(gather, pending);
        return false;
    }
    if (gather->until_ns == 0) {
        uint64_t wait_ns = gather->sync_ns / 2;
        gather->seen = pending;
        gather->until_ns = now_ns + (wait_ns < WAIT_MAX_NS ? wait_ns : WAIT_MAX_NS);
    }
    if (now_ns >= gather->until_ns) {
        judge(gather, pending);
        return false;
    }
    return true;
}
