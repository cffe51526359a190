/* net/carry/carry_in.c: the rows of a shard come, as fast as they can be written, and become a copy of it.
 *
 * A copy that the directory counts is never replaced: of two offers the one by the newer row is newer, of two by the
 * same row that with the higher number; and none is taken that is older than the row that is known here. */
#include <stdio.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cluster_map.h"
#include "core/shard/duty.h"
#include "net/carry/carry_parts.h"

#define ALIVE_MS 500u   /* who waits for us hears that we work */
#define WRITE_MS 20000u /* no step takes longer: else there is no room, or no working disk */
#define DONE_MS 5000u   /* how long it is said that the copy is complete */

enum in_state {
    IN_BEGINS, /* the generation is announced, and emptied */
    IN_PULLS,
    IN_WRITES, /* a chunk, which is borrowed meanwhile */
    IN_ENDS,
    IN_DONE, /* and the other side may not know it yet */
};

struct carry_in {
    struct list node;
    struct carrier *carrier;
    uint64_t from, number, rid;
    uint32_t shard;
    enum in_state state;
    bool is_over;      /* WRITES: it ends with this step */
    bool is_installed; /* the shard has begun to take it, or has it */
    struct keys_meta meta;
    uint32_t chunk_no, chunk_size, chunk_capacity, have;
    uint8_t *chunk;
    uint64_t heard_ns, step_ns; /* when the other side was last heard, and the step began */
    struct timer timer;
};

static void free_in(struct carry_in *in)
{
    timer_cancel(&in->carrier->core->wheel, &in->timer);
    list_remove(&in->node);
    mem_free(in->chunk);
    mem_free(in);
}

/* Nothing of it is kept, unless it was all there. */
static void drop(struct carry_in *in)
{
    if (in->state == IN_WRITES) {
        in->is_over = true;
        return;
    }
    in->carrier->stats.refused += in->state != IN_DONE;
    if (in->state != IN_DONE && in->is_installed) {
        shard_install_abort(in->carrier->core, in->shard);
    }
    free_in(in);
}

static void refuse(struct carry_in *in, enum pdr_status status, const char *why)
{
    LOG_INFO("carry.refused", "shard=%u from=%016llx why=\"%s\"", in->shard, (unsigned long long)in->from, why);
    carrier_put_over(in->carrier, in->from, in->shard, in->number, status, why);
    drop(in);
}

static void enter(struct carry_in *in, enum in_state state)
{
    in->state = state;
    in->step_ns = core_now_ns(in->carrier->core);
}

static void ask(struct carry_in *in)
{
    carrier_put(in->carrier, in->from,
                &(struct carry_frame){.kind = CARRY_FRAME_NEXT,
                                      .shard = in->shard,
                                      .number = in->number,
                                      .next = {.chunk = in->chunk_no, .offset = in->have}});
}

static void say_done(struct carry_in *in)
{
    carrier_put(in->carrier, in->from,
                &(struct carry_frame){
                    .kind = CARRY_FRAME_DONE, .shard = in->shard, .number = in->number, .done = {.rid = in->rid}});
}

/* Steps. */

static void failed(struct carry_in *in, enum pdr_status status)
{
    char why[200];
    in->is_installed = in->state != IN_BEGINS || status != PDR_INVALID;
    snprintf(why, sizeof why, "%s", shard_install_why(in->carrier->core, in->shard));
    if (in->state == IN_WRITES) {
        enter(in, IN_PULLS); /* nothing is borrowed any more */
    }
    refuse(in, status, why[0] != 0 ? why : "the shard is in use there, or a copy of it is");
}

static void stepped(void *user, uint32_t shard, enum pdr_status status)
{
    struct carry_in *in = user;
    if (in->is_over) {
        enter(in, IN_PULLS);
        drop(in);
    } else if (status != PDR_OK) {
        failed(in, status);
    } else {
        in->chunk_no += in->state == IN_WRITES;
        in->have = 0;
        enter(in, IN_PULLS);
        ask(in);
    }
}

