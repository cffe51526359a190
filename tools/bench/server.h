/* tools/bench/server.h: nodes of the bench's own: `perdure start` on a temporary directory, ended and cleared away. */
#ifndef TOOLS_BENCH_SERVER_H
#define TOOLS_BENCH_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct server_options {
    const char *program;          /* path of perdure */
    const char *directory;        /* where the temporary directory is made */
    unsigned threads;             /* perdure's --threads; 0: its default */
    const char *plugin;           /* perdure's --plugin; NULL: none */
    unsigned nodes;               /* of its cluster: calls wait until so many are there; 0: it is alone */
    const struct server *founder; /* of the cluster that it joins; NULL: it founds one */
};

struct server {
    pid_t pid;
    int out;              /* its standard output; held open while it lives */
    char directory[4096]; /* data/ and perdure.log below it */
    char node[300];       /* HOST:PORT, from its ready line */
    char version[64];
};

/** Returns when the ready line has come. False: `why` is a sentence and nothing is left behind. */
bool bench_server_start(const struct server_options *options, struct server *server, char *why, size_t why_size);
/** SIGTERM, or SIGKILL after thirty seconds, then removes the directory. */
void bench_server_stop(struct server *server);
/** As server_stop, but the directory stays ... */
void bench_server_halt(struct server *server);
/** ... and is a node again. False: as server_start, and the directory is gone. */
bool bench_server_again(const struct server_options *options, struct server *server, char *why, size_t why_size);
/** True: `directory` is in memory, so that durable figures mean nothing there. */
bool bench_server_directory_is_memory(const char *directory);

#endif
