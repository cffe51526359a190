/* core/base/limits.h: everything that is bounded and cannot be set, in one place. docs/reference/limits.md is written
 * from these tables; what can be set is in tools/node/config_table.h.
 *
 * Each row becomes LIMIT_NAME. A limit is looked at before memory is asked for on a peer's word. An answer that a limit
 * gives names it: "(limit name)". */
#ifndef CORE_BASE_LIMITS_H
#define CORE_BASE_LIMITS_H

#include <perdure/ref.h>
#include <perdure/value.h>

/* clang-format off */
/*    name                     value                unit            what it bounds, and what happens at it */

/* Of connections: what a peer may send, ask, and leave unread. */
#define LIMIT_WIRE_TABLE(X)                                                                                            \
    X(FRAME_BYTES_MAX,         4u << 20,            "bytes",        "one frame; a longer one ends the connection")     \
    X(DEPTH_MAX,               PDR_VALUE_DEPTH_MAX, "levels",       "nesting of a value; deeper ends the connection")  \
    X(PAYLOAD_BYTES_MAX,       1u << 20,            "bytes",        "encoded arguments or result of a call: too_large")\
    X(ARGS_MAX,                64,                  "arguments",    "of one call: too_large")                          \
    X(TYPE_BYTES_MAX,          PDR_TYPE_SIZE_MAX,   "bytes",        "TYPE of an address: invalid")                     \
    X(NAME_BYTES_MAX,          PDR_KEY_SIZE_MAX,    "bytes",        "KEY of an address: invalid")                      \
    X(METHOD_BYTES_MAX,        PDR_METHOD_SIZE_MAX, "bytes",        "name of a method, or of a timer: invalid")        \
    X(DEADLINE_MS_DEFAULT,     30000,               "milliseconds", "deadline of a call that gives none")              \
    X(DEADLINE_MS_MAX,         24u * 3600 * 1000,   "milliseconds", "deadline of any call: invalid")                   \
    X(CLIENT_NAME_BYTES_MAX,   128,                 "bytes",        "\"client\" of hello: invalid")                    \
    X(SESSION_BYTES_MAX,       64,                  "bytes",        "\"session\" of hello: invalid")                   \
    X(SESSION_SPAN,            4096,                "numbers",      "of a session unacknowledged; older ones: invalid")\
    X(SESSION_SHARD_BYTES_MAX, 4u << 20,            "bytes",                                                           \
      "answers of one session that one shard keeps for retries, beside session_bytes: overloaded")                     \
    X(TOKEN_BYTES_MAX,         4096,                "bytes",        "\"token\" of hello: invalid")                     \
    X(OUTSTANDING_MAX,         4096,                "calls",        "unanswered on one connection: it is not read on") \
    X(UNSENT_BYTES_MAX,        8u << 20,            "bytes",        "answers a peer leaves unread: it is not read on") \
    X(UNREAD_BYTES_MAX,        32u << 20,           "bytes",        "beyond: a reader's is overloaded, others end it") \
    X(UNREAD_EVENT_BYTES_MAX,  4u << 20,            "bytes",        "unread on a connection: its events wait")         \
    X(WATCHES_MAX,             1024,                "actors",       "that one connection watches: overloaded")         \
    X(UNREAD_CORE_BYTES_MAX,   256u << 20,          "bytes",                                                           \
      "unread on all connections of a core: beyond, those with more than their share are treated as above")

