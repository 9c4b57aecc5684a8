/* SPDX-License-Identifier: BSD-2-Clause */
/* All that is wrong with a configuration file, each with its line. Pure. */
#ifndef CONFIG_MISTAKES_H
#define CONFIG_MISTAKES_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

#define MISTAKES_MAX 50

struct mistake {
	uint32_t line;	/* from 1 */
	char text[640]; /* "'VALUE': what is wrong; what to do", on one line */
};

struct mistakes {
	uint32_t count;
	bool more; /* than there is room for */
	struct mistake entry[MISTAKES_MAX];
};

/* Notes one, unless it is noted already. Control characters are shown as \xNN; a long value is cut. */
void mistake(struct mistakes *mistakes, uint32_t line, const char *value, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same with the sentence of an error, which may begin with the value itself. */
void mistake_from(struct mistakes *mistakes, uint32_t line, const char *value, const struct error *error);

/* By line; those of one line stay in the order in which they were noted. */
void mistakes_sort(struct mistakes *mistakes);

#endif
