/* tests/simulation/sim_net.h: fills net/transport/transport.h: a network of hosts in one thread.
 *
 * Bytes travel on directed links with a delay, in chunks of drawn sizes, never overtaking one another (as TCP's). A
 * direction takes only so many bytes that the other side has not read; the rest is `unsent`. Links can be cut one way
 * or both ways: what is under way waits, and after some seconds the sender's connection breaks. A reset loses a drawn
 * part of what is under way, so that frames end in the middle.
 *
 * A host is a number and a name. A node's loops share its host; whoever listens there is found under "NAME:PORT", and
 * on the same host under "127.0.0.1:PORT" too. */
#ifndef TESTS_SIMULATION_SIM_NET_H
#define TESTS_SIMULATION_SIM_NET_H

#include "net/transport/transport.h"
#include "tests/simulation/sim_loop.h"

#define SIM_HOSTS_MAX 16u

struct sim_net;

/** One direction between two hosts. Set the numbers whenever you like: they hold for what is sent from then on. */
struct sim_link {
    uint64_t typical_ns; /* delay */
    bool cut;
};

/** Shape of the connections made from now on. */
struct sim_net_shape {
    uint32_t window_max; /* bytes a direction takes that are not read yet */
    uint32_t chunk_max;  /* bytes that arrive together */
};

/** Sees every byte on its way, at the side that connected (0) and at the one that accepted (1). */
struct sim_tap {
    void *user;
    void (*written)(void *user, uint32_t connection, unsigned side, struct pdr_bytes data);
    void (*received)(void *user, uint32_t connection, unsigned side, struct pdr_bytes data);
    void (*closed)(void *user, uint32_t connection, unsigned side);
};

struct sim_net *sim_net_new(struct sim *sim);
/** Frees connections and all; every transport must have been freed. */
void sim_net_free(struct sim_net *net);
/** Returns the host's number. */
uint32_t sim_net_host(struct sim_net *net, const char *name);
struct transport *sim_net_transport(struct sim_net *net, struct sim_loop *loop, uint32_t host);
struct sim_link *sim_net_link(struct sim_net *net, uint32_t from, uint32_t to);
struct sim_net_shape *sim_net_shape(struct sim_net *net);
/** At most one; NULL takes it off. Borrowed. */
void sim_net_tap(struct sim_net *net, const struct sim_tap *tap);
uint32_t sim_net_open_count(const struct sim_net *net);

/* Faults: sim_net_faults.c */

void sim_net_cut(struct sim_net *net, uint32_t from, uint32_t to);
/** Every link carries again; what waited goes on. */
void sim_net_heal(struct sim_net *net);
/** From here no way is slower than that of a plain local network: what is sent arrives within a moment. */
void sim_net_ease(struct sim_net *net);
/** Breaks a drawn connection; false if there is none. */
bool sim_net_reset(struct sim_net *net);
/** As if the process that has the stream had died: the other side sees a reset. */
void sim_net_reset_stream(struct stream *stream);
/** The process on the host ends. Its streams and listeners are dead: no callback fires any more, and operations on them
 * do nothing until sim_net_reap. The system of the host closes its connections; but with `power` it is gone without a
 * word, and the others find out later, or when they send. */
void sim_net_crash(struct sim_net *net, uint32_t host, bool power);
/** Frees the dead ends of the host, once nobody holds pointers to them. */
void sim_net_reap(struct sim_net *net, uint32_t host);
/** The machine is on again, and refuses what nobody listens to. */
void sim_net_power_on(struct sim_net *net, uint32_t host);

#endif
