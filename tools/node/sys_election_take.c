/* tools/node/sys_election_take.c: what the arguments of a call to `election/NAME` ask for; or a sentence why they
 * cannot. */
#include "core/base/hash_bytes.h"
#include "core/shard/core.h"
#include "tools/node/sys_election_ask.h"

#define LEASE_MS_DEFAULT 10000u

static bool refuse(struct election_ask *ask, const char *why)
{
    call_fail(ask->call, PDR_INVALID, "%s: %s", ask->method->name, why);
    return false;
}

static pdr_value option(const struct election_ask *ask, uint32_t index, const char *name)
{
    return pdr_value_get(pdr_value_at(ask->call->args, index), name);
}

/* Who calls stands under one number for ever: the actor that calls, or the session. */
static bool take_owner(struct election_ask *ask, uint32_t index)
{
    const struct call *call = ask->call;
    pdr_value id = option(ask, index, "id");
    uint8_t session[SESSION_ID_SIZE];
    if (id.size > 0 && (!pdr_value_uint(id, &ask->owner) || ask->owner == 0)) {
        return refuse(ask, "the id of a candidate is a number above 0, which its client has drawn");
    }
    if (id.size == 0 && call->caller.size > 0) {
        ask->owner = hash_bytes(call->caller, 1) | 1;
    } else if (id.size == 0 && call->session.on) {
        session_id_encode(session, &call->session.id);
        ask->owner = hash_bytes(pdr_bytes(session, sizeof session), 2) | 1;
    }
    return true;
}

static bool take_wait(struct election_ask *ask, uint32_t index)
{
    uint64_t wait_ms;
    pdr_value wait = option(ask, index, "wait_ms"), token = option(ask, index, "token");
    if (wait.size > 0 && (!pdr_value_uint(wait, &wait_ms) || wait_ms > LIMIT_DEADLINE_MS_MAX)) {
        return refuse(ask, "wait_ms is a number of milliseconds, at most a day");
    }
    if (token.size > 0 && !pdr_value_uint(token, &ask->token)) {
        return refuse(ask, "a token is a number");
    }
    ask->has_wait = wait.size > 0;
    ask->wait_ns = ask->has_wait ? core_now_ns(ask->elections->node->control) + wait_ms * NS_PER_MS : 0;
    return true;
}

/* [value, {"id", "lease_ms", "wait_ms", "token"}] */
bool election_take_campaign(struct election_ask *ask)
{
    static const uint8_t nil[] = {0xc0};
    uint64_t lease_ms = LEASE_MS_DEFAULT;
    pdr_value lease = option(ask, 1, "lease_ms");
    ask->value = pdr_value_count(ask->call->args) > 0 ? pdr_value_at(ask->call->args, 0) : pdr_bytes(nil, 1);
    if (ask->value.size > LIMIT_CAMPAIGN_BYTES_MAX) {
        call_fail(ask->call, PDR_TOO_LARGE, "campaign: a candidate's value has at most %d bytes (limit %s)",
                  LIMIT_CAMPAIGN_BYTES_MAX, "campaign_bytes_max");
        return false;
    }
    if (lease.size > 0 && (!pdr_value_uint(lease, &lease_ms) || lease_ms < LIMIT_CAMPAIGN_LEASE_MS_MIN ||
                           lease_ms > LIMIT_CAMPAIGN_LEASE_MS_MAX)) {
        return refuse(ask, "lease_ms is 500 to 600,000");
    }
    ask->lease_ms = (uint32_t)lease_ms;
    if (!take_owner(ask, 1) || !take_wait(ask, 1)) {
        return false;
    }
    while (ask->owner == 0) {
        ask->owner = rng_next(&ask->elections->node->control->rng) >> 11; /* exact in JSON, too */
    }
    return true;
}

/* [{"id"}] */
bool election_take_keep(struct election_ask *ask)
{
    return take_owner(ask, 0) && (ask->owner != 0 || refuse(ask, "which candidate? Say its id"));
}

/* [{"id"}] or [{"token"}] */
bool election_take_resign(struct election_ask *ask)
{
    pdr_value token = option(ask, 0, "token");
    if (token.size > 0) {
        return pdr_value_uint(token, &ask->token) || refuse(ask, "a token is a number");
    }
    return take_owner(ask, 0) && (ask->owner != 0 || refuse(ask, "which candidate? Say its id, or the leader's token"));
}

/* [{"token", "wait_ms"}] */
bool election_take_leader(struct election_ask *ask)
{
    return take_wait(ask, 0);
}
