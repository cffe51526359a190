/* tests/simulation/main.c: pdr-sim: runs seeds, and says how to run one again.
 *
 * Each batch of seeds runs in a child process, so that a run that crashes (a CHECK, a sanitizer) fails alone; a single
 * seed runs in this process, for a debugger. Ends with "N passed, N failed". */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/limits.h"
#include "core/base/log.h"
#include "core/base/mutation.h"
#include "tests/simulation/run.h"

#define JOBS_MAX 64
#define REACHED_RUNS_MIN 500
#define NODES_MAX 4096
#define SECONDS_MAX 120 /* of real time for one seed */

#ifdef PDR_MUTATIONS
int mutation_chosen;
static const struct {
    const char *name, *text;
} mutations[] = {
#define MUTATION_ROW(n, name, text) [n] = {#name, text},
    MUTATION_TABLE(MUTATION_ROW)
#undef MUTATION_ROW
};
#define MUTATION_COUNT (int)(sizeof mutations / sizeof *mutations)
#endif

/* Whose behaviour a seed is about. */
static const struct world {
    const char *option;
    bool (*run)(const struct run_options *options, struct run_result *result);
} worlds[] = {{"", run_seed},
              {" --raft", raft_world_run},
              {" --cluster", cluster_world_run},
              {" --moves", run_moves},
              {" --replog", replog_world_run}};

struct settings {
    const char *program, *workload;
    uint64_t seed, runs;
    int jobs, mutation;
    bool trace, twice, no_faults;
    uint32_t nodes, shards, voters;
    const struct world *world;
};

struct totals {
    uint64_t passed, failed, first_failed;
    char first_why[640];
    uint64_t traces; /* the sum, so that the order of the reports does not matter */
    struct run_result sum;
};

/* What a child says after each seed; it fits a pipe whole. */
struct report {
    uint64_t seed;
    struct run_result result;
};

static const char usage[] =
    "usage: %s [--seed N] [--runs K] [--jobs J] [--raft | --cluster | --moves | --replog] [--workload W] [--trace] "
    "[--twice] "
    "[--no-faults]%s\n"
    "\n"
    "  --seed N      the first seed; default 1\n"
    "  --runs K      how many seeds; default 1\n"
    "  --jobs J      processes at a time; default 1\n"
    "  --raft        the world is a Raft group of the directory (consensus/), not a node with its clients\n"
    "  --cluster     the world is the control plane of a cluster: members, directory, leases, without data\n"
    "  --moves       the node is a member of a cluster, whose directory takes shards away and gives them back\n"
    "  --replog      the world is replicated shards (core/replog), with a directory that is one register\n"
    "  --nodes N     --cluster: of so many machines, and faults that go with it; default: few, drawn\n"
    "  --shards N    ... and so many shards; default: few, drawn\n"
    "  --voters N    ... and 3 or 5 voters; default 3\n"
    "  --workload W  every client has this workload alone; default: drawn\n"
    "  --trace       tell the story of each event (of one seed)\n"
    "  --twice       run each seed twice: both must have the same trace\n"
    "  --no-faults   nothing goes wrong\n";

static bool run_one(const struct settings *s, uint64_t seed, struct run_result *result)
{
    struct run_options options = {.seed = seed,
                                  .workload = s->workload,
                                  .story = s->trace ? stdout : NULL,
                                  .no_faults = s->no_faults,
                                  .nodes = s->nodes,
                                  .shards = s->shards,
                                  .voters = s->voters};
    bool passed = s->world->run(&options, result);
    if (passed && s->twice) {
        struct run_result again;
        options.story = NULL;
        s->world->run(&options, &again);
        if (again.trace != result->trace || again.steps != result->steps) {
            result->passed = passed = false;
            snprintf(result->why, sizeof result->why,
                     "two runs differ: trace %016llx after %llu events, then %016llx after %llu",
                     (unsigned long long)result->trace, (unsigned long long)result->steps,
                     (unsigned long long)again.trace, (unsigned long long)again.steps);
        }
    }
    return passed;
}

