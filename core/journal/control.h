/* core/journal/control.h: what a replica must remember about a shard besides its entries: the copy's name, the promised
 * epoch, the last cut, the history of epochs (replication.md sections 1 and 11).
 *
 * It is what the shard's records say, one after another: whoever reads the log feeds them to control_note and has it.
 * The journal does so with every record that passes and begins each segment with the outcome, as RECORD_CONTROL records
 * of all shards; so older segments can go. */
#ifndef CORE_JOURNAL_CONTROL_H
#define CORE_JOURNAL_CONTROL_H

#include "core/journal/record.h"

/* A new epoch comes with each fail-over and each restart. R31 compares histories to find where two logs part; older
 * epochs than the last 64 matter only to a copy that missed as many changes of the primary, and that one gets a
 * snapshot (R60). The bound keeps a control record below 1.1 KiB, whatever happens to the shard. */
#define CONTROL_HISTORY_MAX 64u

struct control_epoch {
    uint64_t epoch, first_seq;
};

struct control {
    uint32_t shard;
    uint32_t history_count;
    uint64_t rid;                /* 0: no RECORD_RID was seen */
    uint64_t promised;           /* the highest epoch it follows or led (R30, R31) */
    uint64_t cut_epoch, cut_seq; /* the last RECORD_CUT; 0, 0: none */
    uint16_t gen;                /* the generation of the installed snapshot (R63) */
    uint16_t installing_gen;     /* RECORD_INSTALLING without its RECORD_SNAP, if `installing` */
    bool installing;
    bool shared; /* what follows `applied` in the log may not be committed: other copies have a say (R24) */
    struct control_epoch history[CONTROL_HISTORY_MAX]; /* ascending; the newest CONTROL_HISTORY_MAX */
};

/** The epoch that wrote entry `seq`, as far as the history goes back; 0: older than that, or none. */
uint64_t control_epoch_of(const struct control *control, uint64_t seq);

/** Takes note of the next record of control->shard. False: its payload is malformed, or an epoch begins that is not
 * higher than those before; *control is of no use then. */
bool control_note(struct control *control, const struct record *record);

/** Payload of a RECORD_COPY, of this size: its name, and whether other copies have a say in what is committed. */
#define CONTROL_COPY_SIZE 9u
void control_copy_encode(uint64_t rid, bool shared, uint8_t payload[CONTROL_COPY_SIZE]);

/** Payload of a RECORD_CONTROL or RECORD_SNAP. */
uint32_t control_payload_size(const struct control *control);
void control_encode(const struct control *control, void *payload);
/** Of a RECORD_CONTROL (promised = record->epoch) or RECORD_SNAP. PDR_INVALID for anything malformed. */
enum pdr_status control_decode(const struct record *record, struct control *out);

/** The control state of every shard, in order of their ids. All zero is empty. */
struct control_table {
    uint32_t *shards;
    struct control **controls;
    uint32_t count, capacity, last; /* `last`: where the last look-up ended; records of a shard come in runs */
};

/** NULL: not seen, or dropped. */
struct control *control_table_find(struct control_table *table, uint32_t shard);
bool control_table_note(struct control_table *table, const struct record *record);
/** Bytes of the RECORD_CONTROL records of all shards; and those records, written to `at`. */
uint32_t control_table_size(const struct control_table *table);
void control_table_encode(const struct control_table *table, void *at);
void control_table_free(struct control_table *table);

#endif
