/* docs/samples/visit.c: one call, in the blocking form: adds one to counter/visits and prints the count. */
#include <inttypes.h>
#include <perdure/client.h>
#include <stdio.h>

/* [visit] */
static enum pdr_status visit(pdr_blocking *client, int64_t *count)
{
    uint8_t room[16];
    pdr_writer args; /* an array, as the method wants it: [1] */
    pdr_writer_init(&args, room, sizeof room, 0);
    pdr_write_array(&args, 1);
    pdr_write_int(&args, 1);

    struct pdr_outcome outcome;
    pdr_blocking_call(client, pdr_str("counter/visits"), "add", pdr_written(&args), NULL, &outcome);
    if (outcome.status == PDR_OK) {
        pdr_value_int(outcome.result, count);
    } else {
        fprintf(stderr, "%.*s: %.*s\n", (int)outcome.code.size, (const char *)outcome.code.data,
                (int)outcome.message.size, (const char *)outcome.message.data);
    }
    pdr_writer_release(&args);
    return outcome.status;
}

int main(void)
{
    pdr_blocking *client;
    const char *why;
    if (pdr_blocking_open(NULL, &client, &why) != PDR_OK) { /* NULL: all defaults, so $PERDURE_NODE */
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    int64_t count = 0;
    enum pdr_status status = visit(client, &count);
    if (status == PDR_OK) {
        printf("%" PRId64 "\n", count);
    }
    pdr_blocking_close(client);
    return status != PDR_OK;
}
/* [/visit] */