static void count(const struct settings *s, struct totals *t, uint64_t seed, const struct run_result *r)
{
    t->passed += r->passed;
    t->traces += r->trace;
    t->sum.steps += r->steps;
    t->sum.simulated_ns += r->simulated_ns;
    t->sum.done += r->done;
    t->sum.not_done += r->not_done;
    t->sum.unknown += r->unknown;
    t->sum.starts += r->starts;
    t->sum.crashes += r->crashes;
    t->sum.stops += r->stops;
    for (int code = 0; code < PDR_STATUS_COUNT; code++) {
        t->sum.codes[code] += r->codes[code];
    }
#define ADD(name) t->sum.reached.name += r->reached.name;
    SIM_REACHED(ADD)
#undef ADD
#define ADD(name) t->sum.raft_reached.name += r->raft_reached.name;
    RAFT_REACHED(ADD)
#undef ADD
#define ADD(name) t->sum.cluster_reached.name += r->cluster_reached.name;
    CLUSTER_REACHED(ADD)
#undef ADD
#define ADD(name) t->sum.moves_reached.name += r->moves_reached.name;
    MOVES_REACHED(ADD)
#undef ADD
#define ADD(name) t->sum.replog_reached.name += r->replog_reached.name;
    REPLOG_REACHED(ADD)
#undef ADD
    if (r->passed) {
        return;
    }
    if (t->failed++ == 0) {
        t->first_failed = seed;
        memcpy(t->first_why, r->why, sizeof t->first_why);
    }
    printf("FAILED seed %llu: %s\n", (unsigned long long)seed, r->why);
    char sizes[80] = "";
    if (s->nodes != 0) {
        snprintf(sizes, sizeof sizes, " --nodes %u --shards %u --voters %u", s->nodes, s->shards, s->voters);
    }
    printf("  again: %s --seed %llu%s%s%s%s%s --trace\n", s->program, (unsigned long long)seed, s->world->option, sizes,
           s->workload != NULL ? " --workload " : "", s->workload != NULL ? s->workload : "",
           s->no_faults ? " --no-faults" : "");
    fflush(stdout);
}

/* Children: child j runs the seeds first + j, first + j + jobs, ... */

struct child {
    pid_t pid;
    int pipe;
    uint64_t next; /* the seed it is at */
};

static void child_main(const struct settings *s, uint64_t from, int out)
{
    for (uint64_t seed = from; seed < s->seed + s->runs; seed += (uint64_t)s->jobs) {
        struct report report = {.seed = seed};
        alarm(SECONDS_MAX);
        run_one(s, seed, &report.result);
        if (write(out, &report, sizeof report) != (ssize_t)sizeof report) {
            _exit(3);
        }
    }
    _exit(0);
}

static void child_start(const struct settings *s, struct child *child)
{
    int ends[2];
    fflush(stdout);
    if (pipe(ends) != 0) {
        perror("pdr-sim: pipe");
        exit(2);
    }
    child->pid = fork();
    if (child->pid < 0) {
        perror("pdr-sim: fork");
        exit(2);
    }
    if (child->pid == 0) {
        close(ends[0]);
        child_main(s, child->next, ends[1]);
    }
    close(ends[1]);
    child->pipe = ends[0];
}

