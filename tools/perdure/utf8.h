/* tools/perdure/utf8.h: is it UTF-8, and which code points (RFC 3629: no surrogates, nothing overlong). */
#ifndef TOOLS_PERDURE_UTF8_H
#define TOOLS_PERDURE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>

/** Bytes of the first code point, which goes to *c; 0 if `size` is 0 or it is not UTF-8. */
size_t utf8_next(const uint8_t *at, size_t size, uint32_t *c);
bool utf8_is(struct pdr_bytes text);

#endif
