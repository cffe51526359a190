/* tests/unit/actors/builtin/small_actor.h: perdure/actor.h over a sorted array, with a clock that the test sets: a type
 * of actors/builtin, alone. A turn that fails leaves nothing; a scan sees what was there when it was opened.
 *
 * It has what the builtin types use, and takes the place of actors/context.c; so one program includes it once. */
#ifndef TESTS_UNIT_ACTORS_BUILTIN_SMALL_ACTOR_H
#define TESTS_UNIT_ACTORS_BUILTIN_SMALL_ACTOR_H

#include <perdure/actor.h>
#include <stdarg.h>
#include <stdlib.h>

#include "tests/lib/test.h"

struct small_block {
    struct small_block *next;
};

struct small_row {
    struct pdr_bytes key, value;
};

struct small_rows {
    struct small_row *at; /* by key */
    size_t count, capacity;
};

struct pdr_args {
    struct pdr_bytes array;
};

struct pdr_turn {
    const struct pdr_actor_type *type;
    struct small_rows rows;
    struct small_block *blocks; /* all that was ever handed in: slices stay valid to the end */
    int64_t now_ms;
    struct {
        bool is_set;
        int64_t due_ms;
        char method[64];
    } reminder;
    pdr_writer reply, events; /* of this turn, one value after the other */
    char code[65];            /* "": it went well */
    const char *caller;
    char text[65536]; /* of the last answer */
};
typedef struct pdr_turn small_actor;

struct pdr_scan {
    size_t at, count;
    struct small_row rows[];
};

static void *small_alloc(small_actor *actor, size_t size)
{
    struct small_block *block = malloc(sizeof *block + size);
    REQUIRE(block != NULL);
    block->next = actor->blocks;
    actor->blocks = block;
    return block + 1;
}

static struct pdr_bytes keep(small_actor *actor, struct pdr_bytes bytes)
{
    void *copy = small_alloc(actor, bytes.size + 1);
    memcpy(copy, bytes.data == NULL ? "" : bytes.data, bytes.size);
    return pdr_bytes(copy, bytes.size);
}

static size_t place_of(const small_actor *actor, struct pdr_bytes key, bool *there)
{
    size_t low = 0, high = actor->rows.count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        low = pdr_bytes_compare(actor->rows.at[middle].key, key) < 0 ? middle + 1 : low;
        high = pdr_bytes_compare(actor->rows.at[middle].key, key) < 0 ? high : middle;
    }
    *there = low < actor->rows.count && pdr_bytes_equal(actor->rows.at[low].key, key);
    return low;
}

/* State. */

int pdr_get(pdr_turn *turn, struct pdr_bytes key, struct pdr_bytes *value)
{
    bool there;
    size_t at = place_of(turn, key, &there);
    if (there) {
        *value = turn->rows.at[at].value;
    }
    return there ? PDR_OK : PDR_NOT_FOUND;
}

int pdr_put(pdr_turn *turn, struct pdr_bytes key, struct pdr_bytes value)
{
    bool there;
    size_t at = place_of(turn, key, &there);
    struct small_rows *rows = &turn->rows;
    REQUIRE(key.size > 0 && key.size <= 1024);
    if (!there) {
        if (rows->count == rows->capacity) {
            rows->capacity = rows->capacity * 2 + 16;
            rows->at = realloc(rows->at, rows->capacity * sizeof *rows->at);
            REQUIRE(rows->at != NULL);
        }
        memmove(rows->at + at + 1, rows->at + at, (rows->count++ - at) * sizeof *rows->at);
        rows->at[at].key = keep(turn, key);
    }
    rows->at[at].value = keep(turn, value);
    return PDR_OK;
}

int pdr_delete(pdr_turn *turn, struct pdr_bytes key)
{
    bool there;
    size_t at = place_of(turn, key, &there);
    if (there) {
        memmove(turn->rows.at + at, turn->rows.at + at + 1, (--turn->rows.count - at) * sizeof *turn->rows.at);
    }
    return PDR_OK;
}

pdr_scan *pdr_scan_open(pdr_turn *turn, struct pdr_bytes from, struct pdr_bytes to)
{
    bool there;
    size_t first = place_of(turn, from, &there), last = place_of(turn, to, &there);
    size_t count = last > first ? last - first : 0;
    struct pdr_scan *scan = small_alloc(turn, sizeof *scan + count * sizeof *scan->rows);
    scan->at = 0;
    scan->count = count;
    if (count > 0) {
        memcpy(scan->rows, turn->rows.at + first, count * sizeof *scan->rows);
    }
    return scan;
}

