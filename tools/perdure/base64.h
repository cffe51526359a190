/* tools/perdure/base64.h: bytes as text (RFC 4648, with padding). */
#ifndef TOOLS_PERDURE_BASE64_H
#define TOOLS_PERDURE_BASE64_H

#include <perdure/value.h>

/** Appends the text of `bytes`. */
void base64_encode(struct pdr_bytes bytes, pdr_writer *text);
/** Appends the bytes of `text`. False, having perhaps appended some, unless it is what base64_encode writes. */
bool base64_decode(struct pdr_bytes text, pdr_writer *bytes);

#endif
