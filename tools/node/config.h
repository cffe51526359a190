/* tools/node/config.h: the settings of a node, out of tools/node/config_table.h. */
#ifndef TOOLS_NODE_CONFIG_H
#define TOOLS_NODE_CONFIG_H

#include <perdure/status.h>

#include "tools/node/config_table.h"
#include "tools/node/process_uv.h"

#define CONFIG_LIST_MAX 64u

enum config_kind { CONFIG_TEXT, CONFIG_LIST, CONFIG_COUNT, CONFIG_BYTES, CONFIG_DURATION, CONFIG_LEVEL, CONFIG_FORMAT };

struct config_list {
    const char *items[CONFIG_LIST_MAX + 1]; /* ends with NULL */
    size_t count;
};

/** Texts are borrowed from whoever set them. Bytes, milliseconds, an enum log_level or log_format. */
struct config {
#define CONFIG_TYPE_TEXT const char *
#define CONFIG_TYPE_LIST struct config_list
#define CONFIG_TYPE_COUNT uint64_t
#define CONFIG_TYPE_BYTES uint64_t
#define CONFIG_TYPE_DURATION uint64_t
#define CONFIG_TYPE_LEVEL uint64_t
#define CONFIG_TYPE_FORMAT uint64_t
#define CONFIG_MEMBER(field, flag, kind, argument, otherwise, least, most, text) CONFIG_TYPE_##kind field;
    CONFIG_TABLE(CONFIG_MEMBER)
#undef CONFIG_MEMBER
};

/** One row, for help and documentation. */
struct config_row {
    const char *flag;
    enum config_kind kind;
    const char *argument, *otherwise, *least, *most, *text;
    size_t offset; /* in struct config */
};
extern const struct config_row config_rows[];
extern const size_t config_row_count;
/** "size", "number" and so on. */
const char *config_kind_name(enum config_kind kind);

void config_init(struct config *config); /* the defaults */
/** Sets what `--flag text` says. PDR_INVALID: `why` is a sentence. */
enum pdr_status config_set(struct config *config, const char *flag, const char *text, char *why, size_t why_size);
/** What no single flag shows: names, labels, settings that don't fit together. */
enum pdr_status config_check(const struct config *config, char *why, size_t why_size);

/** The options of a process with these settings, which it borrows; `types` (may be NULL) are the plugins'. */
void config_process(const struct config *config, const struct pdr_actor_type *const *types,
                    struct process_options *options);

#endif
