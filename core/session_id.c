/* core/session_id.c: a session's name to bytes and back. */
#include "core/session_id.h"

#include "core/base/endian.h"

void session_id_encode(uint8_t *out, const struct session_id *id)
{
    put_be32(out, id->shard);
    put_be64(out + 4, id->epoch);
    put_be64(out + 12, id->seq);
    put_be64(out + 20, id->random);
}

bool session_id_decode(struct pdr_bytes bytes, struct session_id *out)
{
    const uint8_t *at = bytes.data;
    if (bytes.size != SESSION_ID_SIZE) {
        return false;
    }
    *out = (struct session_id){get_be32(at), get_be64(at + 4), get_be64(at + 12), get_be64(at + 20)};
    return true;
}