/* Of links between nodes; their queue and times are in struct peers_limits. */
#define LIMIT_PEER_TABLE(X)                                                                                            \
    X(PEER_FRAME_BYTES_MAX,    20u << 20,           "bytes",                                                           \
      "one frame that nodes send each other: it is not taken; one that comes ends the link's life")                   \
    X(PEER_HELLO_BYTES_MAX,    1024,                "bytes",                                                           \
      "one frame of a node that has not proved the secret yet: its connection is closed")                             \
    X(PEER_CORES_MAX,          1024,                "cores",        "of another node: it is refused")                  \
    X(PEER_STRANGERS_MAX,      64,                  "connections",                                                     \
      "to a core that have not proved the secret yet: the oldest is closed")                                          \
    X(FORWARD_SENT_MAX,        16384,               "calls",        "unanswered by one node: others wait for them")    \
    X(FORWARD_WAITING_MAX,     16384,               "calls",                                                           \
      "of a core that wait for a link, or for who owns their shard: overloaded")                                      \
    X(FORWARD_WAITING_BYTES_MAX, 64u << 20,         "bytes",        "of their arguments: overloaded")                  \
    X(FORWARD_ANSWER_BYTES_MAX, 64u << 20,          "bytes",                                                           \
      "of answers to other nodes that their links do not take: a reader's is overloaded, others are lost")

/* Of one actor, and of one turn of it. */
#define LIMIT_ACTOR_TABLE(X)                                                                                           \
    X(KEY_BYTES_MAX,           1024,                "bytes",        "a key of an actor's state: too_large")            \
    X(VALUE_BYTES_MAX,         1u << 20,            "bytes",        "a value of an actor's state: too_large")          \
    X(TURN_BYTES_MAX,          8u << 20,            "bytes",        "keys and values that a turn writes: too_large")   \
    X(TURN_TELLS_MAX,          4096,                "tells",        "of one turn: overloaded")                         \
    X(TURN_SENT_BYTES_MAX,     8u << 20,            "bytes",        "arguments of its tells and timers: too_large")\
    X(VOLATILE_BYTES_MAX,      64u << 20,           "bytes",                                                           \
      "keys and values of an actor's state that are not written down: too_large")                                     \
    X(RESIDENT_BYTES_MAX,      256u << 10,          "bytes",                                                           \
      "state that an actor keeps in memory whole; of a larger one keys are read as they are asked for")               \
    X(TIMERS_MAX,              64,                  "timers",       "of one actor: overloaded")                        \
    X(TIMER_DAYS_MAX,          366,                 "days",         "delay and period of a timer: cut to that")        \
    X(REMINDERS_MAX,           1024,                "reminders",    "of one actor: overloaded")                        \
    X(RESIDENT_REMINDERS_MAX,  8,                   "reminders",                                                       \
      "that an actor keeps in memory; of one that has more they are read as they are needed")                         \
    X(EVENT_BYTES_MAX,         64u << 10,           "bytes",        "of one event: too_large")                         \
    X(TURN_EVENTS_MAX,         4096,                "events",       "of one turn: overloaded")                         \
    X(EVENTS_KEPT_MAX,         65536,               "events",       "that an actor keeps for who watches it later")    \
    X(EVENT_WINDOW_BYTES_MAX,  1u << 20,            "bytes",        "of events that an actor keeps, or the newest")    \
    X(WATCHERS_MAX,            4096,                "connections",  "that watch one actor: overloaded")                \
    X(TOPIC_SUBSCRIBERS,       1024,                "actors",       "that have subscribed to a topic: overloaded")     \
    X(LOCK_SHARERS,              256,                 "holders",      "that share a lock: overloaded")                 \
    X(LOCK_WAITERS,              256,                 "holders",      "in the line of a lock: overloaded")             \
    X(SEMAPHORE_PERMITS,         1000000,             "permits",      "of a semaphore: invalid")                       \
    X(SEMAPHORE_HOLDERS,         1024,                "holders",      "of a semaphore: overloaded")                    \
    X(SEMAPHORE_WAITERS,         1024,                "holders",      "in the line of a semaphore: overloaded")        \
    X(BARRIER_PARTIES,           1024,                "parties",      "that meet at a barrier: invalid")               \
    X(GROUP_MEMBERS,             1024,                "members",      "of a group: overloaded")                        \
    X(GROUP_DATA,                512,                 "bytes",        "a value that a member joins with: too_large")   \
    X(LEASE_MS_MAX,              86400000,            "milliseconds", "a lease, or a wait in a line: invalid")         \
    X(BULLY_MEMBERS,           8192,                "actors",       "that take part in one bully election: invalid")   \
    X(SLEEP_MS_MAX,            24u * 3600 * 1000,   "milliseconds", "a turn's sleep: it ends at its deadline anyway")  \
    X(CHAIN_MAX,               64,                  "turns",        "that wait for one another: too_large")

