/* core/journal/control.c: the control state of shards: kept up from their records, and as bytes.
 *
 *      0 u64 rid
 *      8 u64 cut epoch, 16 u64 cut seq
 *     24 u16 gen, 26 u16 installing gen, 28 u16 flags (1: installing, 2: shared), 30 u16 epochs
 *     32 epochs x {u64 epoch, u64 first seq}, ascending */
#include "core/journal/control.h"

#include "core/base/endian.h"
#include "core/base/mem.h"

#define FIXED_SIZE 32u
#define EPOCH_SIZE 16u
#define FLAG_INSTALLING 1u
#define FLAG_SHARED 2u

uint64_t control_epoch_of(const struct control *control, uint64_t seq)
{
    for (uint32_t i = control->history_count; i > 0; i--) {
        if (control->history[i - 1].first_seq <= seq) {
            return control->history[i - 1].epoch;
        }
    }
    return 0;
}

/* An epoch begins at `first_seq`: what began there or later has no entries (any more), so history stays ascending. */
static void cut_history(struct control *control, uint64_t first_seq)
{
    while (control->history_count > 0 && control->history[control->history_count - 1].first_seq >= first_seq) {
        control->history_count--;
    }
}

static bool begin_epoch(struct control *control, uint64_t epoch, uint64_t first_seq)
{
    cut_history(control, first_seq);
    uint32_t count = control->history_count;
    if (count > 0 && control->history[count - 1].epoch >= epoch) {
        return false;
    }
    if (count == CONTROL_HISTORY_MAX) {
        memmove(control->history, control->history + 1, (CONTROL_HISTORY_MAX - 1) * sizeof control->history[0]);
        count--;
    }
    control->history[count] = (struct control_epoch){epoch, first_seq};
    control->history_count = count + 1;
    return true;
}

static bool note_snapshot(struct control *control, const struct record *record)
{
    struct control read;
    if (control_decode(record, &read) != PDR_OK) {
        return false;
    }
    if (record->kind == RECORD_SNAP) { /* it tells of the data; what we promised is ours */
        read.promised = control->promised > record->epoch ? control->promised : record->epoch;
        read.cut_epoch = control->cut_epoch;
        read.cut_seq = control->cut_seq;
        read.shared = control->shared;
    }
    *control = read;
    return true;
}

/* At a backup nothing else tells where an epoch begins. */
static bool note_entry(struct control *control, const struct record *record)
{
    uint32_t count = control->history_count;
    if (count > 0 && control->history[count - 1].epoch >= record->epoch) {
        return true;
    }
    return begin_epoch(control, record->epoch, record->seq);
}

static bool note_epoch(struct control *control, const struct record *record)
{
    if (record->seq == UINT64_MAX || !begin_epoch(control, record->epoch, record->seq + 1)) {
        return false;
    }
    control->promised = record->epoch;
    return true;
}

static bool note_cut(struct control *control, const struct record *record)
{
    if (record->seq == UINT64_MAX) {
        return false;
    }
    cut_history(control, record->seq + 1);
    control->promised = control->cut_epoch = record->epoch;
    control->cut_seq = record->seq;
    return true;
}

static bool note_installing(struct control *control, const struct record *record)
{
    if (record->payload.size < 10) {
        return false;
    }
    control->installing = true;
    control->installing_gen = get_le16((const uint8_t *)record->payload.data + 8);
    return true;
}

static bool note_rid(struct control *control, const struct record *record)
{
    if (record->payload.size != 8) {
        return false;
    }
    *control = (struct control){.shard = control->shard, .rid = get_le64(record->payload.data)};
    return true;
}

void control_copy_encode(uint64_t rid, bool shared, uint8_t payload[CONTROL_COPY_SIZE])
{
    put_le64(payload, rid);
    payload[8] = shared;
}

/* The same data under another name, perhaps: nothing else changes. */
static bool note_copy(struct control *control, const struct record *record)
{
    const uint8_t *payload = record->payload.data;
    if (record->payload.size != CONTROL_COPY_SIZE || payload[8] > 1) {
        return false;
    }
    control->rid = get_le64(payload);
    control->shared = payload[8] == 1;
    return true;
}

bool control_note(struct control *control, const struct record *record)
{
    switch (record->kind) {
    case RECORD_ENTRY:
        return note_entry(control, record);
    case RECORD_EPOCH:
        return note_epoch(control, record);
    case RECORD_CUT:
        return note_cut(control, record);
    case RECORD_INSTALLING:
        return note_installing(control, record);
    case RECORD_SNAP:
    case RECORD_CONTROL:
        return note_snapshot(control, record);
    case RECORD_RID:
        return note_rid(control, record);
    case RECORD_COPY:
        return note_copy(control, record);
    case RECORD_DROP:
        *control = (struct control){.shard = control->shard};
        return true;
    case RECORD_COMMIT:
    case RECORD_KIND_COUNT:
        return true;
    }
    return true;
}

uint32_t control_payload_size(const struct control *control)
{
    return FIXED_SIZE + EPOCH_SIZE * control->history_count;
}

