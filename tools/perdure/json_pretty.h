/* tools/perdure/json_pretty.h: JSON for people: in lines, what is short in one, names of members painted. */
#ifndef TOOLS_PERDURE_JSON_PRETTY_H
#define TOOLS_PERDURE_JSON_PRETTY_H

#include <perdure/value.h>

/** Appends `json`, which json_print wrote, in lines; the last ends without a line feed. It stays the same JSON. */
void json_pretty(struct pdr_bytes json, bool painted, pdr_writer *out);

#endif
