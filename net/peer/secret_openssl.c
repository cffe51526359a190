/* net/peer/secret_openssl.c: HMAC and GMAC from OpenSSL's libcrypto, and nowhere else. */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include "core/base/check.h"
#include "core/base/endian.h"
#include "core/base/mem.h"
#include "net/peer/secret.h"
#include "net/wire/peer_frame.h"

#define NONCE_SIZE 12

struct secret {
    size_t size;
    uint8_t bytes[SECRET_BYTES_MAX];
};

struct seal {
    EVP_CIPHER_CTX *cipher;
    uint64_t number;
};

enum pdr_status secret_new(struct pdr_bytes bytes, struct secret **out, const char **why)
{
    if (bytes.size < SECRET_BYTES_MIN || bytes.size > SECRET_BYTES_MAX) {
        *why = "the cluster's secret must be 16 to 1024 bytes, and should be drawn at random";
        return PDR_INVALID;
    }
    struct secret *secret = mem_new(sizeof *secret);
    secret->size = bytes.size;
    memcpy(secret->bytes, bytes.data, bytes.size);
    *out = secret;
    return PDR_OK;
}

void secret_free(struct secret *secret)
{
    if (secret != NULL) {
        secret_wipe(secret, sizeof *secret);
        mem_free(secret);
    }
}

void secret_prove(const struct secret *secret, const char *label, struct pdr_bytes text,
                  uint8_t proof[SECRET_PROOF_SIZE])
{
    size_t label_size = strlen(label) + 1;
    unsigned size = 0;
    uint8_t *all = mem_new(label_size + text.size);
    memcpy(all, label, label_size);
    memcpy(all + label_size, text.data, text.size);
    CHECK(HMAC(EVP_sha256(), secret->bytes, (int)secret->size, all, label_size + text.size, proof, &size) != NULL);
    CHECK(size == SECRET_PROOF_SIZE);
    mem_free(all);
}

bool secret_equal(const void *a, const void *b, size_t size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}

void secret_wipe(void *data, size_t size)
{
    OPENSSL_cleanse(data, size);
}

void secret_entropy(void *user, void *out, size_t size)
{
    CHECK(size <= INT32_MAX && RAND_bytes(out, (int)size) == 1);
}

struct seal *seal_new(const uint8_t *key)
{
    struct seal *seal = mem_new(sizeof *seal);
    seal->cipher = EVP_CIPHER_CTX_new();
    CHECK(seal->cipher != NULL && EVP_EncryptInit_ex(seal->cipher, EVP_aes_256_gcm(), NULL, key, NULL) == 1);
    return seal;
}

void seal_free(struct seal *seal)
{
    if (seal != NULL) {
        EVP_CIPHER_CTX_free(seal->cipher); /* wipes the key */
        mem_free(seal);
    }
}

void seal_next(struct seal *seal, struct pdr_bytes frame, uint8_t *tag)
{
    uint8_t nonce[NONCE_SIZE] = {0}, none[16];
    int size = 0;
    put_le64(nonce, seal->number++); /* 2^64 frames: it never comes round */
    CHECK(frame.size <= INT32_MAX);
    CHECK(EVP_EncryptInit_ex(seal->cipher, NULL, NULL, NULL, nonce) == 1 &&
          EVP_EncryptUpdate(seal->cipher, NULL, &size, frame.data, (int)frame.size) == 1 &&
          EVP_EncryptFinal_ex(seal->cipher, none, &size) == 1 &&
          EVP_CIPHER_CTX_ctrl(seal->cipher, EVP_CTRL_GCM_GET_TAG, PEER_TAG_SIZE, tag) == 1);
}