void control_encode(const struct control *control, void *payload)
{
    uint8_t *to = payload;
    put_le64(to, control->rid);
    put_le64(to + 8, control->cut_epoch);
    put_le64(to + 16, control->cut_seq);
    put_le16(to + 24, control->gen);
    put_le16(to + 26, control->installing_gen);
    put_le16(to + 28, (uint16_t)((control->installing ? FLAG_INSTALLING : 0) | (control->shared ? FLAG_SHARED : 0)));
    put_le16(to + 30, (uint16_t)control->history_count);
    for (uint32_t i = 0; i < control->history_count; i++) {
        put_le64(to + FIXED_SIZE + EPOCH_SIZE * i, control->history[i].epoch);
        put_le64(to + FIXED_SIZE + EPOCH_SIZE * i + 8, control->history[i].first_seq);
    }
}

enum pdr_status control_decode(const struct record *record, struct control *out)
{
    const uint8_t *from = record->payload.data;
    if (record->payload.size < FIXED_SIZE) {
        return PDR_INVALID;
    }
    uint32_t count = get_le16(from + 30), flags = get_le16(from + 28);
    if (count > CONTROL_HISTORY_MAX || record->payload.size != FIXED_SIZE + EPOCH_SIZE * count ||
        flags > (FLAG_INSTALLING | FLAG_SHARED)) {
        return PDR_INVALID;
    }
    *out = (struct control){.shard = record->shard, .history_count = count, .promised = record->epoch};
    out->rid = get_le64(from);
    out->cut_epoch = get_le64(from + 8);
    out->cut_seq = get_le64(from + 16);
    out->gen = get_le16(from + 24);
    out->installing_gen = get_le16(from + 26);
    out->installing = (flags & FLAG_INSTALLING) != 0;
    out->shared = (flags & FLAG_SHARED) != 0;
    for (uint32_t i = 0; i < count; i++) {
        struct control_epoch *epoch = &out->history[i];
        epoch->epoch = get_le64(from + FIXED_SIZE + EPOCH_SIZE * i);
        epoch->first_seq = get_le64(from + FIXED_SIZE + EPOCH_SIZE * i + 8);
        if (i > 0 && (epoch->epoch <= epoch[-1].epoch || epoch->first_seq <= epoch[-1].first_seq)) {
            return PDR_INVALID;
        }
    }
    return PDR_OK;
}

/* The table: ids apart from what they name, so that a look-up touches few cache lines. */

static uint32_t lower_bound(const struct control_table *table, uint32_t shard)
{
    uint32_t low = 0, high = table->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (table->shards[middle] < shard) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

struct control *control_table_find(struct control_table *table, uint32_t shard)
{
    if (table->last >= table->count || table->shards[table->last] != shard) {
        table->last = lower_bound(table, shard);
    }
    bool found = table->last < table->count && table->shards[table->last] == shard;
    return found ? table->controls[table->last] : NULL;
}

static struct control *insert(struct control_table *table, uint32_t shard)
{
    if (table->count == table->capacity) {
        table->capacity = table->capacity == 0 ? 64 : table->capacity * 2;
        table->shards = mem_grow(table->shards, table->capacity * sizeof *table->shards);
        table->controls = mem_grow(table->controls, table->capacity * sizeof(struct control *));
    }
    uint32_t at = lower_bound(table, shard), behind = table->count - at;
    memmove(table->shards + at + 1, table->shards + at, behind * sizeof *table->shards);
    memmove(table->controls + at + 1, table->controls + at, behind * sizeof(struct control *));
    table->shards[at] = shard;
    table->controls[at] = mem_new(sizeof(struct control));
    table->controls[at]->shard = shard;
    table->count++;
    return table->controls[at];
}

static void forget(struct control_table *table, uint32_t shard)
{
    struct control *control = control_table_find(table, shard);
    if (control == NULL) {
        return;
    }
    uint32_t at = table->last, behind = table->count - at - 1;
    mem_free(control);
    memmove(table->shards + at, table->shards + at + 1, behind * sizeof *table->shards);
    memmove(table->controls + at, table->controls + at + 1, behind * sizeof(struct control *));
    table->count--;
}

bool control_table_note(struct control_table *table, const struct record *record)
{
    if (record->kind == RECORD_DROP) {
        forget(table, record->shard);
        return true;
    }
    struct control *control = control_table_find(table, record->shard);
    return control_note(control != NULL ? control : insert(table, record->shard), record);
}

uint32_t control_table_size(const struct control_table *table)
{
    uint32_t size = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        size += record_size(control_payload_size(table->controls[i]));
    }
    return size;
}

void control_table_encode(const struct control_table *table, void *at)
{
    uint8_t *to = at;
    for (uint32_t i = 0; i < table->count; i++) {
        const struct control *control = table->controls[i];
        uint32_t size = control_payload_size(control);
        record_encode_header(to, RECORD_CONTROL, control->shard, control->promised, 0, size);
        control_encode(control, to + RECORD_HEADER_SIZE);
        to += record_size(size);
    }
}

void control_table_free(struct control_table *table)
{
    for (uint32_t i = 0; i < table->count; i++) {
        mem_free(table->controls[i]);
    }
    mem_free(table->shards);
    mem_free(table->controls);
    *table = (struct control_table){0};
}
