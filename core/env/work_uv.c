/* core/env/work_uv.c: jobs on libuv's thread pool. */
#include <assert.h>
#include <uv.h>

#include "core/base/check.h"
#include "core/env/loop_uv.h"
#include "core/env/work.h"

static_assert(sizeof(uv_work_t) <= sizeof(((struct job *)0)->system), "struct job has room for libuv's request");

static void on_pool(uv_work_t *work)
{
    struct job *job = work->data;
    job->run(job);
}

static void on_loop(uv_work_t *work, int status)
{
    struct job *job = work->data;
    job->done(job);
}

static void submit(struct work *work, struct loop *home, struct job *job)
{
    uv_work_t *request = (uv_work_t *)job->system;
    request->data = job;
    CHECK(uv_queue_work(loop_uv_of(home), request, on_pool, on_loop) == 0);
}

struct work *work_uv(void)
{
    static struct work work = {submit};
    return &work;
}