static void ended(void *user, uint32_t shard, enum pdr_status status)
{
    struct carry_in *in = user;
    if (status != PDR_OK) {
        failed(in, status);
        return;
    }
    in->carrier->stats.taken++;
    enter(in, IN_DONE);
    say_done(in);
}

static void take_bytes(struct carry_in *in, const struct carry_frame_part *part)
{
    if (in->have + part->bytes.size > in->chunk_capacity) {
        uint64_t capacity = 2 * (in->have + part->bytes.size); /* asked for as it comes, whatever is said of the size */
        in->chunk_capacity = (uint32_t)(capacity < part->size ? capacity : part->size);
        in->chunk = mem_grow(in->chunk, in->chunk_capacity);
    }
    memcpy(in->chunk + in->have, part->bytes.data, part->bytes.size);
    in->have += (uint32_t)part->bytes.size;
}

static void part(struct carry_in *in, const struct carry_frame_part *part)
{
    struct core *core = in->carrier->core;
    if (in->state != IN_PULLS || part->chunk != in->chunk_no || part->offset != in->have || core->frozen) {
        return; /* it was asked for twice */
    }
    if (in->have > 0 && part->size != in->chunk_size) {
        refuse(in, PDR_INVALID, "a chunk changed its size on the way");
        return;
    }
    in->chunk_size = part->size;
    if (part->size == 0) {
        enter(in, IN_ENDS);
        shard_install_end(core, in->shard, &in->meta, ended, in);
        return;
    }
    take_bytes(in, part);
    if (in->have < in->chunk_size) {
        ask(in);
        return;
    }
    enter(in, IN_WRITES);
    shard_install_chunk(core, in->shard, pdr_bytes(in->chunk, in->have), stepped, in);
}

static void look(struct timer *timer)
{
    struct carry_in *in = LIST_ITEM(timer, struct carry_in, timer);
    uint64_t now = core_now_ns(in->carrier->core);
    uint64_t step_ms = (now - in->step_ns) / NS_PER_MS, silent_ms = (now - in->heard_ns) / NS_PER_MS;
    if (in->state == IN_DONE && step_ms >= DONE_MS) {
        free_in(in);
        return;
    }
    if (in->state == IN_PULLS && silent_ms >= CARRY_SILENCE_MS) {
        refuse(in, PDR_UNAVAILABLE, "nothing comes any more");
        return;
    }
    if ((in->state == IN_BEGINS || in->state == IN_ENDS) && step_ms >= WRITE_MS) {
        refuse(in, PDR_NO_SPACE, "the disk takes nothing");
        return;
    }
    if (in->state == IN_DONE) {
        say_done(in);
    } else if (in->state != IN_BEGINS && !in->is_over) {
        ask(in);
    }
    carrier_set(in->carrier, &in->timer, in->state == IN_PULLS || in->state == IN_DONE ? CARRY_AGAIN_MS : ALIVE_MS);
}

/* Offers. */

static struct carry_in *find(const struct carrier *c, uint32_t shard)
{
    for (struct list *at = c->in.next; at != &c->in; at = at->next) {
        struct carry_in *in = LIST_ITEM(at, struct carry_in, node);
        if (in->shard == shard) {
            return in;
        }
    }
    return NULL;
}

bool carry_in_has(const struct carrier *c, uint32_t shard)
{
    return find(c, shard) != NULL;
}

static bool is_newer(const struct carry_mark *mark, uint64_t version, uint64_t number)
{
    return version > mark->version || (version == mark->version && number > mark->number);
}

