/* net/transport/address.h: HOST:PORT as people write it: "127.0.0.1:7077", "[::1]:7077", "node-3.example:7077". */
#ifndef NET_TRANSPORT_ADDRESS_H
#define NET_TRANSPORT_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#include <perdure/status.h>

#define ADDRESS_HOST_MAX 253u

struct address {
    char host[ADDRESS_HOST_MAX + 1]; /* without brackets */
    char service[6];                 /* the port, in digits without leading zeros */
    uint16_t port;
};

/** Looks at the shape alone. PDR_INVALID: `why` is a sentence that quotes the text. */
enum pdr_status address_parse(const char *text, struct address *out, char *why, size_t why_size) PDR_MUST_CHECK;

#endif
