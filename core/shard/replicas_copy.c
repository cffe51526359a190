/* core/shard/replicas_copy.c: a snapshot of a copy for a learner, and one that comes in (R62, R63).
 *
 * A chunk of install.h may be as large as a row, which is more than a frame should be: so it goes in parts, and what
 * core/replog calls a chunk is [u8: 1 if it is the last part of its chunk][bytes]. No bytes at all: that was
 * everything. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/shard/commit.h"
#include "core/shard/duty_parts.h"
#include "core/shard/replicas_parts.h"

/* Out. */

static struct outgoing *outgoing_of(struct shard_copy *copy, uint64_t snapshot)
{
    for (struct list *node = copy->outgoing.next; node != &copy->outgoing; node = node->next) {
        struct outgoing *outgoing = LIST_ITEM(node, struct outgoing, node);
        if (outgoing->number == snapshot && !outgoing->over) {
            return outgoing;
        }
    }
    return NULL;
}

static void outgoing_free(struct outgoing *outgoing)
{
    list_remove(&outgoing->node);
    if (outgoing->export != NULL) {
        shard_export_end(outgoing->export);
    }
    mem_free(outgoing);
}

static void opened(void *user, struct shard_export *e, enum pdr_status status)
{
    struct outgoing *outgoing = user;
    struct shard_copy *copy = outgoing->copy;
    outgoing->asked = false;
    outgoing->export = e;
    if (outgoing->over) {
        outgoing_free(outgoing);
    } else if (e == NULL || shard_export_meta(e)->applied_seq < outgoing->at_least) {
        outgoing->export = NULL; /* a later step of the store tries again */
        if (e != NULL) {
            shard_export_end(e);
        }
    } else {
        replog_snapshot_opened(copy->replica, outgoing->number, shard_export_meta(e)->applied_seq);
        replicas_settle(copy->core);
    }
}

static void was_read(void *user, struct pdr_bytes chunk, enum pdr_status status)
{
    struct outgoing *outgoing = user;
    struct shard_copy *copy = outgoing->copy;
    outgoing->asked = false;
    if (status != PDR_OK) {
        LOG_ERROR("store.read_failed", "shard=%u; its copy for another node begins again", copy->shard->id);
        return; /* the learner hears nothing, and is asked again from the beginning */
    }
    outgoing->chunk = chunk;
    if (chunk.size > 0) {
        outgoing->wanted = true;
        copy_note(copy);
    } else {
        copy->core->replicas->stats.sent++;
        replog_snapshot_chunk(copy->replica, outgoing->number, chunk, true);
    }
    replicas_settle(copy->core);
}

/* May be asked for the next at once. */
static void send_part(struct outgoing *outgoing)
{
    struct shard_copy *copy = outgoing->copy;
    struct pdr_bytes *rest = &outgoing->chunk;
    uint32_t most = copy->core->replicas->options.part_bytes;
    uint32_t size = rest->size < most ? (uint32_t)rest->size : most;
    uint8_t *part = mem_grow(NULL, 1 + size);
    part[0] = size == rest->size;
    memcpy(part + 1, rest->data, size);
    *rest = pdr_bytes((const uint8_t *)rest->data + size, rest->size - size);
    outgoing->wanted = false;
    replog_snapshot_chunk(copy->replica, outgoing->number, pdr_bytes(part, 1 + size), false);
    mem_free(part);
}

static void read_on(struct outgoing *outgoing)
{
    if (outgoing->chunk.size > 0) {
        send_part(outgoing);
    } else {
        outgoing->wanted = false;
        outgoing->asked = true;
        shard_export_next(outgoing->export, was_read, outgoing);
    }
}

void outgoing_consider(struct shard_copy *copy)
{
    for (struct list *node = copy->outgoing.next, *next; node != &copy->outgoing; node = next) {
        struct outgoing *outgoing = LIST_ITEM(node, struct outgoing, node);
        next = node->next;
        while (outgoing->wanted) {
            read_on(outgoing);
        }
        bool waits = outgoing->export == NULL && !outgoing->asked && !outgoing->over;
        if (waits && copy->shard->applied_seq >= outgoing->at_least && copy->shard->applied_seq > 0) {
            outgoing->asked = true;
            shard_export(copy->core, copy->shard->id, opened, outgoing);
        }
    }
}

