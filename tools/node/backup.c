/* tools/node/backup.c: `_sys/node.backup [directory]`: a consistent copy of what the running node has. On the control
 * core, but for one job on the work pool, which does all that blocks. Without a directory: of the one under way. */
#include "tools/node/backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/store/snapshot.h"
#include "tools/node/survey.h"
#include "tools/node/sys_node.h"

struct backup {
    struct core_job job;
    struct node *node;
    struct call *call;
    unsigned awaited;  /* cores that have yet to answer */
    bool refused;      /* one of them can't apply: the store takes nothing */
    bool chosen;       /* `position` is; before, it is 0, and nothing may be applied */
    uint64_t position; /* of the log: the copy has what is before it, and nothing else */
    uint64_t begun_ns;
    char directory[FILES_PATH_SIZE];
    struct files_progress progress;
    struct manifest manifest;
    enum pdr_status status;
    char why[2 * FILES_PATH_SIZE];
};

/* On the pool. */

/* What the store has at least, when it makes its checkpoint. KEYS_SHARD_DIRECTORY is not told of: its rows are in the
 * checkpoint, but a restore takes them out (restore.c, forget_directory). */
static enum pdr_status note_positions(struct backup *b)
{
    struct store *store = b->node->store;
    for (uint32_t id = 0; id < CLUSTER_SHARDS; id++) {
        struct keys_meta meta;
        enum pdr_status status = snapshot_current(store, id, &meta);
        if (status != PDR_OK) {
            return status;
        }
        if (meta.applied_seq > 0) {
            manifest_add_shard(&b->manifest, id, meta.applied_epoch, meta.applied_seq);
        }
    }
    return PDR_OK;
}

static enum pdr_status make_checkpoint(struct backup *b, const char *staging)
{
    struct store *store = b->node->store;
    enum pdr_status status = note_positions(b);
    if (status == PDR_OK) {
        status = store->ops->checkpoint(store, staging);
    }
    if (status != PDR_OK) {
        char text[200];
        store->ops->last_error(store, text, sizeof text);
        snprintf(b->why, sizeof b->why, "the store could not be copied: %s", text);
    }
    return status;
}

static void checkpoint_run(struct job *job)
{
    struct backup *b = LIST_ITEM(job, struct backup, job.job);
    struct backup_place *place = b->node->world.backups;
    const char *staging;
    b->status = place->begin(place, b->directory, &staging, b->why, sizeof b->why);
    if (b->status != PDR_OK) {
        return;
    }
    b->status = make_checkpoint(b, staging);
    if (b->status != PDR_OK) {
        place->abandon(place, b->directory);
    }
}

static void finish_run(struct job *job)
{
    struct backup *b = LIST_ITEM(job, struct backup, job.job);
    struct backup_place *place = b->node->world.backups;
    b->status = place->finish(place, b->directory, &b->manifest, &b->progress, b->why, sizeof b->why);
    if (b->status != PDR_OK) {
        place->abandon(place, b->directory);
    }
}

/* On the control core. */

static void backup_free(struct backup *b)
{
    b->node->backup = NULL;
    manifest_release(&b->manifest);
    mem_free(b);
}

static uint64_t done_bytes(struct backup *b)
{
    return atomic_load_explicit(&b->progress.bytes, memory_order_relaxed);
}

static void conclude(struct backup *b)
{
    struct node *node = b->node;
    struct call *call = b->call;
    if (b->status == PDR_OK) {
        LOG_INFO("node.backup", "directory=\"%s\" bytes=%llu", b->directory, (unsigned long long)done_bytes(b));
        pdr_write_map(&call->reply, 4);
        put_str(&call->reply, "directory", b->directory);
        put_uint(&call->reply, "bytes", done_bytes(b));
        put_uint(&call->reply, "files", b->manifest.file_count);
        put_uint(&call->reply, "took_ms", (core_now_ns(node->control) - b->begun_ns) / NS_PER_MS);
    } else {
        LOG_WARN("node.backup_failed", "directory=\"%s\" why=\"%s\"", b->directory, b->why);
        call_fail(call, b->status, "%s", b->why);
    }
    backup_free(b);
    call_finish(call);
    node_job_over(node);
}

static void backup_discard(struct core_job *job) {} /* backup_abandon has it */

static void submit(struct backup *b, void (*run)(struct job *job), void (*done)(struct job *job))
{
    struct core *control = b->node->control;
    b->job = (struct core_job){.job = {run, done, {0}}, .core = control, .discard = backup_discard};
    list_push_back(&control->jobs, &b->job.node);
    work_submit(control->world.work, control->world.loop, &b->job.job);
}

static void finish_done(struct job *job)
{
    struct backup *b = LIST_ITEM(job, struct backup, job.job);
    list_remove(&b->job.node);
    conclude(b);
}

/* The cores' part, a step after the other. A call that a turn made was committed before it left, so its effects at
 * another core are behind it in the log. For the copy to have no effect without its cause, it must be as of one
 * position of the log: so all cores stop applying, then that is chosen, then all apply up to it. From the first until
 * the checkpoint is made, which is moments, what is written gathers in memory and the log. */

static void release_core(struct node *node, uint64_t index)
{
    core_apply_until(node->cores[index], UINT64_MAX, NULL, NULL);
}

static void checkpoint_done(struct job *job)
{
    struct backup *b = LIST_ITEM(job, struct backup, job.job);
    list_remove(&b->job.node);
    node_to_all(b->node, release_core);
    if (b->status == PDR_OK) {
        submit(b, finish_run, finish_done);
    } else {
        conclude(b);
    }
}

