/* examples/07-two-phase-commit/load.c: makes transfers between purses, several at a time, until all are decided.
 *
 *     two-phase-load COUNT PURSES OUTSTANDING     the node is $PERDURE_NODE
 *
 * Says "a quarter" when so many are decided. It watches bank/main, and begins a transfer for each that has ended.
 * With a session it need not know that a node dies under it: calls are repeated, and watching goes on. */
#include <inttypes.h>
#include <perdure/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct load {
    pdr_client *client;
    unsigned long count, purses, begun, decided;
    bool has_failed;
};

static void fail(struct load *load, const char *what, struct pdr_bytes why)
{
    if (!load->has_failed) {
        load->has_failed = true;
        fprintf(stderr, "two-phase-load: %s: %.*s\n", what, (int)why.size, (const char *)why.data);
        pdr_client_close(load->client, NULL, NULL);
    }
}

static void begun(void *user, const struct pdr_outcome *outcome)
{
    if (outcome->status != PDR_OK) {
        fail(user, "begin", outcome->message);
    }
}

/* Between two purses, an amount that is now and then more than there is: all drawn from the transfer's number. */
static void begin_one(struct load *load)
{
    char transfer[32], purse[32];
    uint8_t room[128];
    unsigned long n = load->begun++, from = n * 7 % load->purses;
    unsigned long to = (from + 1 + n * 13 % (load->purses - 1)) % load->purses;
    pdr_writer args;
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 4);
    snprintf(purse, sizeof purse, "purse/%lu", from);
    pdr_write_cstr(&args, purse);
    snprintf(purse, sizeof purse, "purse/%lu", to);
    pdr_write_cstr(&args, purse);
    pdr_write_int(&args, (int64_t)(1 + n * 7919 % 500));
    pdr_write_cstr(&args, "bank/main");
    snprintf(transfer, sizeof transfer, "transfer/%lu", n);
    if (pdr_client_call(load->client, pdr_str(transfer), "begin", pdr_written(&args), NULL, begun, load) != PDR_OK) {
        fail(load, "begin", pdr_str(pdr_client_refusal(load->client)));
    }
    pdr_writer_release(&args);
}

static void decided(void *user, pdr_value event, uint64_t seq)
{
    struct load *load = user;
    load->decided++;
    if (load->decided == load->count / 4) {
        puts("a quarter");
        fflush(stdout);
    }
    if (load->decided == load->count) {
        pdr_client_close(load->client, NULL, NULL);
    } else if (load->begun < load->count) {
        begin_one(load);
    }
}

static void not_watched(void *user, const struct pdr_outcome *outcome)
{
    struct load *load = user;
    if (load->decided < load->count) {
        fail(load, "watch", outcome->message);
    }
}

int main(int argc, char **argv)
{
    struct pdr_client_options options = {.session = true};
    struct pdr_watch_options from_the_first_event = {.after = &(uint64_t){0}};
    struct load load = {0};
    const char *why;
    if (argc != 4 || (load.purses = strtoul(argv[2], NULL, 10)) < 2) {
        fprintf(stderr, "usage: two-phase-load COUNT PURSES OUTSTANDING\n");
        return 2;
    }
    load.count = strtoul(argv[1], NULL, 10);
    if (pdr_client_open(uv_default_loop(), &options, &load.client, &why) != PDR_OK) {
        fprintf(stderr, "two-phase-load: %s\n", why);
        return 1;
    }
    if (pdr_client_watch(load.client, pdr_str("bank/main"), &from_the_first_event, decided, not_watched, &load) !=
        PDR_OK) {
        fail(&load, "watch", pdr_str(pdr_client_refusal(load.client)));
    }
    for (unsigned long i = strtoul(argv[3], NULL, 10); i > 0 && load.begun < load.count && !load.has_failed; i--) {
        begin_one(&load);
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    uv_loop_close(uv_default_loop());
    if (!load.has_failed) {
        printf("all %lu are decided\n", load.decided);
    }
    return load.has_failed;
}
