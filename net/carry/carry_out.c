/* net/carry/carry_out.c: a shard stands still, and its rows leave as the other side asks for them. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/shard/commit.h"
#include "core/shard/duty.h"
#include "net/carry/carry_parts.h"

#define LOOK_MS 1u /* whether the store has caught up */

enum out_state {
    OUT_RELEASES, /* turns end */
    OUT_APPLIES,  /* the store catches up */
    OUT_OPENS,    /* the snapshot is taken */
    OUT_OFFERS,   /* until the first NEXT */
    OUT_SENDS,
};

struct carry_out {
    struct list node;
    struct carrier *carrier;
    struct carry_order order;
    uint64_t number;
    enum out_state state;
    struct shard_export *rows; /* NULL: not open */
    bool is_reading;
    bool has_chunk, is_end; /* is_end: that of `chunk_no` is none */
    uint32_t chunk_no, wanted_offset;
    struct pdr_bytes chunk;
    uint64_t begun_ns, heard_ns;
    struct timer timer;
    carry_ended ended;
    void *user;
};

/* It stands still for this carry. */
static bool is_held(const struct carry_out *o)
{
    const struct shard *shard = carrier_shard(o->carrier, o->order.shard);
    return shard->state == DUTY_RELEASED && shard->epoch == o->order.epoch;
}

static void free_out(struct carry_out *o)
{
    timer_cancel(&o->carrier->core->wheel, &o->timer);
    list_remove(&o->node);
    if (o->rows != NULL) {
        shard_export_end(o->rows);
    }
    mem_free(o);
}

static void end(struct carry_out *o, uint64_t rid, const char *why)
{
    carry_ended ended = o->ended;
    void *user = o->user;
    struct carry_order order = o->order;
    free_out(o);
    ended(user, &order, rid, why);
}

static void fail(struct carry_out *o, const char *why)
{
    struct carrier *c = o->carrier;
    uint32_t shard = o->order.shard;
    bool resumes = is_held(o);
    if (o->state >= OUT_OFFERS) {
        carrier_put_over(c, o->order.node, shard, o->number, PDR_CANCELLED, why);
    }
    c->stats.given_up++;
    LOG_INFO("carry.given_up", "shard=%u node=%016llx why=\"%s\"", shard, (unsigned long long)o->order.node, why);
    end(o, 0, why);
    if (resumes) {
        shard_resume(c->core, shard);
    }
}

/* The rows. */

static void put_part(struct carry_out *o)
{
    uint32_t offset = o->wanted_offset;
    if (offset > o->chunk.size) {
        fail(o, "the other node asked for what is behind a chunk's end");
        return;
    }
    size_t size = o->chunk.size - offset < CARRY_FRAME_PART_MAX ? o->chunk.size - offset : CARRY_FRAME_PART_MAX;
    if (size == 0 && !o->is_end) {
        fail(o, "the other node asked for what is behind a chunk's end");
        return;
    }
    o->carrier->stats.bytes_sent += size;
    carrier_put(o->carrier, o->order.node,
                &(struct carry_frame){.kind = CARRY_FRAME_PART,
                                      .shard = o->order.shard,
                                      .number = o->number,
                                      .part = {.chunk = o->chunk_no,
                                               .offset = offset,
                                               .size = (uint32_t)o->chunk.size,
                                               .bytes = pdr_bytes((const uint8_t *)o->chunk.data + offset, size)}});
}

static void chunk_read(void *user, struct pdr_bytes chunk, enum pdr_status status)
{
    struct carry_out *o = user;
    o->is_reading = false;
    if (o->carrier->closed) {
        return;
    }
    if (status != PDR_OK) {
        fail(o, "the store cannot be read");
        return;
    }
    o->chunk = chunk;
    o->is_end = chunk.size == 0;
    put_part(o);
}

static void next(struct carry_out *o, const struct carry_frame_next *wanted)
{
    bool is_same = o->has_chunk && wanted->chunk == o->chunk_no;
    bool is_next = wanted->chunk == (o->has_chunk ? o->chunk_no + 1 : 0) && !o->is_end;
    o->state = OUT_SENDS;
    if (o->is_reading || (!is_same && !is_next)) {
        return; /* it comes, or was overtaken */
    }
    o->wanted_offset = wanted->offset;
    if (is_same) {
        put_part(o);
        return;
    }
    o->has_chunk = true;
    o->chunk_no = wanted->chunk;
    if (!o->carrier->core->frozen) {
        o->is_reading = true;
        shard_export_next(o->rows, chunk_read, o);
    }
}

/* Beginning. */

static void offer(struct carry_out *o)
{
    uint8_t meta[KEYS_META_SIZE_MAX];
    size_t size = keys_meta_encode(meta, shard_export_meta(o->rows));
    carrier_put(o->carrier, o->order.node,
                &(struct carry_frame){
                    .kind = CARRY_FRAME_OFFER,
                    .shard = o->order.shard,
                    .number = o->number,
                    .offer = {.epoch = o->order.epoch, .version = o->order.version, .meta = pdr_bytes(meta, size)}});
}

static void opened(void *user, struct shard_export *rows, enum pdr_status status)
{
    struct carry_out *o = user;
    o->rows = rows;
    o->state = OUT_OFFERS;
    if (o->carrier->closed) {
        return;
    }
    const struct shard *shard = carrier_shard(o->carrier, o->order.shard);
    if (status != PDR_OK) {
        fail(o, "the store cannot be read");
    } else if (!is_held(o) || (shard_export_meta(rows)->applied_seq != shard->last_seq && !MUTATION(191))) {
        fail(o, "the shard went on while its rows were to be read");
    } else {
        o->heard_ns = core_now_ns(o->carrier->core);
        offer(o);
        carrier_set(o->carrier, &o->timer, CARRY_AGAIN_MS);
    }
}

