/* consensus/server.h: one replica of the directory: a Raft server with the state machine it feeds, and reads that see
 * everything acknowledged before them.
 *
 * Every node has one; those that are in no configuration hear nothing and do nothing. In Raft's log a command has the
 * name of its proposal before it, so that whoever proposed it hears what came of it from the entry itself.
 *
 * Reads write nothing: Raft's ReadIndex (Ongaro 2014, 6.4). A leader that is ready notes how far the log is
 * committed, then asks the voters whether its term is still the highest they know. Once a quorum has said so after
 * the question came, no other leader can have acknowledged anything before it; the read is of the noted entry, once
 * that is applied. One round answers all who came before it. libraft has nothing of the kind, so the letters are
 * ours. */
#ifndef CONSENSUS_SERVER_H
#define CONSENSUS_SERVER_H

#include "consensus/directory.h"
#include "consensus/letter.h"
#include "consensus/raft_node.h"

#define SERVER_ROUND_NS (300 * NS_PER_MS) /* a round of confirmations that has no quorum by then is asked again */

struct server;

struct server_hooks {
    void *user;
    /** Raft's letters, and ours; either may be lost. */
    void (*send_raft)(void *user, uint64_t to, struct pdr_bytes letter);
    void (*send)(void *user, uint64_t to, const struct letter *letter);
    /** A command was applied; `result` is the directory's, as in directory_apply. NULL: the whole state is another,
     * from a snapshot. */
    void (*applied)(void *user, const struct directory_result *result);
    /** Role, term, leader or readiness changed. */
    void (*changed)(void *user);
    /** This node must end; `why` is a sentence. */
    void (*failed)(void *user, const char *why);
};

struct server_options {
    uint64_t id;         /* of this node; not 0 */
    uint64_t life;       /* random, of this process: names its proposals */
    const char *address; /* copied */
    uint64_t seed;
    struct clock *clock;
    struct raft_disk *disk;
    struct raft_settings settings;
    bool founds; /* if the log is empty: begin a cluster, with this server alone */
    struct server_hooks hooks;
};

/** Reads what is on disk. PDR_INTERNAL: it is damaged; *why is a sentence, valid until the thread's next call. */
enum pdr_status server_start(const struct server_options *options, struct server **out,
                             const char **why) PDR_MUST_CHECK;
/** Whoever waits hears nothing. */
void server_free(struct server *server);

void server_receive_raft(struct server *server, uint64_t from, struct pdr_bytes letter);
/** LETTER_CONFIRM and LETTER_CONFIRMED. */
void server_receive(struct server *server, uint64_t from, const struct letter *letter);
uint64_t server_due_ns(const struct server *server);
void server_tick(struct server *server);

struct server_answer {
    enum letter_outcome outcome;
    uint64_t leader;                       /* of LETTER_NOWHERE: who may know; 0: nobody does */
    const struct directory_result *result; /* of LETTER_DONE, to a proposal; borrowed */
};
/** Called exactly once, perhaps before the call returns; not if the server is freed first. */
typedef void (*server_answered)(void *user, const struct server_answer *answer);

/** `command` is copied: command_write's. */
void server_propose(struct server *server, struct pdr_bytes command, server_answered answered, void *user);
/** LETTER_DONE: the directory now has all that was acknowledged before this call, by any server. */
void server_read(struct server *server, server_answered answered, void *user);
/** LETTER_DONE: this server still led after this call; what it then wrote down is committed, or will be. */
void server_confirm(struct server *server, server_answered answered, void *user);

const struct directory *server_directory(const struct server *server);
struct raft_node *server_raft(struct server *server);
/** Leads, and has applied an entry of its own term. */
bool server_is_ready(const struct server *server);

#endif
