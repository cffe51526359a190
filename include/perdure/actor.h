/* perdure/actor.h: write an actor type in C.
 *
 *     static int add(pdr_turn *turn, const pdr_args *args)
 *     {
 *         int64_t n = 0;
 *         pdr_get_int(turn, "n", &n);
 *         n += pdr_arg_int(args, 0, 1);
 *         pdr_put_int(turn, "n", n);
 *         return pdr_reply_int(turn, n);
 *     }
 *
 *     PDR_ACTOR(counter, PDR_METHOD("add", add))
 *
 * A method runs as a *turn*: alone on its actor, on a fiber of the core thread that owns the actor. It must not block
 * the thread (no sleep, no file, no lock held by others); pdr_call and reads of cold state wait without blocking it.
 * What a turn writes is atomic: it commits together with the reply when the method returns PDR_OK, and not at all
 * when it returns anything else. A turn that calls another actor commits what it wrote so far before the call leaves.
 *
 * A turn that waits can be cancelled from outside (`perdure cancel`): the function it waits in, and every one it would
 * wait in after that, returns PDR_CANCELLED; a method that returns it leaves nothing of what it wrote last.
 *
 * All functions here are called from inside the turn they are given, on its own fiber, and return PDR_OK or a status.
 * A method ends with `return` of pdr_reply*(), of pdr_fail(), or of any status it received: an error is then answered
 * with that status (and with the message of the function that failed). Slices handed out stay valid until the turn
 * ends, unless said otherwise; slices handed in are borrowed until the function returns. */
#ifndef PERDURE_ACTOR_H
#define PERDURE_ACTOR_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>
#include <perdure/export.h>
#include <perdure/ref.h>
#include <perdure/status.h>
#include <perdure/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Changes when a plugin built against another header would misbehave; such a plugin is refused at load. */
#define PDR_ACTOR_ABI 2

typedef struct pdr_turn pdr_turn;
typedef struct pdr_args pdr_args;

/** When a reply may leave (product.md, "What is promised"). */
enum pdr_durability {
    PDR_DURABILITY_DEFAULT,  /* a method: as its type; a type: sync */
    PDR_DURABILITY_SYNC,     /* on stable storage of every in-sync replica */
    PDR_DURABILITY_MEMORY,   /* in the memory of every in-sync replica; reaches storage soon after */
    PDR_DURABILITY_VOLATILE, /* never written: lives and dies with the activation */
};

enum {
    PDR_METHOD_READER = 1u << 0, /* writes nothing; a put, delete or tell in it fails with PDR_INVALID */
    /* A reader that also runs while another turn of its actor waits in pdr_call or pdr_sleep, so it never stands behind
     * one that takes long, but may overtake calls that do. It sees state as it was committed, never what a turn that is
     * under way has put since; pdr_memory it shares with that turn. While a reader itself waits, others write. */
    PDR_METHOD_INTERLEAVE = 1u << 1,
};

/** Of a type. */
enum {
    /* While an actor waits in pdr_call, a call that its own call caused may come back to it: it runs inside of that
     * wait, as a turn of its own with a commit of its own. Nobody else's call does. Without this flag such a call fails
     * with PDR_DEADLOCK, unless the actor waits in pdr_call_reentrant. What was read before a pdr_call may be old after
     * it. */
    PDR_TYPE_REENTRANT = 1u << 0,
};

typedef int (*pdr_method_fn)(pdr_turn *turn, const pdr_args *args);
/** activate: before the first turn, `memory` zeroed; may read state. passivate: after the last; can't wait or write. */
typedef int (*pdr_hook_fn)(pdr_turn *turn);

struct pdr_method {
    const char *name;
    pdr_method_fn run;
    unsigned flags;
    enum pdr_durability durability;
};

