/* perdure/export.h: marks what is public, and results that must not be ignored. */
#ifndef PERDURE_EXPORT_H
#define PERDURE_EXPORT_H

#define PDR_API __attribute__((visibility("default")))
#define PDR_MUST_CHECK __attribute__((warn_unused_result))
#define PDR_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

#endif
