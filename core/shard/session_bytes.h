/* core/shard/session_bytes.h: rows of sessions to bytes and back: the layout that session.h tells. For session.c. */
#ifndef CORE_SHARD_SESSION_BYTES_H
#define CORE_SHARD_SESSION_BYTES_H

#include "core/shard/session.h"

#define SESSION_VERSION 2u

enum session_row_kind { SESSION_ROW_HOME = 'H', SESSION_ROW_PART = 'P', SESSION_ROW_RESULT = 'R' };

/** Of a row 'P'. */
struct session_results {
    uint64_t floor;
    struct pdr_bytes rest; /* results, for session_bytes_next */
};

struct session_result {
    uint64_t n;
    uint32_t print;
    bool ended, failed;       /* neither: it is begun, and has no outcome */
    struct pdr_bytes outcome; /* encoded */
};

/** Of a row 'R'. */
struct session_logged {
    struct session_id id;
    uint64_t floor;
    struct session_result result;
};

/** False: it is malformed. */
bool session_bytes_results(struct pdr_bytes value, struct session_results *out);
/** Takes the next result off `results`, of which there is some. False: it is malformed. */
bool session_bytes_next(struct session_results *results, struct session_result *out);
/** The value of a row 'R'. False: it is malformed. */
bool session_bytes_result(struct pdr_bytes value, struct session_logged *out);

/** Bytes of the value of a session's row 'P' as of entry `seq`; *is_whole: nothing came later. */
size_t session_bytes_part_size(const struct session *session, uint64_t seq, bool *is_whole);
/** Writes key and value of it into `row`. */
void session_bytes_part(const struct session *session, uint64_t seq, struct session_row *row);

#endif
