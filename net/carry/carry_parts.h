/* net/carry/carry_parts.h: the inside, for the files of this folder. */
#ifndef NET_CARRY_CARRY_PARTS_H
#define NET_CARRY_CARRY_PARTS_H

#include "core/env/peer.h"
#include "core/shard/install.h"
#include "core/shard/shard.h"
#include "net/carry/carry.h"
#include "net/wire/carry_frame.h"

#define CARRY_AGAIN_MS 300u /* a frame that has had no answer is sent again */

/** The last carry that a shard's copy here came from: what is older never replaces it. */
struct carry_mark {
    uint64_t version, number;
};

struct carrier {
    struct core *core;
    struct carrier *const *all;
    struct list out, in, drops;
    struct carry_stats stats;
    uint64_t numbers; /* of the last carry: rises as long as the process lives, and no other process has the same */
    struct carry_mark *marks; /* by shard; the core's own */
    uint32_t mark_count;
    bool closed;
    pdr_writer frame; /* the one that is being made */
};

/* carry.c */

struct shard *carrier_shard(const struct carrier *c, uint32_t shard);
struct carry_mark *carrier_mark(struct carrier *c, uint32_t shard);
/** May be lost. */
void carrier_put(struct carrier *c, uint64_t node, const struct carry_frame *frame);
void carrier_put_over(struct carrier *c, uint64_t node, uint32_t shard, uint64_t number, enum pdr_status status,
                      const char *why);
/** What is here of the shard is being deleted. */
bool carrier_drops(const struct carrier *c, uint32_t shard);
void carrier_set(struct carrier *c, struct timer *timer, uint64_t in_ms);

/* carry_out.c: who leads it */

void carry_out_received(struct carrier *c, uint64_t node, const struct carry_frame *frame);
void carry_out_gone(struct carrier *c, uint64_t node);
void carry_out_close(struct carrier *c);
void carry_out_free(struct carrier *c);

/* carry_in.c: who takes it */

void carry_in_received(struct carrier *c, uint64_t node, const struct carry_frame *frame);
void carry_in_gone(struct carrier *c, uint64_t node);
void carry_in_close(struct carrier *c);
void carry_in_free(struct carrier *c);
bool carry_in_has(const struct carrier *c, uint32_t shard);

#endif
