/* SPDX-License-Identifier: BSD-2-Clause */
/* Every key of a configuration file: what it may hold, what it is for, and where the reader puts it. Pure. */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"

enum config_kind {
	CONFIG_TEXT,
	CONFIG_NUMBER, /* from `least` to `most` */
	CONFIG_FACTOR, /* with at most two digits behind the point; `least` and `most` are in hundredths */
	CONFIG_FLAG,   /* true or false */
	CONFIG_TEXTS,  /* a list of texts */
	CONFIG_PAIRS,  /* a mapping of names to texts; take() gets each pair */
	CONFIG_SECTION,
	CONFIG_SECTIONS, /* a list of them */
	CONFIG_LATER,	 /* this version does not have it yet */
};

struct draft_value {
	const char *name; /* of a pair */
	const char *text;
	uint32_t line;
};

struct config_key {
	const char *section; /* as "services[].health"; empty: the file itself */
	const char *name;
	unsigned long least, most;
	const char *values;  /* what may stand there, in words; NULL: kind and range say it */
	const char *usual;   /* what holds when it is not there, in words; NULL: nothing */
	const char *purpose; /* one sentence, without a final point */

	/* For the reader. Numbers, factors and flags are put at `offset`, with `width` bytes; texts are taken by
	 * take(). */
	size_t offset, width;
	int (*take)(const struct draft_value *value, void *section, struct error *error);
	/* Sections: where one is put; NULL with a sentence: nowhere. `bare`: the key that a text in its place stands
	 * for. */
	void *(*open)(void *section, struct error *error);
	const char *bare;

	enum config_kind kind;
	bool needed; /* a section without it is an error */
	bool single; /* a list may be written as its only entry; one without an entry is an error */
};

/* All keys; those of one section stand together, and a section behind the one that it is in. */
const struct config_key *config_keys(uint32_t *ret_count);

/* The key of that name in a section, or NULL. */
const struct config_key *config_key_find(const char *section, const char *name);

/* Where a key stands in its section, from 0. */
uint32_t config_key_place(const struct config_key *key);

/* The key's own section: "services[]" of "services". `to` holds CONFIG_PATH_LEN bytes. Returns `to`. */
#define CONFIG_PATH_LEN 64
const char *config_key_path(const struct config_key *key, char to[CONFIG_PATH_LEN]);

/* The name in that section that is nearest to a wrong one, or NULL. */
const char *config_key_nearest(const char *section, const char *name);

#endif
