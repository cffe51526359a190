/* tools/node/units.h: sizes and durations as people write them: 64MiB, 30s. */
#ifndef TOOLS_NODE_UNITS_H
#define TOOLS_NODE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** A whole number. False, and *out left alone, for anything else; so with all below. */
bool units_parse_count(const char *text, uint64_t *out);
/** Bytes: 4096, 512KiB, 64MiB, 2GiB, 1TiB. */
bool units_parse_bytes(const char *text, uint64_t *out);
/** Milliseconds: 500ms, 30s, 5min, 2h, 1d, and 0. */
bool units_parse_duration(const char *text, uint64_t *ms);

/** The largest unit that gives a whole number: "64MiB", "1000". */
void units_print_bytes(uint64_t bytes, char *text, size_t size);
/** For people to read at a glance: "2.4 GiB", "512 bytes". */
void units_print_bytes_about(uint64_t bytes, char *text, size_t size);
/** For people to read at a glance: "3 min 20 s", "2 d 4 h". */
void units_print_duration_about(uint64_t ms, char *text, size_t size);

#endif
