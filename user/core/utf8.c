// SPDX-License-Identifier: BSD-2-Clause
#include "core/utf8.h"

#include <stdint.h>

static bool is_printable(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c < 0xa0))
		return false;
	return c != 0x2028 && c != 0x2029 && c != 0xfeff && c != 0xfffe && c != 0xffff;
}

/* Reads one character: how many bytes it has, 0 when it is none. A final 0 is no continuation. */
static unsigned int read_one(const unsigned char *text, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned int bytes = text[0] < 0x80	    ? 1
			     : text[0] >> 5 == 0x6  ? 2
			     : text[0] >> 4 == 0xe  ? 3
			     : text[0] >> 3 == 0x1e ? 4
						    : 0;

	if (!bytes)
		return 0;
	*ret = bytes == 1 ? text[0] : text[0] & (0x7fu >> bytes);
	for (unsigned int i = 1; i < bytes; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*ret = *ret << 6 | (text[i] & 0x3f);
	}
	return *ret < least[bytes] || *ret > 0x10ffff || (*ret >= 0xd800 && *ret < 0xe000) ? 0 : bytes;
}

unsigned int utf8_length(const char *text)
{
	uint32_t character;

	return read_one((const unsigned char *)text, &character);
}

size_t utf8_fit(const char *text, size_t most)
{
	size_t fits = 0;

	for (;;) {
		unsigned int length = text[fits] ? utf8_length(text + fits) : 0;

		if (!length || fits + length > most)
			return fits;
		fits += length;
	}
}

bool utf8_is_printable(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;
	uint32_t character;

	while (*at) {
		unsigned int bytes = read_one(at, &character);

		if (!bytes || !is_printable(character))
			return false;
		at += bytes;
	}
	return true;
}
