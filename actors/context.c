/* actors/context.c: the functions of perdure/actor.h. A pdr_turn is a struct turn, a pdr_args a struct pdr_args. */
#include "actors/context.h"

#include <perdure/actor.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/base/cron.h"
#include "core/shard/reminder.h"
#include "core/shard/turn.h"
#include "core/shard/watch.h"

static struct turn *inside(pdr_turn *turn)
{
    return (struct turn *)turn;
}

static int run(const struct actor_class *cls, const struct class_method *method, struct turn *turn,
               const struct pdr_args *args)
{
    return ((const struct pdr_method *)method->code)->run((pdr_turn *)turn, args);
}

static int activate(const struct actor_class *cls, struct turn *turn)
{
    return ((const struct pdr_actor_type *)cls->code)->activate((pdr_turn *)turn);
}

static int passivate(const struct actor_class *cls, struct turn *turn)
{
    return ((const struct pdr_actor_type *)cls->code)->passivate((pdr_turn *)turn);
}

const struct class_ops native_class_ops = {run, activate, passivate};

/* Arguments */

uint32_t pdr_arg_count(const pdr_args *args)
{
    return args->count;
}

pdr_value pdr_arg(const pdr_args *args, uint32_t k)
{
    struct pdr_bytes rest = args->items;
    pdr_value value = pdr_bytes(NULL, 0);
    if (k >= args->count) {
        return value;
    }
    for (uint32_t i = 0; i <= k; i++) {
        value = pdr_value_next(&rest);
    }
    return value;
}

int64_t pdr_arg_int(const pdr_args *args, uint32_t k, int64_t otherwise)
{
    int64_t value;
    return pdr_value_int(pdr_arg(args, k), &value) ? value : otherwise;
}

struct pdr_bytes pdr_arg_bytes(const pdr_args *args, uint32_t k, struct pdr_bytes otherwise)
{
    struct pdr_bytes value;
    return pdr_value_bytes(pdr_arg(args, k), &value) ? value : otherwise;
}

/* Reply */

static pdr_writer *begin_reply(pdr_turn *turn)
{
    struct call *call = inside(turn)->call;
    if (call == NULL) {
        return NULL; /* a hook: nobody listens */
    }
    pdr_writer_clear(&call->reply);
    call->reply.limit = PDR_STATE_VALUE_MAX;
    return &call->reply;
}

#define REPLY(write)                                                                                                   \
    do {                                                                                                               \
        pdr_writer *writer = begin_reply(turn);                                                                        \
        if (writer != NULL) {                                                                                          \
            write;                                                                                                     \
        }                                                                                                              \
        return PDR_OK;                                                                                                 \
    } while (0)

int pdr_reply(pdr_turn *turn, pdr_value value)
{
    if (pdr_value_skip(value.data, value.size, PDR_VALUE_DEPTH_MAX) != (int64_t)value.size || value.size == 0) {
        return turn_fail(inside(turn), PDR_INTERNAL, NULL, "the actor's reply is not one MessagePack value");
    }
    REPLY(pdr_write_value(writer, value));
}

int pdr_reply_nil(pdr_turn *turn)
{
    REPLY(pdr_write_nil(writer));
}
int pdr_reply_bool(pdr_turn *turn, bool value)
{
    REPLY(pdr_write_bool(writer, value));
}
int pdr_reply_int(pdr_turn *turn, int64_t value)
{
    REPLY(pdr_write_int(writer, value));
}
int pdr_reply_str(pdr_turn *turn, struct pdr_bytes text)
{
    REPLY(pdr_write_str(writer, text));
}
int pdr_reply_bin(pdr_turn *turn, struct pdr_bytes bytes)
{
    REPLY(pdr_write_bin(writer, bytes));
}

static bool is_code(const char *code)
{
    size_t size = 0;
    for (; code != NULL && code[size] != 0; size++) {
        char c = code[size];
        if (!((c >= 'a' && c <= 'z') || c == '_' || (c >= '0' && c <= '9' && size > 0))) {
            return false;
        }
    }
    return size > 0 && size <= PDR_METHOD_SIZE_MAX;
}

int pdr_fail(pdr_turn *turn, const char *code, const char *format, ...)
{
    char text[192];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size >= (int)sizeof text) {
        text_cut(text);
    }
    if (!is_code(code)) {
        return turn_fail(inside(turn), PDR_INTERNAL, NULL, "the actor failed with \"%.80s\", which is no code: %s",
                         code != NULL ? code : "", text);
    }
    /* a code of the platform's means that outcome, so that callers see one thing */
    enum pdr_status status = pdr_status_from_wire(code, strlen(code));
    return turn_fail(inside(turn), status == PDR_OK ? PDR_ACTOR : status, code, "%s", text);
}

int pdr_fail_status(pdr_turn *turn, enum pdr_status status, const char *format, ...)
{
    char text[192];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size >= (int)sizeof text) {
        text_cut(text);
    }
    return turn_fail(inside(turn), status == PDR_OK ? PDR_INTERNAL : status, NULL, "%s", text);
}

const char *pdr_error_code(pdr_turn *turn)
{
    return inside(turn)->error_code;
}
const char *pdr_error_message(pdr_turn *turn)
{
    return inside(turn)->error_text;
}

/* State */

int pdr_get(pdr_turn *turn, struct pdr_bytes key, struct pdr_bytes *value)
{
    return turn_get(inside(turn), key, value);
}

int pdr_put(pdr_turn *turn, struct pdr_bytes key, struct pdr_bytes value)
{
    return turn_write(inside(turn), key, value, false);
}

