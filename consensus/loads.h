/* consensus/loads.h: what members say of their load (core/shard/load.h): in letters, and as the directory's leader has
 * it. */
#ifndef CONSENSUS_LOADS_H
#define CONSENSUS_LOADS_H

#include "consensus/letter.h"
#include "core/shard/load.h"

/** What a member said last. Its report's `hot` is in order of shards here. */
struct load_said {
    uint64_t node, incarnation, no;
    uint64_t heard_ns;
    struct load_report report;
};

/** In order of nodes. Zeroes: nobody has said anything. */
struct loads {
    struct load_said *at;
    uint32_t count, capacity;
};

/** The letter of a report; its `hot` is in `room`. */
void loads_write(const struct load_report *report, struct letter_load *out, uint8_t room[LETTER_HOT_BYTES_MAX]);
/** False: it is none, or not newer than what is known. */
bool loads_take(struct loads *loads, uint64_t now_ns, uint64_t node, const struct letter_load *letter);
void loads_forget(struct loads *loads, uint64_t node);
/** NULL: nothing was heard of it. */
const struct load_said *loads_of(const struct loads *loads, uint64_t node);
/** Of one of its shards: as it said, or as much as any that it did not name. */
uint32_t loads_shard(const struct load_said *said, uint32_t shard);
void loads_release(struct loads *loads);

#endif
