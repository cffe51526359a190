/* core/base/log.c: logfmt on stderr, a line a write, so that threads don't mix. */
#include "core/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024 /* a longer one is cut, and ends with "..." */
#define EVENT_MAX_BYTES 64

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

/* Text from outside may hold line ends; one event stays one line. */
static void flatten(char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f) {
            text[i] = ' ';
        }
    }
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&lowest, memory_order_relaxed)) {
        return;
    }
    char line[LINE_MAX_BYTES];
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t size = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    size += (size_t)snprintf(line + size, sizeof line - size, ".%03ldZ %s %.*s ", now.tv_nsec / 1000000, names[level],
                             EVENT_MAX_BYTES, event);
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + size, sizeof line - size - 1, format, args);
    va_end(args);
    size += more > 0 ? (size_t)more : 0;
    if (size > sizeof line - 2) {
        size = sizeof line - 2;
        memcpy(line + size - 3, "...", 3);
    }
    flatten(line, size);
    line[size++] = '\n';
    if (write(STDERR_FILENO, line, size) < 0) {
        /* no one to tell */
    }
}
