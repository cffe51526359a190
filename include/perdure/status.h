/* perdure/status.h: the one table of outcomes: name, code on the wire, HTTP status, when to try again, text. */
#ifndef PERDURE_STATUS_H
#define PERDURE_STATUS_H

#include <perdure/export.h>

/** When a caller may repeat a call that ended so. */
enum pdr_retry {
    PDR_RETRY_NEVER,   /* the same call would fail the same way */
    PDR_RETRY_LATER,   /* after a pause: `retry_ms` of the error, where it has one */
    PDR_RETRY_REROUTE, /* at once, with a fresh view of where the actor lives */
};

/* clang-format off */
/*    name            wire                  http  again    text */
#define PDR_STATUS_TABLE(X)                                                                                        \
    X(OK,           "ok",                   200, NEVER,   "success")                                               \
    X(INVALID,      "invalid",              400, NEVER,   "the request is malformed")                              \
    X(NOT_FOUND,    "not_found",            404, NEVER,   "no such type or method")                                \
    X(TOO_LARGE,    "too_large",            413, NEVER,   "a size is over its limit")                              \
    X(OVERLOADED,   "overloaded",           429, LATER,   "a queue is full")                                       \
    X(DEADLINE,     "deadline_exceeded",    504, LATER,   "no answer in time; the call may have been applied")     \
    X(UNAVAILABLE,  "unavailable",          503, LATER,   "no node can answer now; the call may have been applied") \
    X(MOVED,        "moved",                421, REROUTE, "the actor lives elsewhere")                             \
    X(DEADLOCK,     "deadlock",             409, NEVER,   "the call came back to an actor that waits for it")      \
    X(CANCELLED,    "cancelled",            499, NEVER,   "the call was cancelled")                                \
    X(SESSION,      "session_expired",      410, NEVER,   "the session is unknown or over")                        \
    X(UNAUTHORIZED, "unauthorized",         401, NEVER,   "the token does not allow this")                         \
    X(NO_SPACE,     "no_space",             507, LATER,   "the node's disk is full")                               \
    X(INTERNAL,     "internal",             500, NEVER,   "a fault inside the platform")                           \
    X(ACTOR,        "actor",                422, NEVER,   "the actor failed the call with a code of its own")

enum pdr_status {
#define PDR_STATUS_ENUM(name, wire, http, again, text) PDR_##name,
    PDR_STATUS_TABLE(PDR_STATUS_ENUM)
#undef PDR_STATUS_ENUM
    PDR_STATUS_COUNT
};
/* clang-format on */

#ifdef __cplusplus
extern "C" {
#endif

/** The code a status has on the wire, such as "overloaded". Static; never NULL. */
PDR_API const char *pdr_status_wire(enum pdr_status status);
/** One sentence without a full stop. Static; never NULL. */
PDR_API const char *pdr_status_text(enum pdr_status status);
/** The status of a wire code; PDR_ACTOR for a code that is not the platform's. */
PDR_API enum pdr_status pdr_status_from_wire(const char *code, unsigned long size);
PDR_API int pdr_status_http(enum pdr_status status);
PDR_API enum pdr_retry pdr_status_retry(enum pdr_status status);

#ifdef __cplusplus
}
#endif
#endif
