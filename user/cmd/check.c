// SPDX-License-Identifier: BSD-2-Clause
#include <stdio.h>

#include "cmd/commands.h"
#include "cmd/file.h"

static int run(const struct arguments *arguments, struct error *error)
{
	static struct config config;
	uint32_t services = 0, backends = 0;
	struct stat ignored;
	int err;

	err = arguments_expect(arguments, 1, 1, "a configuration file", error);
	if (!err)
		err = file_read(arguments->word[0], &config, &ignored, error);
	if (err)
		return err;
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		services += config.model.service[i].name[0] != 0;
	for (int i = 0; i < RCXLB_MAX_BACKENDS; i++)
		backends += config.model.backend[i].used;
	printf("%s: OK, %u service%s, %u backend%s\n", arguments->word[0], services, services == 1 ? "" : "s", backends,
	       backends == 1 ? "" : "s");
	return 0;
}

static const struct option_spec options[] = { OPTIONS_END };

const struct command command_check = {
	.name = "check",
	.usage = "FILE",
	.summary = "say what is wrong with a configuration file, with its lines; change nothing",
	.options = options,
	.run = run,
};
