/* tools/node/units.c: sizes and durations as people write them. */
#include "tools/node/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit counts[] = {{"", 1}, {NULL, 0}};
static const struct unit bytes_units[] = {
    {"", 1}, {"KiB", 1ull << 10}, {"MiB", 1ull << 20}, {"GiB", 1ull << 30}, {"TiB", 1ull << 40}, {NULL, 0}};
static const struct unit duration_units[] = {{"ms", 1},          {"s", 1000},     {"min", 60000},
                                             {"h", 3600 * 1000}, {"d", 86400000}, {NULL, 0}};

static bool parse(const char *text, const struct unit *units, uint64_t *out)
{
    uint64_t number = 0;
    const char *at = text;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (__builtin_mul_overflow(number, 10, &number) || __builtin_add_overflow(number, *at - '0', &number)) {
            return false;
        }
    }
    if (at == text) {
        return false;
    }
    for (; units->name != NULL; units++) {
        if (strcmp(at, units->name) == 0) {
            return !__builtin_mul_overflow(number, units->factor, out);
        }
    }
    return false;
}

bool units_parse_count(const char *text, uint64_t *out)
{
    return parse(text, counts, out);
}

bool units_parse_bytes(const char *text, uint64_t *out)
{
    return parse(text, bytes_units, out);
}

bool units_parse_duration(const char *text, uint64_t *ms)
{
    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return true;
    }
    return parse(text, duration_units, ms);
}

void units_print_bytes(uint64_t bytes, char *text, size_t size)
{
    const struct unit *unit = bytes_units;
    while (bytes != 0 && unit[1].name != NULL && bytes % unit[1].factor == 0) {
        unit++;
    }
    snprintf(text, size, "%" PRIu64 "%s", bytes / unit->factor, unit->name);
}

void units_print_bytes_about(uint64_t bytes, char *text, size_t size)
{
    const struct unit *unit = bytes_units;
    while (unit[1].name != NULL && bytes >= unit[1].factor) {
        unit++;
    }
    if (unit == bytes_units) {
        snprintf(text, size, "%" PRIu64 " bytes", bytes);
    } else {
        snprintf(text, size, "%.1f %s", (double)bytes / (double)unit->factor, unit->name);
    }
}

void units_print_duration_about(uint64_t ms, char *text, size_t size)
{
    const struct unit *unit = duration_units;
    while (unit[1].name != NULL && ms >= unit[1].factor) {
        unit++;
    }
    int used = snprintf(text, size, "%" PRIu64 " %s", ms / unit->factor, unit->name);
    if (unit > duration_units + 1 && used > 0 &&
        (size_t)used < size) { /* minutes and more: with the next smaller one */
        snprintf(text + used, size - (size_t)used, " %" PRIu64 " %s", ms % unit->factor / unit[-1].factor,
                 unit[-1].name);
    }
}
