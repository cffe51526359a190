/* examples/02-counter/load.c: adds one to a counter, many calls at a time, until the node is gone.
 *
 *     counter-load counter/NAME OUTSTANDING     the node is $PERDURE_NODE
 *
 * Prints how many calls were answered, and how many were made. Whatever was answered has happened, and outlives the
 * node; whatever was made and not answered may have happened. So the counter is between the two. */
#include <perdure/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

struct load {
    pdr_client *client;
    const char *counter;
    unsigned long sent, acknowledged;
    bool over;
};

static void answered(void *user, const struct pdr_outcome *outcome);

/* [call] */
static void add_one(struct load *load)
{
    struct pdr_bytes no_arguments = {NULL, 0};
    if (pdr_client_call(load->client, pdr_str(load->counter), "add", no_arguments, NULL, answered, load) == PDR_OK) {
        load->sent++;
    }
}

static void answered(void *user, const struct pdr_outcome *outcome)
{
    struct load *load = user;
    if (outcome->status == PDR_OK) {
        load->acknowledged++;
        add_one(load);
    } else if (!load->over) { /* the first call that failed: tell, and end */
        load->over = true;
        fprintf(stderr, "%.*s\n", (int)outcome->message.size, (const char *)outcome->message.data);
        pdr_client_close(load->client, NULL, NULL); /* the calls still under way end as cancelled */
    }
}
/* [/call] */

int main(int argc, char **argv)
{
    struct pdr_client_options options = {0}; /* all defaults */
    struct load load = {0};
    const char *why;
    if (argc != 3) {
        fprintf(stderr, "usage: counter-load counter/NAME OUTSTANDING\n");
        return 2;
    }
    load.counter = argv[1];
    if (pdr_client_open(uv_default_loop(), &options, &load.client, &why) != PDR_OK) {
        fprintf(stderr, "counter-load: %s\n", why);
        return 1;
    }
    for (long i = strtol(argv[2], NULL, 10); i > 0; i--) {
        add_one(&load);
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    uv_loop_close(uv_default_loop());
    printf("acknowledged %lu sent %lu\n", load.acknowledged, load.sent);
    return 0;
}
