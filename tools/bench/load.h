/* tools/bench/load.h: the load: so many requests outstanding over so many connections (closed loop), or so many a
 * second however slowly they are answered (open loop), for so long; or each of so many names once. */
#ifndef TOOLS_BENCH_LOAD_H
#define TOOLS_BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tools/bench/channel.h"
#include "tools/bench/histogram.h"

struct load_plan {
    enum channel_op op;
    const char *node;   /* HOST:PORT */
    const char *prefix; /* of the actors' keys */
    uint64_t actors;    /* keys PREFIX0, PREFIX1, ...: picked at random, or with `once` each one once, in order */
    bool once;
    bool fixed;           /* every slot has a key of its own: closed loop */
    uint32_t hits;        /* of a CHANNEL_PLAY, which counts as two operations each */
    bool sessions;        /* each connection has a durable session */
    bool one_node;        /* requests go to `node` alone, not straight to owners */
    unsigned threads;     /* that generate; each has a share of the connections */
    unsigned connections; /* spread evenly; at most `outstanding` are opened */
    unsigned outstanding; /* closed loop: always; open loop: at most */
    double rate;          /* requests a second; 0: closed loop */
    double warm_s, secs;  /* not with `once` */
    pid_t server;         /* whose CPU is noted; 0: nobody's */
    uint64_t seed;
};

struct load_result {
    struct histogram
        latency; /* closed loop: from just before the request is handed over; open loop: from when it was due;
                    CHANNEL_PLAY: of one of its hits, on the average */
    uint64_t ops, errors;
    char first_error[200];
    double secs; /* of the measured part; with `once` from the first request to the last answer */
    double own_cpu_s, server_cpu_s, other_cpu_s; /* server: < 0 when unknown */
};

/** False: the run is void and `why` is a sentence. */
bool load_run(const struct load_plan *plan, struct load_result *result, char *why, size_t why_size);

#endif
