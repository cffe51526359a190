/* tools/node/identity.h: who a data directory belongs to, and that one process at a time has it.
 *
 *     DIR/LOCK       locked (flock) while a node runs on DIR; holds its process id
 *     DIR/identity   who it is, lines of text; written whole or not at all
 *
 * Cluster and node are given on the first start, for ever. The incarnation counts the starts: whatever was promised to
 * an earlier one ends with it (replication.md R12). `boot` and `known` tell the directory that this disk has not gone
 * back in time (R70; docs/decisions/0013): `boot` is drawn before a first attempt to register, and kept until one was
 * answered; then it is `known`, and the next is drawn.
 *
 * Restored data has forgotten what was acknowledged after the backup (R70), and its log is gone with the names of the
 * epochs that followed. So it goes on as the first node of another cluster, whose first incarnation is 1 again, and in
 * epochs that the data it was copied from never comes to: `epochs` is where they begin (identity_restored). */
#ifndef TOOLS_NODE_IDENTITY_H
#define TOOLS_NODE_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <perdure/status.h>

#define IDENTITY_CLUSTER_SIZE 33u /* 128 random bits in hexadecimal, and a 0 */
#define IDENTITY_NODE_SIZE 17u    /* 64 bits, not all 0 */

struct identity {
    char cluster[IDENTITY_CLUSTER_SIZE], node[IDENTITY_NODE_SIZE];
    uint64_t incarnation; /* 1 on the first start; 0: it was not started yet */
    uint64_t boot, known; /* `known` 0: the directory has never answered */
    bool founds;          /* the cluster begins with this node; else it joined one that there was */
    uint64_t epochs;      /* the lowest epoch of this directory's own; 0: it was never restored */
};

/** Makes `directory` if it is not there (not its parents), and locks it: *lock is to be closed when nobody writes there
 * any more. On failure `why` is a sentence that names the directory, and the process that has it if one has. */
enum pdr_status identity_lock(const char *directory, int *lock, char *why, size_t why_size);

/** Who lives in `directory`, which is locked. PDR_NOT_FOUND: nobody yet, and nothing is there. A directory that has
 * data and no identity, or a damaged one, is refused: `why` is a sentence. */
enum pdr_status identity_find(const char *directory, struct identity *out, char *why, size_t why_size);
/** A new node, of the cluster of that id, or (NULL) the first of a new one. Nothing is written. */
struct identity identity_new(const char *cluster);
/** Its next incarnation begins: on stable storage when it returns. */
enum pdr_status identity_begin(const char *directory, struct identity *identity, char *why, size_t why_size);
/** The directory has answered to the registration with `boot`. False: that is known, or of an earlier one; nothing has
 * changed. To be saved. */
bool identity_registered(struct identity *identity, uint64_t boot);
/** The node's number, which is its name in the cluster. */
uint64_t identity_number(const char *node);

/**
 * Who the data of a backup of `from` is when it is restored at `unix_s`: the first node of a new cluster. Epochs have
 * two halves: the upper one says when the data was last restored, in seconds, or the next number if that time is not
 * later than that of `from`; the lower one counts starts and roll-backs. The data that was backed up stays in its own
 * upper half whatever happens to it, and two restorations of one backup have two, a second apart: so (epoch, seq) names
 * one batch for all who ever saw one (R34, I9).
 */
struct identity identity_restored(const struct identity *from, uint64_t unix_s);
/** Writes it as the identity of `directory`. */
enum pdr_status identity_save(const char *directory, const struct identity *identity, char *why, size_t why_size);
bool identity_is_cluster(const char *text);
bool identity_is_node(const char *text);

#endif
