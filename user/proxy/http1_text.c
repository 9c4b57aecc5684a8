// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http1_text.h"

#include <string.h>

#include "proxy/http1_chars.h"

bool http1_equal(struct http1_span a, struct http1_span b)
{
	return a.length == b.length && (!a.length || !memcmp(a.at, b.at, a.length));
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool http1_equal_nocase(struct http1_span a, struct http1_span b)
{
	if (a.length != b.length)
		return false;
	for (size_t i = 0; i < a.length; i++)
		if (lower(a.at[i]) != lower(b.at[i]))
			return false;
	return true;
}

bool http1_equal_folded(struct http1_span a, struct http1_span b)
{
	if (a.length != b.length)
		return false;
	for (size_t i = 0; i < a.length; i++)
		if (http1_folded[(uint8_t)a.at[i]] != http1_folded[(uint8_t)b.at[i]])
			return false;
	return true;
}

static bool blank(char c)
{
	return c == ' ' || c == '\t';
}

struct http1_span http1_trimmed(struct http1_span text)
{
	while (text.length && blank(*text.at)) {
		text.at++;
		text.length--;
	}
	while (text.length && blank(text.at[text.length - 1]))
		text.length--;
	return text;
}

bool http1_list_next(struct http1_span *rest, struct http1_span *ret)
{
	while (rest->length) {
		const char *comma = memchr(rest->at, ',', rest->length);
		size_t length = comma ? (size_t)(comma - rest->at) : rest->length;

		*ret = http1_trimmed((struct http1_span){ rest->at, length });
		length += comma ? 1 : 0;
		rest->at += length;
		rest->length -= length;
		if (ret->length)
			return true;
	}
	return false;
}

bool http1_decimal(struct http1_span text, uint64_t *ret)
{
	uint64_t value = 0;

	if (!text.length)
		return false;
	for (size_t i = 0; i < text.length; i++) {
		uint64_t digit = (uint8_t)text.at[i] - '0';

		if (!http1_is(text.at[i], HTTP1_DIGIT) || value > (INT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*ret = value;
	return true;
}
