// SPDX-License-Identifier: BSD-2-Clause
#include "agent/exposition.h"

#include <inttypes.h>
#include <stddef.h>

#define NANOSECONDS 1000000000ull

/* Bytes of the UTF-8 character that a text begins with (RFC 3629, section 4), or 0 when there is none. */
static size_t character_length(const unsigned char *text)
{
	size_t more = text[0] < 0x80 ? 0 : text[0] < 0xe0 ? 1 : text[0] < 0xf0 ? 2 : 3;
	/* The second byte shuts out longer forms than needed, surrogates, and what is past U+10FFFF. */
	unsigned char least = text[0] == 0xe0 ? 0xa0 : text[0] == 0xf0 ? 0x90 : 0x80;
	unsigned char most = text[0] == 0xed ? 0x9f : text[0] == 0xf4 ? 0x8f : 0xbf;

	if ((text[0] >= 0x80 && text[0] < 0xc2) || text[0] > 0xf4)
		return 0;
	for (size_t i = 1; i <= more; i++) {
		if (text[i] < least || text[i] > most)
			return 0;
		least = 0x80;
		most = 0xbf;
	}
	return more + 1;
}

/* One value that is not UTF-8 (an interface may have such a name) would make the reader refuse the whole answer. */
static void write_value(FILE *to, const char *value)
{
	while (*value) {
		size_t length = character_length((const unsigned char *)value);

		if (*value == '\n')
			fputs("\\n", to);
		else if (*value == '\\' || *value == '"')
			fprintf(to, "\\%c", *value);
		else if (length)
			fwrite(value, 1, length, to);
		else
			fputs("\xef\xbf\xbd", to); /* U+FFFD */
		value += length ? length : 1;
	}
}

static void write_series(FILE *to, const struct family *family, const struct label *labels)
{
	fputs(family->name, to);
	for (const struct label *label = labels; label->name; label++) {
		fprintf(to, "%c%s=\"", label == labels ? '{' : ',', label->name);
		write_value(to, label->value);
		putc('"', to);
	}
	fputs(labels->name ? "} " : " ", to);
}

void exposition_family(FILE *to, const struct family *family)
{
	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
		family->type == FAMILY_COUNTER ? "counter" : "gauge");
}

void exposition_sample(FILE *to, const struct family *family, const struct label *labels, uint64_t value)
{
	write_series(to, family, labels);
	fprintf(to, "%" PRIu64 "\n", value);
}

void exposition_seconds(FILE *to, const struct family *family, const struct label *labels, uint64_t nanoseconds)
{
	write_series(to, family, labels);
	fprintf(to, "%llu.%09llu\n", (unsigned long long)(nanoseconds / NANOSECONDS),
		(unsigned long long)(nanoseconds % NANOSECONDS));
}
