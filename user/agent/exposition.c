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

static void write_series(FILE *to, const struct family *family, const char *suffix, const struct label *labels)
{
	fprintf(to, "%s%s", family->name, suffix);
	for (const struct label *label = labels; label->name; label++) {
		fprintf(to, "%c%s=\"", label == labels ? '{' : ',', label->name);
		write_value(to, label->value);
		putc('"', to);
	}
	fputs(labels->name ? "} " : " ", to);
}

void exposition_family(FILE *to, const struct family *family)
{
	static const char *const types[] = {
		[FAMILY_GAUGE] = "gauge",
		[FAMILY_COUNTER] = "counter",
		[FAMILY_HISTOGRAM] = "histogram",
	};

	fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name, types[family->type]);
}

void exposition_sample(FILE *to, const struct family *family, const struct label *labels, uint64_t value)
{
	write_series(to, family, "", labels);
	fprintf(to, "%" PRIu64 "\n", value);
}

void exposition_seconds(FILE *to, const struct family *family, const struct label *labels, uint64_t nanoseconds)
{
	write_series(to, family, "", labels);
	fprintf(to, "%llu.%09llu\n", (unsigned long long)(nanoseconds / NANOSECONDS),
		(unsigned long long)(nanoseconds % NANOSECONDS));
}

#define MOST_LABELS 8

void exposition_histogram(FILE *to, const struct family *family, const struct label *labels, const uint32_t *bound,
			  uint32_t bounds, const __u64 *number, uint64_t sum_ms)
{
	struct label all[MOST_LABELS + 2] = {};
	unsigned int count = 0;
	uint64_t total = 0;
	char le[16];

	for (; labels[count].name && count < MOST_LABELS; count++)
		all[count] = labels[count];
	all[count] = (struct label){ "le", le };
	for (uint32_t i = 0; i <= bounds; i++) {
		total += number[i];
		if (i < bounds)
			snprintf(le, sizeof(le), "%g", bound[i] / 1000.0);
		else
			snprintf(le, sizeof(le), "+Inf");
		write_series(to, family, "_bucket", all);
		fprintf(to, "%" PRIu64 "\n", total);
	}
	write_series(to, family, "_sum", labels);
	fprintf(to, "%llu.%03llu\n", (unsigned long long)(sum_ms / 1000), (unsigned long long)(sum_ms % 1000));
	write_series(to, family, "_count", labels);
	fprintf(to, "%" PRIu64 "\n", total);
}
