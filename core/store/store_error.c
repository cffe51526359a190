/* core/store/store_error.c: RocksDB's C API reports errors as text alone, so the text decides. */
#include "core/store/store_error.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum error_class {
    ERROR_SPACE,
    ERROR_LOCKED,
    ERROR_EXISTS,
    ERROR_DENIED,
    ERROR_READ_ONLY,
    ERROR_DAMAGED,
    ERROR_FORMAT,
    ERROR_OTHER,
};

/* Most are strerror's words, which RocksDB puts behind its own. The first that is found counts. */
static const struct {
    const char *part;
    enum error_class cls;
} classes[] = {
    /* clang-format off */
    {"No space left on device",       ERROR_SPACE},
    {"Disk quota exceeded",           ERROR_SPACE},
    {"While lock file",               ERROR_LOCKED},
    {"lock hold by current process",  ERROR_LOCKED},
    {"Directory exists",              ERROR_EXISTS},
    {"Permission denied",             ERROR_DENIED},
    {"Read-only file system",         ERROR_READ_ONLY},
    {"is not linked with the binary", ERROR_FORMAT},
    {"Unknown Footer version",        ERROR_FORMAT},
    {"Corruption",                    ERROR_DAMAGED},
    /* clang-format on */
};

static enum error_class classify(const char *message)
{
    for (size_t i = 0; i < sizeof classes / sizeof classes[0]; i++) {
        if (strstr(message, classes[i].part) != NULL) {
            return classes[i].cls;
        }
    }
    return ERROR_OTHER;
}

enum pdr_status store_error_status(const char *message)
{
    enum error_class cls = classify(message);
    return cls == ERROR_SPACE ? PDR_NO_SPACE : cls == ERROR_EXISTS ? PDR_INVALID : PDR_INTERNAL;
}

void store_error_sentence(char *text, size_t size, const char *directory, const char *message)
{
    static const char *const formats[] = {
        [ERROR_SPACE] = "the disk of %s is full: free some space, and writing goes on by itself (%s)",
        [ERROR_LOCKED] = "another process uses %s: stop it, or give another data directory (%s)",
        [ERROR_EXISTS] = "%s exists: give a directory that does not (%s)",
        [ERROR_DENIED] = "%s can't be used by this user: change its owner or permissions (%s)",
        [ERROR_DAMAGED] = "the store in %s is damaged: restore a backup into an empty data directory (%s)",
        [ERROR_FORMAT] = "the store in %s needs another build of RocksDB: install the one that wrote it (%s)",
        [ERROR_READ_ONLY] = "%s is on a file system that is mounted read-only: give another data directory (%s)",
        [ERROR_OTHER] = "the store in %s failed: look at the kernel's log, and start the node again (%s)",
    };
    snprintf(text, size, formats[classify(message)], directory, message);
}
