/* core/shard/export.c: the rows of a shard leave, chunk by chunk, each read by a job of its own. */
#include "core/base/mem.h"
#include "core/shard/install.h"
#include "core/shard/shard.h"

struct shard_export {
    struct core_job job;
    uint32_t shard;
    uint16_t gen;
    struct snapshot_reader *reader;
    struct pdr_bytes chunk;
    enum pdr_status status;
    bool running, ended;
    void (*opened)(void *user, struct shard_export *e, enum pdr_status status);
    void (*read)(void *user, struct pdr_bytes chunk, enum pdr_status status);
    void *user;
};

static void release(struct shard_export *e)
{
    if (e->reader != NULL) {
        snapshot_close(e->reader);
    }
    mem_free(e);
}

static void run(struct job *job)
{
    struct shard_export *e = LIST_ITEM(job, struct shard_export, job.job);
    struct store *store = e->job.core->world.store;
    e->status = e->reader == NULL ? snapshot_open(store, e->shard, e->gen, &e->reader)
                                  : snapshot_next(e->reader, &e->chunk);
}

static void ran(struct job *job)
{
    struct shard_export *e = LIST_ITEM(job, struct shard_export, job.job);
    list_remove(&e->job.node);
    e->running = false;
    if (e->ended) {
        release(e);
        return;
    }
    void (*opened)(void *, struct shard_export *, enum pdr_status) = e->opened;
    e->opened = NULL;
    if (opened == NULL) {
        e->read(e->user, e->chunk, e->status);
        return;
    }
    bool is_gone = e->job.core->shards[e->shard]->gen !=
                   e->gen; /* others were installed, and these dropped, perhaps first */
    enum pdr_status status = e->status == PDR_OK && is_gone ? PDR_MOVED : e->status;
    void *user = e->user;
    if (status != PDR_OK) {
        release(e);
        e = NULL;
    }
    opened(user, e, status);
}

static void discard(struct core_job *job)
{
    release(LIST_ITEM(job, struct shard_export, job));
}

static void submit(struct shard_export *e)
{
    struct core *core = e->job.core;
    e->running = true;
    list_push_back(&core->jobs, &e->job.node);
    work_submit(core->world.work, core->world.loop, &e->job.job);
}

void shard_export(struct core *core, uint32_t shard,
                  void (*done)(void *user, struct shard_export *e, enum pdr_status status), void *user)
{
    struct shard_export *e = mem_new(sizeof *e);
    e->job = (struct core_job){.job = {.run = run, .done = ran}, .core = core, .discard = discard};
    e->shard = shard;
    e->gen = core->shards[shard]->gen;
    e->opened = done;
    e->user = user;
    submit(e);
}

const struct keys_meta *shard_export_meta(const struct shard_export *e)
{
    return snapshot_meta(e->reader);
}

void shard_export_next(struct shard_export *e, void (*done)(void *user, struct pdr_bytes chunk, enum pdr_status status),
                       void *user)
{
    e->read = done;
    e->user = user;
    e->chunk = pdr_bytes(NULL, 0);
    submit(e);
}

void shard_export_end(struct shard_export *e)
{
    e->ended = true;
    if (!e->running) {
        release(e);
    }
}
