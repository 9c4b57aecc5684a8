/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of the command line: what a command is, and its arguments once they are sorted. */
#ifndef CMD_COMMAND_H
#define CMD_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"

enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
};

#define OPTION_LISTED 2 /* `repeated`, and addresses behind its value are further values */

struct option_spec {
	const char *name;  /* "--weight" */
	const char *brief; /* "-s", or NULL */
	const char *value; /* what stands behind it, or NULL for a switch */
	const char *help;
	unsigned char repeated; /* true: it may be given more than once; or OPTION_LISTED */
};

struct arguments;

struct command {
	const char *name;
	const char *usage; /* what follows the name; several lines for several forms */
	const char *summary;
	const char *const *verbs; /* of a noun; the first one is meant when none is given. NULL: no noun */
	const struct option_spec *options;
	int (*run)(const struct arguments *arguments, struct error *error); /* 0, or -errno with a sentence */
};

#define ARGUMENTS_MAX 2048 /* more than there can be backends */

struct arguments {
	const struct command *command;
	const struct command *const *all;   /* every command, NULL at the end */
	const char *verb;                   /* of a noun */
	const char *word[ARGUMENTS_MAX];    /* what is neither verb nor option */
	uint32_t words;
	const struct option_spec *option[ARGUMENTS_MAX];
	const char *value[ARGUMENTS_MAX];
	uint32_t options;
};

/* The end of a list of options; every command has --json and --help beside its own. */
#define OPTIONS_END { 0 }
#define OPTION_SERVICE { "--service", "-s", "NAME", "the service meant; without it the only one there is", false }
#define OPTION_JSON { "--json", NULL, NULL, "print JSON", false }

/* Sorts what follows a command's name. -EINVAL with a sentence; -ECANCELED when --help was asked for. */
int arguments_parse(const struct command *command, int count, char *const *words, struct arguments *ret,
		    struct error *error);

/* The value of an option, or NULL. For a switch: not NULL when it is there. */
const char *argument(const struct arguments *arguments, const char *name);

/* The value of an option as a number in a range, or `otherwise` when it is not there. -EINVAL with a sentence. */
int argument_number(const struct arguments *arguments, const char *name, unsigned long least, unsigned long most,
		    unsigned long otherwise, unsigned long *ret, struct error *error);

/* The same for a factor, in hundredths. */
int argument_factor(const struct arguments *arguments, const char *name, unsigned long least, unsigned long most,
		    unsigned long otherwise, unsigned long *ret, struct error *error);

bool arguments_verb(const struct arguments *arguments, const char *verb);

/* -EINVAL with a sentence when there are fewer or more words. `what` says what they are. */
int arguments_expect(const struct arguments *arguments, uint32_t least, uint32_t most, const char *what,
		     struct error *error);

#endif