static void core_applied(void *user, uint64_t position);

static void apply_core(struct node *node, uint64_t index)
{
    core_apply_until(node->cores[index], node->backup->position, core_applied, &node->parts[index]);
}

static void choose_position(struct node *node, uint64_t position)
{
    node->backup->position = position;
    node->backup->chosen = true;
    node->backup->awaited = node->world.cores;
    node_to_all(node, apply_core);
}

/* On the journal's loop: what is durable by now was reported to its core. */
static void read_position(struct node *node, uint64_t unused)
{
    struct journal_stats stats;
    journal_stats(node->journal, &stats);
    node_to_control(node, stats.position, choose_position);
}

static void give_up(struct backup *b)
{
    bool is_stopping = b->node->stop != STOP_NO;
    b->status = is_stopping ? PDR_UNAVAILABLE : PDR_NO_SPACE;
    snprintf(b->why, sizeof b->why, "%s",
             is_stopping ? "the node is stopping"
                         : "the store takes nothing at this moment, its disk may be full: free space there, then try "
                           "again");
    node_to_all(b->node, release_core);
    conclude(b);
}

static void applied(struct node *node, uint64_t refused)
{
    struct backup *b = node->backup;
    b->refused |= refused != 0;
    if (--b->awaited > 0) {
        return;
    }
    if (b->refused || node->stop != STOP_NO) {
        give_up(b);
    } else if (!b->chosen) {
        node_to_journal(node, read_position);
    } else {
        submit(b, checkpoint_run, checkpoint_done);
    }
}

static void core_applied(void *user, uint64_t position)
{
    struct node_core *part = user;
    node_to_control(part->node, position == CORE_APPLY_REFUSED, applied);
}

/* How the one under way is. */

struct look {
    struct core_job job;
    struct node *node;
    struct call *call;
    uint64_t total;
};

static void look_run(struct job *job)
{
    struct look *look = LIST_ITEM(job, struct look, job.job);
    struct backup_place *place = look->node->world.backups;
    look->total = place->size(place);
}

static void look_done(struct job *job)
{
    struct look *look = LIST_ITEM(job, struct look, job.job);
    struct node *node = look->node;
    struct call *call = look->call;
    list_remove(&look->job.node);
    if (node->backup != NULL) {
        pdr_write_map(&call->reply, 3);
        put_str(&call->reply, "directory", node->backup->directory);
        put_uint(&call->reply, "bytes", done_bytes(node->backup));
        put_uint(&call->reply, "of_bytes", look->total);
    } else {
        pdr_write_nil(&call->reply);
    }
    mem_free(look);
    call_finish(call);
    node_job_over(node);
}

static void look_discard(struct core_job *job)
{
    struct look *look = LIST_ITEM(job, struct look, job);
    call_discard(look->call);
    mem_free(look);
}

static void tell(struct node *node, struct call *call)
{
    if (node->backup == NULL) {
        pdr_write_nil(&call->reply);
        call_finish(call);
        return;
    }
    struct core *control = node->control;
    struct look *look = mem_new(sizeof *look);
    look->job = (struct core_job){.job = {look_run, look_done, {0}}, .core = control, .discard = look_discard};
    look->node = node;
    look->call = call;
    list_push_back(&control->jobs, &look->job.node);
    work_submit(control->world.work, control->world.loop, &look->job.job);
}

/* The method. */

static enum pdr_status admit(struct node *node, struct call *call, struct pdr_bytes directory)
{
    if (node->world.backups == NULL) {
        return call_fail(call, PDR_INVALID, "this node has no files to make a backup of");
    }
    if (directory.size == 0 || *(const char *)directory.data != '/' || directory.size >= FILES_PATH_SIZE - 300u ||
        memchr(directory.data, 0, directory.size) != NULL) {
        return call_fail(call, PDR_INVALID, "backup takes an absolute path on the node's machine, such as /backup/1");
    }
    if (node->stop != STOP_NO) {
        return call_fail(call, PDR_UNAVAILABLE, "the node is stopping");
    }
    if (node->backup != NULL) {
        call->retry_ms = 1000;
        return call_fail(call, PDR_OVERLOADED, "a backup to %s is under way (limit backups = 1)",
                         node->backup->directory);
    }
    return PDR_OK;
}

void sys_backup(struct node *node, struct call *call)
{
    struct pdr_bytes items = pdr_value_items(call->args), directory = {0};
    pdr_value first = pdr_value_next(&items);
    if (first.size == 0) {
        tell(node, call);
        return;
    }
    pdr_value_bytes(first, &directory);
    if (admit(node, call, directory) != PDR_OK) {
        call_finish(call);
        return;
    }
    struct backup *b = mem_new(sizeof *b);
    b->node = node;
    b->call = call;
    b->awaited = node->world.cores;
    b->begun_ns = core_now_ns(node->control);
    memcpy(b->directory, directory.data, directory.size);
    node->backup = b;
    node_to_all(node, apply_core); /* up to 0: nothing more */
}

void backup_cancel(struct node *node)
{
    if (node->backup != NULL) {
        atomic_store_explicit(&node->backup->progress.cancelled, true, memory_order_relaxed);
    }
}

void backup_abandon(struct node *node)
{
    if (node->backup != NULL) {
        call_discard(node->backup->call);
        backup_free(node->backup);
    }
}
