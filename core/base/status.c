/* core/base/status.c: names and texts of include/perdure/status.h. */
#include <perdure/status.h>
#include <string.h>

struct row {
    const char *wire, *text;
    int http;
    enum pdr_retry retry;
};

static const struct row rows[] = {
#define ROW(name, wire, http, again, text) [PDR_##name] = {wire, text, http, PDR_RETRY_##again},
    PDR_STATUS_TABLE(ROW)
#undef ROW
};

static const struct row *row_of(enum pdr_status status)
{
    return &rows[(unsigned)status < PDR_STATUS_COUNT ? status : PDR_INTERNAL];
}

const char *pdr_status_wire(enum pdr_status status)
{
    return row_of(status)->wire;
}
const char *pdr_status_text(enum pdr_status status)
{
    return row_of(status)->text;
}
int pdr_status_http(enum pdr_status status)
{
    return row_of(status)->http;
}
enum pdr_retry pdr_status_retry(enum pdr_status status)
{
    return row_of(status)->retry;
}

enum pdr_status pdr_status_from_wire(const char *code, unsigned long size)
{
    for (int i = 0; i < PDR_STATUS_COUNT; i++) {
        if (i != PDR_ACTOR && strlen(rows[i].wire) == size && memcmp(rows[i].wire, code, size) == 0) {
            return (enum pdr_status)i;
        }
    }
    return PDR_ACTOR;
}
