/* consensus/raft_wire.c: letters to bytes and back. */
#include "consensus/raft_wire.h"

#include "consensus/raft_config.h"

#define WIRE_FORMAT 1u
#define BARRIER_SIZE_MAX 8u

/* Writing. */

void raft_wire_write_entry(struct raft_bytes *out, const struct raft_log_entry *entry)
{
    raft_bytes_put_64(out, entry->term);
    raft_bytes_put_8(out, (uint8_t)entry->type);
    raft_bytes_put_32(out, (uint32_t)entry->bytes.size);
    raft_bytes_put(out, entry->bytes.data, entry->bytes.size);
}

static void write_append(struct raft_bytes *out, const struct raft_letter *letter)
{
    raft_bytes_put_64(out, letter->append.prev_index);
    raft_bytes_put_64(out, letter->append.prev_term);
    raft_bytes_put_64(out, letter->append.commit);
    raft_bytes_put_32(out, letter->append.count);
    raft_bytes_put(out, letter->append.entries.data, letter->append.entries.size);
}

static void write_snapshot(struct raft_bytes *out, const struct raft_letter *letter)
{
    raft_bytes_put_64(out, letter->snapshot.index);
    raft_bytes_put_64(out, letter->snapshot.index_term);
    raft_bytes_put_64(out, letter->snapshot.conf_index);
    raft_bytes_put_32(out, letter->snapshot.conf_size);
    raft_bytes_put_32(out, letter->snapshot.total);
    raft_bytes_put_32(out, letter->snapshot.offset);
    raft_bytes_put(out, letter->snapshot.part.data, letter->snapshot.part.size);
}

void raft_wire_write(struct raft_bytes *out, const struct raft_letter *letter)
{
    raft_bytes_put_8(out, WIRE_FORMAT);
    raft_bytes_put_8(out, (uint8_t)letter->kind);
    raft_bytes_put(out, "\0\0", 2);
    raft_bytes_put_64(out, letter->from);
    raft_bytes_put_64(out, letter->to);
    raft_bytes_put_64(out, letter->from_life);
    raft_bytes_put_64(out, letter->to_life);
    raft_bytes_put_64(out, letter->number);
    raft_bytes_put_64(out, letter->term);
    switch (letter->kind) {
    case RAFT_LETTER_APPEND:
        write_append(out, letter);
        break;
    case RAFT_LETTER_RESULT:
        raft_bytes_put_64(out, letter->result.rejected);
        raft_bytes_put_64(out, letter->result.last_index);
        break;
    case RAFT_LETTER_SNAPSHOT:
        write_snapshot(out, letter);
        break;
    case RAFT_LETTER_VOTE:
    case RAFT_LETTER_TIMEOUT_NOW:
        raft_bytes_put_64(out, letter->vote.last_index);
        raft_bytes_put_64(out, letter->vote.last_term);
        if (letter->kind == RAFT_LETTER_VOTE) {
            raft_bytes_put_8(out, letter->vote.flags);
        }
        break;
    case RAFT_LETTER_VOTE_RESULT:
        raft_bytes_put_8(out, letter->vote.flags);
        break;
    default: /* HELLO */
        break;
    }
}

/* Reading. */

static struct raft_log_entry read_entry(struct raft_reader *reader)
{
    struct raft_log_entry entry = {.term = raft_read_64(reader)};
    entry.type = (enum raft_log_type)raft_read_8(reader);
    uint32_t size = raft_read_32(reader);
    entry.bytes = pdr_bytes(raft_read(reader, size), size);
    return entry;
}

bool raft_wire_next_entry(struct pdr_bytes *rest, struct raft_log_entry *out)
{
    struct raft_reader reader = raft_reader(*rest);
    if (rest->size == 0) {
        return false;
    }
    *out = read_entry(&reader);
    *rest = pdr_bytes(reader.at, raft_reader_left(&reader));
    return !reader.short_of;
}

static const char *judge_entry(const struct raft_log_entry *entry, uint64_t term_min, uint64_t term_max)
{
    if (entry->term < term_min || entry->term > term_max || entry->term == 0) {
        return "an entry is of a term that cannot be";
    }
    switch ((uint8_t)entry->type) {
    case RAFT_LOG_COMMAND:
        return entry->bytes.size > 0 && entry->bytes.size <= RAFT_ENTRY_SIZE_MAX ? NULL : "a command is too large";
    case RAFT_LOG_BARRIER:
        return entry->bytes.size <= BARRIER_SIZE_MAX ? NULL : "a barrier is too large";
    case RAFT_LOG_CHANGE:
        return raft_config_check(entry->bytes) ? NULL : "a configuration is malformed";
    default:
        return "an entry is of an unknown type";
    }
}

static const char *read_append(struct raft_reader *reader, struct raft_letter *out)
{
    out->append.prev_index = raft_read_64(reader);
    out->append.prev_term = raft_read_64(reader);
    out->append.commit = raft_read_64(reader);
    out->append.count = raft_read_32(reader);
    if (reader->short_of) {
        return "it ends early";
    }
    if (out->append.prev_index >= RAFT_NUMBER_MAX || out->append.commit >= RAFT_NUMBER_MAX ||
        out->append.prev_term > out->term || (out->append.prev_index == 0) != (out->append.prev_term == 0)) {
        return "its previous entry cannot be";
    }
    if (out->append.count > RAFT_LETTER_ENTRIES_MAX) {
        return "it has too many entries";
    }
    const uint8_t *from = reader->at;
    uint64_t term = out->append.prev_term;
    for (uint32_t i = 0; i < out->append.count; i++) {
        struct raft_log_entry entry = read_entry(reader);
        const char *why = reader->short_of ? "it ends within an entry" : judge_entry(&entry, term, out->term);
        if (why != NULL) {
            return why;
        }
        term = entry.term;
    }
    out->append.entries = pdr_bytes(from, reader->at == from ? 0 : (size_t)(reader->at - from));
    return NULL;
}