int pdr_delete(pdr_turn *turn, struct pdr_bytes key)
{
    return turn_write(inside(turn), key, pdr_bytes(NULL, 0), true);
}

int pdr_get_int(pdr_turn *turn, const char *key, int64_t *value)
{
    struct pdr_bytes bytes;
    int status = pdr_get(turn, pdr_str(key), &bytes);
    if (status == PDR_OK && !pdr_value_int(bytes, value)) {
        return turn_fail(inside(turn), PDR_INVALID, NULL, "the value under \"%.80s\" is no integer", key);
    }
    return status;
}

int pdr_put_int(pdr_turn *turn, const char *key, int64_t value)
{
    uint8_t room[16];
    pdr_writer writer;
    pdr_writer_init(&writer, room, sizeof room, 0);
    pdr_write_int(&writer, value);
    return pdr_put(turn, pdr_str(key), pdr_written(&writer));
}

pdr_scan *pdr_scan_open(pdr_turn *turn, struct pdr_bytes from, struct pdr_bytes to)
{
    return (pdr_scan *)turn_scan_open(inside(turn), from, to);
}

int pdr_scan_next(pdr_scan *scan, struct pdr_bytes *key, struct pdr_bytes *value)
{
    return turn_scan_next((struct turn_scan *)scan, key, value);
}

/* Others */

int pdr_call(pdr_turn *turn, struct pdr_bytes to, const char *method, struct pdr_bytes args, pdr_value *reply)
{
    return turn_call(inside(turn), to, pdr_str(method), args, false, reply);
}

int pdr_call_reentrant(pdr_turn *turn, struct pdr_bytes to, const char *method, struct pdr_bytes args, pdr_value *reply)
{
    return turn_call(inside(turn), to, pdr_str(method), args, true, reply);
}

int pdr_tell(pdr_turn *turn, struct pdr_bytes to, const char *method, struct pdr_bytes args)
{
    return turn_tell(inside(turn), to, pdr_str(method), args);
}

int pdr_emit(pdr_turn *turn, pdr_value event)
{
    return turn_emit(inside(turn), event);
}

int pdr_timer_set(pdr_turn *turn, const char *name, uint64_t delay_ms, uint64_t period_ms, const char *method,
                  struct pdr_bytes args)
{
    return turn_timer(inside(turn), pdr_str(name), delay_ms, period_ms, pdr_str(method), args, false);
}

int pdr_timer_cancel(pdr_turn *turn, const char *name)
{
    return turn_timer(inside(turn), pdr_str(name), 0, 0, pdr_bytes(NULL, 0), pdr_bytes(NULL, 0), true);
}

int pdr_reminder_at(pdr_turn *turn, const char *name, int64_t due_ms, uint64_t period_ms, const char *method,
                    struct pdr_bytes args)
{
    struct reminder reminder = {
        .due_ms = due_ms < 0 ? 0 : due_ms, .period_ms = period_ms, .method = pdr_str(method), .args = args};
    return turn_reminder_set(inside(turn), pdr_str(name), &reminder);
}

int pdr_reminder_in(pdr_turn *turn, const char *name, uint64_t delay_ms, uint64_t period_ms, const char *method,
                    struct pdr_bytes args)
{
    int64_t now = pdr_wall_ms(turn);
    now = now < 0 ? 0 : now;
    int64_t due = delay_ms >= (uint64_t)(INT64_MAX - now) ? INT64_MAX : now + (int64_t)delay_ms;
    return pdr_reminder_at(turn, name, due, period_ms, method, args);
}

int pdr_reminder_cron(pdr_turn *turn, const char *name, const char *expression, const char *method,
                      struct pdr_bytes args)
{
    struct cron cron;
    const char *why;
    if (cron_parse(pdr_str(expression), &cron, &why) != PDR_OK) {
        return turn_fail(inside(turn), PDR_INVALID, NULL, "%s", why);
    }
    int64_t now = pdr_wall_ms(turn);
    struct reminder reminder = {.due_ms = cron_next(&cron, now < 0 ? 0 : now),
                                .cron = pdr_str(expression),
                                .method = pdr_str(method),
                                .args = args};
    return turn_reminder_set(inside(turn), pdr_str(name), &reminder);
}

int pdr_reminder_cancel(pdr_turn *turn, const char *name)
{
    return turn_reminder_cancel(inside(turn), pdr_str(name));
}

int pdr_sleep(pdr_turn *turn, uint64_t delay_ms)
{
    return turn_sleep(inside(turn), delay_ms);
}

/* The turn itself */

void *pdr_memory(pdr_turn *turn)
{
    return activation_memory(inside(turn)->activation);
}

struct pdr_ref pdr_self(pdr_turn *turn)
{
    const struct activation *a = inside(turn)->activation;
    struct pdr_ref self = {pdr_bytes(a->address, a->type_size),
                           pdr_bytes(a->address + a->type_size + 1, a->address_size - a->type_size - 1u)};
    return self;
}

struct pdr_bytes pdr_caller(pdr_turn *turn)
{
    const struct call *call = inside(turn)->call;
    return call != NULL ? call->caller : pdr_bytes(NULL, 0);
}

int64_t pdr_wall_ms(pdr_turn *turn)
{
    return clock_wall_ms(inside(turn)->activation->core->world.clock);
}

uint64_t pdr_deadline_left_ms(pdr_turn *turn)
{
    uint64_t now = core_now_ns(inside(turn)->activation->core), end = inside(turn)->deadline_ns;
    return end <= now ? 0 : (end - now) / NS_PER_MS;
}

uint64_t pdr_random(pdr_turn *turn)
{
    return rng_next(&inside(turn)->activation->core->rng);
}
