/* SPDX-License-Identifier: BSD-2-Clause */
/* An answer's head written anew for the client. Pure. */
#ifndef PROXY_HTTP1_TO_CLIENT_H
#define PROXY_HTTP1_TO_CLIENT_H

#include "proxy/http1_meaning.h"
#include "proxy/http1_write.h"

/* What happens behind the head on the client's side. */
struct http1_reply {
	/*
	 * HTTP1_CHUNKED: the body is written in chunks. HTTP1_LENGTH: as it is. HTTP1_UNTIL_CLOSE: as it is, and
	 * closing ends it (an HTTP/1.0 client knows no chunks, RFC 9112 6.1). HTTP1_SWITCHED: a tunnel begins.
	 */
	enum http1_framing framing;
	bool keep; /* the client's connection may be used again */
	int64_t
	    date; /* when it came, in seconds since 1970, for one that does not say it, RFC 9110 6.6.1; 0: not added */
};

/*
 * How an answer whose meaning was read is given to a client. `close`: its connection shall be closed anyway, for
 * example because its request was not read to its end.
 */
struct http1_reply http1_reply_to(const struct http1_head *answer, const struct http1_asked *asked, bool close);

/*
 * Writes the head of a final answer, or of a 101: the status line, Connection, framing, the set fields, then what the
 * instance sent without what is of one connection only (RFC 9110 7.6.1); Upgrade: websocket stays with 101 and 426.
 * Server and Date are left as they are; without a Date it gets one. Returns the bytes written, or -ENOSPC (answer 502).
 */
ssize_t http1_to_client(const struct http1_head *answer, const struct http1_asked *asked,
			const struct http1_reply *reply, const struct http1_header *set, size_t set_count, char *to,
			size_t room);

/* The same of an HTTP1_INTERIM. 0 bytes to an HTTP/1.0 client, which knows none (RFC 9110 15.2). */
ssize_t http1_interim_to_client(const struct http1_head *answer, const struct http1_asked *asked, char *to,
				size_t room);

#endif
