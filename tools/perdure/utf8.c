/* tools/perdure/utf8.c: is it UTF-8, and which code points. */
#include "tools/perdure/utf8.h"

size_t utf8_next(const uint8_t *at, size_t size, uint32_t *c)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    *c = 0xfffd;
    if (size == 0) {
        return 0;
    }
    if (at[0] < 0x80) {
        *c = at[0];
        return 1;
    }
    size_t n = at[0] >= 0xf0 ? 4 : at[0] >= 0xe0 ? 3 : 2;
    if (at[0] < 0xc2 || at[0] > 0xf4 || size < n) {
        return 0;
    }
    uint32_t code = at[0] & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((at[i] & 0xc0) != 0x80) {
            return 0;
        }
        code = code << 6 | (at[i] & 0x3f);
    }
    if (code < least[n] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return 0;
    }
    *c = code;
    return n;
}

bool utf8_is(struct pdr_bytes text)
{
    uint32_t c;
    for (size_t i = 0, n; i < text.size; i += n) {
        n = utf8_next((const uint8_t *)text.data + i, text.size - i, &c);
        if (n == 0) {
            return false;
        }
    }
    return true;
}
