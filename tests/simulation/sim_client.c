/* tests/simulation/sim_client.c: the raw client (frames by hand, answers by msgid), and the real one in its place. */
#include "tests/simulation/sim_client.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/mem.h"
#include "net/client/client.h"

#define AGAIN_NS_MAX (200 * NS_PER_MS)

struct raw_call {
    struct list node;
    uint32_t msgid;
    pdr_outcome_cb cb;
    void *user;
};

static void connect_now(struct sim_client *client);

static void finish(struct sim_client *client, struct raw_call *call, const struct pdr_outcome *outcome)
{
    pdr_outcome_cb cb = call->cb;
    void *user = call->user;
    list_remove(&call->node);
    mem_free(call);
    client->outstanding--;
    cb(user, outcome);
}

static void finish_all(struct sim_client *client, enum pdr_status status, const char *why)
{
    struct list calls;
    list_init(&calls);
    list_splice(&calls, &client->calls);
    while (!list_empty(&calls)) {
        struct pdr_outcome outcome = {
            .status = status, .code = pdr_str(pdr_status_wire(status)), .message = pdr_str(why)};
        client->lost++;
        finish(client, LIST_ITEM(calls.next, struct raw_call, node), &outcome);
    }
}

/* Answers: [1, msgid, error, result]. */

static struct raw_call *find_call(struct sim_client *client, uint64_t msgid)
{
    for (struct list *node = client->calls.next; node != &client->calls; node = node->next) {
        struct raw_call *call = LIST_ITEM(node, struct raw_call, node);
        if (call->msgid == msgid) {
            return call;
        }
    }
    return NULL;
}

static void read_error(pdr_value error, struct pdr_outcome *outcome)
{
    uint64_t retry_ms;
    pdr_value_bytes(pdr_value_get(error, "code"), &outcome->code);
    pdr_value_bytes(pdr_value_get(error, "message"), &outcome->message);
    outcome->retry_ms = pdr_value_uint(pdr_value_get(error, "retry_ms"), &retry_ms) ? retry_ms : 0;
    outcome->status = pdr_status_from_wire(outcome->code.data, outcome->code.size);
}

static void take_response(struct sim_client *client, pdr_value frame)
{
    int64_t msgid = -1;
    struct pdr_outcome outcome = {0};
    pdr_value error = pdr_value_at(frame, 2);
    struct raw_call *call = NULL;
    if (pdr_value_int(pdr_value_at(frame, 1), &msgid)) {
        call = find_call(client, (uint64_t)msgid);
    }
    if (pdr_value_count(frame) != 4 || call == NULL) {
        sim_fail(client->sim, "client %u got an answer to msgid %lld, which it did not ask, or got answered before",
                 client->host, (long long)msgid);
        return;
    }
    if (pdr_value_kind(error) != PDR_KIND_NIL) {
        read_error(error, &outcome);
        if (outcome.code.size == 0) {
            sim_fail(client->sim, "client %u: the error of msgid %lld has no code", client->host, (long long)msgid);
        }
    } else {
        outcome.result = pdr_value_at(frame, 3);
    }
    client->answers++;
    finish(client, call, &outcome);
}

static void take_frame(struct sim_client *client, pdr_value frame)
{
    int64_t kind = -1;
    pdr_value_int(pdr_value_at(frame, 0), &kind);
    if (kind == 1) {
        take_response(client, frame);
    } else if (kind == 2) {
        client->closed_by_node++; /* `_sys/conn.closed`: the connection ends next */
    } else {
        sim_fail(client->sim, "the node sent client %u a frame of kind %lld", client->host, (long long)kind);
    }
}

static void received(void *user, struct pdr_bytes data)
{
    struct sim_client *client = user;
    size_t done = 0;
    pdr_write_raw(&client->in, data.data, data.size);
    while (done < client->in.size && !client->sim->failed) {
        int64_t size = pdr_value_skip(client->in.data + done, client->in.size - done, PDR_VALUE_DEPTH_MAX + 2);
        if (size < 0) {
            sim_fail(client->sim, "the node sent client %u bytes that are not MessagePack", client->host);
        }
        if (size <= 0) {
            break;
        }
        take_frame(client, pdr_bytes(client->in.data + done, (size_t)size));
        done += (size_t)size;
    }
    memmove(client->in.data, client->in.data + done, client->in.size - done);
    client->in.size -= done;
}

static void opened(void *user)
{
    struct sim_client *client = user;
    client->connected = true;
    client->connects++;
}

static void closed(void *user, const char *why)
{
    struct sim_client *client = user;
    client->connected = false;
    client->stream = NULL;
    pdr_writer_clear(&client->in);
    if (!client->stopping) {
        sim_after(client->sim, &client->again, sim_draw(client->sim, AGAIN_NS_MAX));
    }
    finish_all(client, PDR_UNAVAILABLE, why);
}

static const struct stream_handler handler = {opened, received, NULL, closed};

static void connect_now(struct sim_client *client)
{
    const char *why;
    client->stream = client->transport->ops->connect(client->transport, client->address, &handler, client, &why);
    CHECK(client->stream != NULL);
}

static void connect_again(struct sim_event *event)
{
    connect_now(LIST_ITEM(event, struct sim_client, again));
}

