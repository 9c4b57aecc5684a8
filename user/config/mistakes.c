// SPDX-License-Identifier: BSD-2-Clause
#include "config/mistakes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define VALUE_MOST 64 /* bytes of a value that are shown */

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

/* Copies, with control characters made visible, at most `most` bytes of the original. */
static void copy_visibly(char *to, size_t size, const char *from, size_t most)
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

static void note(struct mistakes *mistakes, uint32_t line, const char *value, const char *sentence)
{
	char shown[4 * VALUE_MOST + 8], visible[512];
	struct mistake *to = &mistakes->entry[mistakes->count];

	if (mistakes->count == MISTAKES_MAX) {
		mistakes->more = true;
		return;
	}
	copy_visibly(shown, sizeof(shown), value, VALUE_MOST);
	copy_visibly(visible, sizeof(visible), sentence, sizeof(visible));
	to->line = line;
	snprintf(to->text, sizeof(to->text), "'%.120s': %s", shown, visible);
	for (uint32_t i = 0; i < mistakes->count; i++)
		if (mistakes->entry[i].line == line && !strcmp(mistakes->entry[i].text, to->text))
			return;
	mistakes->count++;
}

void mistake(struct mistakes *mistakes, uint32_t line, const char *value, const char *format, ...)
{
	char sentence[512];
	va_list list;

	va_start(list, format);
	vsnprintf(sentence, sizeof(sentence), format, list);
	va_end(list);
	note(mistakes, line, value, sentence);
}

void mistake_from(struct mistakes *mistakes, uint32_t line, const char *value, const struct error *error)
{
	const char *sentence = error->text;
	size_t length = strlen(value);

	if (sentence[0] == '\'' && !strncmp(sentence + 1, value, length) && sentence[length + 1] == '\'') {
		sentence += length + 2;
		sentence += strspn(sentence, ": ");
	}
	note(mistakes, line, value, sentence);
}

/* Few, and almost in order: insertion sort keeps the order of equals. */
void mistakes_sort(struct mistakes *mistakes)
{
	for (uint32_t i = 1; i < mistakes->count; i++) {
		struct mistake moved = mistakes->entry[i];
		uint32_t to = i;

		for (; to && mistakes->entry[to - 1].line > moved.line; to--)
			mistakes->entry[to] = mistakes->entry[to - 1];
		mistakes->entry[to] = moved;
	}
}
