/* tools/node/config_table.h: every setting of a node: the flags of `perdure start`, docs/reference/config.md and struct
 * config (tools/node/config.h) are written from it.
 *
 * Defaults and ranges are spelled as one would type them. Kinds: TEXT; LIST (the flag may be given again); COUNT; BYTES
 * and DURATION with their units (tools/node/units.h); LEVEL and FORMAT of the log. */
#ifndef TOOLS_NODE_CONFIG_TABLE_H
#define TOOLS_NODE_CONFIG_TABLE_H

/* clang-format off */
/*    field         flag            kind      argument    default           least    most      sentence */
#define CONFIG_TABLE(X)                                                                                                \
    X(data,         "data",         TEXT,     "DIR",       "./perdure-data", "",      "",                              \
      "directory of the node's data, one node's alone; made if it is not there")                                       \
    X(listen,       "listen",       TEXT,     "HOST:PORT", "127.0.0.1:7077", "",      "",                              \
      "where clients connect; port 0 picks a free one, which the ready line names")                                    \
    X(name,         "name",         TEXT,     "NAME",      "",               "",      "",                              \
      "the node's name: letters, digits, . _ -, at most 63 (default: the host's name)")                                \
    X(label,        "label",        LIST,     "K=V",       "",               "",      "",                              \
      "something to know the node by, such as zone=a; `perdure status` shows it; may be given again")                  \
    X(join,         "join",         LIST,     "HOST:PORT", "",               "",      "",                              \
      "nodes of the cluster to join, with commas between; without it a first start founds a cluster")                  \
    X(expect,       "expect",       COUNT,    "N",         "1",              "1",     "1000",                          \
      "of the node that founds a cluster: shards are spread when so many nodes are there, and calls wait until then")  \
    X(copies,       "copies",       COUNT,    "N",         "1",              "1",     "7",                             \
      "copies of a shard, at most, each on another node; the same at all nodes of a cluster. A trial so far")          \
    X(secret,       "secret",       TEXT,     "FILE",      "",               "",      "",                              \
      "the cluster's secret, which nodes prove to each other (default: the file secret in --data)")                    \
    X(advertise,    "advertise",    TEXT,     "HOST:PORT", "",               "",      "",                              \
      "where the other nodes reach this one (default: --listen, or the host's name if that is any address)")           \
    X(plugin,       "plugin",       LIST,     "FILE",      "",               "",      "",                              \
      "a shared object with actor types (perdure/actor.h); may be given again")                                        \
    X(threads,      "threads",      COUNT,    "N",         "0",              "0",     "64",                            \
      "core threads, which share the actors; 0: one fewer than the processors, at least 1")                            \
    X(memory,       "memory",       BYTES,    "SIZE",      "1GiB",           "16MiB", "1TiB",                          \
      "for actors and their waiting calls; near it idle actors leave memory, at it calls are answered overloaded")     \
    X(idle,         "idle",         DURATION, "TIME",      "60s",            "10ms",  "1d",                            \
      "an actor that was not called for so long leaves memory; its state stays on disk")                               \
    X(mailbox,      "mailbox",      COUNT,    "N",         "1024",           "1",     "65535",                         \
      "calls that may wait for one actor; further ones are answered overloaded")                                       \
    X(queue,        "queue",        COUNT,    "N",         "65536",          "16",    "16777216",                      \
      "calls that may wait on one core thread; further ones are answered overloaded")                                  \
    X(tells,        "tells",        COUNT,    "N",         "16384",          "1",     "1000000",                       \
      "durable tells that may wait for one actor; further ones are kept by their senders")                             \
    X(outbox,       "outbox",       COUNT,    "N",         "16384",          "1",     "1000000",                       \
      "durable tells that one shard keeps for another that does not take them; further ones fail overloaded")          \
    X(turns,        "turns",        COUNT,    "N",         "10000",          "16",    "1000000",                       \
      "turns of one core thread that may wait for something at a time")                                                \
    X(connections,  "connections",  COUNT,    "N",         "10000",          "1",     "1000000",                       \
      "connections of clients; further ones are closed")                                                               \
    X(outstanding,  "outstanding",  COUNT,    "N",         "4096",           "1",     "65536",                         \
      "unanswered calls of one connection; with more it is not read until answers have left")                          \
    X(unread,       "unread",       DURATION, "TIME",      "2min",           "1s",    "1d",                            \
      "how long a client may leave answers lying and take none; then its connection is cut")                           \
    X(sessions,     "sessions",     COUNT,    "N",         "100000",         "1",     "1000000",                       \
      "open sessions of clients; further ones are answered overloaded")                                                \
    X(session_idle, "session-idle", DURATION, "TIME",      "1h",             "10ms",  "1d",                            \
      "a session that no connection has had for so long is over")                                                      \
    X(drain,        "drain",        DURATION, "TIME",      "10s",            "0",     "1h",                            \
      "how long turns that run may take to end when the node is stopped")                                              \
    X(log_size,     "log-size",     BYTES,    "SIZE",      "1GiB",           "2MiB",  "1TiB",                          \
      "of the journal's files together; when they are full and none can be freed, writes are answered no_space")       \
    X(log_segment,  "log-segment",  BYTES,    "SIZE",      "64MiB",          "1MiB",  "1GiB",                          \
      "of one file of the journal; at most half of --log-size")                                                        \
    X(store_cache,  "store-cache",  BYTES,    "SIZE",      "64MiB",          "1MiB",  "1TiB",                          \
      "memory that keeps what was read from the store")                                                                \
    X(store_buffer, "store-buffer", BYTES,    "SIZE",      "16MiB",          "1MiB",  "4GiB",                          \
      "memory that gathers what the store will write")                                                                 \
    X(log_level,    "log-level",    LEVEL,    "LEVEL",     "info",           "debug", "error",                         \
      "lowest level that is written to standard error: debug, info, warn, error")                                      \
    X(log_format,   "log-format",   FORMAT,   "FORMAT",    "text",           "text",  "json",                          \
      "of the lines on standard error: text (time, level, event, key=value ...) or json (an object a line)")           \
    X(slow_turn,    "slow-turn",    DURATION, "TIME",      "100ms",          "0",     "1d",                            \
      "a turn that lasts as long, waits included, is logged: actor, method, how long it ran and waited; 0: none is")
/* clang-format on */

#endif
