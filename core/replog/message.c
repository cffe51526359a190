/* core/replog/message.c: messages to bytes and back, by their table. */
#include "core/replog/message.h"

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/journal/record.h"

struct kind {
    const char *name;
    const struct field *fields;
    uint32_t count;
};

#define DESCRIBE(number, NAME, name)                                                                                   \
    static const struct field name##_fields[] = {MESSAGE_##NAME##_FIELDS(FIELD_DESCRIBE, struct message_##name)};
MESSAGE_TABLE(DESCRIBE)
#undef DESCRIBE

static const struct kind kinds[] = {
#define KIND(number, NAME, name) [number] = {#NAME, name##_fields, FIELD_COUNT(name##_fields)},
    MESSAGE_TABLE(KIND)
#undef KIND
};

const char *message_name(enum message_kind kind)
{
    return kinds[kind].name;
}

static void *content(struct replog_message *message)
{
    return &message->head; /* all backups of a union begin where it does */
}

void message_write(pdr_writer *writer, const struct replog_message *message)
{
    struct replog_message copy = *message;
    const struct kind *kind = &kinds[message->kind];
    CHECK(kind->count > 0);
    pdr_write_array(writer, kind->count + 1);
    pdr_write_uint(writer, message->kind);
    fields_write(writer, kind->fields, kind->count, content(&copy));
}

/* Entries, and epochs. */

void message_entry_write(pdr_writer *writer, uint64_t epoch, struct pdr_bytes payload)
{
    uint8_t header[MESSAGE_ENTRY_HEADER];
    put_le64(header, epoch);
    put_le32(header + 8, (uint32_t)payload.size);
    pdr_write_raw(writer, header, sizeof header);
    pdr_write_raw(writer, payload.data, payload.size);
}

bool message_entry_next(struct pdr_bytes *entries, struct message_entry *out)
{
    const uint8_t *at = entries->data;
    if (entries->size < MESSAGE_ENTRY_HEADER) {
        return false;
    }
    uint32_t size = get_le32(at + 8);
    if (size > RECORD_PAYLOAD_MAX || size > entries->size - MESSAGE_ENTRY_HEADER) {
        return false;
    }
    *out = (struct message_entry){get_le64(at), pdr_bytes(at + MESSAGE_ENTRY_HEADER, size)};
    *entries = pdr_bytes(at + MESSAGE_ENTRY_HEADER + size, entries->size - MESSAGE_ENTRY_HEADER - size);
    return true;
}

/* Epochs of entries never fall, and none is above the one of the message. */
static bool check_entries(const struct message_append *append)
{
    struct pdr_bytes entries = append->entries;
    struct message_entry entry;
    uint64_t epoch = append->prev_epoch;
    while (message_entry_next(&entries, &entry)) {
        if (entry.epoch < epoch || entry.epoch == 0 || entry.epoch > append->epoch) {
            return false;
        }
        epoch = entry.epoch;
    }
    return entries.size == 0;
}

void message_history_write(pdr_writer *writer, const struct control_epoch *at, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint8_t bytes[16];
        put_le64(bytes, at[i].epoch);
        put_le64(bytes + 8, at[i].first_seq);
        pdr_write_raw(writer, bytes, sizeof bytes);
    }
}

uint32_t message_history_read(struct pdr_bytes bytes, struct control_epoch *at)
{
    const uint8_t *from = bytes.data;
    uint32_t count = (uint32_t)(bytes.size / 16);
    for (uint32_t i = 0; i < count; i++) {
        at[i] = (struct control_epoch){get_le64(from + i * 16u), get_le64(from + i * 16u + 8)};
    }
    return count;
}

/* Ascending, below the message's epoch and seq. */
static bool check_history(struct pdr_bytes bytes, uint64_t epoch, uint64_t seq)
{
    struct control_epoch at[CONTROL_HISTORY_MAX], before = {0, 0};
    if (bytes.size % 16 != 0) {
        return false;
    }
    uint32_t count = message_history_read(bytes, at);
    for (uint32_t i = 0; i < count; i++) {
        if (at[i].epoch <= before.epoch || at[i].first_seq <= before.first_seq || at[i].epoch > epoch ||
            at[i].first_seq > seq) {
            return false;
        }
        before = at[i];
    }
    return true;
}

static bool check(const struct replog_message *message, struct fault *fault)
{
    switch (message->kind) {
    case MESSAGE_APPEND:
        *fault = (struct fault){"entries", "are not entries of that epoch"};
        return check_entries(&message->append);
    case MESSAGE_NEWEPOCH:
        *fault = (struct fault){"history", "is not that of such a log"};
        return check_history(message->newepoch.history, message->newepoch.epoch, message->newepoch.seq);
    case MESSAGE_SNAP_BEGIN:
        *fault = (struct fault){"history", "is not that of such a snapshot"};
        return check_history(message->snap_begin.history, message->snap_begin.epoch, message->snap_begin.seq);
    default:
        return true;
    }
}

enum pdr_status message_next(struct pdr_bytes *frame, struct replog_message *out, struct fault *fault)
{
    *fault = (struct fault){NULL, "is not a message between copies"};
    const uint8_t *head = frame->data;
    int64_t size = frame->size < 2 ? -1 : pdr_value_skip(frame->data, frame->size, PDR_VALUE_DEPTH_MAX);
    if (size < 2 || head[1] == 0 || head[1] >= MESSAGE_KIND_COUNT || head[0] != (0x90u | (kinds[head[1]].count + 1))) {
        return PDR_INVALID;
    }
    struct pdr_bytes items = pdr_bytes(head + 2, (size_t)size - 2);
    *out = (struct replog_message){.kind = (enum message_kind)head[1]};
    enum pdr_status status = fields_read(&items, kinds[head[1]].fields, kinds[head[1]].count, content(out), fault);
    if (status != PDR_OK || !check(out, fault)) {
        return PDR_INVALID;
    }
    *frame = pdr_bytes(head + size, frame->size - (size_t)size);
    return PDR_OK;
}
