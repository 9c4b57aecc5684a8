/* SPDX-License-Identifier: BSD-2-Clause */
/* What a complete head means: where its body ends, for whom it is, what happens to the connection. Pure. */
#ifndef PROXY_HTTP1_MEANING_H
#define PROXY_HTTP1_MEANING_H

#include "proxy/http1_head.h"

/* What must be known of a request to read and to write its answer; it outlives the request's head. */
struct http1_asked {
	bool head;     /* the method is HEAD */
	bool upgrade;  /* to websocket */
	bool keep;     /* the client wants to keep the connection */
	uint8_t minor; /* the client's version */
};

/* Of a request whose meaning was read. */
struct http1_asked http1_asked(const struct http1_head *request);

/*
 * Fills in the second half of the head. `secure`: the client's connection is TLS. Returns 0, or the status to refuse
 * the request with: 400, 413, 417, 421 or 501, and why in the head.
 */
int http1_request_meaning(struct http1_head *head, const struct http1_limits *limits, bool secure);

/*
 * The same of an answer to such a request: 0 or 502. What an answer without a body (HEAD, 1xx, 204, 304; RFC 9112 6.3)
 * says of one must be valid, and is not believed.
 */
int http1_answer_meaning(struct http1_head *head, const struct http1_asked *asked);

#endif
