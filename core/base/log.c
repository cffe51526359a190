/* core/base/log.c: logfmt on stderr, a line a write, so that threads don't mix. */
#include "core/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = {"debug", "info", "warn", "error"};

/* Relaxed: a line more or less around a change of level harms nobody. */
static atomic_int lowest = LOG_INFO;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&lowest, (int)level, memory_order_relaxed);
}

int log_level_parse(const char *text)
{
    for (int i = 0; i < 4; i++) {
        if (strcmp(names[i], text) == 0) {
            return i;
        }
    }
    return -1;
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&lowest, memory_order_relaxed)) {
        return;
    }
    char line[1024];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t size = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    size += (size_t)snprintf(line + size, sizeof line - size, ".%03ldZ %s %s ", now.tv_nsec / 1000000, names[level],
                             event);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + size, sizeof line - size - 1, format, args);
    va_end(args);
    size += more > 0 ? (size_t)more : 0;
    size = size > sizeof line - 2 ? sizeof line - 2 : size;
    line[size++] = '\n';
    if (write(STDERR_FILENO, line, size) < 0) {
        /* no one to tell */
    }
}