static const char *read_snapshot(struct raft_reader *reader, struct raft_letter *out)
{
    out->snapshot.index = raft_read_64(reader);
    out->snapshot.index_term = raft_read_64(reader);
    out->snapshot.conf_index = raft_read_64(reader);
    out->snapshot.conf_size = raft_read_32(reader);
    out->snapshot.total = raft_read_32(reader);
    out->snapshot.offset = raft_read_32(reader);
    if (reader->short_of) {
        return "it ends early";
    }
    size_t size = raft_reader_left(reader);
    out->snapshot.part = pdr_bytes(raft_read(reader, size), size);
    if (out->snapshot.index == 0 || out->snapshot.index >= RAFT_NUMBER_MAX || out->snapshot.index_term == 0 ||
        out->snapshot.index_term > out->term || out->snapshot.conf_index == 0 ||
        out->snapshot.conf_index > out->snapshot.index) {
        return "its snapshot cannot be";
    }
    if (out->snapshot.total > RAFT_SNAPSHOT_SIZE_MAX || out->snapshot.conf_size > out->snapshot.total) {
        return "its snapshot is too large";
    }
    if (size == 0 || size > RAFT_LETTER_PART_MAX || out->snapshot.offset > out->snapshot.total ||
        size > out->snapshot.total - out->snapshot.offset) {
        return "its part of a snapshot cannot be";
    }
    return NULL;
}

static const char *read_position(struct raft_reader *reader, struct raft_letter *out)
{
    out->vote.last_index = raft_read_64(reader);
    out->vote.last_term = raft_read_64(reader);
    return out->vote.last_index < RAFT_NUMBER_MAX && out->vote.last_term <= out->term &&
                   (out->vote.last_index == 0) == (out->vote.last_term == 0)
               ? NULL
               : "its last entry cannot be";
}

static const char *read_flags(struct raft_reader *reader, struct raft_letter *out)
{
    out->vote.flags = raft_read_8(reader);
    return out->vote.flags <= (RAFT_LETTER_PRE_VOTE | RAFT_LETTER_DISRUPT) ? NULL : "it has unknown flags";
}

static const char *read_result(struct raft_reader *reader, struct raft_letter *out)
{
    out->result.rejected = raft_read_64(reader);
    out->result.last_index = raft_read_64(reader);
    bool possible = out->result.rejected < RAFT_NUMBER_MAX && out->result.last_index < RAFT_NUMBER_MAX &&
                    (out->result.rejected == 0 || out->result.last_index < out->result.rejected);
    return possible ? NULL : "its indexes cannot be";
}

static const char *read_body(struct raft_reader *reader, struct raft_letter *out)
{
    const char *why;
    switch (out->kind) {
    case RAFT_LETTER_APPEND:
        return read_append(reader, out);
    case RAFT_LETTER_RESULT:
        return read_result(reader, out);
    case RAFT_LETTER_VOTE:
        why = read_position(reader, out);
        return why != NULL ? why : read_flags(reader, out);
    case RAFT_LETTER_VOTE_RESULT:
        return read_flags(reader, out);
    case RAFT_LETTER_SNAPSHOT:
        return read_snapshot(reader, out);
    case RAFT_LETTER_TIMEOUT_NOW:
        return read_position(reader, out);
    case RAFT_LETTER_HELLO:
        return NULL;
    default:
        return "it is of an unknown kind";
    }
}

static const char *read_head(const struct raft_wire_reader *self, struct raft_reader *reader, struct raft_letter *out)
{
    uint8_t format = raft_read_8(reader), kind = raft_read_8(reader);
    const uint8_t *zero = raft_read(reader, 2);
    out->from = raft_read_64(reader);
    out->to = raft_read_64(reader);
    out->from_life = raft_read_64(reader);
    out->to_life = raft_read_64(reader);
    out->number = raft_read_64(reader);
    out->term = raft_read_64(reader);
    if (reader->short_of) {
        return "it ends early";
    }
    if (format != WIRE_FORMAT || zero[0] != 0 || zero[1] != 0) {
        return "it is of an unknown format";
    }
    if (kind == 0 || kind >= RAFT_LETTER_KIND_END) {
        return "it is of an unknown kind";
    }
    out->kind = (enum raft_letter_kind)kind;
    if (out->to != self->self || out->from == 0 || out->from == self->self) {
        return "it is for another server";
    }
    if (out->from_life == 0 || out->number == 0) {
        return "it is of no life of a server";
    }
    if ((out->term == 0) != (kind == RAFT_LETTER_HELLO) || out->term > self->term + RAFT_TERM_STEP_MAX ||
        out->term >= RAFT_NUMBER_MAX) {
        return "its term cannot be";
    }
    return NULL;
}

enum pdr_status raft_wire_read(const struct raft_wire_reader *self, struct pdr_bytes bytes, struct raft_letter *out,
                               const char **why)
{
    struct raft_reader reader = raft_reader(bytes);
    *out = (struct raft_letter){0};
    *why = bytes.size > RAFT_LETTER_SIZE_MAX ? "it is too large" : read_head(self, &reader, out);
    if (*why == NULL) {
        *why = read_body(&reader, out);
    }
    if (*why == NULL && (reader.short_of || raft_reader_left(&reader) > 0)) {
        *why = reader.short_of ? "it ends early" : "something follows it";
    }
    return *why == NULL ? PDR_OK : PDR_INVALID;
}
