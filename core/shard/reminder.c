/* core/shard/reminder.c: rows to bytes and back, and how turns set, cancel and move them. */
#include "core/shard/reminder.h"

#include "core/base/check.h"
#include "core/base/endian.h"

#define VERSION 1u
#define HEAD 20u

size_t reminder_size(const struct reminder *reminder)
{
    return HEAD + reminder->method.size + reminder->cron.size + reminder->args.size;
}

static uint8_t *put(uint8_t *at, struct pdr_bytes bytes)
{
    if (bytes.size > 0) {
        memcpy(at, bytes.data, bytes.size);
    }
    return at + bytes.size;
}

void reminder_encode(uint8_t *out, const struct reminder *reminder)
{
    CHECK(reminder->method.size <= UINT8_MAX && reminder->cron.size <= CRON_SIZE_MAX);
    out[0] = VERSION;
    put_le64(out + 1, (uint64_t)reminder->due_ms);
    put_le64(out + 9, reminder->period_ms);
    out[17] = (uint8_t)reminder->method.size;
    put_le16(out + 18, (uint16_t)reminder->cron.size);
    put(put(put(out + HEAD, reminder->method), reminder->cron), reminder->args);
}

enum pdr_status reminder_decode(struct pdr_bytes value, struct reminder *out)
{
    const uint8_t *at = value.data;
    if (value.size < HEAD || at[0] != VERSION) {
        return PDR_INVALID;
    }
    size_t method_size = at[17], cron_size = get_le16(at + 18);
    uint64_t due = get_le64(at + 1);
    if (value.size - HEAD < method_size + cron_size || method_size == 0 || cron_size > CRON_SIZE_MAX ||
        due > INT64_MAX) {
        return PDR_INVALID;
    }
    *out = (struct reminder){.due_ms = (int64_t)due,
                             .period_ms = get_le64(at + 9),
                             .method = pdr_bytes(at + HEAD, method_size),
                             .cron = pdr_bytes(at + HEAD + method_size, cron_size)};
    size_t used = HEAD + method_size + cron_size;
    out->args = pdr_bytes(at + used, value.size - used);
    return PDR_OK;
}

int64_t reminder_next(const struct reminder *reminder, int64_t now_ms)
{
    int64_t after = now_ms > reminder->due_ms ? now_ms : reminder->due_ms;
    if (reminder->cron.size > 0) {
        struct cron cron;
        const char *why;
        return cron_parse(reminder->cron, &cron, &why) == PDR_OK ? cron_next(&cron, after) : REMINDER_NEVER;
    }
    if (reminder->period_ms == 0) {
        return REMINDER_NEVER;
    }
    uint64_t passed = (uint64_t)(after - reminder->due_ms), left = (uint64_t)(REMINDER_NEVER - after);
    uint64_t wait = reminder->period_ms - passed % reminder->period_ms;
    return wait >= left ? REMINDER_NEVER : after + (int64_t)wait;
}

size_t reminder_due_key(uint8_t *out, int64_t due_ms, struct pdr_bytes address, struct pdr_bytes name)
{
    put_be64(out, (uint64_t)due_ms);
    uint8_t *at = put(out + 8, address);
    *at++ = 0;
    return (size_t)(put(at, name) - out);
}

bool reminder_due_parse(struct pdr_bytes key, int64_t *due_ms, struct pdr_bytes *address, struct pdr_bytes *name)
{
    const uint8_t *at = key.data;
    if (key.size < 8 + 3 || key.size > REMINDER_DUE_KEY_MAX || at[0] > 0x7f) {
        return false;
    }
    const uint8_t *end = memchr(at + 8, 0, key.size - 8);
    if (end == NULL || end == at + 8 || (size_t)(end - at) - 8 > KEYS_ADDRESS_MAX) {
        return false;
    }
    *due_ms = (int64_t)get_be64(at);
    *address = pdr_bytes(at + 8, (size_t)(end - at) - 8);
    *name = pdr_bytes(end + 1, key.size - (size_t)(end - at) - 1);
    return name->size > 0 && name->size <= REMINDER_NAME_MAX;
}

/* In a turn. */

/* When the reminder of that name is due, as the turn sees it; PDR_NOT_FOUND if there is none. May read the store. */
static enum pdr_status find(struct turn *turn, struct pdr_bytes name, int64_t *due_ms)
{
    struct pdr_bytes value;
    struct reminder reminder;
    enum pdr_status status = turn_row(turn, KEYS_REMINDER, name, &value);
    if (status == PDR_OK) {
        *due_ms = reminder_decode(value, &reminder) == PDR_OK ? reminder.due_ms : REMINDER_NEVER;
    }
    return status;
}