void outgoing_open(struct shard_copy *copy, uint64_t snapshot, uint64_t at_least)
{
    struct outgoing *outgoing = mem_new(sizeof *outgoing);
    outgoing->copy = copy;
    outgoing->number = snapshot;
    outgoing->at_least = at_least;
    list_init(&outgoing->node);
    list_push_back(&copy->outgoing, &outgoing->node);
    copy_note(copy);
}

void outgoing_read(struct shard_copy *copy, uint64_t snapshot)
{
    struct outgoing *outgoing = outgoing_of(copy, snapshot);
    if (outgoing != NULL && outgoing->export != NULL) {
        outgoing->wanted = true;
        copy_note(copy);
    }
}

void outgoing_close(struct shard_copy *copy, uint64_t snapshot)
{
    struct outgoing *outgoing = outgoing_of(copy, snapshot);
    if (outgoing == NULL) {
        return;
    }
    if (outgoing->asked && outgoing->export == NULL) {
        outgoing->over = true; /* it is being opened */
    } else {
        outgoing_free(outgoing);
    }
}

/* In. */

static void free_chunks(struct list *chunks)
{
    struct list *node;
    while ((node = list_pop(chunks)) != NULL) {
        mem_free(LIST_ITEM(node, struct incoming_chunk, node));
    }
}

/* A job may still have the one in front. */
static void forget_chunks(struct incoming *incoming)
{
    list_splice(&incoming->stale, &incoming->chunks);
    mem_free(incoming->begun);
    incoming->begun = NULL;
    incoming->owes_taken = false;
}

void incoming_begin(struct shard_copy *copy, uint64_t seq, const struct control_epoch *history, uint32_t count)
{
    struct incoming *incoming = &copy->incoming;
    incoming->state = INCOMING_WANTED;
    incoming->seq = seq;
    incoming->meta = (struct keys_meta){.applied_seq = seq, .history_count = count};
    for (uint32_t i = 0; i < count; i++) {
        incoming->meta.history[i] = (struct keys_epoch){history[i].epoch, history[i].first_seq};
        incoming->meta.applied_epoch = history[i].epoch;
    }
    copy_note(copy);
}

/* More than any chunk has is not kept: without its end it is no chunk, and the sender begins again. */
static void join_part(struct incoming *incoming, struct pdr_bytes part)
{
    struct incoming_chunk *chunk = incoming->begun;
    uint32_t had = chunk != NULL ? chunk->size : 0;
    if (had + part.size > SNAPSHOT_CHUNK_MAX) {
        return;
    }
    uint32_t size = had + (uint32_t)part.size, capacity = chunk != NULL ? chunk->capacity : 0;
    if (size > capacity) {
        capacity = size > 2 * capacity ? size : 2 * capacity;
        chunk = mem_grow(chunk, sizeof *chunk + capacity);
    }
    if (had == 0) {
        *chunk = (struct incoming_chunk){0};
        list_init(&chunk->node);
    }
    memcpy(chunk->bytes + had, part.data, part.size);
    chunk->size = size;
    chunk->capacity = capacity;
    incoming->begun = chunk;
}

static void chunk_is_whole(struct incoming *incoming)
{
    if (incoming->begun != NULL) {
        list_push_back(&incoming->chunks, &incoming->begun->node);
        incoming->begun = NULL;
    }
}

/* Of a part the rest of the chunk is asked for at once, unless there are chunks that wait for the store. */
void incoming_chunk(struct shard_copy *copy, struct pdr_bytes bytes, bool last)
{
    struct incoming *incoming = &copy->incoming;
    const uint8_t *at = bytes.data;
    if (bytes.size > 1) {
        join_part(incoming, pdr_bytes(at + 1, bytes.size - 1));
        incoming->owes_taken = true;
    }
    if (bytes.size > 0 && at[0] == 1) {
        chunk_is_whole(incoming);
    }
    if (last) {
        struct incoming_chunk *end = mem_new(sizeof *end);
        end->last = true;
        list_init(&end->node);
        list_push_back(&incoming->chunks, &end->node);
    }
    copy_note(copy);
}

void incoming_stop(struct shard_copy *copy)
{
    struct incoming *incoming = &copy->incoming;
    if (incoming->state >= INCOMING_READY) {
        shard_install_abort(copy->core, copy->shard->id);
    }
    incoming->state = INCOMING_NONE;
    forget_chunks(incoming);
}