/* Requests. */

static void write_address(pdr_writer *frame, struct pdr_bytes to, const char *method)
{
    char text[PDR_TYPE_SIZE_MAX + PDR_KEY_SIZE_MAX + PDR_METHOD_SIZE_MAX + 8];
    int size = snprintf(text, sizeof text, "%.*s.%s", (int)to.size, (const char *)to.data, method);
    pdr_write_str(frame, pdr_bytes(text, (size_t)size));
}

static void write_request(pdr_writer *frame, uint32_t msgid, struct pdr_bytes to, const char *method,
                          struct pdr_bytes args, const struct sim_call_options *options)
{
    pdr_write_array(frame, 4);
    pdr_write_int(frame, 0);
    pdr_write_uint(frame, msgid);
    if (options->deadline_ms == 0 && options->durability == NULL) {
        write_address(frame, to, method);
        pdr_write_value(frame, args);
        return;
    }
    pdr_write_cstr(frame, "_sys/conn.call");
    pdr_write_array(frame, 4);
    pdr_write_str(frame, to);
    pdr_write_cstr(frame, method);
    pdr_write_value(frame, args);
    pdr_write_map(frame, (options->deadline_ms != 0) + (options->durability != NULL));
    if (options->deadline_ms != 0) {
        pdr_write_cstr(frame, "deadline_ms");
        pdr_write_uint(frame, options->deadline_ms);
    }
    if (options->durability != NULL) {
        pdr_write_cstr(frame, "durability");
        pdr_write_cstr(frame, options->durability);
    }
}

static bool call_raw(struct sim_client *client, struct pdr_bytes to, const char *method, struct pdr_bytes args,
                     const struct sim_call_options *options, pdr_outcome_cb cb, void *user)
{
    if (!client->connected) {
        return false;
    }
    uint8_t room[512];
    pdr_writer frame;
    struct raw_call *call = mem_new(sizeof *call);
    call->msgid = client->next_msgid++;
    call->cb = cb;
    call->user = user;
    list_push_back(&client->calls, &call->node);
    client->outstanding++;
    pdr_writer_init(&frame, room, sizeof room, 0);
    write_request(&frame, call->msgid, to, method, args, options);
    client->transport->ops->write(client->stream, pdr_written(&frame));
    pdr_writer_release(&frame);
    return true;
}

bool sim_client_tell(struct sim_client *client, struct pdr_bytes to, const char *method, struct pdr_bytes args)
{
    uint8_t room[512];
    pdr_writer frame;
    if (!client->connected) {
        return false;
    }
    pdr_writer_init(&frame, room, sizeof room, 0);
    pdr_write_array(&frame, 3);
    pdr_write_int(&frame, 2);
    write_address(&frame, to, method);
    pdr_write_value(&frame, args);
    client->transport->ops->write(client->stream, pdr_written(&frame));
    pdr_writer_release(&frame);
    return true;
}

bool sim_client_send_raw(struct sim_client *client, struct pdr_bytes bytes)
{
    if (!client->connected) {
        return false;
    }
    client->transport->ops->write(client->stream, bytes);
    return true;
}

/* Either. */

static void open_real(struct sim_client *client)
{
    const char *why;
    client->has_session = sim_chance(client->sim, 50);
    struct pdr_client_options options = {.node = client->address, .session = client->has_session};
    CHECK(client_open_on(&client->loop.loop, client->transport, &options, rng_next(&client->sim->rng), &client->real,
                         &why) == PDR_OK);
}

bool sim_client_call(struct sim_client *client, struct pdr_bytes to, const char *method, struct pdr_bytes args,
                     const struct sim_call_options *options, pdr_outcome_cb cb, void *user)
{
    if (client->real == NULL) {
        return call_raw(client, to, method, args, options, cb, user);
    }
    CHECK(options->durability == NULL);
    struct pdr_call_options call = {.deadline_ms = options->deadline_ms};
    return pdr_client_call(client->real, to, method, args, &call, cb, user) == PDR_OK;
}

void sim_client_open(struct sim_client *client, struct sim *sim, struct sim_net *net, uint32_t host,
                     const char *address, bool real)
{
    *client = (struct sim_client){.sim = sim, .net = net, .host = host, .address = address, .next_msgid = 1};
    sim_clock_init(&client->clock, sim);
    sim_loop_init(&client->loop, sim, &client->clock, 100 + host);
    client->transport = sim_net_transport(net, &client->loop, host);
    client->again = (struct sim_event){.fire = connect_again, .name = "client.connect", .subject = host};
    list_init(&client->calls);
    pdr_writer_init(&client->in, NULL, 0, 0);
    if (real) {
        open_real(client);
    } else {
        connect_now(client);
    }
    sim_loop_run(&client->loop);
}

void sim_client_close(struct sim_client *client)
{
    client->stopping = true;
    sim_cancel(client->sim, &client->again);
    sim_loop_stop(&client->loop);
    sim_net_crash(client->net, client->host, false);
    if (client->real != NULL) {
        client_discard(client->real);
        client->real = NULL;
    }
    finish_all(client, PDR_CANCELLED, "the client was closed");
    sim_net_reap(client->net, client->host);
    client->transport->ops->free(client->transport);
    pdr_writer_release(&client->in);
}
