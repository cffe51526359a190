/* core/base/endian.h: little- and big-endian integers at any address. */
#ifndef CORE_BASE_ENDIAN_H
#define CORE_BASE_ENDIAN_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define ENDIAN_PAIR(order, bits)                                                                                       \
    static inline void put_##order##bits(void *at, uint##bits##_t value)                                               \
    {                                                                                                                  \
        uint##bits##_t coded = hto##order##bits(value);                                                                \
        memcpy(at, &coded, sizeof coded);                                                                              \
    }                                                                                                                  \
    static inline uint##bits##_t get_##order##bits(const void *at)                                                     \
    {                                                                                                                  \
        uint##bits##_t coded;                                                                                          \
        memcpy(&coded, at, sizeof coded);                                                                              \
        return order##bits##toh(coded);                                                                                \
    }
ENDIAN_PAIR(le, 16)
ENDIAN_PAIR(le, 32)
ENDIAN_PAIR(le, 64)
ENDIAN_PAIR(be, 16)
ENDIAN_PAIR(be, 32)
ENDIAN_PAIR(be, 64)
#undef ENDIAN_PAIR

#endif
