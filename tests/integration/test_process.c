/* tests/integration/test_process.c: nodes on the real world, in this process: started, stopped, refused, several. */
#include "tools/node/process_uv.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <perdure/client.h>

#include "tests/lib/test.h"

struct running {
    struct process *process;
    pthread_t thread;
    char node[32];
};

static void *run(void *process)
{
    process_run(process);
    return NULL;
}

static const char *why;

static struct process_options options_for(const char *data)
{
    return (struct process_options){.data = data, .threads = 2, .node = {.name = "test", .listen = "127.0.0.1:0"}};
}

static void start(struct running *r, const char *data)
{
    struct process_options options = options_for(data);
    if (process_open(&options, &r->process, &why) != PDR_OK) {
        fprintf(stderr, "%s\n", why);
        REQUIRE(!"process_open");
    }
    REQUIRE(pthread_create(&r->thread, NULL, run, r->process) == 0);
    snprintf(r->node, sizeof r->node, "127.0.0.1:%u", (unsigned)process_port(r->process));
}

static void stop(struct running *r)
{
    process_stop(r->process, 2000);
    process_stop(r->process, 2000); /* the first counts */
    pthread_join(r->thread, NULL);
    process_free(r->process);
}

/* counter/KEY.METHOD; -1: failed. */
static int64_t counter(const struct running *r, const char *address, const char *method)
{
    struct pdr_client_options options = {.node = r->node};
    struct pdr_outcome outcome;
    pdr_blocking *client;
    int64_t n = -1;
    REQUIRE(pdr_blocking_open(&options, &client, &why) == PDR_OK);
    if (pdr_blocking_call(client, pdr_str(address), method, pdr_bytes(NULL, 0), NULL, &outcome) == PDR_OK) {
        pdr_value_int(outcome.result, &n);
    }
    pdr_blocking_close(client);
    return n;
}

TEST(what_was_answered_is_there_after_a_stop)
{
    const char *data = test_dir();
    struct running r;
    for (int64_t i = 1; i <= 4; i++) {
        start(&r, data);
        EXPECT_INT(process_identity(r.process)->incarnation, i);
        EXPECT_INT(process_threads(r.process), 2);
        EXPECT_STR(process_name(r.process), "test");
        EXPECT_INT(counter(&r, "counter/a", "get"), i - 1);
        EXPECT_INT(counter(&r, "counter/a", "add"), i);
        stop(&r);
    }
}

TEST(several_nodes_in_one_process_keep_apart)
{
    struct running r[3];
    for (int i = 0; i < 3; i++) {
        start(&r[i], test_dir());
    }
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k <= i; k++) {
            EXPECT_INT(counter(&r[i], "counter/a", "add"), k + 1);
        }
    }
    EXPECT(strcmp(process_identity(r[0].process)->node, process_identity(r[1].process)->node) != 0);
    for (int i = 0; i < 3; i++) {
        EXPECT_INT(counter(&r[i], "counter/a", "get"), i + 1);
        stop(&r[i]);
    }
}

/* process_open must refuse with that status, and say these words. */
static void refused(const struct process_options *options, enum pdr_status status, const char *words)
{
    struct process *process = NULL;
    why = "";
    EXPECT_INT(process_open(options, &process, &why), status);
    EXPECT(process == NULL);
    if (strstr(why, words) == NULL) {
        fprintf(stderr, "%s\n", why);
    }
    EXPECT(strstr(why, words) != NULL);
}

TEST(a_directory_in_use_is_refused)
{
    const char *data = test_dir();
    struct process_options options = options_for(data);
    struct running r;
    start(&r, data);
    refused(&options, PDR_UNAVAILABLE, "in use by another node");
    stop(&r);
    start(&r, data);
    stop(&r);
}

TEST(a_port_in_use_is_refused_and_nothing_is_left_open)
{
    struct running r;
    const char *data = test_dir();
    struct process_options options = options_for(data);
    start(&r, test_dir());
    options.node.listen = r.node;
    refused(&options, PDR_UNAVAILABLE, r.node);
    stop(&r);
    start(&r, data); /* its directory is free again */
    EXPECT_INT(counter(&r, "counter/a", "add"), 1);
    stop(&r);
}

TEST(files_in_the_way_are_named)
{
    char path[1024];
    const char *data = test_dir();
    struct process_options options = options_for(data);
    snprintf(path, sizeof path, "%s/store", data);
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL && fclose(file) == 0);
    refused(&options, PDR_INTERNAL, "identity is missing"); /* somebody else's directory */
    REQUIRE(unlink(path) == 0);
    struct running r;
    start(&r, data);
    stop(&r);
    snprintf(path, sizeof path, "%s/store", data);
    char aside[1024];
    snprintf(aside, sizeof aside, "%s/aside", data);
    REQUIRE(rename(path, aside) == 0);
    file = fopen(path, "w");
    REQUIRE(file != NULL && fclose(file) == 0);
    refused(&options, PDR_INTERNAL, path);
}

TEST_MAIN()
