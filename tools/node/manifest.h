/* tools/node/manifest.h: DIR/manifest, what makes a directory a backup: whose data it is, of when, and which files.
 *
 *     perdure backup 1
 *     version 0.1.0
 *     cluster 0123...                 ids of the node that made it, its name, and where its epochs begin (identity.h)
 *     node 4567...
 *     epochs 0
 *     name host
 *     time 1764000000                 seconds since 1970
 *     shard 5 epoch 3 seq 77          the copy has this entry of the shard, and perhaps later ones; a line each
 *     file 000012.sst 40961           DIR/store/000012.sst and its size; a line each
 *     checksum 89abcdef01234567       XXH3 of all that stands above
 *
 * It is written last: a directory without it is no backup, or one that did not come to its end. The bytes of the files
 * are RocksDB's to check, which it does block by block whenever it reads them. */
#ifndef TOOLS_NODE_MANIFEST_H
#define TOOLS_NODE_MANIFEST_H

#include <perdure/bytes.h>
#include <perdure/status.h>

#include "tools/node/identity.h"

#define MANIFEST_NAME_SIZE 128u

struct manifest_shard {
    uint32_t shard;
    uint64_t epoch, seq;
};
struct manifest_file {
    char name[64];
    uint64_t size;
};

struct manifest {
    char version[32];
    struct identity identity; /* its incarnation is not kept */
    char name[MANIFEST_NAME_SIZE];
    uint64_t time_s;
    struct manifest_shard *shards;
    uint32_t shard_count;
    struct manifest_file *files;
    uint32_t file_count;
};

void manifest_release(struct manifest *manifest);
void manifest_add_shard(struct manifest *manifest, uint32_t shard, uint64_t epoch, uint64_t seq);
/** False: no name that a file of a store may have. */
bool manifest_add_file(struct manifest *manifest, const char *name, uint64_t size);

/** The text; for mem_free. */
char *manifest_print(const struct manifest *manifest);
/** Trusts nothing. False: damaged, or of another version. *out is to be released on every path. */
bool manifest_parse(const char *text, struct manifest *out);

#endif
