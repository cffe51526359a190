/* net/carry/carry.c: frames, to the core that has the shard and from there; copies that are not needed any more. */
#include "net/carry/carry.h"

#include <stdio.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/cluster_map.h"
#include "core/shard/duty.h"
#include "net/carry/carry_parts.h"

struct shard *carrier_shard(const struct carrier *c, uint32_t shard)
{
    return shard < c->core->shard_count ? c->core->shards[shard] : NULL;
}

struct carry_mark *carrier_mark(struct carrier *c, uint32_t shard)
{
    if (shard >= c->mark_count) {
        uint32_t count = c->core->shard_count;
        c->marks = mem_grow(c->marks, count * sizeof *c->marks);
        memset(c->marks + c->mark_count, 0, (count - c->mark_count) * sizeof *c->marks);
        c->mark_count = count;
    }
    return &c->marks[shard];
}

void carrier_set(struct carrier *c, struct timer *timer, uint64_t in_ms)
{
    timer_set(&c->core->wheel, timer, core_now_ns(c->core) + in_ms * NS_PER_MS);
}

/* Frames. */

void carrier_put(struct carrier *c, uint64_t node, const struct carry_frame *frame)
{
    if (c->closed) {
        return;
    }
    pdr_writer_clear(&c->frame);
    carry_frame_put(&c->frame, frame);
    (void)!peer_send(c->core->world.peers, node, 0, PEER_CARRY, pdr_written(&c->frame)); /* or it is lost */
}

void carrier_put_over(struct carrier *c, uint64_t node, uint32_t shard, uint64_t number, enum pdr_status status,
                      const char *why)
{
    size_t size = strlen(why);
    size = size < CARRY_FRAME_TEXT_MAX ? size : CARRY_FRAME_TEXT_MAX;
    carrier_put(c, node,
                &(struct carry_frame){.kind = CARRY_FRAME_OVER,
                                      .shard = shard,
                                      .number = number,
                                      .over = {.status = (uint8_t)status, .text = pdr_bytes(why, size)}});
}

static void take(struct carrier *c, uint64_t node, const struct carry_frame *frame)
{
    if (c->closed) {
        return;
    }
    switch (frame->kind) {
    case CARRY_FRAME_OFFER:
    case CARRY_FRAME_PART:
        carry_in_received(c, node, frame);
        break;
    case CARRY_FRAME_NEXT:
    case CARRY_FRAME_DONE:
        carry_out_received(c, node, frame);
        break;
    case CARRY_FRAME_OVER: /* the number is either side's */
        carry_in_received(c, node, frame);
        carry_out_received(c, node, frame);
        break;
    case CARRY_FRAME_KIND_COUNT:
        break;
    }
}

/* To the core that has the shard. */

struct carry_parcel {
    struct message message;
    struct carrier *to;
    uint64_t node;
    size_t size;
    uint8_t bytes[];
};

static void arrive(struct carrier *c, uint64_t node, struct pdr_bytes bytes, bool may_go_on);

static void unpack(struct message *message)
{
    struct carry_parcel *parcel = LIST_ITEM(message, struct carry_parcel, message);
    if (!parcel->to->core->dead) {
        arrive(parcel->to, parcel->node, pdr_bytes(parcel->bytes, parcel->size), false);
    }
    mem_free(parcel);
}

static void arrive(struct carrier *c, uint64_t node, struct pdr_bytes bytes, bool may_go_on)
{
    struct carry_frame frame;
    const char *why = "";
    if (carry_frame_get(bytes, &frame, &why) != PDR_OK) {
        LOG_ERROR("carry.garbage", "node=%016llx why=\"%s\"", (unsigned long long)node, why);
        return;
    }
    uint32_t index = cluster_map_core(c->core->map, frame.shard);
    if (index == c->core->index || !may_go_on) {
        take(c, node, &frame);
        return;
    }
    struct carry_parcel *parcel = mem_new(sizeof *parcel + bytes.size);
    *parcel =
        (struct carry_parcel){.message = {.deliver = unpack}, .to = c->all[index], .node = node, .size = bytes.size};
    memcpy(parcel->bytes, bytes.data, bytes.size);
    loop_post(parcel->to->core->world.loop, &parcel->message);
}

