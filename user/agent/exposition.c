// SPDX-License-Identifier: BSD-2-Clause
#include "agent/exposition.h"

#include <inttypes.h>
#include <stddef.h>

#include "core/utf8.h"

#define NANOSECONDS 1000000000ull

/* One value that is not UTF-8 (an interface may have such a name) would make the reader refuse the whole answer. */
static void write_value(FILE *to, const char *value)
{
	while (*value) {
		unsigned int length = utf8_length(value);

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
