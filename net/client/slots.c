/* net/client/slots.c: the table of calls; free slots are used again last in, first out, so that few are warm. */
#include "net/client/slots.h"

#include "core/base/mem.h"

void slots_init(struct slots *slots, uint32_t count_max)
{
    *slots = (struct slots){.count_max = count_max};
    slots->table = mem_new(count_max * sizeof *slots->table);
    while (1u << slots->index_bits < count_max) {
        slots->index_bits++;
    }
}

void slots_release(struct slots *slots)
{
    mem_free(slots->table);
    slots->table = NULL;
}

struct slot *slots_take(struct slots *slots)
{
    struct slot *slot;
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
    slot->uses++;
    slot->next_free = slots->first_free;
    slots->first_free = (uint32_t)(slot - slots->table) + 1;
    slots->outstanding--;
}

uint32_t slots_msgid(const struct slots *slots, const struct slot *slot)
{
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
