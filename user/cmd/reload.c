// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/reload.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/file.h"
#include "core/diff.h"
#include "core/merge.h"
#include "dataplane/dataplane.h"

static void print_line(const char *text, void *context)
{
	(void)context;
	puts(text);
}

struct change {
	struct model running, wished;
	struct facts facts;
	const struct xdp_wishes *interfaces;
};

static int prepare(struct dataplane *dataplane, const struct config *config, struct change *change, struct error *error)
{
	int err = dataplane_read(dataplane, &change->running, error);

	if (!err)
		err = dataplane_facts(dataplane, &change->facts, error);
	if (!err)
		err = model_merge(&change->running, &config->model, &change->wished, error);
	return err;
}

static void print_change(const struct change *change)
{
	uint32_t lines = model_diff(&change->running, &change->wished, print_line, NULL);

	if (change->interfaces)
		lines +=
		    xdp_diff(change->facts.interface, change->facts.interfaces, change->interfaces, print_line, NULL);
	if (!lines)
		puts("no difference");
}

void reload_remember(struct dataplane *dataplane, const char *file)
{
	char *path = realpath(file, NULL);
	struct error error;
	int err = path && strlen(path) < PATH_MAX
		      ? dataplane_remember(dataplane, path, &error)
		      : failed(&error, path ? -ENAMETOOLONG : -errno, "cannot find the full path of %s", file);

	if (err)
		fprintf(stderr, "rcxlb: warning: %s; rcxlb reload will need -c %s\n", error.text, file);
	free(path);
}

int reload_from(const char *file, const struct stat *as_read, const struct config *config,
		const struct xdp_wishes *interfaces, bool dry, struct error *error)
{
	struct change *change = calloc(1, sizeof(*change));
	struct dataplane *dataplane = NULL;
	int err = change ? 0 : failed(error, -ENOMEM, "out of memory");

	if (!err)
		err = dataplane_open(dry ? DATAPLANE_LOOK : DATAPLANE_CHANGE, &dataplane, error);
	if (!err && file_has_changed(file, as_read))
		err = failed(error, -ESTALE, "%s is changed again and again; reload when it is not", file);
	if (!err) {
		change->interfaces = interfaces;
		err = prepare(dataplane, config, change, error);
	}
	if (!err && !dry)
		err = dataplane_become(dataplane, &change->wished, interfaces, error);
	if (!err && !dry)
		reload_remember(dataplane, file);
	dataplane_close(dataplane); /* before anything is printed: who reads slowly must not hold others up */
	if (!err)
		print_change(change);
	free(change);
	return err;
}

/* Nothing else is of interest when nothing is loaded. */
static int check_loaded(struct error *error)
{
	struct dataplane *dataplane;
	int err = dataplane_open(DATAPLANE_LOOK, &dataplane, error);

	if (!err)
		dataplane_close(dataplane);
	return err;
}

/* What is said first counts: -c, RCXLB_CONFIG, the file of the last load or reload, the usual one. */
static int choose_file(const struct arguments *arguments, char *to, struct error *error)
{
	const char *said = argument(arguments, "--config");
	int err;

	if (!said)
		said = getenv("RCXLB_CONFIG");
	if (!said || !*said) {
		err = dataplane_remembered(to, error);
		if (err != -ENOENT)
			return err;
		said = FILE_USUAL;
	}
	if (strlen(said) >= PATH_MAX)
		return failed(error, -ENAMETOOLONG, "the name of the configuration file is too long: %s", said);
	strcpy(to, said);
	return 0;
}

static int read_and_reload(const char *file, bool dry, struct error *error)
{
	static struct config config;
	struct stat as_read;
	int err = file_read(file, &config, &as_read, error);

	return err ? err
		   : reload_from(file, &as_read, &config, config.has_interfaces ? &config.interfaces : NULL, dry,
				 error);
}

static int run(const struct arguments *arguments, struct error *error)
{
	char file[PATH_MAX];
	int err, tries = 0;

	err = arguments_expect(arguments, 0, 0, "", error);
	if (!err)
		err = check_loaded(error);
	if (!err)
		err = choose_file(arguments, file, error);
	if (err)
		return err;
	do
		err = read_and_reload(file, argument(arguments, "--dry-run"), error);
	while (err == -ESTALE && ++tries < RELOAD_TRIES);
	return err;
}

static const struct option_spec options[] = {
	{ "--config", "-c", "FILE",
	  "the configuration; if not given $RCXLB_CONFIG, else the file that was loaded last, else " FILE_USUAL,
	  false },
	{ "--dry-run", NULL, NULL, "print the differences, change nothing", false },
	OPTIONS_END,
};

const struct command command_reload = {
	.name = "reload",
	.usage = "[-c FILE] [--dry-run]",
	.summary = "make the running state what a configuration file says; cut no connection",
	.options = options,
	.run = run,
};