static void write_due(struct turn *turn, int64_t due_ms, struct pdr_bytes name, bool deleted)
{
    uint8_t key[REMINDER_DUE_KEY_MAX];
    size_t size = reminder_due_key(key, due_ms, activation_address(turn->activation), name);
    if (deleted) {
        rows_delete(&turn->rows, KEYS_DUE, pdr_bytes(key, size));
    } else {
        rows_put(&turn->rows, KEYS_DUE, pdr_bytes(key, size), pdr_bytes(NULL, 0));
    }
}

/* `old_due_ms`: of the one that goes; NULL: there is none. `reminder`: the one that comes, or NULL. */
static enum pdr_status replace(struct turn *turn, struct pdr_bytes name, const int64_t *old_due_ms,
                               const struct reminder *reminder)
{
    size_t size = reminder != NULL ? reminder_size(reminder) : 0;
    uint8_t *value = size > 0 ? turn_alloc(turn, size) : NULL;
    if (value != NULL) {
        reminder_encode(value, reminder);
    }
    if ((value == NULL && size > 0) ||
        !turn_write_kind(turn, KEYS_REMINDER, name, pdr_bytes(value, size), reminder == NULL)) {
        return turn_fail(turn, PDR_OVERLOADED, NULL, "the machine has no memory for this reminder");
    }
    if (old_due_ms != NULL && *old_due_ms != REMINDER_NEVER) {
        write_due(turn, *old_due_ms, name, true);
    }
    if (reminder != NULL) {
        write_due(turn, reminder->due_ms, name, false);
    }
    turn->reminders_more += (reminder != NULL) - (old_due_ms != NULL);
    return PDR_OK;
}

static enum pdr_status check(struct turn *turn, struct pdr_bytes name)
{
    if (turn->reader || turn->kind != TURN_CALL) {
        return turn_fail(turn, PDR_INVALID, NULL, "a reader or a hook can't set or cancel reminders: they are state");
    }
    if (!turn->activation->cls->logged) {
        return turn_fail(turn, PDR_INVALID, NULL, "a type that writes nothing down has no reminders; use a timer");
    }
    if (name.size == 0 || name.size > REMINDER_NAME_MAX) {
        return turn_fail(turn, PDR_INVALID, NULL, "a reminder's name has 1 to %d bytes", REMINDER_NAME_MAX);
    }
    return PDR_OK;
}

enum pdr_status turn_reminder_set(struct turn *turn, struct pdr_bytes name, const struct reminder *reminder)
{
    enum pdr_status status = check(turn, name);
    if (status != PDR_OK) {
        return status;
    }
    if (reminder->method.size == 0 || reminder->method.size > PDR_METHOD_SIZE_MAX) {
        return turn_fail(turn, PDR_INVALID, NULL, "a method's name has 1 to %d bytes", PDR_METHOD_SIZE_MAX);
    }
    if (reminder->due_ms == REMINDER_NEVER) {
        return turn_fail(turn, PDR_INVALID, NULL, "the reminder's time never comes");
    }
    status = turn_check_args(turn, reminder->args);
    if (status != PDR_OK) {
        return status;
    }
    int64_t due_ms;
    status = find(turn, name, &due_ms);
    if (status != PDR_OK && status != PDR_NOT_FOUND) {
        return status;
    }
    if (status == PDR_NOT_FOUND && turn->activation->reminder_count + turn->reminders_more >= (int)REMINDERS_MAX) {
        return turn_fail(turn, PDR_OVERLOADED, NULL, "an actor has at most %u reminders (limit reminders_max)",
                         REMINDERS_MAX);
    }
    return replace(turn, name, status == PDR_OK ? &due_ms : NULL, reminder);
}

enum pdr_status turn_reminder_cancel(struct turn *turn, struct pdr_bytes name)
{
    int64_t due_ms;
    enum pdr_status status = check(turn, name);
    if (status == PDR_OK && (status = find(turn, name, &due_ms)) == PDR_OK) {
        return replace(turn, name, &due_ms, NULL);
    }
    return status == PDR_NOT_FOUND ? PDR_OK : status;
}

/* The row is in memory: it was when the turn began (reminder_call_open), and nothing is trimmed while it is open. */
void turn_reminder_fired(struct turn *turn, struct pdr_bytes name, int64_t due_ms)
{
    struct reminder reminder;
    if (state_find(&turn->writes, KEYS_REMINDER, name) != NULL || !reminder_find(turn->activation, name, &reminder) ||
        reminder.due_ms != due_ms) {
        return; /* the method has set it anew, or cancelled it */
    }
    reminder.due_ms = reminder_next(&reminder, clock_wall_ms(turn->activation->core->world.clock));
    CHECK(replace(turn, name, &due_ms, reminder.due_ms != REMINDER_NEVER ? &reminder : NULL) == PDR_OK);
}

bool reminder_find(const struct activation *a, struct pdr_bytes name, struct reminder *out)
{
    const struct state_entry *entry = state_find(&a->values, KEYS_REMINDER, name);
    return entry != NULL && !entry->deleted && reminder_decode(entry_value(entry), out) == PDR_OK;
}
