/* core/replog/window.c */
#include "core/replog/window.h"

#include <stdbool.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/mem.h"

#define CAPACITY_MIN 16u

static struct window_entry **slot(const struct window *window, uint64_t seq)
{
    return &window->ring[seq & (window->capacity - 1)];
}

static void count(struct window *window, const struct window_entry *entry, bool comes)
{
    uint64_t bytes = sizeof *entry + entry->size;
    window->bytes = comes ? window->bytes + bytes : window->bytes - bytes;
    if (window->total != NULL) {
        *window->total = comes ? *window->total + bytes : *window->total - bytes;
    }
}

static void drop(struct window *window, uint64_t seq)
{
    struct window_entry *entry = *slot(window, seq);
    count(window, entry, false);
    window->count--;
    mem_free(entry);
}

void window_release(struct window *window)
{
    window_cut(window, 0);
    mem_free(window->ring);
    *window = (struct window){0};
}

static void grow(struct window *window)
{
    uint32_t capacity = window->capacity == 0 ? CAPACITY_MIN : window->capacity * 2;
    struct window bigger = {.ring = mem_new(capacity * sizeof *bigger.ring), .capacity = capacity};
    for (uint64_t i = 0; i < window->count; i++) {
        *slot(&bigger, window->first_seq + i) = *slot(window, window->first_seq + i);
    }
    mem_free(window->ring);
    window->ring = bigger.ring;
    window->capacity = capacity;
}

void window_push(struct window *window, uint64_t epoch, uint64_t seq, struct pdr_bytes payload)
{
    CHECK(seq > 0 && (window->count == 0 || seq == window->first_seq + window->count));
    if (window->count == window->capacity) {
        grow(window);
    }
    struct window_entry *entry = mem_grow(NULL, sizeof *entry + payload.size);
    entry->epoch = epoch;
    entry->size = (uint32_t)payload.size;
    if (payload.size > 0) {
        memcpy(entry->bytes, payload.data, payload.size);
    }
    if (window->count++ == 0) {
        window->first_seq = seq;
    }
    count(window, entry, true);
    *slot(window, seq) = entry;
}

const struct window_entry *window_get(const struct window *window, uint64_t seq)
{
    return seq >= window->first_seq && seq - window->first_seq < window->count ? *slot(window, seq) : NULL;
}

void window_cut(struct window *window, uint64_t seq)
{
    while (window->count > 0 && window->first_seq + window->count - 1 > seq) {
        drop(window, window->first_seq + window->count - 1);
    }
}

void window_trim(struct window *window, uint64_t seq, uint64_t bytes_max)
{
    while (window->count > 0 && window->bytes > bytes_max && window->first_seq <= seq) {
        drop(window, window->first_seq);
        window->first_seq++;
    }
}