static void child_died(const struct settings *s, struct totals *t, struct child *child)
{
    int status = 0;
    waitpid(child->pid, &status, 0);
    close(child->pipe);
    child->pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return;
    }
    struct run_result result = {0};
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) {
        snprintf(result.why, sizeof result.why, "the run took more than %d s of real time", SECONDS_MAX);
    } else {
        snprintf(result.why, sizeof result.why, "the process died of %s %d",
                 WIFSIGNALED(status) ? "signal" : "exit status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    count(s, t, child->next, &result);
    child->next += (uint64_t)s->jobs;
    if (child->next < s->seed + s->runs) {
        child_start(s, child);
    }
}

static void child_stop(struct child *child)
{
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
    close(child->pipe);
    child->pid = 0;
}

static void listen_to(const struct settings *s, struct totals *t, struct child *child)
{
    struct report report;
    ssize_t size = read(child->pipe, &report, sizeof report);
    if (size == (ssize_t)sizeof report) {
        count(s, t, report.seed, &report.result);
        child->next = report.seed + (uint64_t)s->jobs;
    } else if (size <= 0) {
        child_died(s, t, child);
    }
}

/* Reports are taken in order of the seeds, so that the first failure is the same in every run. */
static void run_children(const struct settings *s, struct totals *t)
{
    struct child children[JOBS_MAX] = {0};
    for (int j = 0; j < s->jobs; j++) {
        children[j].next = s->seed + (uint64_t)j;
        if ((uint64_t)j < s->runs) {
            child_start(s, &children[j]);
        }
    }
    for (bool any = true; any;) {
        any = false;
        for (int j = 0; j < s->jobs; j++) {
            if (children[j].pid == 0) {
                continue;
            }
            if (s->mutation != 0 && t->failed > 0) {
                child_stop(&children[j]);
                continue;
            }
            listen_to(s, t, &children[j]);
            any = any || children[j].pid != 0;
        }
    }
}

static void each_reached(const struct settings *s, const struct run_result *sum,
                         void (*each)(void *user, const char *name, uint64_t count), void *user)
{
#define EACH(name) each(user, #name, REACHED.name);
#define REACHED sum->reached
    if (s->world->run == run_seed) {
        SIM_REACHED(EACH)
    }
#undef REACHED
#define REACHED sum->raft_reached
    if (s->world->run == raft_world_run) {
        RAFT_REACHED(EACH)
    }
#undef REACHED
#define REACHED sum->cluster_reached
    if (s->world->run == cluster_world_run) {
        CLUSTER_REACHED(EACH)
    }
#undef REACHED
#define REACHED sum->moves_reached
    if (s->world->run == run_moves) {
        MOVES_REACHED(EACH)
    }
#undef REACHED
#define REACHED sum->replog_reached
    if (s->world->run == replog_world_run) {
        REPLOG_REACHED(EACH)
    }
#undef REACHED
#undef EACH
}

static void tell_reached(void *user, const char *name, uint64_t count)
{
    printf(" %s %llu", name, (unsigned long long)count);
}

static void summarize(const struct settings *s, const struct totals *t)
{
    const struct run_result *sum = &t->sum;
    printf("%.0f simulated s, %llu M events; calls done %llu, not done %llu, unknown %llu; starts %llu, crashes %llu, "
           "stops %llu\n",
           (double)sum->simulated_ns / 1e9, (unsigned long long)(sum->steps / 1000000), (unsigned long long)sum->done,
           (unsigned long long)sum->not_done, (unsigned long long)sum->unknown, (unsigned long long)sum->starts,
           (unsigned long long)sum->crashes, (unsigned long long)sum->stops);
    printf("reached:");
    each_reached(s, sum, tell_reached, NULL);
    for (int code = 1; code < PDR_STATUS_COUNT; code++) {
        if (sum->codes[code] > 0) {
            printf(" `%s` %llu", pdr_status_wire((enum pdr_status)code), (unsigned long long)sum->codes[code]);
        }
    }
    printf("\ntraces %016llx\n", (unsigned long long)t->traces);
}

static void judge_one(void *user, const char *name, uint64_t count)
{
    if (count == 0) {
        printf("FAILED: never reached: %s\n", name);
        *(bool *)user = false;
    }
}

/* Enough seeds reach every line of the table; if one stays 0, the faults or the sizes no longer lead there. */
static bool judge_reached(const struct settings *s, const struct totals *t)
{
    bool all = true;
    if (s->runs >= REACHED_RUNS_MIN && s->workload == NULL && !s->no_faults && s->mutation == 0) {
        each_reached(s, &t->sum, judge_one, &all);
    }
    return all;
}

/* A mistake was built in: the run is good if it was noticed. */
static int judge_mutation(const struct settings *s, const struct totals *t)
{
#ifdef PDR_MUTATIONS
    const char *name = mutations[s->mutation].name;
    if (t->failed == 0) {
        printf("mutation %d (%s: %s) was NOT noticed in %llu seeds\n", s->mutation, name, mutations[s->mutation].text,
               (unsigned long long)s->runs);
        return 1;
    }
    printf("mutation %d (%s) was noticed by seed %llu: %s\n", s->mutation, name, (unsigned long long)t->first_failed,
           t->first_why);
#endif
    return 0;
}

static uint64_t number(const char *text, const char *what)
{
    char *end;
    errno = 0;
    uint64_t n = strtoull(text, &end, 0);
    if (*text == 0 || *end != 0 || errno != 0) {
        fprintf(stderr, "pdr-sim: %s takes a number, not \"%s\"\n", what, text);
        exit(2);
    }
    return n;
}

static uint32_t size_of(const char *text, const char *what, uint32_t max)
{
    uint64_t size = number(text, what);
    if (size == 0 || size > max) {
        fprintf(stderr, "pdr-sim: %s is 1 to %u\n", what, (unsigned)max);
        exit(2);
    }
    return (uint32_t)size;
}

enum setting {
    SEED = 1,
    RUNS,
    JOBS,
    RAFT,
    CLUSTER,
    MOVES,
    REPLOG,
    NODES,
    SHARDS,
    VOTERS,
    WORKLOAD,
    TRACE,
    TWICE,
    NO_FAULTS,
    MUTATE,
    HELP
};

/* Of the cluster world. */
static void read_size(struct settings *s, int option, const char *text)
{
    if (option == NODES) {
        s->nodes = size_of(text, "--nodes", NODES_MAX);
    } else if (option == SHARDS) {
        s->shards = size_of(text, "--shards", LIMIT_SHARDS_MAX);
    } else {
        s->voters = size_of(text, "--voters", 5);
    }
}

static void check_workload(const char *name)
{
    for (uint32_t i = 0; workload_classes[i] != NULL; i++) {
        if (strcmp(workload_classes[i]->name, name) == 0) {
            return;
        }
    }
    fprintf(stderr, "pdr-sim: there is no workload \"%s\"; there are:", name);
    for (uint32_t i = 0; workload_classes[i] != NULL; i++) {
        fprintf(stderr, " %s", workload_classes[i]->name);
    }
    fprintf(stderr, "\n");
    exit(2);
}

static void choose_mutation(struct settings *s, const char *text)
{
#ifdef PDR_MUTATIONS
    s->mutation = (int)number(text, "--mutation");
    if (s->mutation < 1 || s->mutation >= MUTATION_COUNT || mutations[s->mutation].name == NULL) {
        fprintf(stderr, "pdr-sim: mutations are 1 to %d; core/base/mutation.h lists them\n", MUTATION_COUNT - 1);
        exit(2);
    }
    mutation_chosen = s->mutation;
#else
    fprintf(stderr, "pdr-sim: no mutations in this build; run pdr-sim-mutated\n");
    exit(2);
#endif
}

static struct settings read_settings(int argc, char **argv)
{
    static const struct option options[] = {{"seed", required_argument, NULL, SEED},
                                            {"runs", required_argument, NULL, RUNS},
                                            {"jobs", required_argument, NULL, JOBS},
                                            {"workload", required_argument, NULL, WORKLOAD},
                                            {"trace", no_argument, NULL, TRACE},
                                            {"twice", no_argument, NULL, TWICE},
                                            {"raft", no_argument, NULL, RAFT},
                                            {"cluster", no_argument, NULL, CLUSTER},
                                            {"moves", no_argument, NULL, MOVES},
                                            {"replog", no_argument, NULL, REPLOG},
                                            {"nodes", required_argument, NULL, NODES},
                                            {"shards", required_argument, NULL, SHARDS},
                                            {"voters", required_argument, NULL, VOTERS},
                                            {"no-faults", no_argument, NULL, NO_FAULTS},
                                            {"mutation", required_argument, NULL, MUTATE},
                                            {"help", no_argument, NULL, HELP},
                                            {NULL, 0, NULL, 0}};
    struct settings s = {.program = argv[0], .seed = 1, .runs = 1, .jobs = 1, .world = &worlds[0]};
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (option) {
        case SEED:
            s.seed = number(optarg, "--seed");
            break;
        case RUNS:
            s.runs = number(optarg, "--runs");
            break;
        case JOBS:
            s.jobs = (int)number(optarg, "--jobs");
            s.jobs = s.jobs < 1 ? 1 : s.jobs > JOBS_MAX ? JOBS_MAX : s.jobs;
            break;
        case RAFT:
        case CLUSTER:
        case MOVES:
        case REPLOG:
            s.world = &worlds[option - RAFT + 1];
            break;
        case NODES:
        case SHARDS:
        case VOTERS:
            read_size(&s, option, optarg);
            break;
        case WORKLOAD:
            check_workload(optarg);
            s.workload = optarg;
            break;
        case TRACE:
            s.trace = true;
            break;
        case TWICE:
            s.twice = true;
            break;
        case NO_FAULTS:
            s.no_faults = true;
            break;
        case MUTATE:
            choose_mutation(&s, optarg);
            break;
        default:
            fprintf(option == HELP ? stdout : stderr, usage, argv[0], " [--mutation M]");
            exit(option == HELP ? 0 : 2);
        }
    }
    return s;
}

int main(int argc, char **argv)
{
    struct settings s = read_settings(argc, argv);
    struct totals t = {0};
    log_set_level(s.trace ? LOG_INFO : (enum log_level)(LOG_ERROR + 1));
    if (s.runs == 1 && s.mutation == 0) {
        struct run_result result;
        run_one(&s, s.seed, &result);
        count(&s, &t, s.seed, &result);
        printf("seed %llu: trace %016llx\n", (unsigned long long)s.seed, (unsigned long long)result.trace);
    } else {
        run_children(&s, &t);
    }
    summarize(&s, &t);
    bool reached = judge_reached(&s, &t);
    printf("%llu passed, %llu failed\n", (unsigned long long)t.passed, (unsigned long long)t.failed);
    if (s.mutation != 0) {
        return judge_mutation(&s, &t);
    }
    return t.failed > 0 || !reached;
}