static void begun(void *user, uint32_t shard, enum pdr_status status)
{
    struct shard_copy *copy = user;
    if (copy->incoming.state == INCOMING_BUSY) { /* else it was stopped */
        copy->incoming.state = status == PDR_OK ? INCOMING_READY : INCOMING_WANTED;
        copy_note(copy);
        replicas_settle(copy->core);
    }
}

static void chunk_taken(void *user, uint32_t shard, enum pdr_status status)
{
    struct shard_copy *copy = user;
    struct incoming *incoming = &copy->incoming;
    if (incoming->state != INCOMING_BUSY) {
        return;
    }
    incoming->state = INCOMING_READY;
    if (status == PDR_INVALID) {
        LOG_ERROR("shard.not_installed", "shard=%u why=\"%s\"", shard, shard_install_why(copy->core, shard));
        incoming->state = INCOMING_NONE; /* the sender waits for it, and begins again */
        shard_install_abort(copy->core, shard);
        forget_chunks(incoming);
        return;
    }
    if (status != PDR_OK) {
        return; /* the store had no room: once more, with the next tick of the machines */
    }
    struct incoming_chunk *chunk = LIST_ITEM(incoming->chunks.next, struct incoming_chunk, node);
    chunk->size = 0;
    if (!chunk->last) {
        list_remove(&chunk->node);
        mem_free(chunk);
    }
    incoming->owes_taken = false;
    replog_install_taken(copy->replica);
    copy_note(copy);
    replicas_settle(copy->core);
}

static void ended(void *user, uint32_t shard, enum pdr_status status)
{
    struct shard_copy *copy = user;
    struct incoming *incoming = &copy->incoming;
    if (incoming->state != INCOMING_ENDS) {
        return;
    }
    if (status != PDR_OK) {
        incoming->state = INCOMING_READY; /* it is all there; again with the next tick of the machines */
        return;
    }
    incoming->state = INCOMING_NONE;
    forget_chunks(incoming);
    copy->core->replicas->stats.installed++;
    replog_installed(copy->replica);
    replicas_settle(copy->core);
}

static void install_front(struct shard_copy *copy)
{
    struct incoming *incoming = &copy->incoming;
    const struct incoming_chunk *chunk = LIST_ITEM(incoming->chunks.next, struct incoming_chunk, node);
    if (chunk->size > 0) {
        incoming->state = INCOMING_BUSY;
        shard_install_chunk(copy->core, copy->shard->id, pdr_bytes(chunk->bytes, chunk->size), chunk_taken, copy);
    } else if (!chunk->last) {
        list_push_back(&incoming->stale, list_pop(&incoming->chunks)); /* there is nothing in it */
    } else {
        incoming->state = INCOMING_ENDS;
        shard_install_end(copy->core, copy->shard->id, &incoming->meta, ended, copy);
    }
}

void incoming_step(struct shard_copy *copy)
{
    struct incoming *incoming = &copy->incoming;
    const struct shard *shard = copy->shard;
    if (shard->duty->install == NULL) {
        free_chunks(&incoming->stale);
    }
    if (incoming->state == INCOMING_WANTED && shard->applied_seq < copy->released_seq) {
        apply_now(copy->core); /* what is on its way to the store must not come behind the snapshot */
        return;
    }
    if (incoming->state == INCOMING_WANTED && shard->state == DUTY_CLOSED && shard->duty->install == NULL) {
        incoming->state = INCOMING_BUSY;
        shard_install(copy->core, shard->id, shard->rid, begun, copy);
    } else if (incoming->state == INCOMING_READY && !list_empty(&incoming->chunks)) {
        install_front(copy);
    } else if (incoming->state != INCOMING_NONE && incoming->owes_taken && list_empty(&incoming->chunks)) {
        incoming->owes_taken = false;
        replog_install_taken(copy->replica);
    }
}

void transfers_free(struct shard_copy *copy)
{
    struct list *node;
    while ((node = list_pop(&copy->outgoing)) != NULL) {
        mem_free(LIST_ITEM(node, struct outgoing, node));
    }
    free_chunks(&copy->incoming.chunks);
    free_chunks(&copy->incoming.stale);
    mem_free(copy->incoming.begun);
}
