/* tools/node/discover.c: which cluster there is to join, and where its nodes are: asked of any of them, as a client.
 * What it says is not believed further than that: links prove the secret (net/peer/handshake.h). */
#include <inttypes.h>
#include <perdure/client.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/env/clock.h"
#include "net/transport/address.h"
#include "tools/node/home.h"

#define ASK_MS 2000u
#define PAUSE_US 250000u
#define ALONE_NS (10 * NS_PER_S)
#define TOLD_NS (5 * NS_PER_S) /* between two lines of the log */

static bool text_of(pdr_value map, const char *key, char *out, size_t size)
{
    struct pdr_bytes text;
    if (!pdr_value_bytes(pdr_value_get(map, key), &text) || text.size == 0 || text.size >= size) {
        return false;
    }
    memcpy(out, text.data, text.size);
    out[text.size] = 0;
    return strlen(out) == text.size;
}

static void take_member(struct home *home, pdr_value member)
{
    char id[IDENTITY_NODE_SIZE], state[16], why[128];
    struct address parsed;
    struct membership_contact contact = {0};
    if (home->contact_count == MEMBERSHIP_CONTACTS_MAX || !text_of(member, "id", id, sizeof id) ||
        !identity_is_node(id) || !text_of(member, "state", state, sizeof state) || strcmp(state, "removed") == 0 ||
        !text_of(member, "address", contact.address, sizeof contact.address) ||
        address_parse(contact.address, &parsed, why, sizeof why) != PDR_OK) {
        return;
    }
    contact.node = identity_number(id);
    home->contacts[home->contact_count++] = contact;
}

static bool take_status(struct home *home, pdr_value status, char *cluster, const char **why)
{
    pdr_value members = pdr_value_get(status, "members");
    struct pdr_bytes items = pdr_value_items(members);
    *why = "it says nothing of a cluster that one could join";
    if (!text_of(status, "cluster", cluster, IDENTITY_CLUSTER_SIZE) || !identity_is_cluster(cluster)) {
        return false;
    }
    home->contact_count = 0;
    for (uint32_t i = pdr_value_count(members); i > 0; i--) {
        take_member(home, pdr_value_next(&items));
    }
    return home->contact_count > 0;
}

static bool ask(const char *address, struct home *home, char *cluster, char *why, size_t why_size)
{
    const struct pdr_client_options options = {.node = address, .deadline_ms = ASK_MS, .connect_timeout_ms = ASK_MS};
    const struct pdr_bytes none = {NULL, 0};
    struct pdr_outcome outcome;
    pdr_blocking *client;
    const char *reason;
    if (pdr_blocking_open(&options, &client, &reason) != PDR_OK) {
        snprintf(why, why_size, "%s", reason);
        return false;
    }
    bool found = false;
    if (pdr_blocking_call(client, pdr_str("_sys/node"), "status", none, NULL, &outcome) != PDR_OK) {
        snprintf(why, why_size, "%.*s", (int)outcome.message.size, (const char *)outcome.message.data);
    } else if (!take_status(home, outcome.result, cluster, &reason)) {
        snprintf(why, why_size, "%s", reason);
    } else {
        found = true;
    }
    pdr_blocking_close(client);
    return found;
}

enum pdr_status discover(const char *const *join, const char *own, enum discover_how how, struct home *home,
                         char cluster[IDENTITY_CLUSTER_SIZE])
{
    uint64_t begun_ns = clock_now_ns(clock_os()), told_ns = 0;
    for (;;) {
        bool asked = false;
        for (size_t i = 0; join[i] != NULL; i++) {
            char why[512];
            if (strcmp(join[i], own) == 0) {
                continue;
            }
            asked = true;
            if (ask(join[i], home, cluster, why, sizeof why)) {
                LOG_INFO("node.joins", "cluster=%s by=%s", cluster, join[i]);
                return PDR_OK;
            }
            if (how != DISCOVER_ONCE && (told_ns == 0 || clock_now_ns(clock_os()) - told_ns >= TOLD_NS)) {
                told_ns = clock_now_ns(clock_os());
                LOG_INFO("node.waits_to_join", "asked=%s why=\"%s\"; it goes on asking", join[i], why);
            }
        }
        bool waited = clock_now_ns(clock_os()) - begun_ns >= ALONE_NS;
        if (!asked || how == DISCOVER_ONCE || (how == DISCOVER_OR_FOUND && waited)) {
            return PDR_NOT_FOUND;
        }
        usleep(PAUSE_US);
    }
}
