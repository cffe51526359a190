/* core/replog/history.c */
#include "core/replog/history.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/mem.h"

void history_release(struct history *history)
{
    mem_free(history->at);
    *history = (struct history){0};
}

static void reserve(struct history *history, uint32_t count)
{
    if (history->capacity < count) {
        history->capacity = count < 4 ? 4 : count > CONTROL_HISTORY_MAX / 2 ? CONTROL_HISTORY_MAX : count * 2;
        history->at = mem_grow(history->at, history->capacity * sizeof *history->at);
    }
}

void history_set(struct history *history, const struct control_epoch *at, uint32_t count)
{
    CHECK(count <= CONTROL_HISTORY_MAX);
    reserve(history, count);
    history->count = count;
    if (count > 0) {
        memcpy(history->at, at, count * sizeof *at);
    }
}

void history_cut(struct history *history, uint64_t seq)
{
    while (history->count > 0 && history->at[history->count - 1].first_seq > seq) {
        history->count--;
    }
}

void history_begin(struct history *history, uint64_t epoch, uint64_t first_seq)
{
    CHECK(first_seq > 0);
    history_cut(history, first_seq - 1);
    CHECK(history->count == 0 || history->at[history->count - 1].epoch < epoch);
    if (history->count == CONTROL_HISTORY_MAX) {
        history->count--;
        memmove(history->at, history->at + 1, history->count * sizeof *history->at);
    }
    reserve(history, history->count + 1);
    history->at[history->count++] = (struct control_epoch){epoch, first_seq};
}

uint32_t history_until(const struct history *history, uint64_t seq)
{
    uint32_t count = history->count;
    while (count > 0 && history->at[count - 1].first_seq > seq) {
        count--;
    }
    return count;
}

uint64_t history_epoch_of(const struct history *history, uint64_t seq)
{
    uint32_t count = history_until(history, seq);
    return count > 0 ? history->at[count - 1].epoch : 0;
}

static uint64_t first_of(const struct history *history, uint64_t seq)
{
    return history->at[history_until(history, seq) - 1].first_seq;
}

bool history_match(const struct history *history, uint64_t last, const struct history *other, uint64_t other_last,
                   uint64_t applied, uint64_t *out)
{
    uint64_t m = last < other_last ? last : other_last;
    while (m > 0) {
        uint64_t own = history_epoch_of(history, m), others = history_epoch_of(other, m);
        if (own == 0 || others == 0) {
            *out = m;
            return m <= applied; /* what is applied was acknowledged, so that everybody has the same there (I3) */
        }
        if (own == others) {
            break;
        }
        uint64_t first = first_of(history, m), others_first = first_of(other, m);
        m = (first > others_first ? first : others_first) - 1;
    }
    *out = m;
    return true;
}
