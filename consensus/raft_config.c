/* consensus/raft_config.c: format u8 = 1, count le64, then each: id le64, address and 0x00, role u8; zeros up to a
 * multiple of eight. */
#include "consensus/raft_config.h"

#include "consensus/raft_bytes.h"

#define CONFIG_FORMAT 1u
#define CONFIG_HEAD_SIZE 9u

static bool read_member(struct raft_reader *reader, struct raft_member *out)
{
    out->id = raft_read_64(reader);
    size_t left = raft_reader_left(reader);
    size_t limit = left < RAFT_ADDRESS_MAX + 1u ? left : RAFT_ADDRESS_MAX + 1u;
    const uint8_t *end = limit == 0 ? NULL : memchr(reader->at, 0, limit);
    if (end == NULL || end == reader->at) {
        return false;
    }
    out->address = (const char *)raft_read(reader, (size_t)(end - reader->at) + 1);
    uint8_t role = raft_read_8(reader);
    out->role = (enum raft_role)role;
    return !reader->short_of && out->id > 0 && role <= RAFT_ROLE_SPARE;
}

bool raft_config_check(struct pdr_bytes encoded)
{
    struct raft_member members[RAFT_SERVERS_MAX];
    struct raft_reader reader = raft_reader(encoded);
    bool voter = false;
    uint8_t format = raft_read_8(&reader);
    uint64_t count = raft_read_64(&reader);
    if (reader.short_of || format != CONFIG_FORMAT || count == 0 || count > RAFT_SERVERS_MAX) {
        return false;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (!read_member(&reader, &members[i])) {
            return false;
        }
        voter = voter || members[i].role == RAFT_ROLE_VOTER;
        for (uint64_t k = 0; k < i; k++) {
            if (members[k].id == members[i].id || strcmp(members[k].address, members[i].address) == 0) {
                return false;
            }
        }
    }
    size_t padding = raft_reader_left(&reader);
    if (padding >= 8 || encoded.size % 8 != 0) {
        return false;
    }
    for (size_t i = 0; i < padding; i++) {
        if (reader.at[i] != 0) {
            return false;
        }
    }
    return voter;
}
