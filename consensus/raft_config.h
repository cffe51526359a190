/* consensus/raft_config.h: configurations, that is who the servers are and what they do, as entries carry them.
 *
 * The encoding is libraft's (raft_configuration_encode), because its core decodes the entries itself. Its decoder
 * believes every number, so nothing reaches it that raft_config_check has not seen (docs/internals/directory.md). */
#ifndef CONSENSUS_RAFT_CONFIG_H
#define CONSENSUS_RAFT_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>

#define RAFT_SERVERS_MAX 64u
#define RAFT_ADDRESS_MAX 255u

/** What a server does. The numbers are libraft's, and lie on disk. */
enum raft_role {
    RAFT_ROLE_STANDBY = 0, /* has the log, has no vote */
    RAFT_ROLE_VOTER = 1,
    RAFT_ROLE_SPARE = 2, /* has neither, yet */
};

struct raft_member {
    uint64_t id; /* never 0, and never given to another server */
    enum raft_role role;
    const char *address; /* 1 to RAFT_ADDRESS_MAX bytes, unique */
};

/** Is it something raft_configuration_encode can have written: 1 to RAFT_SERVERS_MAX servers, ids and addresses of
 * their own, known roles, at least one voter, nothing behind? Trusts nothing. */
bool raft_config_check(struct pdr_bytes encoded);

#endif
