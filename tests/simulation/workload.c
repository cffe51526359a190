/* tests/simulation/workload.c: keeps a workload going, and tells the fates of its operations. */
#include "tests/simulation/workload.h"

#include "core/base/check.h"
#include "core/base/mem.h"

#define RETRY_NS (100 * NS_PER_MS) /* while there is no connection */

const struct workload_class *const workload_classes[] = {&workload_counter, &workload_cached,
                                                         &workload_bank,    &workload_step,
                                                         &workload_kv,      &workload_echo,
                                                         &workload_chain,   &workload_overload,
                                                         &workload_hostile, &workload_admin,
                                                         &workload_memory,  &workload_beat,
                                                         &workload_alarm,   &workload_backup,
                                                         &workload_once,    &workload_ledger,
                                                         &workload_knot,    &workload_lock,
                                                         &workload_queue,   &workload_news,
                                                         &workload_raft,    &workload_semaphore,
                                                         &workload_barrier, &workload_group,
                                                         &workload_bully,   NULL};

/* Nothing happened where the node says so; and an actor's own failure undoes its turn. What may have been applied is
 * unknown (status.h). */
static enum fate fate_of(enum pdr_status status)
{
    switch (status) {
    case PDR_OK:
        return FATE_DONE;
    case PDR_INVALID:
    case PDR_NOT_FOUND:
    case PDR_TOO_LARGE:
    case PDR_OVERLOADED:
    case PDR_MOVED:
    case PDR_NO_SPACE:
    case PDR_ACTOR:
        return FATE_NOT;
    default:
        return FATE_UNKNOWN;
    }
}

static void think(struct workload *w, uint64_t delay_ns)
{
    if (!w->finished && !sim_is_set(&w->think)) {
        sim_after(w->sim, &w->think, delay_ns);
    }
}

static uint64_t pause_of(struct workload *w)
{
    return w->finishing ? sim_between(w->sim, RETRY_NS / 2, RETRY_NS) : sim_delay(w->sim, w->think_ns);
}

static void turn(struct sim_source *source)
{
    struct workload *w = LIST_ITEM(source, struct workload, source);
    if (w->finished || w->sim->failed) {
        return;
    }
    if (!w->finishing) {
        if (w->outstanding < w->outstanding_max) {
            w->cls->step(w);
        }
        think(w, pause_of(w));
    } else if (w->outstanding == 0) {
        w->finished = w->cls->finish(w);
        think(w, pause_of(w));
    }
}

static void thought(struct sim_event *event)
{
    struct workload *w = LIST_ITEM(event, struct workload, think);
    sim_loop_ready(&w->client->loop, &w->source);
}

void *op_begin(struct workload *w)
{
    struct op *op = mem_new(w->cls->op_size);
    op->workload = w;
    op->is_final = w->finishing;
    op->begun_ns = w->sim->now_ns;
    pdr_writer_init(&op->args, op->room, sizeof op->room, 0);
    return op;
}

static void op_free(struct op *op)
{
    pdr_writer_release(&op->args);
    mem_free(op);
}

static void ended(void *user, const struct pdr_outcome *outcome)
{
    struct op *op = user;
    struct workload *w = op->workload;
    enum fate fate = fate_of(outcome->status);
    if (outcome->status == PDR_MOVED && w->client->has_session) {
        fate = FATE_UNKNOWN; /* what may be asked again under its number may have run */
    }
    w->outstanding--;
    w->done += fate == FATE_DONE;
    w->not_done += fate == FATE_NOT;
    w->unknown += fate == FATE_UNKNOWN;
    w->codes[outcome->status]++;
    if (outcome->status != PDR_CANCELLED || w->cls->is_cancelled) {
        sim_note(w->sim, w->cls->name, w->index, outcome->status);
        SIM_CHECK(w->sim, outcome->status != PDR_INTERNAL, "%s: client %u was answered `internal`: %.*s", w->cls->name,
                  w->index, (int)outcome->message.size, (const char *)outcome->message.data);
        SIM_CHECK(w->sim, outcome->status != PDR_NO_SPACE || w->sim->lacks_space,
                  "%s: client %u was answered `no_space`, but there is room", w->cls->name, w->index);
        w->cls->ended(w, op, fate, outcome);
    }
    op_free(op);
    if (w->finishing && w->outstanding == 0) {
        sim_cancel(w->sim, &w->think);
        sim_after(w->sim, &w->think, fate == FATE_DONE ? 1 + w->cls->final_pause_ns : pause_of(w));
    }
}

bool op_call(struct op *op, struct pdr_bytes to, const char *method)
{
    struct workload *w = op->workload;
    w->outstanding++;
    struct sim_call_options options = {op->deadline_ms, op->durability};
    if (!sim_client_call(w->client, to, method, pdr_written(&op->args), &options, ended, op)) {
        w->outstanding--;
        op_free(op);
        return false;
    }
    return true;
}

struct workload *workload_open(const struct workload_class *cls, struct sim_client *client, void *ledger,
                               uint32_t index, uint32_t clients)
{
    struct workload *w = mem_new(cls->size);
    w->cls = cls;
    w->sim = client->sim;
    w->client = client;
    w->ledger = ledger;
    w->index = index;
    w->clients = clients;
    w->outstanding_max = 1;
    w->think_ns = 10 * NS_PER_MS;
    sim_source_init(&w->source, turn);
    w->think = (struct sim_event){.fire = thought, .name = "think", .subject = index};
    if (cls->open != NULL) {
        cls->open(w);
    }
    think(w, pause_of(w));
    return w;
}

void workload_finish(struct workload *w)
{
    w->finishing = true;
    sim_cancel(w->sim, &w->think);
    think(w, pause_of(w));
}

void workload_close(struct workload *w)
{
    CHECK(w->outstanding == 0);
    sim_cancel(w->sim, &w->think);
    sim_source_forget(&w->source);
    if (w->cls->close != NULL) {
        w->cls->close(w);
    }
    mem_free(w);
}
