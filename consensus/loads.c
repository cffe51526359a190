/* consensus/loads.c: reports as letters and back, and the newest of each member. A report names the hottest shards;
 * what the others do is known together, and taken to be the same for each. */
#include "consensus/loads.h"

#include <stdlib.h>

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/mem.h"

#define HOT_SIZE 8u

static int by_shard(const void *a, const void *b)
{
    const struct load_hot *x = a, *y = b;
    return x->shard < y->shard ? -1 : x->shard > y->shard;
}

void loads_write(const struct load_report *report, struct letter_load *out, uint8_t room[LETTER_HOT_BYTES_MAX])
{
    struct load_hot hot[LOAD_HOT_MAX];
    memcpy(hot, report->hot, report->hot_count * sizeof *hot);
    qsort(hot, report->hot_count, sizeof *hot, by_shard);
    for (uint32_t i = 0; i < report->hot_count; i++) {
        put_le32(room + i * HOT_SIZE, hot[i].shard);
        put_le32(room + i * HOT_SIZE + 4, hot[i].load);
    }
    out->total = report->total < UINT32_MAX ? report->total : UINT32_MAX;
    out->shards = report->shards;
    out->hot = pdr_bytes(room, report->hot_count * HOT_SIZE);
}

/* In order of shards, none twice, and no more than all. */
static bool read_report(const struct letter_load *letter, struct load_report *out)
{
    uint64_t sum = 0;
    *out = (struct load_report){.total = letter->total, .shards = (uint32_t)letter->shards};
    out->hot_count = (uint32_t)(letter->hot.size / HOT_SIZE);
    if (letter->hot.size % HOT_SIZE != 0 || out->hot_count > LOAD_HOT_MAX || out->hot_count > out->shards) {
        return false;
    }
    for (uint32_t i = 0; i < out->hot_count; i++) {
        const uint8_t *at = (const uint8_t *)letter->hot.data + i * HOT_SIZE;
        out->hot[i] = (struct load_hot){get_le32(at), get_le32(at + 4)};
        sum += out->hot[i].load;
        if (out->hot[i].load == 0 || (i > 0 && out->hot[i].shard <= out->hot[i - 1].shard)) {
            return false;
        }
    }
    return sum <= out->total;
}

static uint32_t place_of(const struct loads *loads, uint64_t node)
{
    uint32_t low = 0, high = loads->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (loads->at[middle].node < node) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct load_said *loads_of(const struct loads *loads, uint64_t node)
{
    uint32_t at = place_of(loads, node);
    return at < loads->count && loads->at[at].node == node ? &loads->at[at] : NULL;
}

bool loads_take(struct loads *loads, uint64_t now_ns, uint64_t node, const struct letter_load *letter)
{
    struct load_said said = {node, letter->incarnation, letter->no, now_ns, {.total = 0}};
    const struct load_said *known = loads_of(loads, node);
    uint32_t at = place_of(loads, node);
    bool is_old = known != NULL && (letter->incarnation < known->incarnation ||
                                    (letter->incarnation == known->incarnation && letter->no <= known->no));
    if (is_old || !read_report(letter, &said.report)) {
        return false;
    }
    if (known == NULL) {
        if (loads->count == loads->capacity) {
            loads->capacity = loads->capacity == 0 ? 8 : 2 * loads->capacity;
            loads->at = mem_grow(loads->at, loads->capacity * sizeof *loads->at);
        }
        memmove(loads->at + at + 1, loads->at + at, (loads->count - at) * sizeof *loads->at);
        loads->count++;
    }
    loads->at[at] = said;
    return true;
}

void loads_forget(struct loads *loads, uint64_t node)
{
    uint32_t at = place_of(loads, node);
    if (loads_of(loads, node) != NULL) {
        loads->count--;
        memmove(loads->at + at, loads->at + at + 1, (loads->count - at) * sizeof *loads->at);
    }
}

uint32_t loads_shard(const struct load_said *said, uint32_t shard)
{
    const struct load_report *report = &said->report;
    uint64_t named = 0;
    for (uint32_t i = 0; i < report->hot_count; i++) {
        if (report->hot[i].shard == shard) {
            return report->hot[i].load;
        }
        named += report->hot[i].load;
    }
    uint32_t others = report->shards - report->hot_count;
    return others == 0 ? 0 : (uint32_t)((report->total - named) / others);
}

void loads_release(struct loads *loads)
{
    mem_free(loads->at);
    *loads = (struct loads){.at = NULL};
}
