/* SPDX-License-Identifier: BSD-2-Clause */
/* Host names as TLS clients ask for them (server_name, RFC 6066 section 3) and as certificates carry them. Pure. */
#ifndef PROXY_TLS_NAMES_H
#define PROXY_TLS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* A DNS name has at most 253 characters (RFC 1035 section 2.3.4); with the final 0. */
#define TLS_NAME_MAX 254

/*
 * A DNS name of `length` bytes in the form in which names are compared: lower case, no final dot. With `wildcard` its
 * first label may be `*` alone. Returns false for what is no such name (empty labels, other characters, a 0 inside, an
 * IP address: RFC 6066 forbids these as server_name).
 */
bool tls_name_normalize(const char *name, size_t length, bool wildcard, char to[static TLS_NAME_MAX]);

/*
 * Whether a certificate's name covers a host (RFC 6125 section 6.4.3): equal, or `*` in place of its whole first label,
 * which stands for exactly one label. Both normalized.
 */
bool tls_name_covers(const char *pattern, const char *host);

/* The wildcard that would cover the host: `*` and everything after its first label; false when there is none. */
bool tls_name_wildcard(const char *host, char to[static TLS_NAME_MAX]);

#endif