/** A type. Static and constant: it must outlive the node (a plugin's, the plugin). */
struct pdr_actor_type {
    unsigned abi; /* PDR_ACTOR_ABI */
    const char *name;
    const struct pdr_method *methods; /* ends with one whose name is NULL */
    unsigned long memory_size;        /* of the volatile struct of an activation, bytes; 0 for none */
    pdr_hook_fn activate, passivate;  /* may be NULL */
    enum pdr_durability durability;
    unsigned events_kept; /* of each actor, for listeners that come back: 1 to 65,536; 0: 256 */
    unsigned flags;       /* PDR_TYPE_... */
};

/* clang-format off */
#define PDR_METHOD(name, function) {name, function, 0, PDR_DURABILITY_DEFAULT}
#define PDR_READER(name, function) {name, function, PDR_METHOD_READER, PDR_DURABILITY_DEFAULT}
#define PDR_READER_INTERLEAVED(name, function)                                                                         \
    {name, function, PDR_METHOD_READER | PDR_METHOD_INTERLEAVE, PDR_DURABILITY_DEFAULT}
#define PDR_METHOD_AS(name, function, durability) {name, function, 0, durability}

/** Defines `const struct pdr_actor_type pdr_type_NAME` with these methods. */
#define PDR_ACTOR(type, ...) PDR_ACTOR_WITH(type, 0, NULL, NULL, PDR_DURABILITY_DEFAULT, __VA_ARGS__)
/** As PDR_ACTOR, with volatile memory of a size, hooks, and a durability. */
#define PDR_ACTOR_WITH(type, memory, activate_hook, passivate_hook, how_durable, ...)                                \
    PDR_ACTOR_AS(type, 0, memory, activate_hook, passivate_hook, how_durable, __VA_ARGS__)
/** As PDR_ACTOR, for a type that is PDR_TYPE_REENTRANT. */
#define PDR_ACTOR_REENTRANT(type, ...)                                                                                 \
    PDR_ACTOR_AS(type, PDR_TYPE_REENTRANT, 0, NULL, NULL, PDR_DURABILITY_DEFAULT, __VA_ARGS__)
/** As PDR_ACTOR_WITH, with PDR_TYPE_... flags. */
#define PDR_ACTOR_AS(type, type_flags, memory, activate_hook, passivate_hook, how_durable, ...)                      \
    static const struct pdr_method pdr_methods_##type[] = {__VA_ARGS__, {NULL, NULL, 0, PDR_DURABILITY_DEFAULT}};      \
    extern const struct pdr_actor_type pdr_type_##type;                                                                \
    const struct pdr_actor_type pdr_type_##type = {PDR_ACTOR_ABI, #type, pdr_methods_##type, memory,                   \
                                                   activate_hook, passivate_hook, how_durable, 0, type_flags};

/** What a plugin exports under the name `pdr_plugin`; `perdure start --plugin FILE.so` loads it. */
struct pdr_plugin {
    unsigned abi;      /* PDR_ACTOR_ABI; read before anything else */
    unsigned size;     /* sizeof (struct pdr_plugin) */
    const char *name, *version;
    const struct pdr_actor_type *const *types; /* ends with NULL */
};
#define PDR_PLUGIN(plugin_name, plugin_version, ...)                                                                   \
    static const struct pdr_actor_type *const pdr_plugin_types[] = {__VA_ARGS__, NULL};                                \
    PDR_API extern const struct pdr_plugin pdr_plugin;                                                                 \
    const struct pdr_plugin pdr_plugin = {PDR_ACTOR_ABI, sizeof(struct pdr_plugin), plugin_name, plugin_version,       \
                                          pdr_plugin_types};
/* clang-format on */

/* Arguments */

/** Number of arguments. */
PDR_API uint32_t pdr_arg_count(const pdr_args *args);
/** The k-th argument, or no value. */
PDR_API pdr_value pdr_arg(const pdr_args *args, uint32_t k);
/** The k-th as a number or bytes; `otherwise` where there is none or it is nil or of another kind. */
PDR_API int64_t pdr_arg_int(const pdr_args *args, uint32_t k, int64_t otherwise);
PDR_API struct pdr_bytes pdr_arg_bytes(const pdr_args *args, uint32_t k, struct pdr_bytes otherwise);

