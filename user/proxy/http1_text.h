/* SPDX-License-Identifier: BSD-2-Clause */
/* Pieces of text that lie in somebody else's buffer: comparing them, walking lists, reading numbers. Pure. */
#ifndef PROXY_HTTP1_TEXT_H
#define PROXY_HTTP1_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct http1_span {
	const char *at;
	size_t length;
};

#define HTTP1_SPAN(literal) ((struct http1_span){ (literal), sizeof(literal) - 1 })

/* Byte by byte. */
bool http1_equal(struct http1_span a, struct http1_span b);

/* Letters in either case; everything else byte by byte. */
bool http1_equal_nocase(struct http1_span a, struct http1_span b);

/* As http1_folded folds: field names that some servers take for the same. */
bool http1_equal_folded(struct http1_span a, struct http1_span b);

/* Without SP and HTAB (OWS, RFC 9110 5.6.3) at both ends. */
struct http1_span http1_trimmed(struct http1_span text);

/*
 * The next element of a list that commas divide (RFC 9110 5.6.1), without OWS around it; empty elements are passed
 * over. *rest starts as the whole field value and is what follows. False at the end. It knows no quoted strings: for
 * lists of tokens.
 */
bool http1_list_next(struct http1_span *rest, struct http1_span *ret);

/* 1*DIGIT up to 2^63 - 1, nothing else (RFC 9110 8.6). */
bool http1_decimal(struct http1_span text, uint64_t *ret);

#endif