int pdr_scan_next(pdr_scan *scan, struct pdr_bytes *key, struct pdr_bytes *value)
{
    if (scan->at == scan->count) {
        return PDR_NOT_FOUND;
    }
    *key = scan->rows[scan->at].key;
    *value = scan->rows[scan->at++].value;
    return PDR_OK;
}

/* Arguments, answers, events. */

uint32_t pdr_arg_count(const pdr_args *args)
{
    return pdr_value_count(args->array);
}

pdr_value pdr_arg(const pdr_args *args, uint32_t k)
{
    return k < pdr_value_count(args->array) ? pdr_value_at(args->array, k) : pdr_bytes(NULL, 0);
}

struct pdr_bytes pdr_arg_bytes(const pdr_args *args, uint32_t k, struct pdr_bytes otherwise)
{
    struct pdr_bytes got;
    return pdr_value_bytes(pdr_arg(args, k), &got) ? got : otherwise;
}

int pdr_reply(pdr_turn *turn, pdr_value value)
{
    REQUIRE(turn->reply.size == 0);
    pdr_write_value(&turn->reply, value);
    return PDR_OK;
}

int pdr_reply_nil(pdr_turn *turn)
{
    pdr_write_nil(&turn->reply);
    return PDR_OK;
}

int pdr_reply_bool(pdr_turn *turn, bool value)
{
    pdr_write_bool(&turn->reply, value);
    return PDR_OK;
}

int pdr_reply_str(pdr_turn *turn, struct pdr_bytes text)
{
    pdr_write_str(&turn->reply, text);
    return PDR_OK;
}

int pdr_fail(pdr_turn *turn, const char *code, const char *format, ...)
{
    snprintf(turn->code, sizeof turn->code, "%s", code);
    return PDR_ACTOR;
}

int pdr_fail_status(pdr_turn *turn, enum pdr_status status, const char *format, ...)
{
    snprintf(turn->code, sizeof turn->code, "%s", pdr_status_wire(status));
    return (int)status;
}

int pdr_emit(pdr_turn *turn, pdr_value event)
{
    pdr_write_value(&turn->events, event);
    return PDR_OK;
}

/* Time, and who calls. A type here has one reminder. */

int pdr_reminder_at(pdr_turn *turn, const char *name, int64_t due_ms, uint64_t period_ms, const char *method,
                    struct pdr_bytes args)
{
    REQUIRE(strcmp(name, "lease") == 0 && period_ms == 0);
    turn->reminder.is_set = true;
    turn->reminder.due_ms = due_ms;
    snprintf(turn->reminder.method, sizeof turn->reminder.method, "%s", method);
    return PDR_OK;
}

int pdr_reminder_cancel(pdr_turn *turn, const char *name)
{
    REQUIRE(strcmp(name, "lease") == 0);
    turn->reminder.is_set = false;
    return PDR_OK;
}

struct pdr_bytes pdr_caller(pdr_turn *turn)
{
    return turn->caller == NULL ? pdr_bytes(NULL, 0) : pdr_str(turn->caller);
}

int64_t pdr_wall_ms(pdr_turn *turn)
{
    return turn->now_ms;
}

/* What tests do. */

static inline void small_open(small_actor *actor, const struct pdr_actor_type *type)
{
    memset(actor, 0, sizeof *actor);
    actor->type = type;
    actor->now_ms = 1000000;
    pdr_writer_init(&actor->reply, NULL, 0, 0);
    pdr_writer_init(&actor->events, NULL, 0, 0);
}

static inline void small_close(small_actor *actor)
{
    while (actor->blocks != NULL) {
        struct small_block *block = actor->blocks;
        actor->blocks = block->next;
        free(block);
    }
    free(actor->rows.at);
    pdr_writer_release(&actor->reply);
    pdr_writer_release(&actor->events);
}

