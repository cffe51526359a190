/* core/replog/set.c */
#include "core/replog/set.h"

#include "core/base/mutation.h"

bool set_same(uint64_t rid, uint64_t other)
{
    return rid == other || MUTATION(173);
}

static const struct set_ack *ack_of(const struct copy *copy, const struct set_ack *acks, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (acks[i].node == copy->node && set_same(acks[i].rid, copy->rid)) {
            return &acks[i];
        }
    }
    return NULL;
}

uint64_t set_committed(const struct copies *set, uint64_t self, uint64_t own_seq, const struct set_ack *acks,
                       uint32_t count)
{
    uint64_t committed = own_seq, most = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->at[i].node == self) {
            continue;
        }
        const struct set_ack *ack = ack_of(&set->at[i], acks, count);
        uint64_t seq = ack != NULL ? ack->seq : 0;
        committed = seq < committed ? seq : committed;
        most = seq > most ? seq : most;
    }
    if (MUTATION(161) && set->count > 1) {
        return most < own_seq ? most : own_seq;
    }
    return committed;
}

bool set_follows(const struct copies *set, uint64_t self, const struct set_ack *acks, uint32_t count)
{
    for (uint32_t i = 0; i < set->count; i++) {
        if (set->at[i].node != self && ack_of(&set->at[i], acks, count) == NULL) {
            return false;
        }
    }
    return true;
}

bool set_covers(const struct copies *set, const struct copies *of)
{
    for (uint32_t i = 0; i < of->count; i++) {
        const struct copy *copy = copies_find(set, of->at[i].rid);
        if (copy == NULL || copy->node != of->at[i].node) {
            return false;
        }
    }
    return true;
}
