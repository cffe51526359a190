/* core/shard/turn_memory.c: memory that lives until the turn ends: slices handed out, replies, what a scan keeps. Taken
 * from chunks that double, so that a turn of ten thousand calls asks the heap a few times and gives it back at once. */
#include <stdalign.h>

#include "core/base/mem.h"
#include "core/shard/turn.h"

#define CHUNK_FIRST 496u /* with the heap's own word: a size it keeps at hand */
#define CHUNK_MAX (64u << 10)

struct turn_chunk {
    struct turn_chunk *next;
    size_t size, used;
    alignas(max_align_t) uint8_t data[];
};

/* A block of somebody else's, freed with the turn's own memory. */
struct turn_held {
    struct turn_held *next;
    void *block;
};

static size_t chunk_size(const struct turn *turn, size_t need)
{
    size_t last = turn->chunks != NULL ? turn->chunks->size + sizeof *turn->chunks : CHUNK_FIRST / 2;
    size_t size = (last < CHUNK_MAX / 2 ? last * 2 : CHUNK_MAX) - sizeof *turn->chunks;
    return size < need ? need : size;
}

static void *take(struct turn_chunk *chunk, size_t size)
{
    void *memory = chunk->data + chunk->used;
    chunk->used += size;
    return memory;
}

static void *take_new(struct turn *turn, struct turn_chunk *chunk, size_t chunk_size, size_t size)
{
    chunk->next = turn->chunks;
    chunk->size = chunk_size;
    chunk->used = 0;
    turn->chunks = chunk;
    return take(chunk, size);
}

static bool has_room(const struct turn *turn, size_t size)
{
    return turn->chunks != NULL && turn->chunks->size - turn->chunks->used >= size;
}

void *turn_alloc(struct turn *turn, size_t size)
{
    size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (has_room(turn, size)) {
        return take(turn->chunks, size);
    }
    size_t new_size = chunk_size(turn, size);
    struct turn_chunk *chunk = mem_try(sizeof *chunk + new_size);
    return chunk != NULL ? take_new(turn, chunk, new_size, size) : NULL;
}

void turn_hold(struct turn *turn, void *block)
{
    if (block == NULL) {
        return;
    }
    struct turn_held *held;
    if (has_room(turn, sizeof *held)) {
        held = take(turn->chunks, sizeof *held);
    } else { /* must not fail: what is in use would be freed or lost */
        size_t new_size = CHUNK_FIRST - sizeof(struct turn_chunk);
        held = take_new(turn, mem_new(CHUNK_FIRST), new_size, sizeof *held);
    }
    held->next = turn->held;
    held->block = block;
    turn->held = held;
}

/* What others may have slices of outlives the turn that keeps it, so its nodes lie in no turn's chunks. */
void turn_keep(const struct activation *a, const struct turn *except, void *block)
{
    struct turn *newest = a->turn != except || except == NULL ? a->turn : except->older;
    if (newest == NULL || block == NULL) {
        mem_free(block);
        return;
    }
    struct turn_held *held = mem_new(sizeof *held);
    held->next = newest->kept;
    held->block = block;
    newest->kept = held;
}

static void free_kept(struct turn *turn)
{
    while (turn->kept != NULL) {
        struct turn_held *held = turn->kept;
        turn->kept = held->next;
        mem_free(held->block);
        mem_free(held);
    }
}

/* Turns that began later never saw what was replaced before. */
static void hand_down(struct turn *turn)
{
    struct turn_held **end = &turn->kept;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = turn->older->kept;
    turn->older->kept = turn->kept;
    turn->kept = NULL;
}

void turn_leave(struct turn *turn)
{
    if (turn->older == NULL) {
        free_kept(turn);
    } else {
        hand_down(turn);
        turn->older->newer = turn->newer;
    }
    if (turn->newer != NULL) {
        turn->newer->older = turn->older;
    } else {
        turn->activation->turn = turn->older;
    }
}

void turn_free_memory(struct turn *turn)
{
    for (; turn->held != NULL; turn->held = turn->held->next) {
        mem_free(turn->held->block);
    }
    while (turn->chunks != NULL) {
        struct turn_chunk *chunk = turn->chunks;
        turn->chunks = chunk->next;
        mem_free(chunk);
    }
}
