/* core/base/cron.c: a field is a set of bits; the next time is found day by day, then in the day. */
#include "core/base/cron.h"

#include <string.h>

#define MINUTE_MS 60000
#define DAY_MINUTES 1440
#define DAYS_AHEAD (8 * 366 + 1) /* from one February 29 to the next there are at most eight years */

struct field {
    uint32_t low, high;
    const char *names; /* three letters each, from `low` on; NULL: none */
    const char *why;
};

static const struct field fields[5] = {
    {0, 59, NULL, "the minute of a cron expression is 0 to 59: *, numbers, ranges a-b, steps /n, lists with commas"},
    {0, 23, NULL, "the hour of a cron expression is 0 to 23: *, numbers, ranges a-b, steps /n, lists with commas"},
    {1, 31, NULL, "the day of a cron expression is 1 to 31: *, numbers, ranges a-b, steps /n, lists with commas"},
    {1, 12, "janfebmaraprmayjunjulaugsepoctnovdec",
     "the month of a cron expression is 1 to 12 or jan to dec: *, ranges a-b, steps /n, lists with commas"},
    {0, 7, "sunmontuewedthufrisat",
     "the weekday of a cron expression is 0 to 7 or sun to sat: *, ranges a-b, steps /n, lists with commas"},
};

struct reader {
    const char *at, *end;
};

static bool take(struct reader *r, char c)
{
    if (r->at == r->end || *r->at != c) {
        return false;
    }
    r->at++;
    return true;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool take_name(struct reader *r, const struct field *field, uint32_t *out)
{
    if (field->names == NULL || r->end - r->at < 3) {
        return false;
    }
    char name[3] = {lower(r->at[0]), lower(r->at[1]), lower(r->at[2])};
    for (uint32_t i = 0; field->names[3 * i] != 0; i++) {
        if (memcmp(field->names + 3 * i, name, 3) == 0) {
            *out = field->low + i;
            r->at += 3;
            return true;
        }
    }
    return false;
}

static bool take_number(struct reader *r, uint32_t *out)
{
    const char *begin = r->at;
    *out = 0;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9' && r->at - begin < 4) {
        *out = *out * 10 + (uint32_t)(*r->at++ - '0');
    }
    return r->at > begin;
}

static bool take_value(struct reader *r, const struct field *field, uint32_t *out)
{
    return (take_number(r, out) || take_name(r, field, out)) && *out >= field->low && *out <= field->high;
}

/* `*`, a, a-b; with /n behind. a/n goes on to the end, as in Vixie's. */
static bool take_item(struct reader *r, const struct field *field, uint64_t *set, bool *any)
{
    uint32_t from = field->low, to = field->high, step = 1;
    bool is_star = take(r, '*');
    if (!is_star) {
        if (!take_value(r, field, &from)) {
            return false;
        }
        bool is_range = take(r, '-');
        if (is_range && (!take_value(r, field, &to) || to < from)) {
            return false;
        }
        bool goes_on = !is_range && r->at < r->end && *r->at == '/';
        to = is_range || goes_on ? to : from;
    }
    if (take(r, '/') && (!take_number(r, &step) || step == 0)) {
        return false;
    }
    *any |= is_star && step == 1;
    for (uint32_t i = from; i <= to; i += step) {
        *set |= 1ull << i;
    }
    return true;
}

static bool take_field(struct reader *r, const struct field *field, uint64_t *set, bool *any)
{
    *set = 0;
    *any = false;
    do {
        if (!take_item(r, field, set, any)) {
            return false;
        }
    } while (take(r, ','));
    return true;
}

static bool take_blanks(struct reader *r)
{
    const char *begin = r->at;
    while (take(r, ' ') || take(r, '\t')) {
    }
    return r->at > begin;
}

static struct pdr_bytes spell_out(struct pdr_bytes text)
{
    static const struct {
        const char *name, *meaning;
    } names[] = {{"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
                 {"@weekly", "0 0 * * 0"},  {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
                 {"@annually", "0 0 1 1 *"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (pdr_bytes_equal(text, pdr_str(names[i].name))) {
            return pdr_str(names[i].meaning);
        }
    }
    return text;
}

enum pdr_status cron_parse(struct pdr_bytes text, struct cron *out, const char **why)
{
    uint64_t sets[5];
    bool any[5];
    if (text.size == 0 || text.size > CRON_SIZE_MAX) {
        *why = "a cron expression has 1 to 256 bytes";
        return PDR_INVALID;
    }
    text = spell_out(text);
    struct reader r = {text.data, (const char *)text.data + text.size};
    take_blanks(&r);
    for (int i = 0; i < 5; i++) {
        if ((i > 0 && !take_blanks(&r)) || r.at == r.end) {
            *why = r.at == r.end ? "a cron expression has five fields: minute, hour, day, month, weekday"
                                 : fields[i - 1].why;
            return PDR_INVALID;
        }
        if (!take_field(&r, &fields[i], &sets[i], &any[i])) {
            *why = fields[i].why;
            return PDR_INVALID;
        }
    }
    take_blanks(&r);
    if (r.at != r.end) {
        *why = "a cron expression has five fields: minute, hour, day, month, weekday";
        return PDR_INVALID;
    }
    uint64_t weekdays = (sets[4] | sets[4] >> 7) & 0x7f; /* 7 is Sunday too */
    *out = (struct cron){.minutes = sets[0],
                         .hours = (uint32_t)sets[1],
                         .days = (uint32_t)sets[2],
                         .months = (uint32_t)sets[3],
                         .weekdays = (uint32_t)weekdays,
                         .any_day = any[2],
                         .any_weekday = any[4]};
    return PDR_OK;
}

/* Days since 1970 to (month, day): Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days. */
static void month_and_day(int64_t days, uint32_t *month, uint32_t *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    uint32_t doe = (uint32_t)(days - era * 146097);
    uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint32_t mp = (5 * doy + 2) / 153;
    *day = doy - (153 * mp + 2) / 5 + 1;
    *month = mp < 10 ? mp + 3 : mp - 9;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static bool has_day(const struct cron *cron, int64_t days)
{
    uint32_t month, day;
    month_and_day(days, &month, &day);
    if ((cron->months >> month & 1) == 0) {
        return false;
    }
    int64_t weekday = days + 4 - floor_div(days + 4, 7) * 7; /* 1970 began on a Thursday */
    bool day_fits = cron->days >> day & 1, weekday_fits = cron->weekdays >> weekday & 1;
    return cron->any_day || cron->any_weekday ? day_fits && weekday_fits : day_fits || weekday_fits;
}

int64_t cron_next(const struct cron *cron, int64_t after_ms)
{
    int64_t minute = floor_div(after_ms, MINUTE_MS) + 1;
    int64_t day = floor_div(minute, DAY_MINUTES);
    uint32_t from = (uint32_t)(minute - day * DAY_MINUTES);
    for (int i = 0; i < DAYS_AHEAD; i++, day++, from = 0) {
        if (!has_day(cron, day)) {
            continue;
        }
        for (uint32_t m = from; m < DAY_MINUTES; m++) {
            if ((cron->hours >> (m / 60) & 1) == 0) {
                m += 59 - m % 60;
            } else if (cron->minutes >> (m % 60) & 1) {
                return (day * DAY_MINUTES + m) * MINUTE_MS;
            }
        }
    }
    return CRON_NEVER;
}
