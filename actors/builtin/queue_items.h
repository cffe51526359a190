/* actors/builtin/queue_items.h: where the items of a queue are, and how they move.
 *
 * An item has an id, its number. It is *new* until it is first handed out: those are [next, tail), without gaps. Then
 * it is *taken*, until its time is over; or *back*, to be handed out again, before all new ones, in the order in which
 * they came back; or *dead*, when it has been handed out as often as it may. Nothing looks for an item from the
 * beginning of a table: rows that are gone cost the store time until it has compacted them. So there are numbers to
 * begin at. */
#ifndef ACTORS_BUILTIN_QUEUE_ITEMS_H
#define ACTORS_BUILTIN_QUEUE_ITEMS_H

#include "actors/builtin/rows.h"

#define QUEUE_ITEMS_MAX 1000000
#define QUEUE_BYTES_MAX (1ll << 30)
#define QUEUE_ATTEMPTS_MAX 1000
#define QUEUE_ITEM_BYTES_MAX ((1 << 20) - 64) /* an answer has 1 MiB */

/** Rows. The value of an item is written once, whatever becomes of it. */
enum queue_table {
    QUEUE_ITEM = 'i',  /* id: value */
    QUEUE_STATE = 's', /* id: struct item_state; from the first time that it is handed out */
    QUEUE_DUE = 'u',   /* until when it is taken, id: nil */
    QUEUE_BACK = 'b',  /* place: id; of an item that was acknowledged meanwhile it stays until its turn comes */
    QUEUE_DEAD = 'd',  /* id: nil */
};

/** All numbers of a queue: one row. */
struct queue {
    int64_t next, tail;           /* ids of new items */
    int64_t back_head, back_tail; /* places */
    int64_t taken, back, dead, bytes;
    int64_t due_from; /* no taken item is due before */
    int64_t wakes_at; /* when the reminder comes; QUEUE_NEVER: there is none */
    int64_t items_max, bytes_max, attempts_max;
};
#define QUEUE_NEVER INT64_MAX

enum item_where { ITEM_TAKEN, ITEM_BACK, ITEM_DEAD };
struct item_state {
    int64_t where, attempts;
    int64_t at; /* ITEM_TAKEN: until when; ITEM_BACK: its place */
    int64_t size;
};

struct item {
    int64_t id;
    pdr_value value;
    struct item_state state; /* `attempts` 0: new */
};

int queue_read(pdr_turn *turn, struct queue *queue);
int queue_write(pdr_turn *turn, const struct queue *queue);
/** Those that can be handed out. */
int64_t queue_ready(const struct queue *queue);
/** All that are kept. */
int64_t queue_items(const struct queue *queue);

/** PDR_NOT_FOUND if nothing new came, nor came back. */
int queue_first(pdr_turn *turn, const struct queue *queue, struct item *item);
/** The first leaves its place: it is to be removed, or taken. */
int queue_advance(pdr_turn *turn, struct queue *queue, const struct item *first);

/** In these `id` has been handed out at least once. PDR_NOT_FOUND if there is no such item. */
int queue_item_state(pdr_turn *turn, int64_t id, struct item_state *state);
int queue_remove(pdr_turn *turn, struct queue *queue, int64_t id, const struct item_state *state);
/** A taken item comes back, or is dead if that was its last attempt. */
int queue_return(pdr_turn *turn, struct queue *queue, int64_t id, const struct item_state *state);
/** A dead one comes back as if new. */
int queue_redrive(pdr_turn *turn, struct queue *queue, int64_t id, const struct item_state *state);
/** Taken items whose time is over come back, at most `most` of them. */
int queue_return_due(pdr_turn *turn, struct queue *queue, int most);
/** {"event": what, "id": id} */
int queue_emit(pdr_turn *turn, const char *what, int64_t id);

#endif