/* A value as text: {token: 1, place: nil}. */
static inline size_t small_print(char *text, size_t size, pdr_value value)
{
    enum pdr_kind kind = pdr_value_kind(value);
    bool is_map = kind == PDR_KIND_MAP;
    size_t at = 0;
    int64_t n = 0;
    bool yes = false;
    struct pdr_bytes bytes;
    if (kind == PDR_KIND_ARRAY || is_map) {
        struct pdr_bytes rest = pdr_value_items(value);
        uint32_t count = pdr_value_count(value);
        at += (size_t)snprintf(text, size, "%c", is_map ? '{' : '[');
        for (uint32_t i = 0; i < count && at + 512 < size; i++) {
            at += (size_t)snprintf(text + at, size - at, "%s", i > 0 ? ", " : "");
            if (is_map) {
                at += small_print(text + at, size - at, pdr_value_next(&rest));
                at += (size_t)snprintf(text + at, size - at, ": ");
            }
            at += small_print(text + at, size - at, pdr_value_next(&rest));
        }
        return at + (size_t)snprintf(text + at, size - at, "%c", is_map ? '}' : ']');
    }
    if (pdr_value_int(value, &n)) {
        return (size_t)snprintf(text, size, "%lld", (long long)n);
    }
    if (pdr_value_bytes(value, &bytes)) {
        return (size_t)snprintf(text, size, "%.*s", (int)bytes.size, (const char *)bytes.data);
    }
    return (size_t)snprintf(text, size, "%s", pdr_value_bool(value, &yes) ? yes ? "true" : "false" : "nil");
}

/* The answer as text, or `!code`. */
static inline const char *small_run(small_actor *actor, const char *method, struct pdr_bytes array)
{
    struct pdr_args args = {array};
    const struct pdr_method *m = actor->type->methods;
    struct small_rows before = {malloc((actor->rows.count + 1) * sizeof *before.at), actor->rows.count,
                                actor->rows.count + 1};
    bool reminded = actor->reminder.is_set;
    int64_t due_ms = actor->reminder.due_ms;
    while (m->name != NULL && strcmp(m->name, method) != 0) {
        m++;
    }
    REQUIRE(m->name != NULL && before.at != NULL);
    if (before.count > 0) {
        memcpy(before.at, actor->rows.at, before.count * sizeof *before.at);
    }
    actor->code[0] = 0;
    pdr_writer_clear(&actor->reply);
    pdr_writer_clear(&actor->events);
    int status = m->run(actor, &args);
    if (status == PDR_OK) {
        free(before.at);
        small_print(actor->text, sizeof actor->text, pdr_written(&actor->reply));
        return actor->text;
    }
    free(actor->rows.at); /* nothing of it happened */
    actor->rows = before;
    actor->reminder.is_set = reminded;
    actor->reminder.due_ms = due_ms;
    pdr_writer_clear(&actor->events);
    snprintf(actor->text, sizeof actor->text, "!%s", actor->code[0] != 0 ? actor->code : "status");
    return actor->text;
}

/* Arguments as a format: i int64_t, s string, n nil. */
static inline const char *small_call(small_actor *actor, const char *method, const char *format, ...)
{
    uint8_t room[4096];
    pdr_writer args;
    va_list values;
    pdr_writer_init(&args, room, sizeof room, sizeof room);
    pdr_write_array(&args, (uint32_t)strlen(format));
    va_start(values, format);
    for (const char *f = format; *f != 0; f++) {
        if (*f == 'i') {
            pdr_write_int(&args, va_arg(values, int64_t));
        } else if (*f == 's') {
            pdr_write_cstr(&args, va_arg(values, const char *));
        } else {
            pdr_write_nil(&args);
        }
    }
    va_end(values);
    return small_run(actor, method, pdr_written(&args));
}

/* What the last turn emitted, as text, one after the other. */
static inline const char *small_events(small_actor *actor)
{
    struct pdr_bytes rest = pdr_written(&actor->events);
    size_t at = 0;
    actor->text[0] = 0;
    while (rest.size > 0) {
        at += (size_t)snprintf(actor->text + at, sizeof actor->text - at, "%s", at > 0 ? " " : "");
        at += small_print(actor->text + at, sizeof actor->text - at, pdr_value_next(&rest));
    }
    return actor->text;
}

/* Time goes on; the reminder comes if it is due. True: it came. */
static inline bool small_wait(small_actor *actor, int64_t ms)
{
    actor->now_ms += ms;
    if (!actor->reminder.is_set || actor->reminder.due_ms > actor->now_ms) {
        return false;
    }
    actor->reminder.is_set = false;
    EXPECT_STR(small_call(actor, actor->reminder.method, ""), "nil");
    EXPECT(!actor->reminder.is_set || actor->reminder.due_ms > actor->now_ms);
    return true;
}

#endif
