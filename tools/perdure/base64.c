/* tools/perdure/base64.c: bytes as text (RFC 4648, with padding). */
#include "tools/perdure/base64.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void base64_encode(struct pdr_bytes bytes, pdr_writer *text)
{
    const uint8_t *at = bytes.data;
    for (size_t left = bytes.size; left > 0;) {
        size_t n = left < 3 ? left : 3;
        uint32_t group = (uint32_t)at[0] << 16 | (n > 1 ? (uint32_t)at[1] << 8 : 0) | (n > 2 ? at[2] : 0);
        char four[4] = {alphabet[group >> 18], alphabet[group >> 12 & 63], '=', '='};
        if (n > 1) {
            four[2] = alphabet[group >> 6 & 63];
        }
        if (n > 2) {
            four[3] = alphabet[group & 63];
        }
        pdr_write_raw(text, four, sizeof four);
        at += n;
        left -= n;
    }
}

static int digit_of(char c)
{
    const char *at = c == 0 ? NULL : strchr(alphabet, c);
    return at == NULL ? -1 : (int)(at - alphabet);
}

bool base64_decode(struct pdr_bytes text, pdr_writer *bytes)
{
    const char *at = text.data;
    if (text.size % 4 != 0) {
        return false;
    }
    for (size_t left = text.size; left > 0; left -= 4, at += 4) {
        size_t padding = left > 4 ? 0 : at[3] != '=' ? 0 : at[2] != '=' ? 1 : 2;
        uint32_t group = 0;
        for (size_t i = 0; i < 4; i++) {
            int digit = i >= 4 - padding ? 0 : digit_of(at[i]);
            if (digit < 0) {
                return false;
            }
            group = group << 6 | (uint32_t)digit;
        }
        uint8_t three[3] = {(uint8_t)(group >> 16), (uint8_t)(group >> 8), (uint8_t)group};
        if ((padding > 0 && three[2] != 0) || (padding > 1 && three[1] != 0)) {
            return false; /* bits that nobody would read back */
        }
        pdr_write_raw(bytes, three, 3 - padding);
    }
    return true;
}
