/* tests/e2e/roam.c: a client in the blocking form that does what it is told: for each line TYPE/KEY.METHOD of standard
 * input it makes that call, without arguments, and prints how it ended.
 *
 *     roam NODES      0 at the end of input; 1: nobody answered */
#include <perdure/client.h>
#include <perdure/ref.h>
#include <stdio.h>
#include <string.h>

#define DEADLINE_MS 3000

static void make_call(pdr_blocking *client, const char *line)
{
    struct pdr_call_options options = {.deadline_ms = DEADLINE_MS};
    struct pdr_outcome outcome;
    struct pdr_ref ref;
    struct pdr_bytes name;
    const char *why;
    char method[PDR_METHOD_SIZE_MAX + 1];
    if (pdr_ref_parse_call(pdr_str(line), &ref, &name, &why) != PDR_OK) {
        printf("%s\n", why);
        return;
    }
    struct pdr_bytes to = pdr_bytes(line, (size_t)((const char *)name.data - line) - 1);
    snprintf(method, sizeof method, "%.*s", (int)name.size, (const char *)name.data);
    if (pdr_blocking_call(client, to, method, pdr_bytes(NULL, 0), &options, &outcome) == PDR_OK) {
        printf("ok\n");
    } else {
        printf("%.*s: %.*s\n", (int)outcome.code.size, (const char *)outcome.code.data, (int)outcome.message.size,
               (const char *)outcome.message.data);
    }
}

int main(int argc, char **argv)
{
    struct pdr_client_options options = {.node = argc > 1 ? argv[1] : NULL};
    pdr_blocking *client;
    const char *why;
    char line[700];
    if (pdr_blocking_open(&options, &client, &why) != PDR_OK) {
        fprintf(stderr, "%s\n", why);
        return 1;
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        make_call(client, line);
        fflush(stdout);
    }
    pdr_blocking_close(client);
    return 0;
}
