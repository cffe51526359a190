/* consensus/raft_guard.h: what stands between libraft's core and the world (docs/decisions/0011-libraft-by-steps.md has
 * what goes wrong without each). The eighth, "exchange", is replica_log_install: one batch. */
#ifndef CONSENSUS_RAFT_GUARD_H
#define CONSENSUS_RAFT_GUARD_H

#include "consensus/raft_parts.h"

enum guard_order { GUARD_DROP, GUARD_TAKE, GUARD_HELLO };
/** Order: links keep it, and nothing crosses from one life of a server to another's. Notes the letter; GUARD_HELLO: it
 * was for an earlier life of ours, or for one we do not know of, and whoever sent it should learn of this one. */
enum guard_order guard_order(struct raft_peer *peer, uint64_t our_life, const struct raft_letter *letter);
/** Candidate: an answer to a request for a vote is for candidates alone, and grants nothing that was not asked for. */
bool guard_candidate(const struct raft *raft, const struct raft_letter *letter);
/** One leader: what a leader sends is not for the leader of the same term. */
bool guard_one_leader(const struct raft *raft, const struct raft_letter *letter);
/** Rejection: one that would take the core below what it knows to match is stale. */
bool guard_rejection(const struct raft *raft, const struct raft_letter *letter);
/** Snapshot start: the entries up to our snapshot are committed, so they are the same; the letter begins behind it. */
void guard_snapshot_start(const struct replica_log *log, struct raft_letter *letter);
/** Change first: a change is the first of its message. Returns how many of the entries may go to the core at once. */
uint32_t guard_change_first(struct pdr_bytes entries, uint32_t count);
/** Vote: a server answers whoever asks for its vote, whatever it takes its own role for: those who ask may know of
 * a configuration that is newer, and cannot elect anybody without. The core denies for all but voters, and a standby of
 * it never forgets a leader; `silent`: it was not heard of for an election timeout. Around the step; returns what
 * guard_vote_end takes. */
int guard_vote_begin(struct raft *raft, bool silent);
void guard_vote_end(struct raft *raft, int role);
/** Alone: the only voter elects itself without a new term, which may be one in which another led: two logs could have
 * different entries of one name. True: the server is about to elect itself, and has to begin a term first. */
bool guard_alone(const struct raft *raft, const struct raft_event *event);
/** Persisted: only what is news, is still in the log, and is what was written. */
bool guard_persisted(const struct raft *raft, const struct replica_log *log, const struct raft_flight *flight);
/** Snapshot: only above the last one's index, when what is in it is applied and on disk, and no configuration is open.
 */
bool guard_snapshot(const struct raft *raft, const struct replica_log *log, uint64_t applied);
/** Installed: a snapshot that ends before what is applied here has nothing for us, and is no entry of ours if it
 * differs. */
bool guard_install(const struct raft *raft, const struct replica_log *log, uint64_t applied,
                   const struct raft_letter *letter);

#endif
