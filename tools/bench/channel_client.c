/* tools/bench/channel_client.c: requests through the public client, answers checked: a ping must bring its bytes back,
 * an add must answer a number, a get must find what one add left, a play must have had all its hits. */
#include "tools/bench/channel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <perdure/client.h>
#include <perdure/ref.h>

#include "core/base/mem.h"

#define GREET_DEADLINE_MS 5000

struct slot {
    struct client_channel *channel;
    uint32_t number;
};

struct client_channel {
    struct channel base;
    struct channel_options options;
    pdr_client *client;
    const char *method;
    pdr_writer args;
    size_t address_fixed; /* bytes of `address` before the number */
    char address[PDR_KEY_SIZE_MAX];
    bool closed;
    struct slot slots[];
};

const uint8_t *channel_payload(void)
{
    static const uint8_t payload[BENCH_PAYLOAD_SIZE + 1] =
        "perdure-bench sends these one hundred bytes there and wants the same one hundred bytes back again...";
    return payload;
}

static const char *wrong_result(const struct client_channel *c, pdr_value result)
{
    int64_t number;
    struct pdr_bytes bytes;
    switch (c->options.op) {
    case CHANNEL_ADD:
        return pdr_value_int(result, &number) ? NULL : "the result of add is not a number";
    case CHANNEL_GET:
        return pdr_value_int(result, &number) && number == 1 ? NULL : "the counter is not 1, as one add left it";
    case CHANNEL_PLAY:
        return pdr_value_int(result, &number) && number == 2 * (int64_t)c->options.hits ? NULL : "hits are missing";
    default:
        break;
    }
    if (!pdr_value_bytes(result, &bytes) || bytes.size != BENCH_PAYLOAD_SIZE ||
        memcmp(bytes.data, channel_payload(), BENCH_PAYLOAD_SIZE) != 0) {
        return "the result of ping is not what was sent";
    }
    return NULL;
}

static void answered(void *user, const struct pdr_outcome *outcome)
{
    struct slot *slot = user;
    struct client_channel *c = slot->channel;
    char text[256];
    if (c->closed) {
        return;
    }
    if (outcome->status == PDR_OK) {
        c->options.answered(c->options.user, slot->number, wrong_result(c, outcome->result));
        return;
    }
    snprintf(text, sizeof text, "%.*s: %.*s", (int)outcome->code.size, (const char *)outcome->code.data,
             (int)outcome->message.size, (const char *)outcome->message.data);
    c->options.answered(c->options.user, slot->number, text);
}

static void greeted(void *user, const struct pdr_outcome *outcome)
{
    struct slot *slot = user;
    struct client_channel *c = slot->channel;
    if (outcome->status != PDR_OK) {
        answered(user, outcome);
    } else if (!c->closed) {
        c->options.answered(c->options.user, slot->number, NULL);
    }
}

static bool client_greet(struct channel *channel)
{
    struct client_channel *c = (struct client_channel *)channel;
    struct pdr_call_options options = {.deadline_ms = GREET_DEADLINE_MS};
    return pdr_client_call(c->client, pdr_str("echo/bench"), "ping", pdr_bytes(NULL, 0), &options, greeted,
                           &c->slots[0]) == PDR_OK;
}

/** Writes `number` in decimal; returns the digits. */
static size_t write_number(char *at, uint64_t number)
{
    char digits[20];
    size_t count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number != 0);
    for (size_t k = 0; k < count; k++) {
        at[k] = digits[count - 1 - k];
    }
    return count;
}

/** The arguments of a play: the peer of the actor that `address` names, and how many hits. */
static void write_play(struct client_channel *c, size_t size)
{
    char peer[PDR_KEY_SIZE_MAX + 8];
    int peer_size = snprintf(peer, sizeof peer, "%.*s-peer", (int)size, c->address);
    pdr_writer_clear(&c->args);
    pdr_write_array(&c->args, 2);
    pdr_write_str(&c->args, pdr_bytes(peer, (size_t)peer_size));
    pdr_write_int(&c->args, c->options.hits);
}

static bool client_send(struct channel *channel, uint32_t slot, uint64_t number)
{
    struct client_channel *c = (struct client_channel *)channel;
    size_t size = c->address_fixed + write_number(c->address + c->address_fixed, number);
    if (c->options.op == CHANNEL_PLAY) {
        write_play(c, size);
    }
    return pdr_client_call(c->client, pdr_bytes(c->address, size), c->method, pdr_written(&c->args), NULL, answered,
                           &c->slots[slot]) == PDR_OK;
}

static void client_flush(struct channel *channel)
{
    (void)channel; /* the client itself gathers the calls of one turn of the loop */
}

static void client_closed(void *user)
{
    struct client_channel *c = user;
    pdr_writer_release(&c->args);
    mem_free(c);
}

static void client_close(struct channel *channel)
{
    struct client_channel *c = (struct client_channel *)channel;
    c->closed = true;
    pdr_client_close(c->client, client_closed, c);
}

static const struct channel_ops client_ops = {client_greet, client_send, client_flush, client_close};

static void write_args(struct client_channel *c)
{
    pdr_writer_init(&c->args, NULL, 0, 0);
    if (c->options.op == CHANNEL_GET) {
        pdr_write_array(&c->args, 0);
        return;
    }
    pdr_write_array(&c->args, 1);
    if (c->options.op == CHANNEL_ADD) {
        pdr_write_int(&c->args, 1);
    } else {
        pdr_write_bin(&c->args, pdr_bytes(channel_payload(), BENCH_PAYLOAD_SIZE));
    }
}

static const struct {
    const char *type, *method;
} targets[] = {
    [CHANNEL_PING] = {"echo", "ping"},
    [CHANNEL_ADD] = {"counter", "add"},
    [CHANNEL_GET] = {"counter", "get"},
    [CHANNEL_PLAY] = {"rally", "play"},
};

struct channel *channel_open_client(struct uv_loop_s *loop, const struct channel_options *options, const char **why)
{
    struct pdr_client_options client_options = {.node = options->node,
                                                .outstanding_max = options->slots + 1,
                                                .session = options->session,
                                                .one_connection = options->one_node};
    struct client_channel *c = mem_new(sizeof *c + options->slots * sizeof c->slots[0]);
    c->base.ops = &client_ops;
    c->options = *options;
    c->method = targets[options->op].method;
    for (uint32_t k = 0; k < options->slots; k++) {
        c->slots[k] = (struct slot){c, k};
    }
    int fixed = snprintf(c->address, sizeof c->address - 20, "%s/%s", targets[options->op].type, options->prefix);
    c->address_fixed = (size_t)fixed;
    if (pdr_client_open(loop, &client_options, &c->client, why) != PDR_OK) {
        mem_free(c);
        return NULL;
    }
    write_args(c);
    return &c->base;
}
