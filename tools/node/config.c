/* tools/node/config.c: the settings of a node. */
#include "tools/node/config.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/log.h"
#include "net/transport/address.h"
#include "tools/node/units.h"

#define NAME_MAX_SIZE 63u

const struct config_row config_rows[] = {
#define ROW(field, flag, kind, argument, otherwise, least, most, text)                                                 \
    {flag, CONFIG_##kind, argument, otherwise, least, most, text, offsetof(struct config, field)},
    CONFIG_TABLE(ROW)
#undef ROW
};
const size_t config_row_count = sizeof config_rows / sizeof *config_rows;

static const struct {
    const char *name, *example;
    bool (*parse)(const char *text, uint64_t *out);
} kinds[] = {
    [CONFIG_TEXT] = {"text", "", NULL},
    [CONFIG_LIST] = {"text", "", NULL},
    [CONFIG_COUNT] = {"number", "a whole number", units_parse_count},
    [CONFIG_BYTES] = {"size", "a size such as 512KiB, 64MiB or 2GiB", units_parse_bytes},
    [CONFIG_DURATION] = {"time", "a time such as 500ms, 30s, 5min or 2h", units_parse_duration},
    [CONFIG_LEVEL] = {"level", "", NULL},
    [CONFIG_FORMAT] = {"format", "", NULL},
};

const char *config_kind_name(enum config_kind kind)
{
    return kinds[kind].name;
}

static void *member(struct config *config, const struct config_row *row)
{
    return (char *)config + row->offset;
}

static enum pdr_status set_number(struct config *config, const struct config_row *row, const char *text, char *why,
                                  size_t why_size)
{
    uint64_t least, most, value;
    CHECK(kinds[row->kind].parse(row->least, &least) && kinds[row->kind].parse(row->most, &most));
    if (!kinds[row->kind].parse(text, &value)) {
        snprintf(why, why_size, "--%s takes %s, not \"%.60s\"", row->flag, kinds[row->kind].example, text);
        return PDR_INVALID;
    }
    if (value < least || value > most) {
        snprintf(why, why_size, "--%s is %s to %s, not %.60s", row->flag, row->least, row->most, text);
        return PDR_INVALID;
    }
    *(uint64_t *)member(config, row) = value;
    return PDR_OK;
}

static enum pdr_status set_word(struct config *config, const struct config_row *row, const char *text, char *why,
                                size_t why_size)
{
    bool is_level = row->kind == CONFIG_LEVEL;
    int value = is_level ? log_level_parse(text) : log_format_parse(text);
    if (value < 0) {
        snprintf(why, why_size, "--%s is %s, not \"%.60s\"", row->flag,
                 is_level ? "debug, info, warn or error" : "text or json", text);
        return PDR_INVALID;
    }
    *(uint64_t *)member(config, row) = (uint64_t)value;
    return PDR_OK;
}

static enum pdr_status add_item(struct config *config, const struct config_row *row, const char *text, char *why,
                                size_t why_size)
{
    struct config_list *list = member(config, row);
    if (list->count == CONFIG_LIST_MAX) {
        snprintf(why, why_size, "--%s may be given %u times", row->flag, CONFIG_LIST_MAX);
        return PDR_INVALID;
    }
    list->items[list->count++] = text;
    return PDR_OK;
}

static enum pdr_status set_row(struct config *config, const struct config_row *row, const char *text, char *why,
                               size_t why_size)
{
    switch (row->kind) {
    case CONFIG_TEXT:
        *(const char **)member(config, row) = text;
        return PDR_OK;
    case CONFIG_LIST:
        return add_item(config, row, text, why, why_size);
    case CONFIG_LEVEL:
    case CONFIG_FORMAT:
        return set_word(config, row, text, why, why_size);
    default:
        return set_number(config, row, text, why, why_size);
    }
}

void config_init(struct config *config)
{
    char why[160];
    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < config_row_count; i++) {
        if (config_rows[i].kind != CONFIG_LIST) {
            CHECK(set_row(config, &config_rows[i], config_rows[i].otherwise, why, sizeof why) == PDR_OK);
        }
    }
}

