// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <string.h>

#include "cmd/command.h"
#include "core/number.h"

static const struct option_spec *find_option(const struct command *command, const char *word, size_t length)
{
	for (const struct option_spec *option = command->options; option && option->name; option++)
		if ((strlen(option->name) == length && !strncmp(option->name, word, length)) ||
		    (option->brief && strlen(option->brief) == length && !strncmp(option->brief, word, length)))
			return option;
	return NULL;
}

static void add_option(struct arguments *to, const struct option_spec *option, const char *value)
{
	to->option[to->options] = option;
	to->value[to->options++] = value;
}

/* Of services and interfaces, which may stand behind an address too, no name has a colon. */
static bool is_address(const char *word)
{
	return word[0] != '-' && strchr(word, ':');
}

static int take_option(const struct command *command, int count, char *const *words, int *at, struct arguments *to,
		       struct error *error)
{
	const char *word = words[*at], *equals = strncmp(word, "--", 2) ? NULL : strchr(word, '=');
	const struct option_spec *option = find_option(command, word, equals ? (size_t)(equals - word) : strlen(word));
	const char *value = equals ? equals + 1 : NULL;

	if (!option)
		return failed(error, -EINVAL, "%s has no option '%s'; see: rcxlb %s --help", command->name, word,
			      command->name);
	if (!option->value && equals)
		return failed(error, -EINVAL, "the option %s takes no value, '%s' was given", option->name, value);
	if (option->value && !equals) {
		if (*at + 1 >= count)
			return failed(error, -EINVAL, "the option %s needs a value: %s", option->name, option->value);
		value = words[++*at];
	}
	if (!option->repeated && argument(to, option->name))
		return failed(error, -EINVAL, "the option %s is given twice", option->name);
	add_option(to, option, value ? value : "");
	while (option->repeated == OPTION_LISTED && *at + 1 < count && *at + 1 < ARGUMENTS_MAX &&
	       is_address(words[*at + 1]))
		add_option(to, option, words[++*at]);
	return 0;
}

static int take_verb(const struct command *command, struct arguments *to, struct error *error)
{
	char verbs[128] = "";

	if (!command->verbs)
		return 0;
	to->verb = command->verbs[0];
	if (!to->words)
		return 0;
	for (const char *const *verb = command->verbs; *verb; verb++) {
		if (!strcmp(*verb, to->word[0])) {
			to->verb = *verb;
			memmove(&to->word[0], &to->word[1], --to->words * sizeof(to->word[0]));
			return 0;
		}
		if (strlen(verbs) + strlen(*verb) + 3 < sizeof(verbs))
			strcat(strcat(verbs, verb == command->verbs ? "" : ", "), *verb);
	}
	return failed(error, -EINVAL, "%s does not know '%s'; it knows: %s", command->name, to->word[0], verbs);
}

/* Wherever it stands among options and words, so that it can be added to a command line that is not right yet. */
static bool asks_for_help(const struct command *command, int count, char *const *words)
{
	for (int i = 0; i < count && strcmp(words[i], "--"); i++) {
		const struct option_spec *option = find_option(command, words[i], strlen(words[i]));

		if (!strcmp(words[i], "--help") || !strcmp(words[i], "-h"))
			return true;
		if (option && option->value)
			i++;
	}
	return false;
}

int arguments_parse(const struct command *command, int count, char *const *words, struct arguments *ret,
		    struct error *error)
{
	bool only_words = false;
	int err = 0;

	memset(ret, 0, sizeof(*ret));
	ret->command = command;
	if (asks_for_help(command, count, words))
		return failed(error, -ECANCELED, "help");
	for (int i = 0; i < count && !err; i++) {
		if (i >= ARGUMENTS_MAX)
			return failed(error, -E2BIG, "%s takes at most %d arguments", command->name, ARGUMENTS_MAX);
		if (!only_words && !strcmp(words[i], "--"))
			only_words = true;
		else if (!only_words && words[i][0] == '-' && words[i][1])
			err = take_option(command, count, words, &i, ret, error);
		else
			ret->word[ret->words++] = words[i];
	}
	return err ? err : take_verb(command, ret, error);
}

const char *argument(const struct arguments *arguments, const char *name)
{
	for (uint32_t i = 0; i < arguments->options; i++)
		if (!strcmp(arguments->option[i]->name, name))
			return arguments->value[i];
	return NULL;
}

int argument_number(const struct arguments *arguments, const char *name, unsigned long least, unsigned long most,
		    unsigned long otherwise, unsigned long *ret, struct error *error)
{
	const char *value = argument(arguments, name);

	if (!value) {
		*ret = otherwise;
		return 0;
	}
	if (number_parse(value, least, most, ret))
		return failed(error, -EINVAL, "%s '%s' is not a number from %lu to %lu", name, value, least, most);
	return 0;
}

int argument_factor(const struct arguments *arguments, const char *name, unsigned long least, unsigned long most,
		    unsigned long otherwise, unsigned long *ret, struct error *error)
{
	const char *value = argument(arguments, name);

	if (!value) {
		*ret = otherwise;
		return 0;
	}
	if (number_parse_hundredths(value, least, most, ret))
		return failed(error, -EINVAL, "%s '%s' is not a factor from %.2f to %.2f, as 1.25", name, value,
			      least / 100.0, most / 100.0);
	return 0;
}

bool arguments_verb(const struct arguments *arguments, const char *verb)
{
	return arguments->verb && !strcmp(arguments->verb, verb);
}

int arguments_expect(const struct arguments *arguments, uint32_t least, uint32_t most, const char *what,
		     struct error *error)
{
	const char *name = arguments->command->name, *verb = arguments->verb;

	if (arguments->words < least)
		return failed(error, -EINVAL, "%s%s%s needs %s; see: rcxlb %s --help", name, verb ? " " : "",
			      verb ? verb : "", what, name);
	if (arguments->words > most)
		return failed(error, -EINVAL, "%s%s%s does not know what to do with '%s'; see: rcxlb %s --help", name,
			      verb ? " " : "", verb ? verb : "", arguments->word[most], name);
	return 0;
}
