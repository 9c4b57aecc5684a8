/* SPDX-License-Identifier: BSD-2-Clause */
/* The field names that the proxy itself understands. Every other field goes on as it came. Pure. */
#ifndef PROXY_HTTP1_NAMES_H
#define PROXY_HTTP1_NAMES_H

#include <stdbool.h>

#include "proxy/http1_text.h"

enum http1_name {
	HTTP1_OTHER,
	/* Of one connection only, RFC 9110 7.6.1. */
	HTTP1_CONNECTION,
	HTTP1_KEEP_ALIVE,
	HTTP1_PROXY_CONNECTION,
	HTTP1_TE,
	HTTP1_TRAILER,
	HTTP1_TRANSFER_ENCODING,
	HTTP1_UPGRADE,
	HTTP1_HTTP2_SETTINGS, /* RFC 7540 3.2.1; goes with Upgrade: h2c */
	/* End to end, written anew. */
	HTTP1_CONTENT_LENGTH,
	HTTP1_HOST,
	HTTP1_EXPECT,
	HTTP1_VIA, /* goes on, with one more entry */
	/* Who the client is: ours to say. */
	HTTP1_X_FORWARDED_FOR,
	HTTP1_X_FORWARDED_PROTO,
	HTTP1_X_FORWARDED_HOST,
	HTTP1_X_FORWARDED_PORT,
	HTTP1_X_FORWARDED_MORE, /* any other X-Forwarded-… */
	HTTP1_X_REAL_IP,
	HTTP1_FORWARDED, /* RFC 7239 */
};

/*
 * Folded as http1_folded folds: Content_Length and Content.Length are found as HTTP1_CONTENT_LENGTH, and *odd says that
 * it is written with another character than `-`. Such a field means nothing and is never forwarded, since a server
 * could take it for the real one.
 */
enum http1_name http1_name_of(struct http1_span name, bool *odd);

/* A field of one connection, or of its framing: neither goes through a proxy as it came. */
static inline bool http1_name_is_hop(enum http1_name name)
{
	return name >= HTTP1_CONNECTION && name <= HTTP1_CONTENT_LENGTH;
}

static inline bool http1_name_is_forwarding(enum http1_name name)
{
	return name >= HTTP1_X_FORWARDED_FOR && name <= HTTP1_FORWARDED;
}

#endif