enum pdr_status config_set(struct config *config, const char *flag, const char *text, char *why, size_t why_size)
{
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (strcmp(row->flag, flag) != 0) {
            continue;
        }
        if (*text == 0) {
            snprintf(why, why_size, "--%s is empty; it takes %s", flag, row->argument);
            return PDR_INVALID;
        }
        return set_row(config, row, text, why, why_size);
    }
    snprintf(why, why_size, "there is no setting \"%.60s\"", flag);
    return PDR_INVALID;
}

static bool is_name(const char *text, size_t size)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    return size > 0 && size <= NAME_MAX_SIZE && strspn(text, letters) >= size;
}

/* HOST:PORT,HOST:PORT,... */
static void check_addresses(const char *flag, const char *text, char *why, size_t why_size)
{
    struct address address;
    char one[ADDRESS_HOST_MAX + 16], reason[200];
    for (size_t size; *why == 0; text += size + 1) {
        size = strcspn(text, ",");
        snprintf(one, sizeof one, "%.*s", size < sizeof one ? (int)size : (int)sizeof one - 1, text);
        if (address_parse(one, &address, reason, sizeof reason) != PDR_OK) {
            snprintf(why, why_size, "%s: %s", flag, reason);
        }
        if (text[size] == 0) {
            return;
        }
    }
}

enum pdr_status config_check(const struct config *config, char *why, size_t why_size)
{
    struct address listen;
    *why = 0;
    if (address_parse(config->listen, &listen, why, why_size) != PDR_OK) {
        /* it has said why */
    } else if (*config->advertise != 0 && address_parse(config->advertise, &listen, why, why_size) != PDR_OK) {
        /* the same */
    } else if (*config->name != 0 && !is_name(config->name, strlen(config->name))) {
        snprintf(why, why_size, "--name takes letters, digits, '.', '_' and '-', at most %u, not \"%.60s\"",
                 NAME_MAX_SIZE, config->name);
    } else if (config->log_segment > config->log_size / 2) {
        snprintf(why, why_size, "--log-segment must be at most half of --log-size: the journal needs two files");
    }
    for (size_t i = 0; i < config->join.count && *why == 0; i++) {
        check_addresses("--join", config->join.items[i], why, why_size);
    }
    for (size_t i = 0; i < config->label.count && *why == 0; i++) {
        const char *label = config->label.items[i], *equals = strchr(label, '=');
        if (equals == NULL || !is_name(label, (size_t)(equals - label)) || !is_name(equals + 1, strlen(equals + 1))) {
            snprintf(why, why_size,
                     "--label takes K=V of letters, digits, '.', '_' and '-', such as zone=a, not \"%.60s\"", label);
        }
    }
    return *why == 0 ? PDR_OK : PDR_INVALID;
}

void config_process(const struct config *config, const struct pdr_actor_type *const *types,
                    struct process_options *options)
{
    *options = (struct process_options){
        .data = config->data,
        .threads = (unsigned)config->threads,
        .home = {.secret = *config->secret == 0 ? NULL : config->secret,
                 .advertise = *config->advertise == 0 ? NULL : config->advertise,
                 .join = config->join.items},
        .expect = (uint32_t)config->expect,
        .copies = (uint8_t)config->copies,
        .store = {.cache_bytes = config->store_cache, .memtable_bytes = config->store_buffer},
        .node =
            {
                .name = *config->name == 0 ? NULL : config->name,
                .listen = config->listen,
                .labels = config->label.items,
                .types = types,
                .idle_ms = config->idle,
                .memory_max = config->memory,
                .mailbox_max = (uint32_t)config->mailbox,
                .queued_max = (uint32_t)config->queue,
                .tells_max = (uint32_t)config->tells,
                .outbox_max = (uint32_t)config->outbox,
                .connections_max = (uint32_t)config->connections,
                .outstanding_max = (uint32_t)config->outstanding,
                .unread_ms = config->unread,
                .fibers_max = (uint32_t)config->turns,
                .slow_turn_ms = config->slow_turn,
                .sessions_max = (uint32_t)config->sessions,
                .session_idle_ms = config->session_idle,
                .journal = {.segment_bytes = config->log_segment, .bytes_max = config->log_size},
            },
    };
}
