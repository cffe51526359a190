/* tests/simulation/sim_client.h: a client on a host of its own, of one of two kinds: the real one (net/client), or a
 * raw one that speaks MessagePack-RPC by itself, so that the node is also held against the spec and not only against
 * us.
 *
 * The raw one sends each call once, on the connection that is open, and knows no time-outs: a call ends with its
 * answer, or PDR_UNAVAILABLE when its connection is gone. */
#ifndef TESTS_SIMULATION_SIM_CLIENT_H
#define TESTS_SIMULATION_SIM_CLIENT_H

#include <perdure/client.h>
#include <perdure/ref.h>

#include "tests/simulation/sim_net.h"

/** Zero: the node's defaults. */
struct sim_call_options {
    uint64_t deadline_ms;
    const char *durability; /* raw clients only */
};

struct sim_client {
    struct sim *sim;
    struct sim_net *net;
    uint32_t host;
    const char *address; /* of the node */
    struct sim_clock clock;
    struct sim_loop loop;
    struct transport *transport;

    pdr_client *real; /* NULL: raw */
    bool has_session; /* its calls are under one */

    /* raw */
    uint32_t outstanding;
    struct stream *stream;
    bool connected, stopping;
    pdr_writer in;     /* a frame whose end has not come */
    struct list calls; /* without an answer, in the order sent */
    uint32_t next_msgid;
    struct sim_event again; /* to connect */
    uint64_t connects, answers, lost, closed_by_node;
};

/** `address` is borrowed. Connects by itself, now and after each loss. */
void sim_client_open(struct sim_client *client, struct sim *sim, struct sim_net *net, uint32_t host,
                     const char *address, bool real);
/** What is outstanding ends with PDR_CANCELLED; nothing more happens. */
void sim_client_close(struct sim_client *client);

/**
 * In a turn of the client's loop. False: nothing was sent (there is no connection), and `cb` never fires. `args` is an
 * encoded array. The outcome is borrowed until `cb` returns.
 */
bool sim_client_call(struct sim_client *client, struct pdr_bytes to, const char *method, struct pdr_bytes args,
                     const struct sim_call_options *options, pdr_outcome_cb cb, void *user);
/** A notification; raw clients only. */
bool sim_client_tell(struct sim_client *client, struct pdr_bytes to, const char *method, struct pdr_bytes args);
/** Raw clients only: bytes as they are, which may be no frame at all. False: there is no connection. */
bool sim_client_send_raw(struct sim_client *client, struct pdr_bytes bytes);

#endif
