/* tools/perdure/json_pretty.c: JSON for people. It works on text: what json_print wrote needs no second reading. */
#include "tools/perdure/json_pretty.h"

#include <string.h>

#include "core/base/check.h"
#include "tools/perdure/paint.h"

#define SHORT_MAX 72u                        /* a container of so many bytes is one line */
#define DEPTH_MAX (4u * PDR_VALUE_DEPTH_MAX) /* a map that JSON has no word for is three deep, not one */

struct layout {
    const char *text, *end;
    pdr_writer *out;
    bool painted;
    unsigned depth;
    bool in_lines[DEPTH_MAX]; /* the container that is open at this depth */
};

static void put(struct layout *l, const char *text)
{
    pdr_write_raw(l->out, text, strlen(text));
}

static void put_line(struct layout *l, unsigned depth)
{
    put(l, "\n");
    for (unsigned i = 0; i < depth; i++) {
        put(l, "  ");
    }
}

/* Behind the string that begins at `at`. */
static const char *skip_string(const struct layout *l, const char *at)
{
    for (at++; at < l->end && *at != '"'; at++) {
        at += *at == '\\';
    }
    return at + 1;
}

/* Behind the value that begins at `at`. */
static const char *skip(const struct layout *l, const char *at)
{
    unsigned depth = 0;
    do {
        if (*at == '"') {
            at = skip_string(l, at);
            continue;
        }
        depth += *at == '{' || *at == '[';
        depth -= *at == '}' || *at == ']';
        at++;
    } while (at < l->end && (depth > 0 || strchr(",:]}", *at) == NULL));
    return at;
}

static void put_string(struct layout *l)
{
    const char *after = skip_string(l, l->text);
    bool name = after < l->end && *after == ':' && l->painted;
    put(l, name ? PAINT_KEY : "");
    pdr_write_raw(l->out, l->text, (size_t)(after - l->text));
    put(l, name ? PAINT_END : "");
    l->text = after;
}

static void open_container(struct layout *l)
{
    bool in_lines = (size_t)(skip(l, l->text) - l->text) > SHORT_MAX;
    CHECK(l->depth + 1 < DEPTH_MAX);
    l->in_lines[++l->depth] = in_lines;
    pdr_write_raw(l->out, l->text++, 1);
    if (in_lines) {
        put_line(l, l->depth);
    }
}

static void close_container(struct layout *l)
{
    if (l->in_lines[l->depth--]) {
        put_line(l, l->depth);
    }
    pdr_write_raw(l->out, l->text++, 1);
}

static void put_other(struct layout *l)
{
    char c = *l->text;
    pdr_write_raw(l->out, l->text++, 1);
    if (c == ',' && l->in_lines[l->depth]) {
        put_line(l, l->depth);
    } else if (c == ',' || c == ':') {
        put(l, " ");
    }
}

void json_pretty(struct pdr_bytes json, bool painted, pdr_writer *out)
{
    struct layout l = {json.data, (const char *)json.data + json.size, out, painted, 0, {false}};
    while (l.text < l.end) {
        if (*l.text == '"') {
            put_string(&l);
        } else if (*l.text == '{' || *l.text == '[') {
            open_container(&l);
        } else if (*l.text == '}' || *l.text == ']') {
            close_container(&l);
        } else {
            put_other(&l);
        }
    }
}
