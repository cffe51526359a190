/* tools/bench/process.h: time, and who used the processor meanwhile: the node, this program, and everybody else. */
#ifndef TOOLS_BENCH_PROCESS_H
#define TOOLS_BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/** Monotonic. */
uint64_t process_now_ns(void);
void process_sleep_until(uint64_t time_ns);

/** Seconds of processor time since some past moment: take two and subtract. */
struct process_usage {
    double wall_s, own_s;
    double server_s;  /* < 0: no such process */
    double machine_s; /* of all processors together */
};
/** `server` 0: none. */
struct process_usage process_usage(pid_t server);

/** Resident memory of a process, bytes; 0: no such process. */
uint64_t process_resident(pid_t process);

/** Ctrl-C and SIGTERM end the program after the run under way, with what it has; a second one ends it at once. */
void process_catch_signals(void);
bool process_interrupted(void);

#endif