static void apply(struct carry_out *o)
{
    struct core *core = o->carrier->core;
    const struct shard *shard = carrier_shard(o->carrier, o->order.shard);
    if (core->frozen || o->carrier->closed) {
        return; /* the node ends */
    }
    if (shard->applied_seq < shard->last_seq && !MUTATION(191)) {
        apply_now(core);
        carrier_set(o->carrier, &o->timer, LOOK_MS);
        return;
    }
    o->state = OUT_OPENS;
    shard_export(core, o->order.shard, opened, o);
}

static void released(void *user, uint32_t shard, enum pdr_status status)
{
    struct carry_out *o = user;
    if (status != PDR_OK) {
        fail(o, status == PDR_DEADLINE ? "its turns did not end in time" : "it is not served here, or not any more");
        return;
    }
    o->state = OUT_APPLIES;
    apply(o);
}

static void look(struct timer *timer)
{
    struct carry_out *o = LIST_ITEM(timer, struct carry_out, timer);
    uint64_t silent_ns = core_now_ns(o->carrier->core) - o->heard_ns;
    if (!is_held(o)) {
        fail(o, "another row says who leads it");
    } else if (o->state == OUT_APPLIES) {
        apply(o);
    } else if (silent_ns >= CARRY_SILENCE_MS * NS_PER_MS) {
        fail(o, "the other node does not answer");
    } else {
        if (o->state == OUT_OFFERS) {
            offer(o);
        }
        carrier_set(o->carrier, &o->timer, CARRY_AGAIN_MS);
    }
}

void carrier_send(struct carrier *c, const struct carry_order *order, carry_ended ended, void *user)
{
    const struct shard *shard = carrier_shard(c, order->shard);
    if (c->closed || c->core->frozen || shard == NULL || shard->state != DUTY_OPEN || shard->epoch != order->epoch) {
        ended(user, order, 0, "it is not served here, or not in that epoch");
        return;
    }
    struct carry_out *o = mem_new(sizeof *o);
    *o = (struct carry_out){.carrier = c,
                            .order = *order,
                            .number = ++c->numbers,
                            .begun_ns = core_now_ns(c->core),
                            .ended = ended,
                            .user = user};
    timer_init(&o->timer, look);
    list_push_back(&c->out, &o->node);
    shard_release(c->core, order->shard, released, o);
}

/* Frames. */

static struct carry_out *find(struct carrier *c, uint64_t node, const struct carry_frame *frame)
{
    for (struct list *at = c->out.next; at != &c->out; at = at->next) {
        struct carry_out *o = LIST_ITEM(at, struct carry_out, node);
        if (o->number == frame->number && o->order.shard == frame->shard && o->order.node == node &&
            o->state >= OUT_OFFERS) {
            return o;
        }
    }
    return NULL;
}

static void done(struct carry_out *o, uint64_t rid)
{
    struct carrier *c = o->carrier;
    if (!is_held(o)) {
        fail(o, "another row says who leads it");
        return;
    }
    c->stats.copied++;
    carrier_put_over(c, o->order.node, o->order.shard, o->number, PDR_OK, "");
    LOG_DEBUG("carry.copied", "shard=%u node=%016llx seq=%llu ms=%llu", o->order.shard,
              (unsigned long long)o->order.node, (unsigned long long)carrier_shard(c, o->order.shard)->last_seq,
              (unsigned long long)((core_now_ns(c->core) - o->begun_ns) / NS_PER_MS));
    end(o, rid, "");
}

void carry_out_received(struct carrier *c, uint64_t node, const struct carry_frame *frame)
{
    struct carry_out *o = find(c, node, frame);
    if (o == NULL) {
        if (frame->kind != CARRY_FRAME_OVER) {
            carrier_put_over(c, node, frame->shard, frame->number, PDR_CANCELLED, "nothing of it is known here");
        }
        return;
    }
    o->heard_ns = core_now_ns(c->core);
    if (frame->kind == CARRY_FRAME_NEXT) {
        next(o, &frame->next);
    } else if (frame->kind == CARRY_FRAME_DONE && o->is_end) {
        done(o, frame->done.rid);
    } else if (frame->kind == CARRY_FRAME_OVER) {
        fail(o, "the other node gave it up");
    }
}

void carry_out_gone(struct carrier *c, uint64_t node)
{
    for (struct list *at = c->out.next, *next; at != &c->out; at = next) {
        struct carry_out *o = LIST_ITEM(at, struct carry_out, node);
        next = at->next;
        if (o->order.node == node && o->state >= OUT_OFFERS) {
            fail(o, "the link to the other node was lost");
        }
    }
}

/* End. The node stops, so nothing is resumed. */

void carry_out_close(struct carrier *c)
{
    for (struct list *at = c->out.next; at != &c->out; at = at->next) {
        struct carry_out *o = LIST_ITEM(at, struct carry_out, node);
        timer_cancel(&c->core->wheel, &o->timer);
        if (o->state >= OUT_OFFERS) {
            carrier_put_over(c, o->order.node, o->order.shard, o->number, PDR_CANCELLED, "the node is stopping");
        }
    }
}

void carry_out_free(struct carrier *c)
{
    while (!list_empty(&c->out)) {
        free_out(LIST_ITEM(c->out.next, struct carry_out, node));
    }
}
