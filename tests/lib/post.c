/* tests/lib/post.c: an array of frames, each with a mark whether it was taken. */
#include "tests/lib/post.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/list.h"
#include "core/base/mem.h"

void post_release(struct post *post)
{
    for (uint32_t i = 0; i < post->count; i++) {
        mem_free((void *)(uintptr_t)post->at[i].frame.data);
    }
    mem_free(post->at);
    *post = (struct post){0};
}

void post_put(struct post *post, uint64_t from, uint64_t to, enum peer_kind kind, struct pdr_bytes frame)
{
    uint8_t *copy = mem_grow(NULL, frame.size + 1);
    memcpy(copy, frame.data, frame.size);
    if (post->count == post->capacity) {
        post->capacity = post->capacity == 0 ? 64 : 2 * post->capacity;
        post->at = mem_grow(post->at, post->capacity * sizeof *post->at);
    }
    post->at[post->count++] = (struct posted){from, to, kind, pdr_bytes(copy, frame.size), false};
}

void post_put_letter(struct post *post, uint64_t from, uint64_t to, const struct letter *letter)
{
    pdr_writer writer = {0};
    letter_write(&writer, letter);
    post_put(post, from, to, PEER_DIRECTORY, pdr_written(&writer));
    pdr_writer_release(&writer);
}

static bool read(const struct posted *posted, enum letter_kind kind, struct letter *out)
{
    struct fault fault;
    if (posted->taken || posted->kind != PEER_DIRECTORY) {
        return false;
    }
    CHECK(letter_read(posted->frame, out, &fault) == PDR_OK);
    return out->kind == kind;
}

bool post_take(struct post *post, uint64_t to, enum letter_kind kind, struct letter *out)
{
    for (uint32_t i = 0; i < post->count; i++) {
        if (post->at[i].to == to && read(&post->at[i], kind, out)) {
            post->at[i].taken = true;
            return true;
        }
    }
    return false;
}

uint32_t post_drop(struct post *post, enum letter_kind kind)
{
    struct letter letter;
    uint32_t dropped = 0;
    for (uint32_t i = 0; i < post->count; i++) {
        if (read(&post->at[i], kind, &letter)) {
            post->at[i].taken = true;
            dropped++;
        }
    }
    return dropped;
}

static uint64_t now_ns(struct clock *clock)
{
    return LIST_ITEM(clock, struct hand_clock, clock)->now_ns;
}

static int64_t wall_ms(struct clock *clock)
{
    return (int64_t)(now_ns(clock) / NS_PER_MS);
}

void hand_clock_init(struct hand_clock *clock, uint64_t at_ns)
{
    *clock = (struct hand_clock){{now_ns, wall_ms, now_ns}, at_ns};
}
