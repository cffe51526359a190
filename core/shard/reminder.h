/* core/shard/reminder.h: one durable reminder: its row of the actor (KEYS_REMINDER, by name), its row in the shard's
 * order of time (KEYS_DUE), and how a turn changes them. When it fires is reminders.h's business. */
#ifndef CORE_SHARD_REMINDER_H
#define CORE_SHARD_REMINDER_H

#include "core/base/cron.h"
#include "core/shard/turn.h"

#define REMINDER_NAME_MAX PDR_METHOD_SIZE_MAX
#define REMINDERS_MAX ((uint32_t)LIMIT_REMINDERS_MAX) /* an actor */
#define REMINDER_NEVER CRON_NEVER

struct reminder {
    int64_t due_ms;        /* wall clock, since 1970; not negative */
    uint64_t period_ms;    /* 0: once, unless `cron` says more */
    struct pdr_bytes cron; /* empty: none */
    struct pdr_bytes method, args;
};

/* The row's value: version u8 | due i64 | period u64 | sizes of method u8, cron u16 | method | cron | args; little
 * endian. */

size_t reminder_size(const struct reminder *reminder);
void reminder_encode(uint8_t *out, const struct reminder *reminder);
/** Slices of `value`. Trusts nothing. */
enum pdr_status reminder_decode(struct pdr_bytes value, struct reminder *out) PDR_MUST_CHECK;
/** When it is due again, having fired at wall time now_ms; REMINDER_NEVER: it is over. Later than due_ms: times that
 * were missed are one, and a clock that went back repeats none. */
int64_t reminder_next(const struct reminder *reminder, int64_t now_ms);

/* The key in KEYS_DUE: due be64 | address | 0x00 | name. */

#define REMINDER_DUE_KEY_MAX (8u + KEYS_ADDRESS_MAX + 1u + REMINDER_NAME_MAX)
size_t reminder_due_key(uint8_t *out, int64_t due_ms, struct pdr_bytes address, struct pdr_bytes name);
/** Slices of `key`. Trusts nothing. */
bool reminder_due_parse(struct pdr_bytes key, int64_t *due_ms, struct pdr_bytes *address, struct pdr_bytes *name);

/* In a turn: it commits with the rest. */

/** Replaces one of that name. */
enum pdr_status turn_reminder_set(struct turn *turn, struct pdr_bytes name, const struct reminder *reminder);
enum pdr_status turn_reminder_cancel(struct turn *turn, struct pdr_bytes name);
/** At the end of a turn that a reminder due at due_ms made: its row moves on with the turn's last commit, unless the
 * method has changed it. */
void turn_reminder_fired(struct turn *turn, struct pdr_bytes name, int64_t due_ms);

/** The actor's reminder of that name, committed or not; false if there is none in memory (turn_fetch). */
bool reminder_find(const struct activation *a, struct pdr_bytes name, struct reminder *out);

#endif
