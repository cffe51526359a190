/* tests/simulation/sim_net_parts.h: what sim_net.c, sim_net_pipe.c and sim_net_faults.c share. */
#ifndef TESTS_SIMULATION_SIM_NET_PARTS_H
#define TESTS_SIMULATION_SIM_NET_PARTS_H

#include "tests/simulation/sim_net.h"

/** Bytes, first in first out. */
struct fifo {
    uint8_t *data;
    uint32_t begin, size, capacity;
};

void fifo_put(struct fifo *fifo, struct pdr_bytes bytes);
struct pdr_bytes fifo_front(const struct fifo *fifo, uint32_t size);
void fifo_drop(struct fifo *fifo, uint32_t size);
void fifo_release(struct fifo *fifo);

enum chunk_kind { CHUNK_SYN, CHUNK_SYN_ACK, CHUNK_DATA, CHUNK_FIN, CHUNK_RST };

struct chunk {
    struct list node;
    enum chunk_kind kind;
    uint64_t at_ns; /* arrives then, if the link is not cut */
    uint32_t size;
    uint8_t data[];
};

/** One direction of a connection. */
struct pipe {
    struct sim_connection *connection;
    unsigned from;      /* side that sends */
    struct fifo kept;   /* written, not taken by the sender's system yet: `unsent` */
    struct list chunks; /* under way, in order */
    uint32_t under_way; /* bytes in them */
    uint64_t last_at_ns;
    struct fifo arrived; /* not read by the receiver yet */
    uint32_t window, chunk_max;
    bool ended;   /* the last chunk is FIN or RST: nothing more is taken */
    bool stalled; /* the first chunk was due while the link was cut */
    struct sim_event arrival, timeout;
};

enum end_state {
    END_CONNECTING, /* on the side that accepts: nobody has knocked yet */
    END_PENDING,    /* accepted, not adopted */
    END_OPEN,
    END_CLOSING, /* stream_close was called: `closed` is still to fire */
    END_GONE,    /* no callback fires any more */
};

/** One side of a connection: a stream, once it is adopted. */
struct end {
    struct stream stream;
    struct sim_connection *connection;
    unsigned side;
    enum end_state state;
    struct sim_loop *loop;
    const struct stream_handler *handler;
    void *user;
    struct sim_source source;
    struct sim_event linger;
    bool tell_opened, tell_drained;
    bool paused;
    bool flushed;       /* while closing: what was kept has been sent or given up */
    bool rude;          /* closed at once: what it has not read makes its system send a reset */
    bool finished;      /* the other side's FIN came */
    bool held;          /* of a crashed process that may still point to it: not to be freed before sim_net_reap */
    const char *broken; /* why; NULL: it is not */
    bool deaf;          /* broken, and what had arrived is lost too */
};

struct sim_connection {
    struct list node;
    struct sim_net *net;
    uint32_t id;
    uint32_t hosts[2];
    uint16_t ports[2]; /* the server's is [1] */
    struct end ends[2];
    struct pipe pipes[2];       /* [k]: from ends[k] */
    struct sim_event keepalive; /* the survivor of a power loss finds out */
};

struct sim_listener {
    struct listener listener;
    struct list node;
    struct sim_loop *loop;
    uint32_t host;
    uint16_t port;
    bool dead;
    void (*accepted)(void *user, intptr_t pending);
    void *user;
    struct sim_source source;
    uint32_t *waiting; /* ids of connections to tell of */
    uint32_t waiting_count, waiting_capacity;
};

struct sim_transport {
    struct transport transport;
    struct sim_net *net;
    struct sim_loop *loop;
    uint32_t host;
};

struct sim_host {
    char name[32];
    bool off;
};

struct sim_net {
    struct sim *sim;
    struct sim_host hosts[SIM_HOSTS_MAX];
    uint32_t host_count;
    struct sim_link links[SIM_HOSTS_MAX][SIM_HOSTS_MAX];
    struct sim_net_shape shape;
    const struct sim_tap *tap;
    struct list connections, listeners;
    uint32_t next_id;
    uint16_t next_port;
    char why[160];
};

static inline struct end *pipe_sender(struct pipe *pipe)
{
    return &pipe->connection->ends[pipe->from];
}
static inline struct end *pipe_receiver(struct pipe *pipe)
{
    return &pipe->connection->ends[1 - pipe->from];
}
static inline struct pipe *end_out(struct end *end)
{
    return &end->connection->pipes[end->side];
}
static inline struct pipe *end_in(struct end *end)
{
    return &end->connection->pipes[1 - end->side];
}

/* sim_net_pipe.c */

void pipe_init(struct pipe *pipe, struct sim_connection *connection, unsigned from);
void pipe_release(struct pipe *pipe);
/** Takes what is kept, as far as the window allows. */
void pipe_pump(struct pipe *pipe);
/** Sends a chunk without data behind everything that is under way; FIN and RST are the last. */
void pipe_signal(struct pipe *pipe, enum chunk_kind kind);
/** Loses a drawn part of what is under way, from the end, and everything kept. Say then how it ends. */
void pipe_tear(struct pipe *pipe);
/** The link carries again. */
void pipe_go_on(struct pipe *pipe);

/* sim_net.c */

/** A chunk without data has come. */
void end_signalled(struct end *end, enum chunk_kind kind);
/** The end has something to tell its owner. */
void end_ready(struct end *end);
void end_break(struct end *end, const char *why);
/** Nothing of what it wrote is kept any more. */
void end_flushed(struct end *end);
/** Frees the connection if nobody is left who could care. */
void connection_settle(struct sim_connection *connection);

#endif
