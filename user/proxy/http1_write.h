/* SPDX-License-Identifier: BSD-2-Clause */
/* Bytes into a bounded buffer, and the frames of the chunked coding. Pure. */
#ifndef PROXY_HTTP1_WRITE_H
#define PROXY_HTTP1_WRITE_H

#include <sys/types.h>

#include "proxy/http1_head.h"

/* What Node takes of a head. One that does not fit with what the proxy adds is refused. */
#define HTTP1_HEAD_ROOM ((16 << 10) - 1)

/* A size of 2^64 - 1 in hexadecimal, with its CRLF. */
#define HTTP1_CHUNK_ROOM 18

struct http1_out {
	char *at, *end;
	bool full; /* something did not fit: what was written is of no use */
};

/* A field that is set to a fixed value, by configuration. */
struct http1_header {
	struct http1_span name, value;
};

void http1_put(struct http1_out *out, struct http1_span text);
void http1_put_decimal(struct http1_out *out, uint64_t number);

/* name ": " value CRLF. */
void http1_put_field(struct http1_out *out, struct http1_span name, struct http1_span value);

#define HTTP1_PUT(out, literal) http1_put((out), HTTP1_SPAN(literal))

/* Bytes written since `to`, or -ENOSPC. */
ssize_t http1_written(const struct http1_out *out, const char *to);

/*
 * The set fields, then those of the message that go on; the empty line is the caller's. Left out are: fields that are
 * set, fields that Connection lists (RFC 9110 7.6.1), those that `goes_on` has a no for.
 */
void http1_put_rest(struct http1_out *out, const struct http1_head *head, const struct http1_header *set,
		    size_t set_count, bool (*goes_on)(const struct http1_field *field));

/*
 * A chunk of `size` bytes, more than 0, is: this, the bytes, HTTP1_CHUNK_TAIL. HTTP1_LAST_CHUNK ends the body. `to`
 * holds HTTP1_CHUNK_ROOM bytes. Returns the bytes written.
 */
size_t http1_chunk_head(uint64_t size, char *to);
#define HTTP1_CHUNK_TAIL "\r\n"
#define HTTP1_LAST_CHUNK "0\r\n\r\n"

/*
 * May it be configured? A valid name and value, and neither a field of the connection, its framing, Host, Expect, nor
 * one of those that say who the client is. Returns NULL, or in words what is wrong.
 */
const char *http1_header_wrong(const struct http1_header *header);

#endif
