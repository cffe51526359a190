/* tools/node/membership_record.h: what of a node's membership has to outlive its process. */
#ifndef TOOLS_NODE_MEMBERSHIP_RECORD_H
#define TOOLS_NODE_MEMBERSHIP_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/limits.h"

#define MEMBERSHIP_CONTACTS_MAX 16u
#define MEMBERSHIP_ADDRESS_SIZE (LIMIT_ADDRESS_BYTES_MAX + 1u)

/** A node that may know the cluster, and where it was last. */
struct membership_contact {
    uint64_t node;
    char address[MEMBERSHIP_ADDRESS_SIZE];
};

/** What has to outlive the process. */
struct membership_record {
    uint64_t boot; /* not 0: the directory has answered to this one (identity_registered) */
    bool has_contacts;
    uint32_t contact_count;
    struct membership_contact contacts[MEMBERSHIP_CONTACTS_MAX]; /* servers of the directory first */
};

#endif
