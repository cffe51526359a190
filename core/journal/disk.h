/* core/journal/disk.h: the log's disk, as a seam. Production: disk_linux.c. Simulator: sim_disk.c.
 *
 * Files of one directory, written in whole 4 KiB blocks at 4 KiB offsets from 4 KiB-aligned memory. A disk belongs to
 * the journal's loop; callbacks run there, and are the last thing an operation does. There is at most one `write_sync`
 * at a time; it may report before it returns. Beside it there is at most one *chore*: create, rename or remove, which
 * take their time in the background and always report later. */
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

/** PDR_OK: done, and every byte of it is on stable storage. PDR_INTERNAL: nothing is known about them (R27). */
typedef void (*disk_synced)(void *user, enum pdr_status status);

struct disk_ops {
    /** Calls `each` for every name in the directory, in order of the names. */
    enum pdr_status (*list)(struct disk *disk, void (*each)(void *user, const char *name), void *user);
    /** PDR_NOT_FOUND if it is not there. */
    enum pdr_status (*open)(struct disk *disk, const char *name, struct disk_file **out);
    uint64_t (*size)(struct disk_file *file);
    /** Blocks. Used at start and by catch-up. */
    enum pdr_status (*read)(struct disk_file *file, uint64_t offset, void *data, uint32_t size);
    void (*close_file)(struct disk_file *file);

    /** Writes and makes durable, with all that was written to the file before; `size` 0: only that. `data` is borrowed
     * until `cb`. The size of the file does not change. */
    void (*write_sync)(struct disk_file *file, uint64_t offset, const void *data, uint32_t size, disk_synced cb,
                       void *user);

    /** Creates a file of `size` bytes, zero-filled, without holding up write_sync much. PDR_NO_SPACE, PDR_CANCELLED:
     * nothing is left behind. */
    void (*create)(struct disk *disk, const char *name, uint64_t size, disk_synced cb, void *user);
    /** `to` is replaced if it is there. Neither may be open. */
    void (*rename)(struct disk *disk, const char *from, const char *to, disk_synced cb, void *user);
    void (*remove)(struct disk *disk, const char *name, disk_synced cb, void *user);
    /** A create that is under way ends soon, with PDR_CANCELLED if it was not nearly done. */
    void (*cancel)(struct disk *disk);

    /** What went wrong last: a sentence that names the file. "" if nothing did. */
    void (*last_error)(struct disk *disk, char *text, unsigned long size);
    /** Nothing may be under way. */
    void (*close)(struct disk *disk);
};

struct disk {
    const struct disk_ops *ops;
    uint64_t sync_ns; /* how long the last write_sync took; set before its `cb` */
};
struct disk_file {
    struct disk *disk;
};

/** Files below `directory`, which must exist. O_DIRECT where the file system has it. On failure *why is a sentence that
 * names `directory`, valid until the thread's next call. */
enum pdr_status disk_linux_open(const char *directory, struct loop *loop, struct work *work, struct disk **out,
                                const char **why);

#endif