/* Reply: at most one a turn; the last line of a method */

PDR_API int pdr_reply(pdr_turn *turn, pdr_value value); /* an encoded value */
PDR_API int pdr_reply_nil(pdr_turn *turn);
PDR_API int pdr_reply_bool(pdr_turn *turn, bool value);
PDR_API int pdr_reply_int(pdr_turn *turn, int64_t value);
PDR_API int pdr_reply_str(pdr_turn *turn, struct pdr_bytes text);
PDR_API int pdr_reply_bin(pdr_turn *turn, struct pdr_bytes bytes);
/** Fails the turn: nothing it wrote since the last commit happens. `code` is yours: [a-z_]{1,64}. */
PDR_API int pdr_fail(pdr_turn *turn, const char *code, const char *format, ...) PDR_PRINTF(3, 4);
/** Fails the turn with one of the platform's outcomes. */
PDR_API int pdr_fail_status(pdr_turn *turn, enum pdr_status status, const char *format, ...) PDR_PRINTF(3, 4);

/* State: a sorted map of bytes to bytes, the actor's own. Keys 1..1,024 bytes, values up to 1 MiB. */

/** PDR_NOT_FOUND if there is no such key (then *value is left alone; a method should not return that status as it is:
 * to a caller it means that there is no such type or method). May wait for the disk. */
PDR_API int pdr_get(pdr_turn *turn, struct pdr_bytes key, struct pdr_bytes *value);
PDR_API int pdr_put(pdr_turn *turn, struct pdr_bytes key, struct pdr_bytes value);
/** PDR_OK also if there was no such key. */
PDR_API int pdr_delete(pdr_turn *turn, struct pdr_bytes key);
/** Integers under C-string keys, kept as MessagePack. */
PDR_API int pdr_get_int(pdr_turn *turn, const char *key, int64_t *value);
PDR_API int pdr_put_int(pdr_turn *turn, const char *key, int64_t value);

/** Keys in [from, to) in order; `to` empty means to the end. Sees what this turn wrote before pdr_scan was called. */
typedef struct pdr_scan pdr_scan;
/** NULL for a bound that is no possible key, or out of memory: see pdr_error_code. It ends with the turn. */
PDR_API pdr_scan *pdr_scan_open(pdr_turn *turn, struct pdr_bytes from, struct pdr_bytes to);
/** PDR_OK, PDR_NOT_FOUND at the end, or an error. May wait for the disk. Slices are valid until the next call. */
PDR_API int pdr_scan_next(pdr_scan *scan, struct pdr_bytes *key, struct pdr_bytes *value);

/* Others */

/**
 * Calls `to` ("TYPE/KEY") and waits for its answer, within this turn's deadline. `args` is an encoded array, or empty
 * for no arguments. What this turn wrote so far commits first. On PDR_OK *reply (may be NULL) is the encoded result;
 * on PDR_ACTOR pdr_error_code() has the callee's code. Not in a passivate hook.
 */
PDR_API int pdr_call(pdr_turn *turn, struct pdr_bytes to, const char *method, struct pdr_bytes args, pdr_value *reply);
/** As pdr_call; and this once the call may come back to this actor, as if its type were PDR_TYPE_REENTRANT. */
PDR_API int pdr_call_reentrant(pdr_turn *turn, struct pdr_bytes to, const char *method, struct pdr_bytes args,
                               pdr_value *reply);
/**
 * Sends without an answer. It commits with this turn, or never was; then it is applied exactly once, in the order sent
 * between two actors, across crashes (docs/concepts/tells.md). PDR_OVERLOADED if the receiver's side does not keep up.
 * In a volatile method it leaves when the turn has ended well, and arrives at most once.
 */
