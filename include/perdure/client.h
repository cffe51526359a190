/* perdure/client.h: call actors from a C program.
 *
 * Two forms of one client: callbacks on a libuv loop, and a blocking form that owns a loop of its own. Either knows
 * where actors live and calls them there, reconnects by itself (with jittered back-off) and bounds what is outstanding.
 * With `session` a call is retried until its deadline, and takes effect at most once. A client belongs to the thread
 * that runs its loop; use one client a thread. Deadlines are always set: 30 s unless said otherwise. */
#ifndef PERDURE_CLIENT_H
#define PERDURE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>
#include <perdure/export.h>
#include <perdure/status.h>
#include <perdure/value.h>

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;

#define PDR_DEADLINE_MS_DEFAULT 30000
#define PDR_DEADLINE_MS_MAX (24ull * 3600 * 1000)

/** Connections of one client to owners of actors, beside the one to its node. */
#define PDR_CLIENT_LINKS_MAX 64u

typedef struct pdr_client pdr_client;

/** Zero-initialise; every field has a default. Borrowed until pdr_client_open returns; NULL is all defaults. */
struct pdr_client_options {
    /** "HOST:PORT", or up to 16 with commas between them: the first that answers. NULL: $PERDURE_NODE, else
     * 127.0.0.1:7077. When the node is lost, any of them and any member of its cluster will do. */
    const char *node;
    uint64_t deadline_ms;        /* of calls that give none; 0: 30,000 */
    uint32_t outstanding_max;    /* calls without an answer; more are refused PDR_OVERLOADED; 0: 4,096 */
    uint64_t connect_timeout_ms; /* 0: 5,000 */
    /** Calls belong to a durable session, opened by the node: what has no answer when the connection is lost is sent
     * again on the next one, until its deadline, and is answered from the record if it ran. When the session is over
     * (an hour without a connection) such calls end with PDR_SESSION: they may have been applied or not. */
    bool session;
    /** Talk to `node` alone, and ask it for nothing else. Otherwise the client asks where actors live, and sends calls
     * straight to their owners, by up to PDR_CLIENT_LINKS_MAX connections that are opened as they are needed, and
     * closed when nobody needs them; a node that is not an actor's owner passes calls on. Calls to one actor never
     * overtake each other on their ways. A session belongs to one connection: with `session` all calls stay on it. */
    bool one_connection;
};

/** How a call ended. All slices are borrowed: valid until the callback returns (blocking form: until the next call). */
struct pdr_outcome {
    enum pdr_status status;
    struct pdr_bytes code;    /* on failure: the wire code; an actor's own with PDR_ACTOR */
    struct pdr_bytes message; /* on failure: a sentence */
    uint64_t retry_ms;        /* 0, or how long the node asks to wait */
    pdr_value result;         /* on PDR_OK: the encoded result */
};
typedef void (*pdr_outcome_cb)(void *user, const struct pdr_outcome *outcome);

/** Zero-initialise; every field has a default. */
struct pdr_call_options {
    uint64_t deadline_ms; /* from now; 0: the client's */
};

/**
 * Opens a client on `loop`, which the caller runs. Nothing is sent yet: the connection is made in the background, and
 * calls made meanwhile wait for it inside their deadlines. On failure (a malformed address or option, no descriptors)
 * *why is a sentence, valid until the thread's next pdr_client_open.
 */
PDR_API enum pdr_status pdr_client_open(struct uv_loop_s *loop, const struct pdr_client_options *options,
                                        pdr_client **out, const char **why) PDR_MUST_CHECK;

/**
 * Calls `method` of the actor `to` ("TYPE/KEY") with `args`, an encoded array (empty: no arguments).
 *
 * On PDR_OK `cb` fires exactly once, later, on the loop's thread; on any other status nothing was sent and `cb` never
 * fires. After PDR_DEADLINE or PDR_UNAVAILABLE the call may still have been applied. `options` may be NULL.
 */
PDR_API enum pdr_status pdr_client_call(pdr_client *client, struct pdr_bytes to, const char *method,
                                        struct pdr_bytes args, const struct pdr_call_options *options,
                                        pdr_outcome_cb cb, void *user) PDR_MUST_CHECK;
/** A notification: at most once, no answer. PDR_UNAVAILABLE while there is no connection. */
PDR_API enum pdr_status pdr_client_tell(pdr_client *client, struct pdr_bytes to, const char *method,
                                        struct pdr_bytes args) PDR_MUST_CHECK;

/** The most actors that one client watches. */
#define PDR_WATCHES_MAX 1024u

/** An event that an actor emitted: a value, borrowed until the callback returns. Its number is greater than that of the
 * actor's event before it; 0: the node gives no numbers. */
typedef void (*pdr_event_cb)(void *user, pdr_value event, uint64_t seq);

struct pdr_watch_options {
    const uint64_t *after; /* begin behind the event of this number; NULL: with what is emitted from now on */
};

