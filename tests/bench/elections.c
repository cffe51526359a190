/* tests/bench/elections.c: how many elections clients hold at once, and how fast the lead passes.
 *
 *     elections NODE[,NODE...] [ELECTIONS [HOLD_SECONDS]]
 *
 * Against nodes that run. First: ELECTIONS (10,000) are each stood in by one candidate, over CLIENTS clients that share
 * the nodes; all must be elected, and none be lost while they are held. Then, three hundred times: one leads, another
 * waits, and the leader resigns; time until the other hears. Then: the leader's process stands still, which is as being
 * killed with its connections open; time until another hears. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <perdure/client.h>
#include <uv.h>

#define CLIENTS 12u
#define ROUNDS 300u
#define DEATHS 100u
#define DEATH_LEASE_MS 1000u

static uint64_t elected, lost;

static void on_elected(void *user, uint64_t token)
{
    elected++;
    if (user != NULL) {
        *(uint64_t *)user = uv_hrtime();
    }
}

static void on_lost(void *user, uint64_t token, const char *why)
{
    lost++;
}

static void on_ended(void *user, const struct pdr_outcome *outcome)
{
    if (outcome->status != PDR_CANCELLED) {
        printf("refused: %.*s\n", (int)outcome->message.size, (const char *)outcome->message.data);
        exit(1);
    }
}

static const struct pdr_campaign_events events = {on_elected, on_lost, on_ended};

static pdr_client *open_client(uv_loop_t *loop, const char *nodes, uint32_t which)
{
    static char room[CLIENTS * 2 + 8][128];
    static uint32_t used;
    uint32_t count = 1;
    const char *why, *at = nodes;
    pdr_client *client;
    for (const char *c = nodes; *c != '\0'; c++) {
        count += *c == ',';
    }
    for (which %= count; which > 0; which--) {
        at = strchr(at, ',') + 1;
    }
    snprintf(room[used], sizeof room[used], "%.*s", (int)strcspn(at, ","), at);
    struct pdr_client_options options = {.node = room[used++]};
    if (pdr_client_open(loop, &options, &client, &why) != PDR_OK) {
        printf("%s\n", why);
        exit(1);
    }
    return client;
}

static pdr_campaign *stand(pdr_client *client, const char *name, uint32_t lease_ms, uint64_t *when)
{
    pdr_campaign *campaign;
    struct pdr_campaign_options options = {.lease_ms = lease_ms};
    if (pdr_campaign_begin(client, pdr_str(name), pdr_bytes("\xa4node", 5), &options, &events, when, &campaign) !=
        PDR_OK) {
        printf("%s\n", pdr_client_refusal(client));
        exit(1);
    }
    return campaign;
}

static void run_until(uv_loop_t *loop, const uint64_t *counter, uint64_t wanted)
{
    while (*counter < wanted) {
        uv_run(loop, UV_RUN_ONCE);
    }
}

static void run_for(uv_loop_t *loop, uint64_t ms)
{
    uint64_t until = uv_hrtime() + ms * 1000000;
    uv_timer_t timer;
    uv_timer_init(loop, &timer);
    uv_timer_start(&timer, (uv_timer_cb)uv_update_time, 1, 5);
    while (uv_hrtime() < until) {
        uv_run(loop, UV_RUN_ONCE);
    }
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(loop, UV_RUN_NOWAIT);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *what, uint64_t *ns, uint32_t count)
{
    qsort(ns, count, sizeof *ns, compare);
    printf("%s: p50 %.1f ms, p99 %.1f ms, longest %.1f ms\n", what, (double)ns[count / 2] / 1e6,
           (double)ns[count * 99 / 100] / 1e6, (double)ns[count - 1] / 1e6);
}

static void hold_many(const char *nodes, uint32_t count, uint32_t seconds)
{
    uv_loop_t *loop = uv_default_loop();
    pdr_client *clients[CLIENTS];
    uint64_t began = uv_hrtime();
    for (uint32_t i = 0; i < CLIENTS; i++) {
        clients[i] = open_client(loop, nodes, i);
    }
    for (uint32_t i = 0; i < count; i++) {
        char name[32];
        snprintf(name, sizeof name, "many-%u", i);
        stand(clients[i % CLIENTS], name, 10000, NULL);
    }
    run_until(loop, &elected, count);
    printf("%u elections of one candidate each: all elected after %.2f s\n", count,
           (double)(uv_hrtime() - began) / 1e9);
    run_for(loop, (uint64_t)seconds * 1000);
    printf("held for %u s: %llu lost\n", seconds, (unsigned long long)lost);
    for (uint32_t i = 0; i < CLIENTS; i++) {
        pdr_client_close(clients[i], NULL, NULL);
    }
    run_for(loop, 100);
}

static void pass_on(const char *nodes)
{
    static uint64_t took[ROUNDS];
    uv_loop_t *loop = uv_default_loop();
    pdr_client *a = open_client(loop, nodes, 0), *b = open_client(loop, nodes, 1);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        char name[32];
        uint64_t at = 0, before = elected;
        snprintf(name, sizeof name, "pass-%u", i % 7);
        pdr_campaign *first = stand(a, name, 10000, NULL);
        run_until(loop, &elected, before + 1);
        pdr_campaign *second = stand(b, name, 10000, &at);
        run_for(loop, 30); /* it stands, and waits */
        uint64_t began = uv_hrtime();
        (void)!pdr_campaign_end(first, NULL, NULL);
        run_until(loop, &elected, before + 2);
        took[i] = at - began;
        (void)!pdr_campaign_end(second, NULL, NULL);
        run_for(loop, 20);
    }
    report("passed on by who resigns", took, ROUNDS);
}

static void die(const char *nodes)
{
    static uint64_t took[DEATHS];
    static uint64_t at[DEATHS];
    uv_loop_t *loop = uv_default_loop(), other;
    uint64_t before = elected;
    char name[32];
    uv_loop_init(&other);
    pdr_client *a = open_client(&other, nodes, 0), *b = open_client(loop, nodes, 1);
    for (uint32_t i = 0; i < DEATHS; i++) {
        snprintf(name, sizeof name, "dead-%u", i);
        stand(a, name, DEATH_LEASE_MS, NULL);
    }
    run_until(&other, &elected, before + DEATHS);
    for (uint32_t i = 0; i < DEATHS; i++) {
        snprintf(name, sizeof name, "dead-%u", i);
        stand(b, name, DEATH_LEASE_MS, &at[i]);
        run_for(&other, 1);
        uv_run(loop, UV_RUN_NOWAIT);
    }
    uint64_t until = uv_hrtime() + 500000000;
    while (uv_hrtime() < until) { /* both live */
        uv_run(&other, UV_RUN_NOWAIT);
        uv_run(loop, UV_RUN_NOWAIT);
    }
    uint64_t began = uv_hrtime(); /* `other` never runs again */
    run_until(loop, &elected, before + 2 * DEATHS);
    for (uint32_t i = 0; i < DEATHS; i++) {
        took[i] = at[i] - began;
    }
    report("passed on from who is dead, of a lease of 1000 ms", took, DEATHS);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        printf("usage: elections NODE[,NODE...] [ELECTIONS [HOLD_SECONDS]]\n");
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    hold_many(argv[1], argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 10000,
              argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 30);
    pass_on(argv[1]);
    die(argv[1]);
    return 0;
}
