/* core/replog/links.c: the way to the other nodes: what all shards of this core have to say to one node in a tick goes
 * as one frame, a GROUP. Within a life of a link nothing is lost or out of order (core/env/peer.h), so entries are sent
 * on without waiting; when a new life begins, from the first that is not acknowledged. */
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/base/mutation.h"
#include "core/replog/parts.h"

#define OUT_BYTES_MAX (4u << 20) /* of small messages that wait for room: more are lost, and said again later */

static void wake(struct link *link)
{
    if (link->life != 0 && !link->is_busy && list_alone(&link->flush)) {
        list_push_back(&link->replog->flush, &link->flush);
    }
}

void link_wake(struct link *link)
{
    wake(link);
}

/* By id, so that the order of what is sent is the same in every run. */
struct link *link_to(struct replog *replog, uint64_t node)
{
    struct list *at = replog->links.next;
    while (at != &replog->links && LIST_ITEM(at, struct link, node)->id < node) {
        at = at->next;
    }
    if (at != &replog->links && LIST_ITEM(at, struct link, node)->id == node) {
        return LIST_ITEM(at, struct link, node);
    }
    struct link *link = mem_new(sizeof *link);
    link->replog = replog;
    link->id = node;
    link->life = peer_life(replog->options.peers, node);
    link->changed_ns = replog->now_ns;
    list_init(&link->backups);
    list_init(&link->dirty);
    list_init(&link->acks);
    list_init(&link->flush);
    list_push_back(at, &link->node); /* before `at` */
    return link;
}

void link_say(struct link *link, const struct replog_message *message)
{
    if (link->life != 0 && link->out.size < OUT_BYTES_MAX) {
        message_write(&link->out, message);
        wake(link);
    }
}

void backup_wake(struct backup *backup)
{
    if (backup->link->life != 0 && list_alone(&backup->dirty)) {
        list_push_back(&backup->link->dirty, &backup->dirty);
        wake(backup->link);
    }
}

void replica_ack(struct replica *replica)
{
    struct link *link = replica->leader;
    if (link != NULL && link->life != 0 && list_alone(&replica->acks)) {
        list_push_back(&link->acks, &replica->acks);
        wake(link);
    }
}

/* Sending. */

static void write_ack(struct replica *replica, pdr_writer *out)
{
    uint64_t durable = MUTATION(163) ? replica->last_seq : replica->durable_seq;
    message_write(out, &(struct replog_message){.kind = MESSAGE_ACK,
                                                .ack = {.shard = replica->shard,
                                                        .epoch = replica->promised,
                                                        .rid = replica->rid,
                                                        .cv = replica->leader_cv,
                                                        .durable = durable,
                                                        .applied = replica->applied_seq}});
}

static void fill(struct link *link)
{
    struct list *node;
    while ((node = list_pop(&link->acks)) != NULL) {
        write_ack(LIST_ITEM(node, struct replica, acks), &link->out);
    }
    while (link->out.size < link->replog->options.group_bytes && (node = list_pop(&link->dirty)) != NULL) {
        struct backup *backup = LIST_ITEM(node, struct backup, dirty);
        if (backup_write(backup, &link->out)) {
            list_push_back(&link->dirty, &backup->dirty); /* in turn: no shard keeps the others waiting */
        }
    }
}

static void flush(struct link *link)
{
    while (link->life != 0 && !link->is_busy) {
        fill(link);
        if (link->out.size == 0) {
            return;
        }
        enum pdr_status status =
            peer_send(link->replog->options.peers, link->id, link->life, PEER_REPLICA, pdr_written(&link->out));
        link->is_busy = status == PDR_OVERLOADED; /* the frame stays: nothing in it is wrong when it leaves later */
        if (!link->is_busy) {
            pdr_writer_clear(&link->out);
        }
        if (status == PDR_UNAVAILABLE) {
            return; /* `gone` is on its way */
        }
    }
}

void replog_flush(struct replog *replog)
{
    struct list *node;
    while ((node = list_pop(&replog->confirm)) != NULL) {
        primary_confirm_consider(LIST_ITEM(node, struct primary, confirm)->replica);
    }
    while ((node = list_pop(&replog->flush)) != NULL) {
        flush(LIST_ITEM(node, struct link, flush));
    }
}

/* What the peers say. */

static void forget(struct link *link)
{
    while (list_pop(&link->dirty) != NULL || list_pop(&link->acks) != NULL) {
    }
    list_remove(&link->flush);
    pdr_writer_clear(&link->out);
    link->is_busy = false;
}

static void up(void *user, uint64_t node, uint64_t life)
{
    struct link *link = link_to(user, node);
    forget(link);
    link->life = life;
    link->changed_ns = link->replog->now_ns;
    for (struct list *at = link->backups.next; at != &link->backups; at = at->next) {
        backup_up(LIST_ITEM(at, struct backup, of_link));
    }
}

static void gone(void *user, uint64_t node, uint64_t life, const char *why)
{
    struct link *link = link_to(user, node);
    if (link->life != life) {
        return;
    }
    forget(link);
    link->life = 0;
    link->changed_ns = link->replog->now_ns;
    for (struct list *at = link->backups.next; at != &link->backups; at = at->next) {
        backup_gone(LIST_ITEM(at, struct backup, of_link));
    }
}

static void room(void *user, uint64_t node, uint64_t life)
{
    struct link *link = link_to(user, node);
    if (link->life == life && link->is_busy) {
        link->is_busy = false;
        wake(link);
    }
}

/* A primary has answers, a copy that follows has orders. Whoever is asked for a copy that is not here (yet, or any
 * more) says nothing: it is asked again. */
static void take(struct replog *replog, struct link *link, const struct replog_message *message)
{
    struct replica *replica = replog_find(replog, message->head.shard);
    if (replica != NULL && !replica->is_lost && !primary_receive(replica, link, message)) {
        follower_receive(replica, link, message);
    }
}

static void received(void *user, uint64_t node, uint64_t life, struct pdr_bytes frame)
{
    struct replog *replog = user;
    struct link *link = link_to(replog, node);
    struct replog_message message;
    struct fault fault;
    if (link->life == 0) {
        link->life = life; /* one of the peers' links that began before this one was wanted */
        link->changed_ns = replog->now_ns;
    }
    while (frame.size > 0 && message_next(&frame, &message, &fault) == PDR_OK) {
        take(replog, link, &message);
    }
    if (frame.size > 0) {
        LOG_WARN("replog.frame", "node=%016llx; its message %s: %s; the rest of the frame is ignored",
                 (unsigned long long)node, fault.field != NULL ? fault.field : "", fault.what);
    }
}

void links_listen(struct replog *replog)
{
    static const struct peer_handler handler = {.up = up, .received = received, .room = room, .gone = gone};
    peer_listen(replog->options.peers, PEER_REPLICA, &handler, replog);
}
