// SPDX-License-Identifier: BSD-2-Clause
/* The command table, and what is common to all commands. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "core/visible.h"
#include "dataplane/dataplane.h"

static const struct command *const commands[] = {
	&command_load,	     &command_unload,
	&command_reload,     &command_status,
	&command_services,   &command_backends,
	&command_why,	     &command_check,
	&command_config,     &command_events,
	&command_doctor,     &command_version,
	&command_completion, NULL,
};

static void print_usage(void)
{
	puts("Usage: rcxlb [--verbose] COMMAND ...\n");
	for (const struct command *const *command = commands; *command; command++)
		printf("  %-12s%s\n", (*command)->name, (*command)->summary);
	puts("\nrcxlb COMMAND --help tells more. --verbose shows what libbpf and libxdp say.");
}

/* A line for each form that the command has. */
static void print_help(const struct command *command)
{
	const char *form = command->usage;

	printf("rcxlb %s: %s\n\n", command->name, command->summary);
	while (form) {
		size_t length = strcspn(form, "\n");

		printf("  rcxlb %s %.*s\n", command->name, (int)length, form);
		form = form[length] ? form + length + 1 : NULL;
	}
	puts("");
	for (const struct option_spec *option = command->options; option && option->name; option++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s%s%s", option->brief ? option->brief : "",
			 option->brief ? ", " : "", option->name, option->value ? " " : "",
			 option->value ? option->value : "");
		printf("  %-32s  %s\n", left, option->help);
	}
	printf("  %-32s  %s\n", "-h, --help", "print this");
}

static const struct command *find_command(const char *name)
{
	for (const struct command *const *command = commands; *command; command++)
		if (!strcmp((*command)->name, name))
			return *command;
	return NULL;
}

/* One line, whatever the arguments were. */
static int complain(const struct error *error, int status)
{
	char visible[4 * sizeof(error->text)];

	visible_copy(visible, sizeof(visible), error->text, sizeof(error->text));
	fprintf(stderr, "rcxlb: %s\n", visible);
	return status;
}

/* Commands look at no result of printf(). */
static int finish_output(struct error *error)
{
	if (fflush(stdout))
		return failed(error, -errno, "cannot write the output: %s", strerror(errno));
	return ferror(stdout) ? failed(error, -EIO, "cannot write all of the output") : 0;
}

static int run(const struct command *command, int count, char **words)
{
	static struct arguments arguments;
	struct error error = { "" }, unwritten;
	int err = arguments_parse(command, count, words, &arguments, &error), lost;

	if (err == -ECANCELED) {
		print_help(command);
		return EXIT_DONE;
	}
	if (err)
		return complain(&error, EXIT_USAGE);
	arguments.all = commands;
	err = command->run(&arguments, &error);
	lost = finish_output(&unwritten);
	if (!err && lost) {
		err = lost;
		error = unwritten;
	}
	if (!err)
		return EXIT_DONE;
	if (!error.text[0])
		error_set(&error, "%s: %s", command->name, strerror(-err));
	return complain(&error, err == -EINVAL ? EXIT_USAGE : EXIT_FAILED);
}

int main(int argc, char **argv)
{
	const struct command *command;
	struct error error;
	int first = 1;

	if (first < argc && !strcmp(argv[first], "--verbose"))
		first++;
	dataplane_verbose(first == 2);
	if (first >= argc) {
		error_set(&error, "no command was given; see: rcxlb --help");
		return complain(&error, EXIT_USAGE);
	}
	if (!strcmp(argv[first], "--help") || !strcmp(argv[first], "-h") || !strcmp(argv[first], "help")) {
		print_usage();
		return EXIT_DONE;
	}
	command = find_command(argv[first]);
	if (!command) {
		error_set(&error, "there is no command '%s'; see: rcxlb --help", argv[first]);
		return complain(&error, EXIT_USAGE);
	}
	return run(command, argc - first - 1, argv + first + 1);
}
