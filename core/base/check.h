/* core/base/check.h: assertions about our own mistakes, on in release builds too. The world's mistakes get a status. */
#ifndef CORE_BASE_CHECK_H
#define CORE_BASE_CHECK_H

/** Prints file, line and the sentence, then aborts. */
_Noreturn void check_failed(const char *file, int line, const char *what);

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (__builtin_expect(!(condition), 0)) {                                                                       \
            check_failed(__FILE__, __LINE__, #condition);                                                              \
        }                                                                                                              \
    } while (0)

#endif
