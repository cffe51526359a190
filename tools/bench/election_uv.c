/* tools/bench/election_uv.c: one round of W7 through perdure/client.h, step by step: watch N-1, have all but N join,
 * tell 1, await the event of N-1, ask all what they have now and how much they said. */
#include "tools/bench/election.h"

#include <perdure/client.h>
#include <perdure/ref.h>
#include <stdio.h>
#include <uv.h>

#include "core/base/mem.h"
#include "tools/bench/process.h"

#define OUTSTANDING 256u
#define ROUND_MS_MAX 30000u /* beyond T */

struct round {
    const struct election_plan *plan;
    struct election_result *result;
    uv_loop_t loop;
    uv_timer_t limit;
    pdr_client *client;
    const char *method; /* of the calls to all */
    void (*all_answered)(struct round *round);
    pdr_writer args;
    uint32_t next, unanswered;
    uint64_t begin_ns;
    bool ended;
    char why[256];
};

static struct pdr_bytes address_of(const struct round *r, uint32_t number, char *room, size_t size)
{
    return pdr_bytes(room, (size_t)snprintf(room, size, "bully/%s.%u", r->plan->group, number));
}

static void end(struct round *r, struct pdr_bytes why)
{
    if (!r->ended) {
        r->ended = true;
        snprintf(r->why, sizeof r->why, "%.*s", (int)why.size, (const char *)why.data);
        uv_close((uv_handle_t *)&r->limit, NULL);
        pdr_client_close(r->client, NULL, NULL);
    }
}

/* A call to each of 1 to N-1. */

static void send_some(struct round *r);

static void take_status(struct round *r, pdr_value status)
{
    int64_t sent = 0, coordinator = 0;
    pdr_value_int(pdr_value_get(status, "sent"), &sent);
    pdr_value_int(pdr_value_get(status, "coordinator"), &coordinator);
    r->result->messages += (uint64_t)sent;
    r->result->strayed += coordinator != (int64_t)r->plan->participants - 1;
}

static void answered(void *user, const struct pdr_outcome *outcome)
{
    struct round *r = user;
    if (r->ended) {
        return;
    }
    if (outcome->status != PDR_OK) {
        end(r, outcome->message);
        return;
    }
    r->unanswered--;
    if (pdr_value_kind(outcome->result) == PDR_KIND_MAP) {
        take_status(r, outcome->result);
    }
    send_some(r);
    if (r->unanswered == 0 && !r->ended) {
        r->all_answered(r);
    }
}

static void send_some(struct round *r)
{
    char room[PDR_KEY_SIZE_MAX + 32];
    while (!r->ended && r->next < r->plan->participants && r->unanswered < OUTSTANDING) {
        struct pdr_bytes to = address_of(r, r->next++, room, sizeof room);
        if (pdr_client_call(r->client, to, r->method, pdr_written(&r->args), NULL, answered, r) != PDR_OK) {
            end(r, pdr_str(pdr_client_refusal(r->client)));
        }
        r->unanswered++;
    }
}

static void call_all(struct round *r, const char *method, void (*all_answered)(struct round *round))
{
    r->method = method;
    r->all_answered = all_answered;
    r->next = 1;
    send_some(r);
}

/* The round */

static void all_told(struct round *r)
{
    end(r, pdr_str(""));
}

static void ask_all(struct round *r)
{
    pdr_writer_clear(&r->args);
    pdr_write_array(&r->args, 0);
    call_all(r, "status", all_told);
}

static void saw_event(void *user, pdr_value event, uint64_t seq)
{
    struct round *r = user;
    struct pdr_bytes what;
    int64_t followers = 0;
    if (r->begin_ns == 0 || r->result->round_ms > 0 || !pdr_value_bytes(pdr_value_get(event, "event"), &what) ||
        !pdr_bytes_equal(what, pdr_str("elected")) || !pdr_value_int(pdr_value_get(event, "followers"), &followers) ||
        followers != (int64_t)r->plan->participants - 2) { /* not all: whoever was left out begins again */
        return;
    }
    r->result->round_ms = (double)(process_now_ns() - r->begin_ns) / 1e6;
    ask_all(r);
}

static void watch_ended(void *user, const struct pdr_outcome *outcome)
{
    end(user, outcome->message);
}

static void told_first(void *user, const struct pdr_outcome *outcome)
{
    if (outcome->status != PDR_OK) {
        end(user, outcome->message);
    }
}

static void tell_first(struct round *r)
{
    char room[PDR_KEY_SIZE_MAX + 32];
    struct pdr_bytes first = address_of(r, 1, room, sizeof room);
    r->begin_ns = process_now_ns();
    if (pdr_client_call(r->client, first, "elect", pdr_bytes(NULL, 0), NULL, told_first, r) != PDR_OK) {
        end(r, pdr_str(pdr_client_refusal(r->client)));
    }
}

static void took_too_long(uv_timer_t *timer)
{
    end(timer->data, pdr_str("the round did not end within 30 s beyond T; is T shorter than an answer takes?"));
}

static void write_join(struct round *r)
{
    pdr_write_array(&r->args, 2);
    pdr_write_int(&r->args, r->plan->participants);
    pdr_write_map(&r->args, 2);
    pdr_write_cstr(&r->args, "timeout_ms");
    pdr_write_int(&r->args, r->plan->timeout_ms);
    pdr_write_cstr(&r->args, "coordinator");
    pdr_write_int(&r->args, r->plan->participants);
}

static bool begin(struct round *r, const char **why)
{
    const struct pdr_client_options to = {.node = r->plan->node, .one_connection = r->plan->one_node};
    const uint64_t beginning = 0;
    char room[PDR_KEY_SIZE_MAX + 32];
    if (pdr_client_open(&r->loop, &to, &r->client, why) != PDR_OK) {
        return false;
    }
    uv_timer_init(&r->loop, &r->limit);
    r->limit.data = r;
    uv_timer_start(&r->limit, took_too_long, ROUND_MS_MAX + r->plan->timeout_ms, 0);
    struct pdr_bytes last = address_of(r, r->plan->participants - 1, room, sizeof room);
    if (pdr_client_watch(r->client, last, &(struct pdr_watch_options){&beginning}, saw_event, watch_ended, r) !=
        PDR_OK) {
        end(r, pdr_str(pdr_client_refusal(r->client)));
        return true;
    }
    write_join(r);
    call_all(r, "join", tell_first);
    return true;
}

bool election_run(const struct election_plan *plan, struct election_result *result, char *why, size_t why_size)
{
    struct round *r = mem_new(sizeof *r);
    const char *reason = "";
    r->plan = plan;
    r->result = result;
    *result = (struct election_result){.messages = 0};
    pdr_writer_init(&r->args, NULL, 0, 0);
    uv_loop_init(&r->loop);
    bool ok = begin(r, &reason);
    if (ok) {
        uv_run(&r->loop, UV_RUN_DEFAULT);
        reason = r->why;
        ok = r->why[0] == '\0';
    }
    uv_loop_close(&r->loop);
    snprintf(why, why_size, "%s", reason);
    pdr_writer_release(&r->args);
    mem_free(r);
    return ok;
}
