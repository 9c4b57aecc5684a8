// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_affinity.h"

#include <stdio.h>
#include <string.h>

#define NAME   "rcxlb="
#define DIGITS 16

/* As it was given: 16 digits in lower case, of which one is not 0. */
static uint64_t number_of(const char *digits)
{
	static const char hex[] = "0123456789abcdef";
	uint64_t number = 0;

	for (int i = 0; i < DIGITS; i++) {
		const char *digit = digits[i] ? strchr(hex, digits[i]) : NULL;

		if (!digit)
			return 0;
		number = number << 4 | (uint64_t)(digit - hex);
	}
	return number;
}

/* Pairs are divided by ';' and a blank. */
static uint64_t read_pairs(struct http1_span pairs)
{
	while (pairs.length) {
		const char *end = memchr(pairs.at, ';', pairs.length);
		size_t length = end ? (size_t)(end - pairs.at) : pairs.length;
		struct http1_span pair = http1_trimmed((struct http1_span){ pairs.at, length });
		uint64_t number = 0;

		if (pair.length == sizeof(NAME) - 1 + DIGITS && !memcmp(pair.at, NAME, sizeof(NAME) - 1))
			number = number_of(pair.at + sizeof(NAME) - 1);
		if (number)
			return number;
		length += end ? 1 : 0;
		pairs.at += length;
		pairs.length -= length;
	}
	return 0;
}

uint64_t http_affinity_read(const struct http1_head *request)
{
	for (unsigned int i = 0; i < request->count; i++) {
		const struct http1_field *field = &request->fields[i];
		uint64_t number = 0;

		if (http1_equal_nocase(http1_field_name(request, field), HTTP1_SPAN("Cookie")))
			number = read_pairs(http1_field_value(request, field));
		if (number)
			return number;
	}
	return 0;
}

size_t http_affinity_write(uint64_t number, bool secure, char *to)
{
	return (size_t)snprintf(to, HTTP_AFFINITY_ROOM, "Set-Cookie: " NAME "%016llx; Path=/; HttpOnly%s\r\n",
				(unsigned long long)number, secure ? "; Secure; SameSite=None" : "");
}
