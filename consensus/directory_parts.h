/* consensus/directory_parts.h: the inside of the directory, for consensus/directory*.c alone.
 *
 * A command's function looks at everything first, and returns directory_refuse(...) before it has written anything;
 * what it writes, it writes with directory_put, and nothing can fail from then on. */
#ifndef CONSENSUS_DIRECTORY_PARTS_H
#define CONSENSUS_DIRECTORY_PARTS_H

#include "consensus/directory.h"

#define DIRECTORY_HASHES 256u

struct directory_mark {
    uint64_t index, hash;
};

struct directory {
    struct cluster_rows rows;
    struct list by_change; /* struct cluster_row, the latest last */
    uint64_t index, raft_index;
    uint64_t content; /* sum of the hashes of all rows */
    uint64_t rolling; /* of content after each change */
    struct directory_mark marks[DIRECTORY_HASHES];
    uint64_t mark_count; /* ever made; the last DIRECTORY_HASHES are there */
    struct directory_result result;
    uint32_t changed_capacity;
};

/** The answer with a sentence of its own. */
enum directory_code directory_refuse(struct directory *d, enum directory_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/** Writes the row, in place of the one with its key. At most once a key and command. */
void directory_put(struct directory *d, struct entry *entry);
void directory_mark(struct directory *d);

/* One a command: DIRECTORY_DONE, or the code of a refusal. */
#define DIRECTORY_APPLY(number, since, NAME, name)                                                                     \
    enum directory_code directory_apply_##name(struct directory *d, const struct command_##name *command);
COMMAND_TABLE(DIRECTORY_APPLY)
#undef DIRECTORY_APPLY

/** A member that was not removed; else NULL, and *code and the sentence say so. */
const struct cluster_member *directory_living(struct directory *d, uint64_t node, enum directory_code *code);
/** directory_members.c, for all who take names and labels. */
bool directory_is_plain_name(struct pdr_bytes text);
bool directory_are_plain_labels(struct pairs labels);
/** directory_cluster.c: what a type of actors may be called. */
bool directory_is_type(struct pdr_bytes type);
/** How many shards the node has a copy of, in sync or wanted. */
uint32_t directory_shards_with(const struct directory *d, uint64_t node);
/** directory_shards.c: all copies of the node are lost. */
void directory_lose_all_copies(struct directory *d, uint64_t node);

#endif
