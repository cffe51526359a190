/* examples/08-gossip/look.c: sets up actors that gossip, and looks at all of them until they agree.
 *
 *     gossip-look ACTORS     the node is $PERDURE_NODE
 *
 * Actor k begins with the value k, so the average is (ACTORS - 1) / 2. The program goes through all actors in *laps*:
 * one that sets them, one that starts them, and as many as it takes in which it looks, with many calls under way. */
#include <inttypes.h>
#include <math.h>
#include <perdure/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define AT_A_TIME 1000
#define HOPS 200 /* of each message: far more than it takes */
#define LAPS_MAX 100
#define NEAR 1e-5 /* of the average */

struct gossip {
    pdr_client *client;
    uint64_t actors, called, answered;
    int lap;
    double least, most; /* estimates of this lap */
    uint64_t sent, started_ms;
    bool has_failed;
};

static void next_call(struct gossip *g);

static void fail(struct gossip *g, struct pdr_bytes why)
{
    if (!g->has_failed) {
        g->has_failed = true;
        fprintf(stderr, "gossip-look: %.*s\n", (int)why.size, (const char *)why.data);
        pdr_client_close(g->client, NULL, NULL);
    }
}

static void end_lap(struct gossip *g)
{
    double average = (double)(g->actors - 1) / 2, off = fmax(average - g->least, g->most - average) / average;
    uint64_t ms = uv_now(uv_default_loop()) - g->started_ms;
    if (g->lap >= 2) {
        fprintf(stderr, "%.1f messages each: between %.6f and %.6f\n", (double)g->sent / (double)g->actors, g->least,
                g->most);
    }
    if (g->lap >= 2 && off < NEAR) {
        printf("%" PRIu64 " actors agree on their average, to a hundred-thousandth: %.1f\n", g->actors, average);
        fprintf(stderr, "%" PRIu64 " messages in %" PRIu64 " ms: %.0f a second\n", g->sent, ms,
                1000.0 * (double)g->sent / (double)(ms + 1));
        pdr_client_close(g->client, NULL, NULL);
        return;
    }
    if (++g->lap == LAPS_MAX) {
        fail(g, pdr_str("they do not agree"));
        return;
    }
    g->called = g->answered = g->sent = 0;
    g->least = INFINITY;
    g->most = -INFINITY;
    for (int i = 0; i < AT_A_TIME && !g->has_failed; i++) {
        next_call(g);
    }
}

static void answered(void *user, const struct pdr_outcome *outcome)
{
    struct gossip *g = user;
    double estimate;
    int64_t sent;
    if (outcome->status != PDR_OK) {
        fail(g, outcome->message);
        return;
    }
    if (pdr_value_float(pdr_value_at(outcome->result, 0), &estimate) &&
        pdr_value_int(pdr_value_at(outcome->result, 1), &sent)) {
        g->least = fmin(g->least, estimate);
        g->most = fmax(g->most, estimate);
        g->sent += (uint64_t)sent;
    }
    if (++g->answered == g->actors) {
        end_lap(g);
    } else {
        next_call(g);
    }
}

/* Of this lap, if there is one left. */
static void next_call(struct gossip *g)
{
    const char *methods[] = {"set", "hear", "look"};
    char name[32];
    uint8_t room[64];
    pdr_writer args;
    if (g->called == g->actors) {
        return;
    }
    uint64_t k = g->called++;
    snprintf(name, sizeof name, "gossip/%" PRIu64, k);
    pdr_writer_init(&args, room, sizeof room, 0);
    if (g->lap == 0) {
        pdr_write_array(&args, 2);
        pdr_write_uint(&args, k);
        pdr_write_uint(&args, g->actors);
    } else if (g->lap == 1) {
        pdr_write_array(&args, 3);
        pdr_write_int(&args, 0);
        pdr_write_int(&args, 0);
        pdr_write_int(&args, HOPS);
        g->started_ms = k == 0 ? uv_now(uv_default_loop()) : g->started_ms;
    }
    const char *method = methods[g->lap < 2 ? g->lap : 2];
    if (pdr_client_call(g->client, pdr_str(name), method, pdr_written(&args), NULL, answered, g) != PDR_OK) {
        fail(g, pdr_str(pdr_client_refusal(g->client)));
    }
    pdr_writer_release(&args);
}

int main(int argc, char **argv)
{
    struct pdr_client_options options = {.outstanding_max = AT_A_TIME};
    struct gossip g = {.lap = -1};
    const char *why;
    if (argc != 2 || (g.actors = strtoul(argv[1], NULL, 10)) < 2) {
        fprintf(stderr, "usage: gossip-look ACTORS     at least two\n");
        return 2;
    }
    if (pdr_client_open(uv_default_loop(), &options, &g.client, &why) != PDR_OK) {
        fprintf(stderr, "gossip-look: %s\n", why);
        return 1;
    }
    end_lap(&g); /* the one before the first */
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    uv_loop_close(uv_default_loop());
    return g.has_failed;
}
