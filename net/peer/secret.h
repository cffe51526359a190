/* net/peer/secret.h: the cluster's secret, and what nodes prove and seal with it. Filled by secret_openssl.c.
 *
 * The secret never leaves: what goes over the wire is made of it by HMAC-SHA256 (RFC 2104). A seal is GMAC (AES-256-GCM
 * without plaintext, NIST SP 800-38D), whose nonce is the number of the frame; why, and what it costs, is in
 * docs/decisions/0012-cluster-secret.md. Nothing here can fail but for want of memory, which ends the process. */
#ifndef NET_PEER_SECRET_H
#define NET_PEER_SECRET_H

#include <stdbool.h>
#include <stdint.h>

#include <perdure/bytes.h>
#include <perdure/status.h>

#define SECRET_BYTES_MIN 16u
#define SECRET_BYTES_MAX 1024u
#define SECRET_PROOF_SIZE 32u

struct secret;
struct seal;

/** A copy of `bytes`, SECRET_BYTES_MIN to SECRET_BYTES_MAX of them; else PDR_INVALID, and *why is a static sentence. */
enum pdr_status secret_new(struct pdr_bytes bytes, struct secret **out, const char **why) PDR_MUST_CHECK;
/** Wipes it; NULL is fine. */
void secret_free(struct secret *secret);
/** HMAC-SHA256 of `label`, a 0 byte, and the text. Each label is another function of the secret. */
void secret_prove(const struct secret *secret, const char *label, struct pdr_bytes text,
                  uint8_t proof[SECRET_PROOF_SIZE]);
/** In a time that does not depend on the bytes. */
bool secret_equal(const void *a, const void *b, size_t size);
/** Forgets a key, though the compiler sees no use in it. */
void secret_wipe(void *data, size_t size);
/** Bytes that nobody can foretell, from the operating system: fills peers_world.entropy. Any thread. */
void secret_entropy(void *user, void *out, size_t size);

/** One direction of one connection. `key` has SECRET_PROOF_SIZE bytes, and serves this seal alone. */
struct seal *seal_new(const uint8_t *key);
void seal_free(struct seal *seal);
/** The tag (PEER_TAG_SIZE bytes) of the next frame: its number is counted here, from 0. */
void seal_next(struct seal *seal, struct pdr_bytes frame, uint8_t *tag);

#endif
