/* core/base/log.h: structured log lines on stderr: time, level, event, then key=value pairs. Any thread.
 *
 * A thread writes at most ten lines of an event in ten seconds; then one line tells how many more there were
 * (core/base/log_limit.h). */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include <stdbool.h>

#include <perdure/export.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum log_format { LOG_TEXT, LOG_JSON };

void log_set_level(enum log_level level);
/** "debug", "info", "warn", "error"; -1 otherwise. */
int log_level_parse(const char *text);
/** LOG_JSON: each line is an object of time, level, event and text, which is what follows the event otherwise. */
void log_set_format(enum log_format format);
/** "text", "json"; -1 otherwise. */
int log_format_parse(const char *text);
/** One line, written whole. `event` is a short constant such as "journal.opened"; the rest tells about it. */
void log_write(enum log_level level, const char *event, const char *format, ...) PDR_PRINTF(3, 4);
/** Tells what this thread has left out in windows that have ended; `all`: in those that have not, too, for the thread
 * is about to end. Whoever wakes up now and then calls it: else it is told with the thread's next line. */
void log_flush(bool all);

#define LOG_DEBUG(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define LOG_INFO(...) log_write(LOG_INFO, __VA_ARGS__)
#define LOG_WARN(...) log_write(LOG_WARN, __VA_ARGS__)
#define LOG_ERROR(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
