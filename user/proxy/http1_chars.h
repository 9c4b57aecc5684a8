/* SPDX-License-Identifier: BSD-2-Clause */
/* Which bytes may stand where in HTTP/1, as one table, and scanning by it. Pure. */
#ifndef PROXY_HTTP1_CHARS_H
#define PROXY_HTTP1_CHARS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http1_chars {
	HTTP1_TOKEN = 1 << 0, /* tchar, RFC 9110 5.6.2 */
	HTTP1_TEXT = 1 << 1,  /* what a field value holds: VCHAR, obs-text, SP, HTAB, RFC 9110 5.5 */
	/*
	 * A request target: VCHAR without " < > \ and #, RFC 3986 2. Browsers send the rest of what the RFC leaves out
	 * (the URL standard's query set). A backslash is a slash to some parsers, a fragment no part of a target.
	 */
	HTTP1_TARGET = 1 << 2,
	HTTP1_DIGIT = 1 << 3,
	HTTP1_HEX = 1 << 4,
	/*
	 * A name or an IPv4 address in Host: unreserved, RFC 3986 2.3. Of reg-name (3.2.2) the percent and sub-delims
	 * are left out: no host is named so, and a comma would make two hosts of one in X-Forwarded-Host.
	 */
	HTTP1_HOST_NAME = 1 << 5,
};

/* A bit set of enum http1_chars for each byte. */
extern const uint8_t http1_char_sets[256];

/*
 * Lower case, and `-` for every token character that is neither letter nor digit: how names are compared that some
 * servers read alike. PHP has `_` for the point too, lighttpd's CGI for all of them.
 */
extern const uint8_t http1_folded[256];

static inline bool http1_is(char c, enum http1_chars set)
{
	return http1_char_sets[(uint8_t)c] & set;
}

/* How many of the `length` bytes from `at` on belong to the set, up to the first that does not. */
static inline size_t http1_prefix(const char *at, size_t length, enum http1_chars set)
{
	size_t i = 0;

	while (i < length && http1_is(at[i], set))
		i++;
	return i;
}

/* http1_prefix() of HTTP1_TEXT, eight bytes at a time. */
size_t http1_text_prefix(const char *at, size_t length);

#endif
