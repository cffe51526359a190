/* tools/bench/channel.h: one connection that carries requests of the load: to a node through perdure/client.h, or raw
 * frames to the echo of the floor. Both look the same to load_uv.c, so that both are measured by the same lines. */
#ifndef TOOLS_BENCH_CHANNEL_H
#define TOOLS_BENCH_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_PAYLOAD_SIZE 100u

struct uv_loop_s;
struct channel;

enum channel_op {
    CHANNEL_ECHO, /* raw frames of BENCH_PAYLOAD_SIZE bytes to echo_serve (floor.h) and back */
    CHANNEL_PING, /* echo/KEY.ping with as many bytes */
    CHANNEL_ADD,  /* counter/KEY.add 1 */
    CHANNEL_GET,  /* counter/KEY.get, which must answer 1 */
    CHANNEL_PLAY, /* rally/KEY.play against rally/KEY-peer (plugin/rally.c): `hits` calls of one actor by another */
};

/** `slot` of an error that is the connection's: it is lost, and nothing more will be answered on it. */
#define CHANNEL_BROKEN UINT32_MAX

/** `error` is NULL when the answer was right, else a sentence that is valid until this returns. */
typedef void (*channel_answer)(void *user, uint32_t slot, const char *error);

struct channel_options {
    enum channel_op op;
    const char *node;        /* HOST:PORT; borrowed while the channel is open, like `prefix` */
    const char *prefix;      /* of keys: request `number` goes to PREFIX followed by the number */
    uint32_t slots;          /* requests without an answer, at most */
    uint32_t hits;           /* of a CHANNEL_PLAY */
    bool session;            /* requests are under a durable session of the connection's own */
    bool one_node;           /* requests go to `node` alone */
    channel_answer answered; /* on the loop's thread */
    void *user;
};

/** All on the loop's thread. */
struct channel_ops {
    /** A request that changes nothing and is answered under slot 0, or with an error after at most five seconds. */
    bool (*greet)(struct channel *channel);
    /** False: it could not be sent at all, and will not be answered. */
    bool (*send)(struct channel *channel, uint32_t slot, uint64_t number);
    /** Hands what was sent to the kernel, where it was only gathered. Not needed from inside `answered`. */
    void (*flush)(struct channel *channel);
    /** Answers nothing more. The memory goes when the loop has run on; no callback. */
    void (*close)(struct channel *channel);
};

struct channel {
    const struct channel_ops *ops;
};

/** NULL: *why is a sentence. */
struct channel *channel_open_client(struct uv_loop_s *loop, const struct channel_options *options, const char **why);
struct channel *channel_open_raw(struct uv_loop_s *loop, const struct channel_options *options, const char **why);

/** What every ping carries: BENCH_PAYLOAD_SIZE bytes. */
const uint8_t *channel_payload(void);

#endif
