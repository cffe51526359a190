/* tools/bench/main.c: `perdure-bench WORKLOAD...`. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <perdure/version.h>

#include "tools/bench/process.h"
#include "tools/bench/server.h"
#include "tools/bench/settings.h"

/** perdure in the directory of this program. */
static const char *perdure_beside(char *out, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", out, size - 1);
    out[length < 0 ? 0 : length] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL) {
        return "perdure";
    }
    snprintf(slash + 1, size - (size_t)(slash + 1 - out), "perdure");
    return out;
}

static int run(struct settings *settings)
{
    char why[512];
    struct bench_options *o = &settings->bench;
    bool json_out = settings->json != NULL && strcmp(settings->json, "-") == 0;
    FILE *table = json_out ? stderr : stdout;
    struct report *report = report_new(table, o->secs == 0 ? BENCH_SECS_DEFAULT : o->secs,
                                       (unsigned)(o->repeat == 0 ? BENCH_REPEAT_DEFAULT : o->repeat));
    if (server_directory_is_memory(o->directory)) {
        fprintf(stderr,
                "perdure-bench: %s is in memory, so durable figures mean nothing; name a directory on a disk with "
                "--data\n",
                o->directory);
    }
    int status = workloads_run(o, settings->chosen, settings->count, report, why, sizeof why);
    if (why[0] != '\0') {
        fprintf(stderr, "perdure-bench: %s\n", why);
    }
    report_ratios(report);
    if (settings->json != NULL && !report_write(report, settings->json, why, sizeof why)) {
        fprintf(stderr, "perdure-bench: %s\n", why);
        status = 1;
    }
    report_free(report);
    return status;
}

int main(int argc, char **argv)
{
    char beside[4096];
    struct rlimit files;
    struct settings settings = {
        .bench = {.warm_s = -1, .directory = ".", .perdure = perdure_beside(beside, sizeof beside)}};
    int status = settings_parse(&settings, argc, argv);
    if (status != 0) {
        return status;
    }
    if (settings.help) {
        settings_print_help(stdout);
        return 0;
    }
    if (settings.version) {
        printf("perdure-bench " PDR_VERSION "\n");
        return 0;
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    process_catch_signals();
    return run(&settings);
}
