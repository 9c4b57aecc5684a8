/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The chunked transfer coding, RFC 9112 7.1, decoded without copying. Extensions and trailers are checked and dropped.
 * Pure.
 */
#ifndef PROXY_HTTP1_CHUNKED_H
#define PROXY_HTTP1_CHUNKED_H

#include "proxy/http1_head.h"

#define HTTP1_MAX_EXTENSION  256	/* bytes behind one chunk's size */
#define HTTP1_MAX_EXTENSIONS (16 << 10) /* of one body */
#define HTTP1_MAX_TRAILERS   (8 << 10)	/* bytes of all trailer lines */

struct http1_chunked {
	uint8_t state;
	uint8_t digits;
	uint64_t left;	/* bytes of the current chunk that are to come */
	uint64_t total; /* bytes of content announced so far */
	uint32_t extension, extensions, trailers;
	const char *why;
};

enum http1_chunk {
	HTTP1_CHUNK_MORE, /* all input was taken */
	HTTP1_CHUNK_DATA,
	HTTP1_CHUNK_END, /* of the body */
	HTTP1_CHUNK_FAILED,
};

/* Before the first byte of a body. */
void http1_chunked_reset(struct http1_chunked *chunked);

/*
 * Takes up to `length` bytes; *used is how many, *ret_data the content in them, which lies in the input.
 * HTTP1_CHUNK_FAILED leaves in *ret_status 400, 413 (more than `most` bytes) or 431, and why in chunked->why.
 */
enum http1_chunk http1_chunked_next(struct http1_chunked *chunked, uint64_t most, const char *input, size_t length,
				    size_t *used, struct http1_span *ret_data, int *ret_status);

#endif
