/* net/transport/address.c: HOST:PORT, split and checked. */
#include "net/transport/address.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define QUOTED_MAX 80 /* characters of a bad address that are shown */

static enum pdr_status refuse(const char *text, const char *what, char *why, size_t why_size)
{
    snprintf(why, why_size, "the address \"%.*s\" %s", QUOTED_MAX, text, what);
    return PDR_INVALID;
}

static bool parse_port(const char *digits, uint16_t *out)
{
    unsigned number = 0;
    size_t size = strlen(digits);
    if (size == 0 || size > 5) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return false;
        }
        number = number * 10 + (unsigned)(digits[i] - '0');
    }
    *out = (uint16_t)number;
    return number <= UINT16_MAX;
}

static bool is_host(const char *host, size_t size, bool bracketed)
{
    for (size_t i = 0; i < size; i++) {
        char c = host[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && c != '.' && c != '-' && c != '_' && !(bracketed && (c == ':' || c == '%'))) {
            return false;
        }
    }
    return size > 0;
}

enum pdr_status address_parse(const char *text, struct address *out, char *why, size_t why_size)
{
    const char *colon = strrchr(text, ':');
    bool bracketed = text[0] == '[';
    if (colon == NULL || colon == text) {
        return refuse(text, "is not HOST:PORT, such as 127.0.0.1:7077", why, why_size);
    }
    const char *host = text + bracketed;
    size_t size = (size_t)(colon - host);
    if (bracketed && (size < 1 || colon[-1] != ']')) {
        return refuse(text, "has a '[' without \"]:PORT\"; IPv6 is written [::1]:7077", why, why_size);
    }
    size -= bracketed;
    bool is_v6 = memchr(host, ':', size) != NULL;
    if (!bracketed && is_v6) {
        return refuse(text, "has more than one ':'; IPv6 is written in brackets, [::1]:7077", why, why_size);
    }
    if (size > ADDRESS_HOST_MAX || bracketed != is_v6 || !is_host(host, size, bracketed)) {
        return refuse(text, "has a host that is neither a name nor an IP address", why, why_size);
    }
    if (!parse_port(colon + 1, &out->port)) {
        return refuse(text, "has a port that is not a number from 0 to 65535", why, why_size);
    }
    memcpy(out->host, host, size);
    out->host[size] = '\0';
    snprintf(out->service, sizeof out->service, "%u", (unsigned)out->port);
    return PDR_OK;
}