/* Of a node, beside what can be set. */
#define LIMIT_NODE_TABLE(X)                                                                                            \
    X(UNCOMMITTED_ENTRIES_MAX, 4096,                "entries",      "of a shard that wait for the disk: overloaded")   \
    X(UNCOMMITTED_BYTES_MAX,   64u << 20,           "bytes",        "of a core that wait for the disk: overloaded")    \
    X(UNAPPLIED_BYTES_MAX,     256u << 20,          "bytes",                                                           \
      "of a core that are in the log and not in the store: overloaded")                                               \
    X(GATED_BYTES_MAX,         64u << 20,           "bytes",                                                           \
      "of results of a core that wait for the disk: further calls are overloaded, before they run")                   \
    X(PS_ROWS_MAX,             1000,                "actors",       "a page of `ps`: invalid")                         \
    X(PS_AT_ONCE,              4,                   "calls",        "of `ps` under way: overloaded")                   \
    X(BACKUPS,                 1,                   "backups",      "under way: overloaded")

/* Of a cluster: what its directory holds, and each node in memory. */
#define LIMIT_CLUSTER_TABLE(X)                                                                                         \
    X(MEMBERS_MAX,             4096,                "nodes",        "that have not been removed: overloaded")          \
    X(MEMBERS_EVER_MAX,        65536,               "nodes",        "removed ones, too, which never come back")        \
    X(GROUPS_MAX,              8192,                "groups",       "of shards, each pin being one: overloaded")       \
    X(SHARDS_MAX,              65536,               "shards",       "of all groups: overloaded")                       \
    X(TYPES_MAX,               8192,                "types",        "of actors: overloaded")                           \
    X(COPIES_MAX,              8,                   "copies",       "of a shard, in sync or wanted: invalid")          \
    X(LABELS_MAX,              32,                  "labels",       "of a node, of a group: invalid")                  \
    X(LABEL_BYTES_MAX,         63,                  "bytes",        "name of a node or a group, half of a label")      \
    X(ADDRESS_BYTES_MAX,       261,                 "bytes",        "HOST:PORT of a node: invalid")                    \
    X(HOSTED_TYPES_MAX,        1024,                "types",        "that a node says it has: invalid")                \
    X(COMMAND_BYTES_MAX,       256u << 10,          "bytes",        "a command to the directory: too_large")           \
    X(ELECTIONS_MAX,           16384,               "elections",    "that somebody stands in: overloaded")             \
    X(CANDIDATES_MAX,          128,                 "candidates",   "of one election: overloaded")                     \
    X(CANDIDATES_ALL_MAX,      65536,               "candidates",   "of all elections: overloaded")                    \
    X(CAMPAIGN_BYTES_MAX,      512,                 "bytes",        "a candidate's value, encoded: too_large")         \
    X(CAMPAIGN_LEASE_MS_MIN,   500,                 "milliseconds", "a candidate's lease: invalid")                    \
    X(CAMPAIGN_LEASE_MS_MAX,   600000,              "milliseconds", "a candidate's lease: invalid")

#define LIMIT_TABLE(X)                                                                                                 \
    LIMIT_WIRE_TABLE(X) LIMIT_PEER_TABLE(X) LIMIT_ACTOR_TABLE(X) LIMIT_NODE_TABLE(X) LIMIT_CLUSTER_TABLE(X)
/* clang-format on */

enum limit {
#define LIMIT_ENUM(name, value, unit, text) LIMIT_##name = (int)(value),
    LIMIT_TABLE(LIMIT_ENUM)
#undef LIMIT_ENUM
};

#endif
