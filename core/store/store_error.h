/* core/store/store_error.h: what RocksDB says, told in our words. Pure functions, apart so that they can be tested. */
#ifndef CORE_STORE_STORE_ERROR_H
#define CORE_STORE_STORE_ERROR_H

#include <stddef.h>

#include <perdure/status.h>

/** The status that a message of RocksDB amounts to; never PDR_OK. */
enum pdr_status store_error_status(const char *message);
/** Writes a sentence that says what, where and what to do. */
void store_error_sentence(char *text, size_t size, const char *directory, const char *message);

#endif
