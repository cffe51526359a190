/* core/journal/disk.h: the log's disk, as a seam. Production: disk_linux.c. Simulator: sim_disk.c.
 *
 * Files of one directory, written in whole 4 KiB blocks at 4 KiB offsets from 4 KiB-aligned memory. A disk belongs to
 * the journal's loop. Only `write_sync` may take long; it reports by callback, before it returns or later on the loop. */
#ifndef CORE_JOURNAL_DISK_H
#define CORE_JOURNAL_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/status.h>

#define DISK_BLOCK 4096u

struct disk;
struct loop;
struct work;
struct disk_file;

/** PDR_OK: every byte is on stable storage. PDR_INTERNAL: nothing is known about them (R27). */
typedef void (*disk_synced)(void *user, enum pdr_status status);

struct disk_ops {
    /** Calls `each` for every name in the directory, in order of the names. */
    enum pdr_status (*list)(struct disk *disk, void (*each)(void *user, const char *name), void *user);
    /** PDR_NOT_FOUND if it is not there. */
    enum pdr_status (*open)(struct disk *disk, const char *name, struct disk_file **out);
    /** Creates a file of `size` bytes, zero-filled and durable, directory entry too, without holding up write_sync;
     * `cb` reports as for write_sync. After PDR_NO_SPACE nothing is left behind. One at a time a disk. */
    void (*create)(struct disk *disk, const char *name, uint64_t size, disk_synced cb, void *user);
    uint64_t (*size)(struct disk_file *file);
    /** Blocks. Used at start and by catch-up. */
    enum pdr_status (*read)(struct disk_file *file, uint64_t offset, void *data, uint32_t size);
    /** Writes and makes durable. One at a time a disk. */
    void (*write_sync)(struct disk_file *file, uint64_t offset, const void *data, uint32_t size, disk_synced cb,
                       void *user);
    /** Both durable when they return. */
    enum pdr_status (*rename)(struct disk *disk, const char *from, const char *to);
    enum pdr_status (*remove)(struct disk *disk, const char *name);
    void (*close_file)(struct disk_file *file);
    void (*last_error)(struct disk *disk, char *text, unsigned long size);
    void (*close)(struct disk *disk);
};

struct disk {
    const struct disk_ops *ops;
};
struct disk_file {
    struct disk *disk;
};

/** Files below `directory`, which must exist. O_DIRECT where the file system has it. *why as elsewhere. */
enum pdr_status disk_linux_open(const char *directory, struct loop *loop, struct work *work, struct disk **out,
                                const char **why);

#endif
