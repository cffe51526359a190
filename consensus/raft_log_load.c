/* consensus/raft_log_load.c: the rows are read back, and must be all there, and whole (docs/internals/directory.md).
 *
 * Keys come in order: entries, the head, pieces of the snapshot. What the head says is judged when all is read. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "consensus/raft_config.h"
#include "consensus/raft_log_parts.h"
#include "core/base/check.h"

struct load {
    struct replica_log *log;
    bool failed, headed;
    uint64_t first, last; /* the head's */
    uint64_t conf_size, state_size;
    uint64_t piece_index;
    uint32_t pieces;
    struct raft_bytes snapshot;
};

static bool PDR_PRINTF(2, 3) refuse(struct load *load, const char *format, ...)
{
    va_list arguments;
    if (!load->failed) {
        int n = snprintf(load->log->why, sizeof load->log->why, "the directory's log is damaged: ");
        va_start(arguments, format);
        n += vsnprintf(load->log->why + n, sizeof load->log->why - (size_t)n, format, arguments);
        va_end(arguments);
        if ((size_t)n < sizeof load->log->why) {
            snprintf(load->log->why + n, sizeof load->log->why - (size_t)n,
                     ". This server must not go on, for it may have forgotten what it promised: remove it from the "
                     "cluster, and let it join again under a new id, with an empty directory");
        }
    }
    load->failed = true;
    return false;
}

static bool load_entry(struct load *load, uint64_t index, struct pdr_bytes value)
{
    struct replica_log *log = load->log;
    struct raft_reader reader = raft_reader(value);
    struct raft_log_entry entry = {.term = raft_read_64(&reader)};
    uint8_t type = raft_read_8(&reader);
    entry.type = (enum raft_log_type)type;
    if (reader.short_of || type < RAFT_LOG_COMMAND || type >= RAFT_LOG_TYPE_END || entry.term == 0) {
        return refuse(load, "entry %" PRIu64 " is none", index);
    }
    entry.bytes = pdr_bytes(reader.at, raft_reader_left(&reader));
    if (entry.type == RAFT_LOG_CHANGE && !raft_config_check(entry.bytes)) {
        return refuse(load, "entry %" PRIu64 " changes the configuration into none", index);
    }
    if (log->count == 0) {
        log->first = index;
    }
    if (index != log->first + log->count) {
        return refuse(load, "entry %" PRIu64 " is missing", log->first + log->count);
    }
    if (log->count > 0 && log->entries[log->count - 1].term > entry.term) {
        return refuse(load, "entry %" PRIu64 " is of an older term than the one before", index);
    }
    log_push(log, &entry);
    return true;
}

static bool load_head(struct load *load, struct pdr_bytes value)
{
    struct replica_log *log = load->log;
    struct raft_reader reader = raft_reader(value);
    uint8_t format = raft_read_8(&reader);
    if (value.size != LOG_HEAD_SIZE || format != 1) {
        return refuse(load, "its head is of a format this program does not know");
    }
    log->term = raft_read_64(&reader);
    log->vote = raft_read_64(&reader);
    log->life = raft_read_64(&reader);
    load->first = raft_read_64(&reader);
    load->last = raft_read_64(&reader);
    log->snapshot.as.index = raft_read_64(&reader);
    log->snapshot.as.term = raft_read_64(&reader);
    log->snapshot.as.conf_index = raft_read_64(&reader);
    load->conf_size = raft_read_64(&reader);
    load->state_size = raft_read_64(&reader);
    load->headed = true;
    return true;
}

static bool load_piece(struct load *load, uint64_t index, uint32_t piece, struct pdr_bytes value)
{
    if (piece != load->pieces || (piece > 0 && index != load->piece_index)) {
        return refuse(load, "piece %" PRIu32 " of the snapshot of entry %" PRIu64 " is missing", load->pieces, index);
    }
    if (load->snapshot.size + value.size > RAFT_SNAPSHOT_SIZE_MAX) {
        return refuse(load, "the snapshot of entry %" PRIu64 " is too large", index);
    }
    load->piece_index = index;
    load->pieces++;
    raft_bytes_put(&load->snapshot, value.data, value.size);
    return true;
}

