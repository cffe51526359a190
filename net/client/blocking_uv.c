/* net/client/blocking_uv.c: the blocking form: a client on a loop of its own that runs only inside these functions. */
#include <stdio.h>

#include <perdure/value.h>

#include "core/base/mem.h"
#include "core/env/clock.h"
#include "core/env/loop_uv.h"
#include "net/client/client.h"

struct pdr_blocking {
    struct loop_uv *loop;
    struct transport *transport;
    pdr_client *client;
    bool running;
    bool done; /* the call has ended, or the client is closed */
    struct pdr_outcome outcome;
    pdr_writer copy; /* of what the outcome points to */
};

static void stop(struct pdr_blocking *b)
{
    if (b->running) {
        loop_uv_stop(b->loop);
    }
}

static void on_change(void *user)
{
    stop(user);
}

static void run(struct pdr_blocking *b)
{
    b->running = true;
    loop_uv_run(b->loop);
    b->running = false;
}

/* What the loop would have noticed meanwhile: above all, that the node has closed the connection. */
static void catch_up(struct pdr_blocking *b)
{
    uv_run(loop_uv_raw(b->loop), UV_RUN_NOWAIT);
}

static void on_closed(void *user)
{
    struct pdr_blocking *b = user;
    b->done = true;
    stop(b);
}

/* Opening. */

static void blocking_free(struct pdr_blocking *b)
{
    if (b->client != NULL) {
        b->done = false;
        client_on_change(b->client, NULL, NULL);
        pdr_client_close(b->client, on_closed, b);
        while (!b->done) {
            run(b);
        }
    }
    if (b->transport != NULL) {
        b->transport->ops->free(b->transport);
    }
    if (b->loop != NULL) {
        loop_uv_free(b->loop);
    }
    pdr_writer_release(&b->copy);
    mem_free(b);
}

static enum pdr_status open_world(struct pdr_blocking *b, const struct pdr_client_options *options, const char **why)
{
    uint64_t seed = uv_hrtime(); /* it spreads attempts to connect, no more */
    b->loop = loop_uv_new(clock_os());
    b->transport = b->loop == NULL ? NULL : transport_uv_new(loop_uv_loop(b->loop));
    if (b->transport == NULL) {
        *why = "the system has no more descriptors or memory for a client; raise the limit of open files (ulimit -n)";
        return PDR_OVERLOADED;
    }
    return client_open_on(loop_uv_loop(b->loop), b->transport, options, seed, &b->client, why);
}

enum pdr_status pdr_blocking_open(const struct pdr_client_options *options, pdr_blocking **out, const char **why)
{
    static _Thread_local char text[768];
    struct pdr_blocking *b = mem_new(sizeof *b);
    const char *reason = "";
    enum pdr_status status = open_world(b, options, &reason);
    *why = text;
    if (status != PDR_OK) {
        snprintf(text, sizeof text, "%s", reason);
        blocking_free(b);
        return status;
    }
    client_on_change(b->client, on_change, b);
    while (!client_is_connected(b->client) && client_why(b->client)[0] == '\0') {
        run(b);
    }
    if (!client_is_connected(b->client)) {
        snprintf(text, sizeof text, "cannot connect to %s: %s", client_address(b->client), client_why(b->client));
        blocking_free(b);
        return PDR_UNAVAILABLE;
    }
    *out = b;
    return PDR_OK;
}

void pdr_blocking_close(pdr_blocking *b)
{
    if (b != NULL) {
        blocking_free(b);
    }
}

/* Calls. */

/* Offsets first, because the copy moves while it grows. */
static void keep(struct pdr_blocking *b, const struct pdr_outcome *outcome)
{
    struct pdr_bytes *slices[] = {&b->outcome.code, &b->outcome.message, &b->outcome.result};
    b->outcome = *outcome;
    pdr_writer_clear(&b->copy);
    for (int i = 0; i < 3; i++) {
        pdr_write_raw(&b->copy, slices[i]->data, slices[i]->size);
    }
    if (b->copy.failed) {
        b->outcome = (struct pdr_outcome){.status = PDR_OVERLOADED,
                                          .code = pdr_str(pdr_status_wire(PDR_OVERLOADED)),
                                          .message = pdr_str("this process has no memory for the answer")};
        return;
    }
    size_t at = 0;
    for (int i = 0; i < 3; i++) {
        slices[i]->data = b->copy.data + at;
        at += slices[i]->size;
    }
}

static void on_outcome(void *user, const struct pdr_outcome *outcome)
{
    struct pdr_blocking *b = user;
    keep(b, outcome);
    b->done = true;
    stop(b);
}

static enum pdr_status refused(struct pdr_blocking *b, enum pdr_status status, struct pdr_outcome *outcome)
{
    *outcome = (struct pdr_outcome){
        .status = status, .code = pdr_str(pdr_status_wire(status)), .message = pdr_str(pdr_client_refusal(b->client))};
    return status;
}

enum pdr_status pdr_blocking_call(pdr_blocking *b, struct pdr_bytes to, const char *method, struct pdr_bytes args,
                                  const struct pdr_call_options *options, struct pdr_outcome *outcome)
{
    catch_up(b);
    b->done = false;
    enum pdr_status status = pdr_client_call(b->client, to, method, args, options, on_outcome, b);
    if (status != PDR_OK) {
        return refused(b, status, outcome);
    }
    while (!b->done) {
        run(b);
    }
    *outcome = b->outcome;
    return outcome->status;
}

enum pdr_status pdr_blocking_tell(pdr_blocking *b, struct pdr_bytes to, const char *method, struct pdr_bytes args)
{
    catch_up(b);
    enum pdr_status status = pdr_client_tell(b->client, to, method, args);
    if (status != PDR_OK) {
        return status;
    }
    client_flush(b->client);
    while (!client_is_flushed(b->client)) {
        run(b);
        if (!client_is_connected(b->client)) {
            return PDR_UNAVAILABLE;
        }
    }
    return PDR_OK;
}
