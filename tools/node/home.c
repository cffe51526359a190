/* tools/node/home.c: identity, secret and contacts of a data directory. */
#include "tools/node/home.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/log.h"
#include "net/peer/secret.h"
#include "net/transport/address.h"
#include "tools/node/files.h"

#define SECRET_DRAWN 32u /* bytes of one that is made here */
#define CONTACTS_SIZE (MEMBERSHIP_CONTACTS_MAX * (MEMBERSHIP_ADDRESS_SIZE + 24) + 64)
#define CONTACTS_HEAD "perdure contacts 1\n"

/* Secret */

static enum pdr_status make_secret(const char *data, char *why, size_t why_size)
{
    uint8_t bytes[SECRET_DRAWN];
    char text[2 * SECRET_DRAWN + 2];
    while (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
    }
    for (size_t i = 0; i < sizeof bytes; i++) {
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    }
    snprintf(text + 2 * sizeof bytes, 2, "\n");
    bool done = files_replace(data, "secret", text); /* for its owner alone */
    secret_wipe(bytes, sizeof bytes);
    secret_wipe(text, sizeof text);
    return done ? PDR_OK
                : files_fail(PDR_INTERNAL, why, why_size, "%s/secret: cannot be written: %s", data, strerror(errno));
}

/* A secret that others can read is none. */
static enum pdr_status check_mode(const char *path, char *why, size_t why_size)
{
    struct stat found;
    if (stat(path, &found) == 0 && (found.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        LOG_WARN("node.secret_is_open", "file=\"%s\" mode=%03o; others than its owner may use it: chmod 600", path,
                 (unsigned)found.st_mode & 0777u);
    }
    return PDR_OK;
}

static enum pdr_status take_secret(const char *path, const char *text, size_t size, struct secret **out, char *why,
                                   size_t why_size)
{
    const char *reason;
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == '\r')) {
        size--;
    }
    if (secret_new(pdr_bytes(text, size), out, &reason) != PDR_OK) {
        return files_fail(PDR_INVALID, why, why_size, "%s: %s", path, reason);
    }
    return check_mode(path, why, why_size);
}

/* `is_first`: nobody can have another one yet, for the cluster begins here and now. */
static enum pdr_status load_secret(struct home *home, const struct home_options *o, bool is_first, char *why,
                                   size_t why_size)
{
    char path[FILES_PATH_SIZE], text[SECRET_BYTES_MAX + 3];
    size_t size = 0;
    if (snprintf(path, sizeof path, "%s%s", o->secret != NULL ? o->secret : o->data,
                 o->secret != NULL ? "" : "/secret") >= (int)sizeof path) {
        return files_fail(PDR_INVALID, why, why_size, "%.60s...: the name of the secret's file is too long", path);
    }
    enum pdr_status status = files_read(path, text, sizeof text, &size);
    if (status == PDR_NOT_FOUND && o->secret == NULL && is_first) {
        status = make_secret(o->data, why, why_size);
        if (status != PDR_OK) {
            return status;
        }
        status = files_read(path, text, sizeof text, &size);
    }
    if (status == PDR_OK) {
        status = take_secret(path, text, size, &home->secret, why, why_size);
    } else if (status == PDR_NOT_FOUND && o->secret == NULL) {
        files_fail(
            status, why, why_size,
            "%s: there is no such file, and without the secret of its cluster this node is not let in: copy the one of "
            "another node, or name it with --secret FILE",
            path);
    } else if (status == PDR_TOO_LARGE) {
        files_fail(status, why, why_size, "%s: a secret has at most %u bytes", path, SECRET_BYTES_MAX);
    } else {
        files_fail(status, why, why_size, "%s: cannot be read: %s", path,
                   status == PDR_NOT_FOUND ? "there is no such file" : strerror(errno));
    }
    secret_wipe(text, sizeof text);
    return status;
}

/* Contacts */

/* A line that is none ends it: what it says is only where to look first. */
static void parse_contacts(struct home *home, const char *text)
{
    if (strncmp(text, CONTACTS_HEAD, strlen(CONTACTS_HEAD)) != 0) {
        return;
    }
    text += strlen(CONTACTS_HEAD);
    while (home->contact_count < MEMBERSHIP_CONTACTS_MAX) {
        struct membership_contact *contact = &home->contacts[home->contact_count];
        char node[IDENTITY_NODE_SIZE], why[128];
        struct address address;
        int used = 0;
        if (sscanf(text, "%16s %259s%n", node, contact->address, &used) != 2 || !identity_is_node(node) ||
            address_parse(contact->address, &address, why, sizeof why) != PDR_OK) {
            memset(contact, 0, sizeof *contact);
            return;
        }
        contact->node = identity_number(node);
        home->contact_count++;
        text += used;
    }
}

static void load_contacts(struct home *home)
{
    char path[FILES_PATH_SIZE], text[CONTACTS_SIZE];
    size_t size;
    if (files_path(path, home->data, "contacts") && files_read(path, text, sizeof text, &size) == PDR_OK) {
        parse_contacts(home, text);
    }
}

