/* tools/bench/main.c: `perdure-bench WORKLOAD...`. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <perdure/version.h>

#include "tools/bench/process.h"
#include "tools/bench/server.h"
#include "tools/bench/settings.h"

/** `name` in the directory of this program. */
static const char *beside(const char *name, char *out, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", out, size - 1);
    out[length < 0 ? 0 : length] = '\0';
    char *slash = strrchr(out, '/');
    if (slash == NULL) {
        return name;
    }
    snprintf(slash + 1, size - (size_t)(slash + 1 - out), "%s", name);
    return out;
}

/** The plugin of W5, in the build's directory or where it is installed; NULL: nowhere. */
static const char *find_rally(char *out, size_t size)
{
    static const char *const places[] = {"bench_rally.so", BENCH_RALLY_INSTALLED};
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        const char *path = beside(places[k], out, size);
        if (access(path, R_OK) == 0) {
            return path;
        }
    }
    return NULL;
}

static int run(struct settings *settings)
{
    char why[512];
    struct bench_options *o = &settings->bench;
    bool json_out = settings->json != NULL && strcmp(settings->json, "-") == 0;
    FILE *table = json_out ? stderr : stdout;
    struct report *report = report_new(table, o->secs == 0 ? BENCH_SECS_DEFAULT : o->secs,
                                       (unsigned)(o->repeat == 0 ? BENCH_REPEAT_DEFAULT : o->repeat));
    if (bench_server_directory_is_memory(o->directory)) {
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
    char perdure[4096], rally[4096];
    struct rlimit files;
    struct settings settings = {.bench = {.warm_s = -1,
                                          .directory = ".",
                                          .perdure = beside("perdure", perdure, sizeof perdure),
                                          .rally = find_rally(rally, sizeof rally)}};
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
