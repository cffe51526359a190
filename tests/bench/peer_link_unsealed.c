/* tests/bench/peer_link_unsealed.c: stands in for net/peer/secret_openssl.c in bench_peer_link_unsealed: everything
 * proves, and a seal is all zeros. For measuring alone: the product has no such switch. */
#include <string.h>

#include "net/peer/secret.h"
#include "net/wire/peer_frame.h"

static int nothing;

enum pdr_status secret_new(struct pdr_bytes bytes, struct secret **out, const char **why)
{
    *out = (struct secret *)&nothing;
    return PDR_OK;
}

void secret_free(struct secret *secret) {}

void secret_prove(const struct secret *secret, const char *label, struct pdr_bytes text,
                  uint8_t proof[SECRET_PROOF_SIZE])
{
    memset(proof, 0, SECRET_PROOF_SIZE);
}

bool secret_equal(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) == 0;
}

void secret_wipe(void *data, size_t size) {}

void secret_entropy(void *user, void *out, size_t size)
{
    memset(out, 1, size);
}

struct seal *seal_new(const uint8_t *key)
{
    return (struct seal *)&nothing;
}

void seal_free(struct seal *seal) {}

void seal_next(struct seal *seal, struct pdr_bytes frame, uint8_t *tag)
{
    memset(tag, 0, PEER_TAG_SIZE);
}
