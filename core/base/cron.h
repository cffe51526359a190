/* core/base/cron.h: cron expressions, and the times they name. Pure: it is told the time. In UTC, which has neither
 * gaps nor hours that come twice.
 *
 *     minute 0-59 | hour 0-23 | day 1-31 | month 1-12 or jan-dec | weekday 0-7 or sun-sat (0 and 7: Sunday)
 *
 * A field is a star, or a list of numbers and ranges, each with a step if wanted: "0,30", "9-17/2", "mon-fri".
 * When both day fields are restricted, a day that matches either counts, as in Vixie's cron (crontab(5)). Also
 * @hourly, @daily, @midnight, @weekly, @monthly, @yearly, @annually. */
#ifndef CORE_BASE_CRON_H
#define CORE_BASE_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>
#include <perdure/status.h>

#define CRON_SIZE_MAX 256u
#define CRON_NEVER INT64_MAX

struct cron {
    uint64_t minutes;
    uint32_t hours, days, months, weekdays; /* a bit each */
    bool any_day, any_weekday;
};

/** PDR_INVALID: *why is a static sentence. */
enum pdr_status cron_parse(struct pdr_bytes text, struct cron *out, const char **why) PDR_MUST_CHECK;
/** The first time after `after_ms` (since 1970) that the expression names, to the minute; CRON_NEVER for one that names
 * none, such as February 30. */
int64_t cron_next(const struct cron *cron, int64_t after_ms);

#endif
