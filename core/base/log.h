/* core/base/log.h: structured log lines on stderr: time, level, event, then key=value pairs. Any thread. */
#ifndef CORE_BASE_LOG_H
#define CORE_BASE_LOG_H

#include <perdure/export.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_set_level(enum log_level level);
/** "debug", "info", "warn", "error"; -1 otherwise. */
int log_level_parse(const char *text);
/** One line, written whole. `event` is a short constant such as "journal.opened"; the rest tells about it. */
void log_write(enum log_level level, const char *event, const char *format, ...) PDR_PRINTF(3, 4);

#define LOG_DEBUG(...) log_write(LOG_DEBUG, __VA_ARGS__)
#define LOG_INFO(...) log_write(LOG_INFO, __VA_ARGS__)
#define LOG_WARN(...) log_write(LOG_WARN, __VA_ARGS__)
#define LOG_ERROR(...) log_write(LOG_ERROR, __VA_ARGS__)

#endif
