/* tests/integration/world.h: a real node (loops, TCP, RocksDB, files) on a thread of its own, a blocking client, and
 * what tests ask of answers. Set `options` (its `types`, above all) before `begin`. */
#ifndef TESTS_INTEGRATION_WORLD_H
#define TESTS_INTEGRATION_WORLD_H

#include <perdure/actor.h>
#include <perdure/client.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "tools/node/process_uv.h"

struct world {
    struct process *process;
    pthread_t thread;
    pdr_blocking *client;
    char data[512], node[64];
    struct node_options options;
};

static inline void *run(void *process)
{
    process_run(process);
    return NULL;
}

static inline void start(struct world *w)
{
    const char *why = "";
    struct process_options options = {.data = w->data, .threads = 2, .node = w->options};
    options.node.name = "test";
    options.node.listen = "127.0.0.1:0";
    if (process_open(&options, &w->process, &why) != PDR_OK) {
        fprintf(stderr, "%s\n", why);
        REQUIRE(!"process_open");
    }
    REQUIRE(pthread_create(&w->thread, NULL, run, w->process) == 0);
    snprintf(w->node, sizeof w->node, "127.0.0.1:%u", process_port(w->process));
    struct pdr_client_options client = {.node = w->node};
    REQUIRE(pdr_blocking_open(&client, &w->client, &why) == PDR_OK);
}

static inline void stop(struct world *w)
{
    pdr_blocking_close(w->client);
    process_stop(w->process, 2000);
    pthread_join(w->thread, NULL);
    process_free(w->process);
}

static inline void begin(struct world *w)
{
    snprintf(w->data, sizeof w->data, "%s", test_dir());
    start(w);
}

/* Calls with arguments given as a format: i integer, s string. */
static inline struct pdr_outcome ask(struct world *w, const char *to, const char *method, uint64_t deadline_ms,
                                     const char *format, ...)
{
    static pdr_writer args;
    struct pdr_outcome outcome;
    struct pdr_call_options options = {.deadline_ms = deadline_ms};
    va_list values;
    pdr_writer_release(&args);
    pdr_writer_init(&args, NULL, 0, 0);
    pdr_write_array(&args, (uint32_t)strlen(format));
    va_start(values, format);
    for (const char *f = format; *f != 0; f++) {
        if (*f == 'i') {
            pdr_write_int(&args, va_arg(values, int));
        } else {
            pdr_write_cstr(&args, va_arg(values, const char *));
        }
    }
    va_end(values);
    pdr_blocking_call(w->client, pdr_str(to), method, pdr_written(&args), &options, &outcome);
    return outcome;
}

static inline bool is_code(struct pdr_outcome o, const char *code)
{
    if (o.status != PDR_OK && pdr_bytes_equal(o.code, pdr_str(code))) {
        return true;
    }
    fprintf(stderr, "code %.*s: %.*s\n", (int)o.code.size, (const char *)o.code.data, (int)o.message.size,
            (const char *)o.message.data);
    return false;
}

static inline bool is_int(struct pdr_outcome o, int64_t want)
{
    int64_t got;
    if (o.status == PDR_OK && pdr_value_int(o.result, &got) && got == want) {
        return true;
    }
    fprintf(stderr, "status %s %.*s, wanted %lld\n", pdr_status_wire(o.status), (int)o.message.size,
            (const char *)o.message.data, (long long)want);
    return false;
}

static inline bool is_nil(struct pdr_outcome o)
{
    return o.status == PDR_OK && pdr_value_kind(o.result) == PDR_KIND_NIL;
}

static inline bool is_bytes(struct pdr_outcome o, const char *want)
{
    struct pdr_bytes got;
    return o.status == PDR_OK && pdr_value_bytes(o.result, &got) && pdr_bytes_equal(got, pdr_str(want));
}

/** The number in a map that was answered; -1: there is none, and it says why. */
static inline int64_t number_in(struct pdr_outcome o, const char *key)
{
    int64_t n = -1;
    if (o.status != PDR_OK || !pdr_value_int(pdr_value_get(o.result, key), &n)) {
        fprintf(stderr, "no %s: %s %.*s\n", key, pdr_status_wire(o.status), (int)o.message.size,
                (const char *)o.message.data);
    }
    return n;
}

static inline bool is_true(struct pdr_outcome o, bool want)
{
    bool got;
    return o.status == PDR_OK && pdr_value_bool(o.result, &got) && got == want;
}

#endif
