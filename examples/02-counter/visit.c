/* examples/02-counter/visit.c: adds one to a counter and prints it: a client that waits for each answer.
 *
 *     counter-visit counter/NAME     the node is $PERDURE_NODE */
#include <perdure/client.h>
#include <stdio.h>

/* [visit] */
static int visit(pdr_blocking *client, const char *counter)
{
    struct pdr_bytes no_arguments = {NULL, 0};
    struct pdr_outcome outcome;
    int64_t visits;
    if (pdr_blocking_call(client, pdr_str(counter), "add", no_arguments, NULL, &outcome) != PDR_OK) {
        fprintf(stderr, "%.*s\n", (int)outcome.message.size, (const char *)outcome.message.data);
        return 1;
    }
    if (!pdr_value_int(outcome.result, &visits)) {
        fprintf(stderr, "counter-visit: %s did not answer with a number\n", counter);
        return 1;
    }
    printf("%lld\n", (long long)visits);
    return 0;
}
/* [/visit] */

int main(int argc, char **argv)
{
    struct pdr_client_options options = {0}; /* all defaults */
    pdr_blocking *client;
    const char *why;
    if (argc != 2) {
        fprintf(stderr, "usage: counter-visit counter/NAME\n");
        return 2;
    }
    if (pdr_blocking_open(&options, &client, &why) != PDR_OK) {
        fprintf(stderr, "counter-visit: %s\n", why);
        return 1;
    }
    int status = visit(client, argv[1]);
    pdr_blocking_close(client);
    return status;
}
