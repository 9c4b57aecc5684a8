/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Prometheus' text format, version 0.0.4: a family is a name with HELP and TYPE, then its samples, all in one group.
 * Writes to a stream and looks at no result: the caller asks ferror() when all is written.
 */
#ifndef AGENT_EXPOSITION_H
#define AGENT_EXPOSITION_H

#include <linux/types.h>
#include <stdint.h>
#include <stdio.h>

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum family_type {
	FAMILY_GAUGE,
	FAMILY_COUNTER,
	FAMILY_HISTOGRAM,
};

struct family {
	const char *name;
	enum family_type type;
	const char *help; /* a sentence; constant, without backslashes and newlines */
};

/* A list of them ends with one without a name. Values may hold anything. */
struct label {
	const char *name;
	const char *value;
};

/* What stands before the samples of a family. */
void exposition_family(FILE *to, const struct family *family);

/* A sample that is a number. */
void exposition_sample(FILE *to, const struct family *family, const struct label *labels, uint64_t value);

/* A sample in seconds, given in nanoseconds, with all of its digits. */
void exposition_seconds(FILE *to, const struct family *family, const struct label *labels, uint64_t nanoseconds);

/*
 * A histogram of times. `bound` are upper bounds in ms, ascending, `bounds` of them; `number` has one entry more: how
 * many lie within each, and past the last one.
 */
void exposition_histogram(FILE *to, const struct family *family, const struct label *labels, const uint32_t *bound,
			  uint32_t bounds, const __u64 *number, uint64_t sum_ms);

#endif
