// SPDX-License-Identifier: BSD-2-Clause
#include "config/mistakes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/visible.h"

#define VALUE_MOST 64 /* bytes of a value that are shown */

static void note(struct mistakes *mistakes, uint32_t line, const char *value, const char *sentence)
{
	char shown[4 * VALUE_MOST + 8], visible[512];
	struct mistake *to = &mistakes->entry[mistakes->count];

	if (mistakes->count == MISTAKES_MAX) {
		mistakes->more = true;
		return;
	}
	visible_copy(shown, sizeof(shown), value, VALUE_MOST);
	visible_copy(visible, sizeof(visible), sentence, sizeof(visible));
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
