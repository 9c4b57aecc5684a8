// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http1_chars.h"

#include <endian.h>
#include <string.h>

#define NAME	  (HTTP1_TOKEN | HTTP1_TEXT | HTTP1_TARGET | HTTP1_HOST_NAME)
#define MARK	  (HTTP1_TOKEN | HTTP1_TEXT | HTTP1_TARGET)
#define DELIMITER (HTTP1_TEXT | HTTP1_TARGET)

const uint8_t http1_char_sets[256] = {
	['\t'] = HTTP1_TEXT,
	[' '] = HTTP1_TEXT,
	['!'] = MARK,
	['"'] = HTTP1_TEXT,
	['#'] = HTTP1_TOKEN | HTTP1_TEXT,
	['$' ... '\''] = MARK,
	['(' ... ')'] = DELIMITER,
	['*' ... '+'] = MARK,
	[','] = DELIMITER,
	['-' ... '.'] = NAME,
	['/'] = DELIMITER,
	['0' ... '9'] = NAME | HTTP1_DIGIT | HTTP1_HEX,
	[':' ... ';'] = DELIMITER,
	['<'] = HTTP1_TEXT,
	['='] = DELIMITER,
	['>'] = HTTP1_TEXT,
	['?' ... '@'] = DELIMITER,
	['A' ... 'F'] = NAME | HTTP1_HEX,
	['G' ... 'Z'] = NAME,
	['['] = DELIMITER,
	['\\'] = HTTP1_TEXT,
	[']'] = DELIMITER,
	['^'] = MARK,
	['_'] = NAME,
	['`'] = MARK,
	['a' ... 'f'] = NAME | HTTP1_HEX,
	['g' ... 'z'] = NAME,
	['{'] = DELIMITER,
	['|'] = MARK,
	['}'] = DELIMITER,
	['~'] = NAME,
	[0x80 ... 0xff] = HTTP1_TEXT,
};

#define EIGHT(c)                                                                                                       \
	[c] = (c), [(c) + 1] = (c) + 1, [(c) + 2] = (c) + 2, [(c) + 3] = (c) + 3, [(c) + 4] = (c) + 4,                 \
	[(c) + 5] = (c) + 5, [(c) + 6] = (c) + 6, [(c) + 7] = (c) + 7
#define SAME(c)	  [c] = (c)
#define LOWER(c)  [c] = (c) | 0x20
#define LOWER4(c) LOWER(c), LOWER((c) + 1), LOWER((c) + 2), LOWER((c) + 3)

/* clang-format off */
const uint8_t http1_folded[256] = {
	EIGHT(0x00), EIGHT(0x08), EIGHT(0x10), EIGHT(0x18),
	SAME(' '), ['!'] = '-', SAME('"'), ['#' ... '\''] = '-', SAME('('), SAME(')'),
	['*' ... '+'] = '-', SAME(','), ['-' ... '.'] = '-', SAME('/'),
	EIGHT('0'), EIGHT('8'),
	SAME('@'), LOWER4('A'), LOWER4('E'), LOWER4('I'), LOWER4('M'), LOWER4('Q'), LOWER4('U'), LOWER('Y'), LOWER('Z'),
	SAME('['), SAME('\\'), SAME(']'), ['^' ... '`'] = '-',
	EIGHT('a'), EIGHT('i'), EIGHT('q'), SAME('y'), SAME('z'),
	SAME('{'), ['|'] = '-', SAME('}'), ['~'] = '-', SAME(0x7f),
	EIGHT(0x80), EIGHT(0x88), EIGHT(0x90), EIGHT(0x98), EIGHT(0xa0), EIGHT(0xa8), EIGHT(0xb0), EIGHT(0xb8),
	EIGHT(0xc0), EIGHT(0xc8), EIGHT(0xd0), EIGHT(0xd8), EIGHT(0xe0), EIGHT(0xe8), EIGHT(0xf0), EIGHT(0xf8),
};
/* clang-format on */

#define EACH(byte) (UINT64_MAX / 255 * (byte))

/* The high bit of each byte that is a control or DEL. No sum carries into the next byte. */
static uint64_t controls(uint64_t word)
{
	uint64_t low = word & EACH(0x7f);

	return (~(low + EACH(0x60)) | (low + EACH(1))) & ~word & EACH(0x80);
}

size_t http1_text_prefix(const char *at, size_t length)
{
	size_t i = 0;

	while (length - i >= sizeof(uint64_t)) {
		uint64_t word, found;

		memcpy(&word, at + i, sizeof(word));
		found = controls(le64toh(word));
		if (!found) {
			i += sizeof(word);
			continue;
		}
		i += __builtin_ctzll(found) / 8;
		if (at[i] != '\t')
			return i;
		i++;
	}
	return i + http1_prefix(at + i, length - i, HTTP1_TEXT);
}
