/* tests/simulation/sim_work.c: jobs as pairs of events: it has run; its home hears of it. */
#include "tests/simulation/sim_work.h"

#include "core/base/check.h"
#include "core/base/mem.h"

#define TYPICAL_NS (100 * NS_PER_US)

/* A job's own memory may be gone after a crash (its owner frees it), so what waits in the heap is kept apart. */
struct task {
    struct list node;
    struct sim_event event;
    struct sim_source source;
    struct sim_work *work;
    struct sim_loop *home;
    struct job *job;
};

static void task_free(struct task *task)
{
    list_remove(&task->node);
    sim_cancel(task->work->sim, &task->event);
    sim_source_forget(&task->source);
    mem_free(task);
}

static void done(struct sim_source *source)
{
    struct task *task = LIST_ITEM(source, struct task, source);
    struct job *job = task->job;
    task->work->done++;
    task_free(task);
    job->done(job);
}

static void over(struct sim_event *event)
{
    struct task *task = LIST_ITEM(event, struct task, event);
    sim_loop_ready(task->home, &task->source);
}

static void run(struct sim_event *event)
{
    struct task *task = LIST_ITEM(event, struct task, event);
    struct sim_work *work = task->work;
    if (work->paused_until_ns > work->sim->now_ns) {
        sim_at(work->sim, event, work->paused_until_ns);
        return;
    }
    task->event.fire = over;
    task->event.name = "job.over";
    sim_after(work->sim, &task->event, sim_delay(work->sim, work->typical_ns / 4 + 1));
    task->job->run(task->job);
}

static void submit(struct work *work, struct loop *home, struct job *job)
{
    struct sim_work *own = (struct sim_work *)work;
    struct task *task = mem_new(sizeof *task);
    task->work = own;
    task->home = (struct sim_loop *)home;
    task->job = job;
    task->event = (struct sim_event){.fire = run, .name = "job.run", .subject = own->subject};
    sim_source_init(&task->source, done);
    list_push_back(&own->jobs, &task->node);
    own->submitted++;
    sim_after(own->sim, &task->event, sim_delay(own->sim, own->typical_ns));
}

void sim_work_init(struct sim_work *work, struct sim *sim, uint32_t subject)
{
    *work = (struct sim_work){.work = {submit}, .sim = sim, .subject = subject, .typical_ns = TYPICAL_NS};
    list_init(&work->jobs);
}

void sim_work_drop(struct sim_work *work)
{
    while (!list_empty(&work->jobs)) {
        task_free(LIST_ITEM(work->jobs.next, struct task, node));
    }
}

void sim_work_pause(struct sim_work *work, uint64_t until_ns)
{
    work->paused_until_ns = until_ns;
}
