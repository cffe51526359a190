/* Takes from a bucket as fast as it can, with 64 calls under way, for a while.
 *
 *     hammer bucket/NAME MILLISECONDS     the node is $PERDURE_NODE
 *
 * Prints how many tokens it got, of how many it asked for, in how many milliseconds. */
#include <inttypes.h>
#include <perdure/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#define UNDER_WAY 64

struct hammer {
    pdr_client *client;
    const char *bucket;
    uint64_t begin_ms, end_ms;
    unsigned long asked, got;
    unsigned under_way;
    bool has_failed;
};

static uint64_t now_ms(void)
{
    return uv_hrtime() / 1000000;
}

static void answered(void *user, const struct pdr_outcome *outcome);

static void take(struct hammer *hammer)
{
    struct pdr_bytes none = {NULL, 0};
    if (pdr_client_call(hammer->client, pdr_str(hammer->bucket), "take", none, NULL, answered, hammer) == PDR_OK) {
        hammer->asked++;
        hammer->under_way++;
    }
}

static void answered(void *user, const struct pdr_outcome *outcome)
{
    struct hammer *hammer = user;
    int64_t wait_ms;
    hammer->under_way--;
    if (outcome->status != PDR_OK && !hammer->has_failed) {
        hammer->has_failed = true;
        fprintf(stderr, "hammer: %.*s\n", (int)outcome->message.size, (const char *)outcome->message.data);
    }
    hammer->got += outcome->status == PDR_OK && pdr_value_int(outcome->result, &wait_ms) && wait_ms == 0;
    if (now_ms() < hammer->end_ms && !hammer->has_failed) {
        take(hammer);
    } else if (hammer->under_way == 0) {
        pdr_client_close(hammer->client, NULL, NULL);
    }
}

int main(int argc, char **argv)
{
    struct hammer hammer = {0};
    const char *why;
    if (argc != 3) {
        fprintf(stderr, "usage: hammer bucket/NAME MILLISECONDS\n");
        return 2;
    }
    hammer.bucket = argv[1];
    if (pdr_client_open(uv_default_loop(), NULL, &hammer.client, &why) != PDR_OK) {
        fprintf(stderr, "hammer: %s\n", why);
        return 1;
    }
    hammer.begin_ms = now_ms();
    hammer.end_ms = hammer.begin_ms + strtoul(argv[2], NULL, 10);
    for (int i = 0; i < UNDER_WAY; i++) {
        take(&hammer);
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    uv_loop_close(uv_default_loop());
    printf("%lu of %lu in %" PRIu64 "\n", hammer.got, hammer.asked, now_ms() - hammer.begin_ms);
    return hammer.has_failed;
}
