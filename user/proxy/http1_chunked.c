// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http1_chunked.h"

#include "proxy/http1_chars.h"

enum state {
	SIZE,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER, /* the first byte of a line */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	END_LF,
	ENDED,
};

void http1_chunked_reset(struct http1_chunked *chunked)
{
	*chunked = (struct http1_chunked){ .state = SIZE };
}

static unsigned int hex(char c)
{
	return http1_is(c, HTTP1_DIGIT) ? c - '0' : (c | 0x20) - 'a' + 10;
}

static int take_size(struct http1_chunked *chunked, char c)
{
	if (http1_is(c, HTTP1_HEX)) {
		if (chunked->digits++ == 16 || chunked->left > INT64_MAX >> 4)
			return http1_refused(chunked, 400, "a chunk of 2^63 bytes or more (RFC 9112 7.1)");
		chunked->left = chunked->left << 4 | hex(c);
		return 0;
	}
	/* The grammar allows blanks before an extension (7.1.1, BWS). Parsers that differ here were used to smuggle. */
	if (!chunked->digits || (c != '\r' && c != ';'))
		return http1_refused(chunked, 400, "no valid chunk size (RFC 9112 7.1)");
	chunked->extension = 0;
	chunked->state = c == '\r' ? SIZE_LF : EXTENSION;
	return 0;
}

static int take_extension(struct http1_chunked *chunked, char c)
{
	if (c == '\r') {
		chunked->state = SIZE_LF;
		return 0;
	}
	if (!http1_is(c, HTTP1_TEXT))
		return http1_refused(chunked, 400, "a control character in a chunk extension (RFC 9112 7.1.1)");
	if (++chunked->extension > HTTP1_MAX_EXTENSION || ++chunked->extensions > HTTP1_MAX_EXTENSIONS)
		return http1_refused(chunked, 400, "chunk extensions that are too long (RFC 9112 7.1.1)");
	return 0;
}

static int end_size(struct http1_chunked *chunked, uint64_t most)
{
	if (chunked->left > most - chunked->total)
		return http1_refused(chunked, 413, "a body that is too large (RFC 9110 15.5.14)");
	chunked->total += chunked->left;
	chunked->digits = 0;
	chunked->state = chunked->left ? DATA : TRAILER;
	return 0;
}

/* Field lines as in a head, RFC 9112 7.1.2. */
static int take_trailer(struct http1_chunked *chunked, char c)
{
	if (chunked->state == TRAILER && c == '\r') {
		chunked->state = END_LF;
		return 0;
	}
	if (++chunked->trailers > HTTP1_MAX_TRAILERS)
		return http1_refused(chunked, 431, "trailers that are too large (RFC 6585 5)");
	if (chunked->state == TRAILER_VALUE) {
		if (c == '\r')
			chunked->state = TRAILER_LF;
		else if (!http1_is(c, HTTP1_TEXT))
			return http1_refused(chunked, 400, "a control character in a trailer (RFC 9110 5.5)");
		return 0;
	}
	if (chunked->state == TRAILER_NAME && c == ':')
		chunked->state = TRAILER_VALUE;
	else if (http1_is(c, HTTP1_TOKEN))
		chunked->state = TRAILER_NAME;
	else
		return http1_refused(chunked, 400, "no valid field name in a trailer (RFC 9112 5.1)");
	return 0;
}

/* One byte that is not content. 0, or the status to refuse it with. */
static int take(struct http1_chunked *chunked, uint64_t most, char c)
{
	switch (chunked->state) {
	case SIZE:
		return take_size(chunked, c);
	case EXTENSION:
		return take_extension(chunked, c);
	case TRAILER:
	case TRAILER_NAME:
	case TRAILER_VALUE:
		return take_trailer(chunked, c);
	case DATA_CR:
		if (c != '\r')
			return http1_refused(chunked, 400, "a chunk longer than its size (RFC 9112 7.1)");
		chunked->state = DATA_LF;
		return 0;
	default:
		break;
	}
	if (c != '\n')
		return http1_refused(chunked, 400, "a bare CR in the chunked coding (RFC 9112 2.2)");
	if (chunked->state == SIZE_LF)
		return end_size(chunked, most);
	if (chunked->state == TRAILER_LF)
		chunked->trailers++;
	if (chunked->state == DATA_LF)
		chunked->state = SIZE;
	else
		chunked->state = chunked->state == TRAILER_LF ? TRAILER : ENDED;
	return 0;
}

enum http1_chunk http1_chunked_next(struct http1_chunked *chunked, uint64_t most, const char *input, size_t length,
				    size_t *used, struct http1_span *ret_data, int *ret_status)
{
	size_t at = 0;

	while (at < length && chunked->state != ENDED) {
		int status;

		if (chunked->state == DATA) {
			size_t data = chunked->left < length - at ? chunked->left : length - at;

			*ret_data = (struct http1_span){ input + at, data };
			chunked->left -= data;
			if (!chunked->left)
				chunked->state = DATA_CR;
			*used = at + data;
			return HTTP1_CHUNK_DATA;
		}
		status = take(chunked, most, input[at]);
		if (status) {
			*ret_status = status;
			return HTTP1_CHUNK_FAILED;
		}
		at++;
	}
	*used = at;
	return chunked->state == ENDED ? HTTP1_CHUNK_END : HTTP1_CHUNK_MORE;
}
