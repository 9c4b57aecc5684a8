/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A cookie by which a client comes back to its instance: it holds a number of the client's own, which is hashed instead
 * of the client's address. It says nothing of instances, and nobody has to remember it. Pure.
 */
#ifndef PROXY_HTTP_AFFINITY_H
#define PROXY_HTTP_AFFINITY_H

#include "proxy/http1_head.h"

#define HTTP_AFFINITY_ROOM 96

/* The number that a request has in its cookie (RFC 6265 4.2); 0: none, or no valid one. */
uint64_t http_affinity_read(const struct http1_head *request);

/*
 * The field of an answer that gives it to a client, with its CRLF; for the session, every path, and no script. By TLS
 * it is secure, and comes from within other sites too (a chat window on them). `to` holds HTTP_AFFINITY_ROOM bytes.
 * Returns the bytes written.
 */
size_t http_affinity_write(uint64_t number, bool secure, char *to);

#endif
