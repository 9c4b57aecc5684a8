/* SPDX-License-Identifier: BSD-2-Clause */
/* A request's head written anew for the instance. Pure. */
#ifndef PROXY_HTTP1_TO_INSTANCE_H
#define PROXY_HTTP1_TO_INSTANCE_H

#include "proxy/http1_write.h"

/* How the client came, and what is to be made of its requests. */
struct http1_arrival {
	struct http1_span client;	/* its address, IPv6 without brackets */
	uint16_t port;			/* that it dialled */
	bool secure;			/* by TLS */
	bool trusted;			/* it is a proxy whose forwarding fields are believed */
	bool close;			/* the instance shall close its connection after the answer */
	const struct http1_header *set; /* http1_header_wrong() was asked about each */
	size_t set_count;
};

/*
 * Writes the head. Behind the request line come our own fields, since Node passes over lines past its limit:
 * X-Forwarded-For, -Proto, -Host, -Port, X-Real-IP, Forwarded (RFC 7239), then Host, framing, Connection, Expect, the
 * set fields, then what the client sent, without what is of one connection only (RFC 9110 7.6.1), and Via as its last
 * entry (RFC 9110 7.6.3). The client's own forwarding fields are dropped, other marks counting as `-`; of a trusted peer
 * the lists are continued (but not a line with an open quote), and the others kept where it sent exactly one. No
 * Connection list touches them. The body goes on as request->framing says: as it is, or in chunks.
 *
 * Returns the bytes written, or -ENOSPC (answer 431).
 */
ssize_t http1_to_instance(const struct http1_head *request, const struct http1_arrival *arrival, char *to, size_t room);

#endif
