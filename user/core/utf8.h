/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CORE_UTF8_H
#define CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the character that a text begins with (RFC 3629), a final 0 among them; 0 when there is none. */
unsigned int utf8_length(const char *text);

/* Bytes of a text's longest beginning that has at most so many and is whole characters. */
size_t utf8_fit(const char *text, size_t most);

/*
 * Is the text UTF-8 (RFC 3629), without control characters and what some programs take for a line's end (U+0085,
 * U+2028, U+2029) or for a byte-order mark?
 */
bool utf8_is_printable(const char *text);

#endif