PDR_API int pdr_tell(pdr_turn *turn, struct pdr_bytes to, const char *method, struct pdr_bytes args);
/**
 * Emits an event, one encoded value of at most 64 KiB, to whoever watches the actor (`perdure watch`,
 * pdr_client_watch). It leaves when this turn has committed, or never if it fails. Events of an actor are numbered,
 * one after the other, and the newest are kept (events_kept, and at most 1 MiB), so that who was away can go on
 * where it was. Where the method writes nothing down (volatile), events live with the activation, and numbers of all
 * events of such a type have gaps. Not in readers and hooks.
 */
PDR_API int pdr_emit(pdr_turn *turn, pdr_value event);
/** Of the last function of this turn that did not return PDR_OK. Never NULL. */
PDR_API const char *pdr_error_code(pdr_turn *turn);
PDR_API const char *pdr_error_message(pdr_turn *turn);

/* Time */

/** Runs `method` of this actor with `args` after delay_ms, then every period_ms (0: once). Dies with the activation.
 * `name` (1..64 bytes) replaces a timer of that name; at most 64 an activation. Takes effect when the turn commits. */
PDR_API int pdr_timer_set(pdr_turn *turn, const char *name, uint64_t delay_ms, uint64_t period_ms, const char *method,
                          struct pdr_bytes args);
PDR_API int pdr_timer_cancel(pdr_turn *turn, const char *name);
/* Reminders are durable timers: state of the actor, which is woken for them after a crash, a restart or passivation
 * too. `method` runs for each time that is due; the reminder moves on in the same (last) commit of its turn, so what
 * a turn in one piece does happens once, whatever crashes. If it fails it is run again, after 100 ms, doubling to a
 * minute. Times that passed while no node ran, or while the method failed, are one. Wall clock: one that jumps
 * forward makes reminders early, one that jumps back makes them late, and neither repeats nor loses one. `name`
 * (1..64 bytes) replaces a reminder of that name; at most 1,024 an actor. They are set and cancelled with the turn's
 * commit; not by readers, hooks, or types that write nothing down. */

/** At wall time due_ms (since 1970; at once if it is past), then every period_ms (0: once). */
PDR_API int pdr_reminder_at(pdr_turn *turn, const char *name, int64_t due_ms, uint64_t period_ms, const char *method,
                            struct pdr_bytes args);
/** After delay_ms. */
PDR_API int pdr_reminder_in(pdr_turn *turn, const char *name, uint64_t delay_ms, uint64_t period_ms, const char *method,
                            struct pdr_bytes args);
/** Whenever `expression` says, in UTC: "minute hour day month weekday" as in crontab(5), or "@daily" and the like. */
PDR_API int pdr_reminder_cron(pdr_turn *turn, const char *name, const char *expression, const char *method,
                              struct pdr_bytes args);
/** PDR_OK also if there is none. */
PDR_API int pdr_reminder_cancel(pdr_turn *turn, const char *name);

/** Waits; other actors run meanwhile. What was written commits first. PDR_DEADLINE if the deadline comes first. */
PDR_API int pdr_sleep(pdr_turn *turn, uint64_t delay_ms);

/* The turn itself */

/** The activation's volatile struct (memory_size bytes); NULL if the type has none. Valid while the actor is active. */
PDR_API void *pdr_memory(pdr_turn *turn);
PDR_API struct pdr_ref pdr_self(pdr_turn *turn);
/** The calling actor, "TYPE/KEY"; empty when a client called. */
PDR_API struct pdr_bytes pdr_caller(pdr_turn *turn);
/** Wall clock, milliseconds since 1970; may jump either way, also within a turn. */
PDR_API int64_t pdr_wall_ms(pdr_turn *turn);
/** Milliseconds until this turn's deadline; 0 when it is over. */
PDR_API uint64_t pdr_deadline_left_ms(pdr_turn *turn);
/** A random number: the one source of chance that the simulator can repeat. */
PDR_API uint64_t pdr_random(pdr_turn *turn);

#ifdef __cplusplus
}
#endif
#endif
