/* core/base/log.c: lines on stderr, each of one write, so that threads don't mix. */
#include "core/base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log_limit.h"

#define TEXT_MAX_BYTES 960 /* a longer one is cut, and ends with "..." */
#define EVENT_MAX_BYTES 64
#define LINE_MAX_BYTES (6 * TEXT_MAX_BYTES + 256) /* JSON may need six bytes for one */

static const char *const names[] = {"debug", "info", "warn", "error"};
static const char *const formats[] = {"text", "json"};

/* Relaxed: a line more or less around a change of level harms nobody. */
static atomic_int lowest = LOG_INFO;
static atomic_int format_now = LOG_TEXT;

/* A thread's own, so that no line waits for another thread. */
static _Thread_local struct log_limit limit;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&lowest, (int)level, memory_order_relaxed);
}

void log_set_format(enum log_format format)
{
    atomic_store_explicit(&format_now, (int)format, memory_order_relaxed);
}

static int parse(const char *const words[], int count, const char *text)
{
    for (int i = 0; i < count; i++) {
        if (strcmp(words[i], text) == 0) {
            return i;
        }
    }
    return -1;
}

int log_level_parse(const char *text)
{
    return parse(names, sizeof names / sizeof *names, text);
}

int log_format_parse(const char *text)
{
    return parse(formats, sizeof formats / sizeof *formats, text);
}

/* Text from outside may hold line ends; one event stays one line. */
static void flatten(char *text)
{
    for (; *text != 0; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            *text = ' ';
        }
    }
}

static size_t put_stamp(char *line, size_t size)
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t used = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &utc);
    return used + (size_t)snprintf(line + used, size - used, ".%03ldZ", now.tv_nsec / 1000000);
}

/* A string of JSON. What is beyond ASCII may be cut or no UTF-8 at all: bytes that don't belong together become '?'. */
static size_t put_json(char *to, const char *text)
{
    size_t at = 0;
    to[at++] = '"';
    while (*text != 0) {
        unsigned char c = (unsigned char)*text;
        size_t size = c < 0x80                ? 1
                      : c >= 0xc2 && c < 0xe0 ? 2
                      : c >= 0xe0 && c < 0xf0 ? 3
                      : c >= 0xf0 && c < 0xf5 ? 4
                                              : 0;
        size_t whole = size > 0;
        while (whole < size && ((unsigned char)text[whole] & 0xc0) == 0x80) {
            whole++;
        }
        if (size == 0 || whole < size) {
            to[at++] = '?';
            text++;
            continue;
        }
        if (c == '"' || c == '\\') {
            to[at++] = '\\';
        }
        memcpy(to + at, text, size);
        at += size;
        text += size;
    }
    to[at++] = '"';
    return at;
}

static size_t put_json_line(char *line, size_t at, const char *level, const char *event, const char *text)
{
    char stamp[64];
    memcpy(stamp, line, at);
    at = (size_t)snprintf(line, 160, "{\"time\":\"%.*s\",\"level\":\"%s\",\"event\":", (int)at, stamp, level);
    at += put_json(line + at, event);
    memcpy(line + at, ",\"text\":", 8);
    at += 8;
    at += put_json(line + at, text);
    line[at++] = '}';
    return at;
}

static void put_line(enum log_level level, const char *event, const char *text)
{
    char line[LINE_MAX_BYTES], name[EVENT_MAX_BYTES + 1];
    snprintf(name, sizeof name, "%s", event);
    flatten(name);
    size_t at = put_stamp(line, sizeof line);
    if (atomic_load_explicit(&format_now, memory_order_relaxed) == LOG_JSON) {
        at = put_json_line(line, at, names[level], name, text);
    } else {
        at += (size_t)snprintf(line + at, sizeof line - at, " %s %s %s", names[level], name, text);
    }
    line[at++] = '\n';
    if (write(STDERR_FILENO, line, at) < 0) {
        /* no one to tell */
    }
}

static void tell_left_out(uint64_t now_ns)
{
    struct log_limit_event over;
    while (log_limit_over(&limit, now_ns, &over)) {
        char text[96];
        snprintf(text, sizeof text, "%llu more like this were left out (limit: %u in %llu s, a thread)",
                 (unsigned long long)over.left_out, LOG_LIMIT_BURST, LOG_LIMIT_WINDOW_NS / 1000000000);
        put_line((enum log_level)over.level, over.name, text);
    }
}

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    if ((int)level < atomic_load_explicit(&lowest, memory_order_relaxed)) {
        return;
    }
    uint64_t now = now_ns();
    tell_left_out(now);
    if (!log_limit_pass(&limit, event, (int)level, now)) {
        return;
    }
    char text[TEXT_MAX_BYTES];
    va_list args;
    va_start(args, format);
    if (vsnprintf(text, sizeof text, format, args) >= (int)sizeof text) {
        memcpy(text + sizeof text - 4, "...", 4);
    }
    va_end(args);
    flatten(text);
    put_line(level, event, text);
}

void log_flush(bool all)
{
    if (limit.left_out > 0) {
        tell_left_out(all ? UINT64_MAX : now_ns());
    }
}