static void keep_contacts(const struct home *home, const struct membership_record *record)
{
    char text[CONTACTS_SIZE];
    size_t size = (size_t)snprintf(text, sizeof text, CONTACTS_HEAD);
    for (uint32_t i = 0; i < record->contact_count; i++) {
        size += (size_t)snprintf(text + size, sizeof text - size, "%016" PRIx64 " %s\n", record->contacts[i].node,
                                 record->contacts[i].address);
    }
    if (!files_replace(home->data, "contacts", text)) {
        LOG_WARN("node.contacts", "file=%s/contacts why=\"%s\"; the old ones stay", home->data, strerror(errno));
    }
}

void home_keep(void *user, const struct membership_record *record)
{
    struct home *home = user;
    char why[512];
    struct identity before = home->identity;
    if (record->has_contacts) {
        keep_contacts(home, record);
    }
    if (record->boot == 0 || !identity_registered(&home->identity, record->boot)) {
        return;
    }
    if (identity_save(home->data, &home->identity, why, sizeof why) != PDR_OK) {
        home->identity = before;
        LOG_WARN("node.identity", "why=\"%s\"; as it was, it still does", why);
    }
}

/* The address */

static bool is_any(const char *host)
{
    return strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static enum pdr_status find_address(struct home *home, const struct home_options *o, char *why, size_t why_size)
{
    struct address address;
    char host[256];
    if (o->advertise != NULL) {
        snprintf(home->advertise, sizeof home->advertise, "%s", o->advertise);
        return address_parse(o->advertise, &address, why, why_size);
    }
    if (address_parse(o->listen, &address, why, why_size) != PDR_OK) {
        return PDR_INVALID;
    }
    if (!is_any(address.host)) {
        return PDR_OK;
    }
    if (address.port == 0 || gethostname(host, sizeof host) != 0) {
        return files_fail(PDR_INVALID, why, why_size,
                          "--listen %s tells nobody where this node is: say it with --advertise HOST:PORT", o->listen);
    }
    host[sizeof host - 1] = 0;
    snprintf(home->advertise, sizeof home->advertise, "%s:%s", host, address.service);
    return PDR_OK;
}

/* Whom to ask */

#define JOIN_MAX 64u

struct joins {
    char text[JOIN_MAX][MEMBERSHIP_ADDRESS_SIZE];
    const char *at[JOIN_MAX + 1];
};

static void split(const char *const *lists, struct joins *out)
{
    size_t count = 0;
    for (; *lists != NULL; lists++) {
        for (const char *at = *lists; *at != 0 && count < JOIN_MAX; at += strspn(at, ",")) {
            size_t size = strcspn(at, ",");
            snprintf(out->text[count], sizeof out->text[count], "%.*s", (int)size, at);
            out->at[count] = out->text[count];
            count++;
            at += size;
        }
    }
    out->at[count] = NULL;
}

/* All of it */

static enum pdr_status join(struct home *home, const struct home_options *o, bool is_new, char *why, size_t why_size)
{
    const char *own = *home->advertise != 0 ? home->advertise : o->listen;
    char cluster[IDENTITY_CLUSTER_SIZE];
    enum discover_how how;
    struct joins joins;
    split(o->join, &joins);
    if (is_new) {
        how = strcmp(joins.at[0], own) == 0 ? DISCOVER_OR_FOUND : DISCOVER;
    } else {
        how = home->identity.founds ? DISCOVER_ONCE : DISCOVER;
    }
    enum pdr_status status = discover(joins.at, own, how, home, cluster);
    if (is_new) {
        home->identity = identity_new(status == PDR_OK ? cluster : NULL);
    } else if (status == PDR_OK && strcmp(cluster, home->identity.cluster) != 0) {
        return files_fail(
            PDR_INVALID, why, why_size,
            "%s is the data of a node of cluster %s, and --join leads to cluster %s: give it nodes of its own "
            "cluster, or another directory with --data",
            o->data, home->identity.cluster, cluster);
    }
    return PDR_OK;
}

enum pdr_status home_open(struct home *home, const struct home_options *o, char *why, size_t why_size)
{
    memset(home, 0, sizeof *home);
    home->data = o->data;
    enum pdr_status found = identity_find(o->data, &home->identity, why, why_size);
    if (found != PDR_OK && found != PDR_NOT_FOUND) {
        return found;
    }
    bool is_new = found == PDR_NOT_FOUND;
    bool is_first = is_new ? o->join[0] == NULL : home->identity.founds && home->identity.incarnation == 0;
    enum pdr_status status = load_secret(home, o, is_first, why, why_size);
    if (status == PDR_OK) {
        status = find_address(home, o, why, why_size);
    }
    if (status != PDR_OK) {
        return status;
    }
    load_contacts(home);
    if (o->join[0] != NULL && (is_new || home->identity.founds || home->contact_count == 0)) {
        status = join(home, o, is_new, why, why_size);
    } else if (is_new) {
        home->identity = identity_new(NULL);
    }
    return status == PDR_OK ? identity_begin(o->data, &home->identity, why, why_size) : status;
}

void home_release(struct home *home)
{
    secret_free(home->secret);
    home->secret = NULL;
}