static bool load_row(void *user, struct pdr_bytes key, struct pdr_bytes value)
{
    struct load *load = user;
    const uint8_t *k = key.data, *v = value.data;
    struct pdr_bytes rest = pdr_bytes(v + LOG_SUM_SIZE, value.size - LOG_SUM_SIZE);
    if (value.size < LOG_SUM_SIZE || get_le64(v) != log_sum(key, rest)) {
        return refuse(load, "the checksum of a row ('%c') is wrong", key.size > 0 ? k[0] : '?');
    }
    if (key.size == 9 && k[0] == 'E') {
        return load_entry(load, get_be64(k + 1), rest);
    }
    if (key.size == 1 && k[0] == 'H') {
        return load_head(load, rest);
    }
    if (key.size == 13 && k[0] == 'S') {
        return load_piece(load, get_be64(k + 1), get_be32(k + 9), rest);
    }
    return refuse(load, "it has a row of a kind this program does not know");
}

static bool judge_snapshot(struct load *load)
{
    struct raft_log_snapshot *snapshot = &load->log->snapshot.as;
    if (snapshot->index == 0) {
        return load->pieces == 0 || refuse(load, "it has pieces of a snapshot its head does not know");
    }
    if (load->piece_index != snapshot->index || load->snapshot.size != load->conf_size + load->state_size ||
        load->conf_size > load->snapshot.size) {
        return refuse(load, "pieces of the snapshot of entry %" PRIu64 " are missing", snapshot->index);
    }
    snapshot->conf = pdr_bytes(load->snapshot.data, load->conf_size);
    snapshot->state = pdr_bytes(load->snapshot.data + load->conf_size, load->state_size);
    load->log->snapshot.bytes = load->snapshot.data;
    load->snapshot = (struct raft_bytes){0};
    return (raft_config_check(snapshot->conf) && snapshot->term > 0 && snapshot->conf_index > 0 &&
            snapshot->conf_index <= snapshot->index) ||
           refuse(load, "the snapshot of entry %" PRIu64 " is none", snapshot->index);
}

static bool judge_entries(struct load *load)
{
    struct replica_log *log = load->log;
    uint64_t snapshot = log->snapshot.as.index;
    if (log->count == 0) {
        log->first = load->first;
    }
    if (log->first != load->first || replica_log_last(log) != load->last) {
        return refuse(load,
                      "its head says that it has the entries %" PRIu64 " to %" PRIu64 ", and it has %" PRIu64
                      " to %" PRIu64,
                      load->first, load->last, log->first, replica_log_last(log));
    }
    if (load->first == 0 || load->first > snapshot + 1 || load->last < snapshot) {
        return refuse(load,
                      "entries between its snapshot, of entry %" PRIu64 ", and its first, %" PRIu64 ", are missing",
                      snapshot, load->first);
    }
    if (log->count > 0 &&
        (log->entries[log->count - 1].term > log->term || (snapshot == 0 && log->entries[0].type != RAFT_LOG_CHANGE))) {
        return refuse(load, "its entries and its term, %" PRIu64 ", do not belong together", log->term);
    }
    return true;
}

static bool judge(struct load *load)
{
    struct replica_log *log = load->log;
    if (load->failed) {
        return false;
    }
    if (!load->headed) {
        return (log->count == 0 && load->pieces == 0) || refuse(load, "its head is missing");
    }
    if (log->term >= RAFT_NUMBER_MAX || load->last >= RAFT_NUMBER_MAX || log->snapshot.as.index > load->last) {
        return refuse(load, "its head is none");
    }
    return judge_snapshot(load) && judge_entries(load);
}

enum pdr_status replica_log_load(struct replica_log *log, const char **why)
{
    struct load load = {.log = log};
    enum pdr_status status = log->disk->ops->scan(log->disk, load_row, &load);
    *why = log->why;
    if (status != PDR_OK) {
        snprintf(log->why, sizeof log->why, "the directory's log cannot be read: %s", pdr_status_text(status));
    } else if (!judge(&load)) {
        status = PDR_INTERNAL;
    }
    raft_bytes_release(&load.snapshot);
    log->disk_first = log->first;
    log->disk_last = replica_log_last(log);
    log->disk_snapshot = log->snapshot.as;
    return status;
}
