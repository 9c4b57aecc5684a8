// SPDX-License-Identifier: BSD-2-Clause
/* Completion for bash, from the same table as everything else. */
#include <stdio.h>

#include "cmd/commands.h"

static void print_command(const struct command *command)
{
	printf("\t%s) words=\"", command->name);
	for (const char *const *verb = command->verbs; verb && *verb; verb++)
		printf("%s ", *verb);
	for (const struct option_spec *option = command->options; option && option->name; option++)
		printf("%s ", option->name);
	puts("--help\" ;;");
}

static int run(const struct arguments *arguments, struct error *error)
{
	int err = arguments_expect(arguments, 0, 0, "", error);

	if (err)
		return err;
	puts("_rcxlb() {\n\tlocal words\n\tcase ${COMP_WORDS[1]} in");
	for (const struct command *const *command = arguments->all; *command; command++)
		print_command(*command);
	fputs("\tesac\n\t[ \"$COMP_CWORD\" -gt 1 ] || words=\"", stdout);
	for (const struct command *const *command = arguments->all; *command; command++)
		printf("%s ", (*command)->name);
	puts("--help\"\n\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\")\n}");
	puts("complete -F _rcxlb rcxlb");
	return 0;
}

static const struct option_spec options[] = { OPTIONS_END };

const struct command command_completion = {
	.name = "completion",
	.usage = "",
	.summary = "print a script for bash that completes commands and options",
	.options = options,
	.run = run,
};
