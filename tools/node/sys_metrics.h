/* tools/node/sys_metrics.h: the rows of `_sys/node.metrics`, for docs/reference/metrics.md. */
#ifndef TOOLS_NODE_SYS_METRICS_H
#define TOOLS_NODE_SYS_METRICS_H

#include <stddef.h>

#include "core/base/metrics.h"

/** In the order of the text; NULL past the end. */
const struct metrics_row *metrics_row_at(size_t i);

#endif