static void received(void *user, uint64_t node, uint64_t life, struct pdr_bytes frame)
{
    arrive(user, node, frame, true);
}

/* With other numbers of cores another core of ours has the link by which the other side answers: then it is silence
 * that tells. */
static void gone(void *user, uint64_t node, uint64_t life, const char *why)
{
    struct carrier *c = user;
    if (!c->closed) {
        carry_out_gone(c, node);
        carry_in_gone(c, node);
    }
}

static const struct peer_handler handler = {.received = received, .gone = gone};

/* Copies that are not needed any more. */

struct carry_drop {
    struct list node;
    struct carrier *carrier;
    uint32_t shard;
    void (*done)(void *user, uint32_t shard);
    void *user;
};

static void dropped(void *user, uint32_t shard, enum pdr_status status)
{
    struct carry_drop *drop = user;
    if (status != PDR_OK && status != PDR_INVALID) { /* later then */
        shard_install_abort(drop->carrier->core, shard);
    }
    drop->carrier->stats.dropped += status == PDR_OK;
    list_remove(&drop->node);
    drop->done(drop->user, shard);
    mem_free(drop);
}

bool carrier_drops(const struct carrier *c, uint32_t shard)
{
    for (const struct list *at = c->drops.next; at != &c->drops; at = at->next) {
        if (LIST_ITEM(at, struct carry_drop, node)->shard == shard) {
            return true;
        }
    }
    return false;
}

void carrier_drop(struct carrier *c, uint32_t id, uint64_t version, void (*done)(void *user, uint32_t shard),
                  void *user)
{
    const struct shard *shard = carrier_shard(c, id);
    if (c->closed || c->core->frozen || shard == NULL || shard->state != DUTY_CLOSED || shard->last_seq == 0 ||
        carry_in_has(c, id) || carrier_drops(c, id) || carrier_mark(c, id)->version >= version) {
        done(user, id);
        return;
    }
    struct carry_drop *drop = mem_new(sizeof *drop);
    *drop = (struct carry_drop){.carrier = c, .shard = id, .done = done, .user = user};
    list_push_back(&c->drops, &drop->node);
    shard_drop(c->core, id, dropped, drop);
}

/* Beginning and end. */

const struct carry_stats *carrier_stats(const struct carrier *c)
{
    return &c->stats;
}

struct carrier *carrier_new(struct core *core, struct carrier *const *all)
{
    struct carrier *c = mem_new(sizeof *c);
    c->core = core;
    c->all = all;
    c->numbers = rng_next(&core->rng) << 32;
    list_init(&c->out);
    list_init(&c->in);
    list_init(&c->drops);
    pdr_writer_init(&c->frame, NULL, 0, 0);
    peer_listen(core->world.peers, PEER_CARRY, &handler, c);
    return c;
}

void carrier_resume(struct carrier *c, uint32_t id, uint64_t epoch)
{
    const struct shard *shard = carrier_shard(c, id);
    if (shard != NULL && shard->state == DUTY_RELEASED && shard->epoch == epoch) {
        shard_resume(c->core, id);
    }
}

void carrier_close(struct carrier *c)
{
    carry_out_close(c);
    carry_in_close(c);
    c->closed = true;
}

void carrier_free(struct carrier *c)
{
    struct list *node;
    carry_out_free(c);
    carry_in_free(c);
    while ((node = list_pop(&c->drops)) != NULL) {
        mem_free(LIST_ITEM(node, struct carry_drop, node));
    }
    pdr_writer_release(&c->frame);
    mem_free(c->marks);
    mem_free(c);
}
