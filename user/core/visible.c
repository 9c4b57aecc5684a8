// SPDX-License-Identifier: BSD-2-Clause
#include "core/visible.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Bytes that may be one character of UTF-8; of something else it may be any. */
static size_t character_length(const char *text)
{
	size_t length = 1;

	while ((text[length] & 0xc0) == 0x80 && length < 4)
		length++;
	return length;
}

/* C0, DEL and C1: a terminal would obey them. */
static bool is_control(const char *text)
{
	unsigned char first = text[0], second = first ? text[1] : 0;

	return first < 0x20 || first == 0x7f || (first == 0xc2 && second >= 0x80 && second < 0xa0);
}

void visible_copy(char *to, size_t size, const char *from, size_t most)
{
	size_t used = 0, done = 0, length;

	to[0] = 0;
	for (; from[done]; done += length) {
		length = character_length(from + done);
		if (done + length > most || used + 4 * length + 4 > size) {
			strcpy(to + used, "...");
			return;
		}
		if (!is_control(from + done)) {
			memcpy(to + used, from + done, length);
			used += length;
		} else {
			for (size_t i = 0; i < length; i++, used += 4)
				snprintf(to + used, 5, "\\x%02x", (unsigned char)from[done + i]);
		}
		to[used] = 0;
	}
}
