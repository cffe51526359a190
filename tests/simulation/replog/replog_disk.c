/* tests/simulation/replog/replog_disk.c: a node's journal as a list of records: one sync at a time for all that
 * gathered, in order; a crash keeps the durable ones and any first part of the rest, as recovery does. */
#include "core/base/endian.h"
#include "core/base/mem.h"
#include "tests/simulation/replog/replog_world.h"

static void note_control(struct replog_copy *copy, const struct disk_record *record)
{
    uint8_t bytes[2048];
    struct record as = {record->kind, record->shard, record->epoch, record->seq, pdr_bytes(NULL, 0)};
    if (record->kind == RECORD_RID) {
        put_le64(bytes, record->number);
        as.payload = pdr_bytes(bytes, 8);
    } else if (record->kind == RECORD_SNAP) {
        control_encode(&record->control, bytes);
        as.payload = pdr_bytes(bytes, control_payload_size(&record->control));
    }
    copy->control.shard = record->shard;
    SIM_CHECK(&copy->node->world->sim, control_note(&copy->control, &as),
              "node %u has records of shard %u that make no sense", copy->node->place, copy->shard);
}

/* As recovery would read it. */
static void persist(struct replog_node *node, struct disk_record *record)
{
    struct replog_copy *copy = &node->copies[record->shard];
    note_control(copy, record);
    switch (record->kind) {
    case RECORD_ENTRY:
        SIM_CHECK(&node->world->sim, record->seq <= copy->disk.count + 1,
                  "node %u has a gap in its log of shard %u before %llu", node->place, record->shard,
                  (unsigned long long)record->seq);
        written_cut(&copy->disk, record->seq - 1);
        written_put(&copy->disk, record->seq, record->epoch, record->number);
        break;
    case RECORD_CUT:
        written_cut(&copy->disk, record->seq);
        SIM_CHECK(&node->world->sim, copy->flushed <= record->seq, "node %u cuts shard %u below its store (I6)",
                  node->place, record->shard);
        break;
    case RECORD_SNAP:
        written_copy(&copy->disk, &record->content, record->content.count);
        copy->flushed = record->seq;
        break;
    case RECORD_RID:
    case RECORD_DROP:
        written_cut(&copy->disk, 0);
        copy->flushed = 0;
        break;
    default:
        break;
    }
    written_release(&record->content);
}

static void shift(struct replog_node *node, uint32_t count)
{
    node->record_count -= count;
    memmove(node->records, node->records + count, node->record_count * sizeof *node->records);
}

/* The last record of each shard speaks for those before it; now and then more are reported. */
struct report {
    struct replog_later later;
    uint32_t shard;
    bool installed;
    uint64_t rid, promised, seq;
};

static void tell(struct replog_later *later)
{
    struct report *report = LIST_ITEM(later, struct report, later);
    struct replog_copy *copy = &later->to->copies[report->shard];
    later->to->reports--;
    if (copy->replica == NULL || copy->rid != report->rid) {
        return;
    }
    if (report->installed) {
        copy->switching = false;
        copy->applied = copy->committed = report->seq;
        written_copy(&copy->live, &copy->incoming, report->seq);
        written_cut(&copy->incoming, 0);
        later->world->reached.replog_snapshots++;
        replog_installed(copy->replica);
        return;
    }
    replog_durable(copy->replica, report->promised, report->seq);
}

static void report(struct replog_node *node, const struct disk_record *record)
{
    struct report *report = mem_new(sizeof *report);
    report->later.arrive = tell;
    node->reports++;
    report->shard = record->shard;
    report->installed = record->kind == RECORD_SNAP;
    report->rid = node->copies[record->shard].rid;
    report->promised = record->promised;
    report->seq = record->seq;
    replog_later(node->world, &report->later, node, 0);
}

static bool speaks(const struct replog_node *node, uint32_t at, uint32_t count)
{
    if (node->records[at].kind == RECORD_SNAP) {
        return true;
    }
    for (uint32_t i = at + 1; i < count; i++) {
        if (node->records[i].shard == node->records[at].shard) {
            return false;
        }
    }
    return true;
}

static void begin(struct replog_node *node)
{
    if (!sim_is_set(&node->sync) && node->record_count > 0) {
        node->syncing = node->record_count;
        sim_after(&node->world->sim, &node->sync, sim_delay(&node->world->sim, node->sync_ns));
    }
}

/* R74. */
static void refuse(struct replog_node *node)
{
    for (uint32_t i = 0; i < node->record_count; i++) {
        struct replog_copy *copy = &node->copies[node->records[i].shard];
        copy->switch_lost = copy->switch_lost || node->records[i].kind == RECORD_SNAP;
        written_release(&node->records[i].content);
    }
    node->record_count = 0;
    for (uint32_t i = 0; i < node->world->shards; i++) {
        struct replog_copy *copy = &node->copies[i];
        if (copy->replica != NULL) {
            replog_no_space(copy->replica);
        }
    }
    replog_node_worked(node);
}

static void synced(struct sim_event *event)
{
    struct replog_node *node = LIST_ITEM(event, struct replog_node, sync);
    bool sleeps = replog_node_is_asleep(node);
    if (node->is_full && (sleeps || node->reports > 0)) { /* answers come in order: of what is durable first */
        sim_at(&node->world->sim, event, (sleeps ? node->asleep_until_ns : node->world->sim.now_ns) + 50 * NS_PER_US);
        return;
    }
    if (node->is_full) {
        refuse(node);
        return;
    }
    for (uint32_t i = 0; i < node->syncing; i++) {
        if (speaks(node, i, node->syncing) || sim_chance(&node->world->sim, 20)) {
            report(node, &node->records[i]);
        }
        persist(node, &node->records[i]);
    }
    shift(node, node->syncing);
    begin(node);
    replog_judge_all(node->world);
}

void replog_disk_submit(struct replog_node *node, const struct disk_record *record)
{
    if (node->record_count == node->record_capacity) {
        node->record_capacity = node->record_capacity * 2 + 64;
        node->records = mem_grow(node->records, node->record_capacity * sizeof *node->records);
    }
    node->records[node->record_count++] = *record;
    begin(node);
}

void replog_disk_crash(struct replog_node *node)
{
    uint32_t kept = (uint32_t)sim_draw(&node->world->sim, node->record_count + 1);
    node->world->reached.replog_tails += kept > 0 && kept < node->record_count;
    for (uint32_t i = 0; i < node->record_count; i++) {
        if (i < kept) {
            persist(node, &node->records[i]);
        } else {
            written_release(&node->records[i].content);
        }
    }
    node->record_count = node->reports = 0;
    sim_cancel(&node->world->sim, &node->sync);
}

void replog_disk_settle(struct replog_node *node)
{
    for (uint32_t i = 0; i < node->record_count; i++) {
        persist(node, &node->records[i]);
    }
    node->record_count = 0;
    sim_cancel(&node->world->sim, &node->sync);
}

void replog_disk_wipe(struct replog_node *node)
{
    node->forgot = sim_chance(&node->world->sim, 50); /* else it will find out, copy by copy */
    for (uint32_t i = 0; i < node->world->shards; i++) {
        struct replog_copy *copy = &node->copies[i];
        if (copy->control.rid != 0 && copy->wiped.count < LIMIT_COPIES_MAX) {
            ids_add(&copy->wiped, copy->control.rid);
        }
        copy->control = (struct control){.shard = i};
        written_cut(&copy->disk, 0);
        copy->flushed = 0;
    }
}

void replog_disk_init(struct replog_node *node)
{
    node->sync = (struct sim_event){.fire = synced, .name = "replog.sync", .subject = node->place};
}
