/* tests/simulation/faults.c: what goes wrong, when, and for how long. Each run has a random half of the kinds, at a
 * drawn rate: all of them at full rate would hide the deep states. */
#include "core/base/mem.h"
#include "tests/simulation/run.h"

enum fault_kind {
    FAULT_KILL,
    FAULT_POWER,
    FAULT_POWER_AT_WRITE, /* in the middle of one of the next operations of disk or store, where it hurts most */
    FAULT_SLOW_POWER,     /* the disk is slow, and then there is none: whatever did not wait for it comes out */
    FAULT_KILL_POWER,     /* on a slow disk: killed in a write, started, and off before what was found is durable */
    FAULT_FULL_STOP,      /* stopped while the store takes nothing, or before it was asked again */
    FAULT_RECOVERY_CRASH, /* and dies again while it starts */
    FAULT_STOP,
    FAULT_RESET,
    FAULT_CUT,
    FAULT_PAUSE,
    FAULT_STARVE,
    FAULT_SLOW_DISK,
    FAULT_FULL_DISK,
    FAULT_FULL_STORE,
    FAULT_SYNC_ERROR,
    FAULT_WALL_JUMP,
    FAULT_SLOW_CLIENT,
    FAULT_SLOW_WORK,
    FAULT_KINDS
};

static const char *const fault_names[FAULT_KINDS] = {
    "fault.kill",       "fault.power",          "fault.power_at_write", "fault.slow_power", "fault.kill_power",
    "fault.full_stop",  "fault.recovery_crash", "fault.stop",           "fault.reset",      "fault.cut",
    "fault.pause",      "fault.starve",         "fault.slow_disk",      "fault.full_disk",  "fault.full_store",
    "fault.sync_error", "fault.wall_jump",      "fault.slow_client",    "fault.slow_work"};

struct faults {
    struct run *run;
    uint32_t kinds[FAULT_KINDS];
    uint32_t kind_count;
    uint64_t pause_ns; /* typical, between two faults */
    struct sim_event next, heal_disk, heal_net, heal_work, power, kill, stop;
};

static uint64_t draw_ms(struct sim *sim, uint64_t low, uint64_t high)
{
    return sim_between(sim, low * NS_PER_MS, high * NS_PER_MS);
}

static void down(struct faults *f, bool power)
{
    struct run *run = f->run;
    if (run->node.state != SIM_NODE_DOWN) {
        sim_node_crash(&run->node, power);
        run_restart_after(run, sim_chance(&run->sim, 70) ? draw_ms(&run->sim, 1, 50) : draw_ms(&run->sim, 50, 1500));
    }
}

static void cut(struct faults *f)
{
    struct run *run = f->run;
    uint32_t client = run->clients[sim_draw(&run->sim, run->client_count)].host;
    uint64_t way = sim_draw(&run->sim, 3);
    if (way != 0) {
        sim_net_cut(run->net, run->node.host, client);
    }
    if (way != 1) {
        sim_net_cut(run->net, client, run->node.host);
    }
    if (!sim_is_set(&f->heal_net)) {
        sim_after(&run->sim, &f->heal_net, draw_ms(&run->sim, 5, 4000));
    }
}

static void full_disk(struct faults *f)
{
    struct run *run = f->run;
    struct sim_disk *disk = run->node.media.sim_disk;
    sim_disk_set_capacity(disk, sim_disk_used(disk) + sim_draw(&run->sim, 2) * 64 * 1024);
    run->sim.lacks_space = true;
    run->node.media.store_fails = sim_chance(&run->sim, 70); /* log and store share it */
    sim_after(&run->sim, &f->heal_disk, draw_ms(&run->sim, 50, 3000));
}

static void full_stop(struct faults *f)
{
    struct sim *sim = &f->run->sim;
    uint64_t heals_ns = draw_ms(sim, 200, 3000);
    f->run->node.media.store_fails = true;
    sim_after(sim, &f->heal_disk, heals_ns);
    sim_after(sim, &f->stop, heals_ns - 100 * NS_PER_MS + draw_ms(sim, 0, 500));
}

static void starve(struct sim *sim, struct sim_node *n)
{
    unsigned k = (unsigned)sim_draw(sim, n->cores + 2);
    struct sim_loop *loop = k < n->cores ? &n->core_loops[k] : k == n->cores ? &n->control_loop : &n->journal_loop;
    if (n->state != SIM_NODE_DOWN) {
        sim_loop_starve(loop, sim->now_ns + draw_ms(sim, 1, 800));
    }
}

