/* net/client/slots.c: the table of calls; free slots are used again last in, first out, so that few are warm. */
#include "net/client/slots.h"

#include "core/base/mem.h"

void slots_init(struct slots *slots, uint32_t count_max, bool is_ring)
{
    *slots = (struct slots){.count_max = count_max, .is_ring = is_ring, .next_number = 1};
    while (1u << slots->index_bits < count_max + !is_ring) { /* the last index is nobody's, nor is that msgid */
        slots->index_bits++;
    }
    uint32_t size = is_ring ? 1u << slots->index_bits : count_max;
    slots->table = mem_new(size * sizeof *slots->table);
    for (; is_ring && slots->touched < size; slots->touched++) {
        timer_init(&slots->table[slots->touched].deadline, NULL);
    }
}

void slots_release(struct slots *slots)
{
    mem_free(slots->table);
    slots->table = NULL;
}

static struct slot *place_of(const struct slots *slots, uint64_t number)
{
    return &slots->table[number & ((1u << slots->index_bits) - 1)];
}

struct slot *slots_at(const struct slots *slots, uint64_t number)
{
    struct slot *slot = place_of(slots, number);
    return slot->cb != NULL && slot->number == number ? slot : NULL;
}

/* Its place may be taken by a call that is as old as the ring is long. */
static struct slot *take_next(struct slots *slots)
{
    while ((uint32_t)slots->next_number == 0 || (uint32_t)slots->next_number == UINT32_MAX) {
        slots->next_number++; /* those msgids are hello's and the map's */
    }
    struct slot *slot = place_of(slots, slots->next_number);
    if (slot->cb != NULL || slots->outstanding >= slots->count_max) {
        return NULL;
    }
    slot->number = slots->next_number++;
    slots->outstanding++;
    return slot;
}

struct slot *slots_take(struct slots *slots)
{
    struct slot *slot;
    if (slots->is_ring) {
        return take_next(slots);
    }
    if (slots->first_free != 0) {
        slot = &slots->table[slots->first_free - 1];
        slots->first_free = slot->next_free;
    } else if (slots->touched < slots->count_max) {
        slot = &slots->table[slots->touched++];
        timer_init(&slot->deadline, NULL);
    } else {
        return NULL;
    }
    slots->outstanding++;
    return slot;
}

void slots_give(struct slots *slots, struct slot *slot)
{
    slot->cb = NULL;
    slots->outstanding--;
    if (!slots->is_ring) {
        slot->uses++;
        slot->next_free = slots->first_free;
        slots->first_free = (uint32_t)(slot - slots->table) + 1;
    }
}

uint32_t slots_msgid(const struct slots *slots, const struct slot *slot)
{
    if (slots->is_ring) {
        return (uint32_t)slot->number;
    }
    return (slot->uses << slots->index_bits) | (uint32_t)(slot - slots->table);
}

struct slot *slots_find(struct slots *slots, uint64_t msgid)
{
    uint32_t index = (uint32_t)msgid & ((1u << slots->index_bits) - 1);
    if (index >= slots->touched) {
        return NULL;
    }
    struct slot *slot = &slots->table[index];
    return slot->cb != NULL && slots_msgid(slots, slot) == msgid ? slot : NULL;
}
