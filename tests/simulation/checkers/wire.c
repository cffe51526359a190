/* tests/simulation/checkers/wire.c: at most one reply, and no silence. */
#include "tests/simulation/checkers/wire.h"

#include "core/base/list.h"
#include "core/base/mem.h"

#include <perdure/value.h>

struct spied {
    struct list node;
    uint32_t id;
    bool garbage;           /* the client sent what is no frame: only the close is left */
    pdr_writer sent, heard; /* beginnings of frames */
    uint64_t *open;         /* msgids without an answer */
    uint32_t open_count, open_capacity;
};

struct wire_checker {
    struct sim *sim;
    struct sim_net *net;
    struct sim_tap tap;
    struct list connections;
    struct wire_counts counts;
};

static struct spied *find(struct wire_checker *checker, uint32_t id)
{
    for (struct list *node = checker->connections.prev; node != &checker->connections; node = node->prev) {
        struct spied *c = LIST_ITEM(node, struct spied, node);
        if (c->id == id) {
            return c;
        }
    }
    struct spied *c = mem_new(sizeof *c);
    c->id = id;
    list_push_back(&checker->connections, &c->node);
    return c;
}

static void forget(struct spied *c)
{
    list_remove(&c->node);
    pdr_writer_release(&c->sent);
    pdr_writer_release(&c->heard);
    mem_free(c->open);
    mem_free(c);
}

static void note_request(struct spied *c, uint64_t msgid)
{
    if (c->open_count == c->open_capacity) {
        c->open_capacity = c->open_capacity == 0 ? 16 : c->open_capacity * 2;
        c->open = mem_grow(c->open, c->open_capacity * sizeof *c->open);
    }
    c->open[c->open_count++] = msgid;
}

static bool note_response(struct spied *c, uint64_t msgid)
{
    for (uint32_t i = 0; i < c->open_count; i++) {
        if (c->open[i] == msgid) {
            c->open[i] = c->open[--c->open_count];
            return true;
        }
    }
    return false;
}

static void read_frame(struct wire_checker *checker, struct spied *c, pdr_value frame, bool from_client)
{
    uint64_t kind = 9, msgid = 0;
    pdr_value_uint(pdr_value_at(frame, 0), &kind);
    pdr_value_uint(pdr_value_at(frame, 1), &msgid);
    if (from_client && kind == 0 && pdr_value_count(frame) == 4) {
        checker->counts.requests++;
        note_request(c, msgid);
    } else if (kind == 2 && pdr_value_count(frame) == 3) {
        checker->counts.notifications++;
    } else if (from_client) {
        c->garbage = true;
    } else {
        checker->counts.responses++;
        SIM_CHECK(checker->sim, kind == 1 && pdr_value_count(frame) == 4,
                  "connection %u: the node sent what is no answer", c->id);
        SIM_CHECK(checker->sim, note_response(c, msgid),
                  "connection %u: msgid %llu was answered twice, or never asked (at_most_one_reply)", c->id,
                  (unsigned long long)msgid);
    }
}

static void read_frames(struct wire_checker *checker, struct spied *c, pdr_writer *bytes, struct pdr_bytes more,
                        bool from_client)
{
    size_t done = 0;
    pdr_write_raw(bytes, more.data, more.size);
    while (done < bytes->size && !c->garbage) {
        int64_t size = pdr_value_skip(bytes->data + done, bytes->size - done, PDR_VALUE_DEPTH_MAX + 2);
        if (size == 0) {
            break;
        }
        if (size < 0) {
            SIM_CHECK(checker->sim, from_client, "connection %u: the node sent bytes that are not MessagePack", c->id);
            c->garbage = true;
            break;
        }
        read_frame(checker, c, pdr_bytes(bytes->data + done, (size_t)size), from_client);
        done += (size_t)size;
    }
    checker->counts.garbage += c->garbage;
    if (done > 0) {
        memmove(bytes->data, bytes->data + done, bytes->size - done);
        bytes->size -= done;
    }
}

static void written(void *user, uint32_t connection, unsigned side, struct pdr_bytes data)
{
    struct spied *c = find(user, connection);
    if (side == 0 && !c->garbage) {
        read_frames(user, c, &c->sent, data, true);
    }
}

static void received(void *user, uint32_t connection, unsigned side, struct pdr_bytes data)
{
    struct spied *c = find(user, connection);
    if (side == 0 && !c->garbage) {
        read_frames(user, c, &c->heard, data, false);
    }
}

static void closed(void *user, uint32_t connection, unsigned side)
{
    if (side == 0) {
        forget(find(user, connection));
    }
}

struct wire_checker *wire_checker_new(struct sim *sim, struct sim_net *net)
{
    struct wire_checker *checker = mem_new(sizeof *checker);
    checker->sim = sim;
    checker->net = net;
    checker->tap = (struct sim_tap){checker, written, received, closed};
    list_init(&checker->connections);
    sim_net_tap(net, &checker->tap);
    return checker;
}

void wire_checker_free(struct wire_checker *checker)
{
    sim_net_tap(checker->net, NULL);
    while (!list_empty(&checker->connections)) {
        forget(LIST_ITEM(checker->connections.next, struct spied, node));
    }
    mem_free(checker);
}

uint32_t wire_checker_unanswered(const struct wire_checker *checker)
{
    uint32_t count = 0;
    for (const struct list *node = checker->connections.next; node != &checker->connections; node = node->next) {
        const struct spied *c = LIST_ITEM(node, struct spied, node);
        count += c->garbage ? 0 : c->open_count;
    }
    return count;
}

struct wire_counts wire_checker_counts(const struct wire_checker *checker)
{
    return checker->counts;
}