static void strike(struct faults *f, enum fault_kind kind)
{
    struct run *run = f->run;
    struct sim *sim = &run->sim;
    struct sim_node *node = &run->node;
    switch (kind) {
    case FAULT_KILL:
        down(f, false);
        break;
    case FAULT_POWER:
        down(f, true);
        break;
    case FAULT_POWER_AT_WRITE:
        if (node->state != SIM_NODE_DOWN) {
            node->media.dies_at = node->media.operations + 1 + sim_draw(sim, 6);
        }
        break;
    case FAULT_SLOW_POWER:
        sim_disk_set_delay(node->media.sim_disk, draw_ms(sim, 5, 200));
        sim_after(sim, &f->power, draw_ms(sim, 5, 500));
        break;
    case FAULT_KILL_POWER:
        sim_disk_set_delay(node->media.sim_disk, draw_ms(sim, 200, 700));
        sim_after(sim, &f->kill, draw_ms(sim, 50, 500));
        break;
    case FAULT_FULL_STOP:
        full_stop(f);
        break;
    case FAULT_RECOVERY_CRASH:
        down(f, false);
        node->media.dies_at = 1 + sim_draw(sim, 30);
        break;
    case FAULT_STOP:
        sim_node_stop(node, sim_draw(sim, 2000));
        break;
    case FAULT_RESET:
        sim_net_reset(run->net);
        break;
    case FAULT_CUT:
        cut(f);
        break;
    case FAULT_PAUSE:
        sim_node_pause(node, sim->now_ns + draw_ms(sim, 1, 2500));
        break;
    case FAULT_STARVE:
        starve(sim, node);
        break;
    case FAULT_SLOW_DISK:
        sim_disk_set_delay(node->media.sim_disk, draw_ms(sim, 1, 100));
        sim_after(sim, &f->heal_disk, draw_ms(sim, 50, 2000));
        break;
    case FAULT_FULL_DISK:
        full_disk(f);
        break;
    case FAULT_FULL_STORE:
        node->media.store_fails = true;
        sim_after(sim, &f->heal_disk, draw_ms(sim, 50, 3000));
        break;
    case FAULT_SYNC_ERROR:
        if (node->state != SIM_NODE_DOWN) {
            node->expects_fatal = true;
            sim_disk_fail_next_sync(node->media.sim_disk);
        }
        break;
    case FAULT_WALL_JUMP:
        sim_clock_jump(&node->clock);
        break;
    case FAULT_SLOW_CLIENT:
        sim_loop_starve(&run->clients[sim_draw(sim, run->client_count)].loop, sim->now_ns + draw_ms(sim, 50, 2000));
        break;
    case FAULT_SLOW_WORK:
        node->work.typical_ns = draw_ms(sim, 1, 50);
        sim_after(sim, &f->heal_work, draw_ms(sim, 50, 2000));
        break;
    case FAULT_KINDS:
        break;
    }
}

static void next(struct sim_event *event)
{
    struct faults *f = LIST_ITEM(event, struct faults, next);
    struct sim *sim = &f->run->sim;
    uint32_t kind = f->kinds[sim_draw(sim, f->kind_count)];
    sim_note(sim, fault_names[kind], kind, 0);
    strike(f, (enum fault_kind)kind);
    sim_after(sim, event, sim_delay(sim, f->pause_ns));
}

static void heal_disk(struct sim_event *event)
{
    struct faults *f = LIST_ITEM(event, struct faults, heal_disk);
    struct sim_media *media = &f->run->node.media;
    sim_disk_set_capacity(media->sim_disk, UINT64_MAX);
    sim_disk_set_delay(media->sim_disk, 0);
    media->store_fails = false;
}

static void kill_comes(struct sim_event *event)
{
    struct faults *f = LIST_ITEM(event, struct faults, kill);
    down(f, false);
    sim_after(&f->run->sim, &f->power, draw_ms(&f->run->sim, 100, 500));
}

static void stop_comes(struct sim_event *event)
{
    struct faults *f = LIST_ITEM(event, struct faults, stop);
    sim_node_stop(&f->run->node, sim_draw(&f->run->sim, 300));
}

static void power_goes(struct sim_event *event)
{
    struct faults *f = LIST_ITEM(event, struct faults, power);
    down(f, true);
    sim_disk_set_delay(f->run->node.media.sim_disk, 0);
}

static void heal_net(struct sim_event *event)
{
    sim_net_heal(LIST_ITEM(event, struct faults, heal_net)->run->net);
}

static void heal_work(struct sim_event *event)
{
    LIST_ITEM(event, struct faults, heal_work)->run->node.work.typical_ns = 100 * NS_PER_US;
}

struct faults *faults_new(struct run *run)
{
    struct sim *sim = &run->sim;
    struct faults *f = mem_new(sizeof *f);
    f->run = run;
    for (uint32_t kind = 0; kind < FAULT_KINDS; kind++) {
        if (sim_chance(sim, 50)) {
            f->kinds[f->kind_count++] = kind;
        }
    }
    f->pause_ns = draw_ms(sim, 20, 1500);
    f->next = (struct sim_event){.fire = next, .name = "fault"};
    f->heal_disk = (struct sim_event){.fire = heal_disk, .name = "heal.disk"};
    f->heal_net = (struct sim_event){.fire = heal_net, .name = "heal.net"};
    f->heal_work = (struct sim_event){.fire = heal_work, .name = "heal.work"};
    f->power = (struct sim_event){.fire = power_goes, .name = "power"};
    f->kill = (struct sim_event){.fire = kill_comes, .name = "kill"};
    f->stop = (struct sim_event){.fire = stop_comes, .name = "stop"};
    if (f->kind_count > 0) {
        sim_after(sim, &f->next, sim_delay(sim, f->pause_ns));
    }
    return f;
}

static void cancel_all(struct faults *f)
{
    struct sim_event *const events[] = {&f->next,  &f->heal_disk, &f->heal_net, &f->heal_work,
                                        &f->power, &f->kill,      &f->stop};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
        sim_cancel(&f->run->sim, events[i]);
    }
}

void faults_heal(struct faults *f)
{
    cancel_all(f);
    heal_disk(&f->heal_disk);
    heal_net(&f->heal_net);
    heal_work(&f->heal_work);
    f->run->node.media.dies_at = UINT64_MAX;
    if (f->run->node.expects_fatal) {
        sim_node_crash(&f->run->node, false); /* no sync came to fail */
    }
}

void faults_free(struct faults *f)
{
    cancel_all(f);
    mem_free(f);
}