/* NULL: it may come. */
static const char *why_not(struct carrier *c, uint64_t node, const struct carry_frame *frame, struct keys_meta *meta)
{
    const struct shard *shard = carrier_shard(c, frame->shard);
    const struct cluster_owner *owner = cluster_map_owner(c->core->map, frame->shard);
    uint32_t count = 0;
    for (struct list *at = c->in.next; at != &c->in; at = at->next) {
        count++;
    }
    if (c->core->stopping || c->core->frozen) {
        return "the node is stopping";
    }
    if (shard == NULL || owner == NULL || shard->state != DUTY_CLOSED || carrier_drops(c, frame->shard)) {
        return "the shard is not known there yet, or is in use";
    }
    if (owner->cv > frame->offer.version || owner->epoch > frame->offer.epoch ||
        !is_newer(carrier_mark(c, frame->shard), frame->offer.version, frame->number)) {
        return "a newer row of the shard is known there, or a newer copy";
    }
    if (owner->cv == frame->offer.version && owner->node != node) {
        return "by the row that is known there another node leads the shard";
    }
    if (keys_meta_decode(frame->offer.meta, meta) != PDR_OK || meta->applied_epoch > frame->offer.epoch) {
        return "what the rows are as of makes no sense";
    }
    return count < CARRY_IN_MAX ? NULL : "too many shards come at once";
}

static void begin(struct carrier *c, uint64_t node, const struct carry_frame *frame)
{
    struct carry_in *in = mem_new(sizeof *in);
    const char *why = why_not(c, node, frame, &in->meta);
    if (why != NULL) {
        mem_free(in);
        carrier_put_over(c, node, frame->shard, frame->number, PDR_UNAVAILABLE, why);
        return;
    }
    *carrier_mark(c, frame->shard) = (struct carry_mark){frame->offer.version, frame->number};
    in->carrier = c;
    in->from = node;
    in->number = frame->number;
    in->shard = frame->shard;
    in->rid = rng_next(&c->core->rng) | 1;
    in->heard_ns = core_now_ns(c->core);
    timer_init(&in->timer, look);
    list_push_back(&c->in, &in->node);
    enter(in, IN_BEGINS);
    in->is_installed = true;
    carrier_set(c, &in->timer, CARRY_AGAIN_MS);
    shard_install(c->core, in->shard, in->rid, stepped, in);
}

void carry_in_received(struct carrier *c, uint64_t node, const struct carry_frame *frame)
{
    struct carry_in *in = find(c, frame->shard);
    bool is_it = in != NULL && in->number == frame->number && in->from == node;
    if (frame->kind == CARRY_FRAME_OFFER) {
        if (in != NULL && !is_it && is_newer(carrier_mark(c, frame->shard), frame->offer.version, frame->number)) {
            drop(in); /* who offers anew has given up the old one; it is offered again */
        } else if (in == NULL) {
            begin(c, node, frame);
        }
        return;
    }
    if (!is_it) {
        return;
    }
    in->heard_ns = core_now_ns(c->core);
    if (frame->kind == CARRY_FRAME_PART) {
        part(in, &frame->part);
    } else if (frame->kind == CARRY_FRAME_OVER) {
        drop(in);
    }
}

void carry_in_gone(struct carrier *c, uint64_t node)
{
    for (struct list *at = c->in.next, *next; at != &c->in; at = next) {
        struct carry_in *in = LIST_ITEM(at, struct carry_in, node);
        next = at->next;
        if (in->from == node) {
            drop(in);
        }
    }
}

/* End. */

void carry_in_close(struct carrier *c)
{
    for (struct list *at = c->in.next; at != &c->in; at = at->next) {
        struct carry_in *in = LIST_ITEM(at, struct carry_in, node);
        timer_cancel(&c->core->wheel, &in->timer);
        if (in->state != IN_DONE) {
            carrier_put_over(c, in->from, in->shard, in->number, PDR_CANCELLED, "the node is stopping");
        }
    }
}

void carry_in_free(struct carrier *c)
{
    while (!list_empty(&c->in)) {
        free_in(LIST_ITEM(c->in.next, struct carry_in, node));
    }
}