/**
 * Watches the actor `to`; each actor once. `options` may be NULL.
 *
 * On PDR_OK `event` fires for each event, until pdr_client_unwatch, or until `ended` (once, and last) says why there
 * will be none any more: the node refused, or the client was closed. A connection that is lost ends nothing: the next
 * one goes on behind the last event that came, as far back as the node keeps them.
 */
PDR_API enum pdr_status pdr_client_watch(pdr_client *client, struct pdr_bytes to,
                                         const struct pdr_watch_options *options, pdr_event_cb event,
                                         pdr_outcome_cb ended, void *user) PDR_MUST_CHECK;
/** None of the watch's callbacks fires any more. Nothing happens if `to` is not watched. May be called from inside a
 * callback, the watch's own included. */
PDR_API void pdr_client_unwatch(pdr_client *client, struct pdr_bytes to);

/* Elections: `election/NAME` of the cluster's directory. At most one client thinks that it leads, by its own clock. */

/** The most elections that one client stands in. */
#define PDR_CAMPAIGNS_MAX 2048u
#define PDR_CAMPAIGN_LEASE_MS_DEFAULT 10000u

typedef struct pdr_campaign pdr_campaign;

/** Zero-initialise; every field has a default. */
struct pdr_campaign_options {
    uint32_t lease_ms;  /* 500 to 600,000: a leader that is gone is followed by the next after so long; 0: 10,000 */
    uint32_t margin_ms; /* `lost` fires so long before the lease may end, at most half of it; 0: a tenth of it */
};

/** What becomes of a candidate. Any may be NULL but `ended`. */
struct pdr_campaign_events {
    /** It leads, until `lost`. `token` is above that of every leader before it, for ever: hand it to whatever must not
     * be written to by one that leads no more. */
    void (*elected)(void *user, uint64_t token);
    /** It leads no more, or would not for sure `margin_ms` later: no renewal was answered for so long, or somebody made
     * it resign. `why` is a sentence, borrowed. It stands again, behind all others: pdr_campaign_end, if it should not.
     * */
    void (*lost)(void *user, uint64_t token, const char *why);
    /** Once, and last, unless pdr_campaign_end was called: the directory refused it for good, or the client was closed,
     * in which case the lease runs out by itself. If it led, `lost` comes before. */
    void (*ended)(void *user, const struct pdr_outcome *outcome);
};

/**
 * Stands in the election `name` with `value`, an encoded value of at most 512 bytes that observers see (empty: nil).
 *
 * All that a client stands in is kept by one renewal, three times in the shortest lease. Connections may be lost and
 * come back meanwhile. `events` is copied; callbacks fire on the loop's thread, never from inside this function. A
 * client with `session` is refused. `options` may be NULL.
 */
PDR_API enum pdr_status pdr_campaign_begin(pdr_client *client, struct pdr_bytes name, pdr_value value,
                                           const struct pdr_campaign_options *options,
                                           const struct pdr_campaign_events *events, void *user,
                                           pdr_campaign **out) PDR_MUST_CHECK;
/** How much longer it leads for sure, in milliseconds, if nothing more is heard of the directory; 0: it does not. */
PDR_API uint64_t pdr_campaign_left_ms(const pdr_campaign *campaign);
/** Stands no more: resigns, so that the next one leads at once. No event fires any more, and `campaign` is not to be
 * used. On PDR_OK `done` (may be NULL) hears how that went, once; where it fails the lease runs out. May be called from
 * inside a callback. */
PDR_API enum pdr_status pdr_campaign_end(pdr_campaign *campaign, pdr_outcome_cb done, void *user);

/** A sentence about the last call, tell or watch that was not accepted. Static; "" before. */
PDR_API const char *pdr_client_refusal(const pdr_client *client);
PDR_API uint32_t pdr_client_outstanding(const pdr_client *client);
/** Ends what is outstanding with PDR_CANCELLED, then closes; `closed` (may be NULL) is the last callback. May be called
 * from inside a callback; once. */
PDR_API void pdr_client_close(pdr_client *client, void (*closed)(void *user), void *user);

/* Blocking form */

typedef struct pdr_blocking pdr_blocking;

/** Connects before it returns. On failure *why is a sentence, valid until the thread's next pdr_blocking_open. */
PDR_API enum pdr_status pdr_blocking_open(const struct pdr_client_options *options, pdr_blocking **out,
                                          const char **why) PDR_MUST_CHECK;
/** Returns outcome->status. `outcome` is filled in on every path; its slices live until the next call on `client`. */
PDR_API enum pdr_status pdr_blocking_call(pdr_blocking *client, struct pdr_bytes to, const char *method,
                                          struct pdr_bytes args, const struct pdr_call_options *options,
                                          struct pdr_outcome *outcome);
/** Returns once the notification has been handed to the kernel. */
PDR_API enum pdr_status pdr_blocking_tell(pdr_blocking *client, struct pdr_bytes to, const char *method,
                                          struct pdr_bytes args);
PDR_API void pdr_blocking_close(pdr_blocking *client);

#ifdef __cplusplus
}
#endif
#endif
