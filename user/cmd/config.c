// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>

#include "cmd/commands.h"
#include "config/emit.h"
#include "dataplane/dataplane.h"

static int print_config(const struct model *model, const struct facts *facts, bool as_json, struct error *error)
{
	json_t *tree = config_tree(model, facts->interface, facts->interfaces);
	int err = tree ? 0 : -ENOMEM;

	/* Not escaped as other JSON: YAML has other escapes for what is beyond 16 bits, and its readers take UTF-8. */
	if (!err && as_json)
		err =
		    json_dumpf(tree, stdout, JSON_COMPACT | JSON_REAL_PRECISION(6)) || putchar('\n') == EOF ? -EIO : 0;
	else if (!err)
		err = config_write_yaml(tree, stdout);
	json_decref(tree);
	if (!err || ferror(stdout)) /* which is said of every command alike, at its end */
		return 0;
	return failed(error, err, "cannot write the configuration: out of memory");
}

static int run(const struct arguments *arguments, struct error *error)
{
	struct dataplane *dataplane;
	struct facts facts;
	static struct model model;
	int err;

	err = arguments_expect(arguments, 0, 0, "", error);
	if (!err)
		err = dataplane_open(DATAPLANE_LOOK, &dataplane, error);
	if (err)
		return err;
	err = dataplane_read(dataplane, &model, error);
	if (!err)
		err = dataplane_facts(dataplane, &facts, error);
	dataplane_close(dataplane);
	return err ? err : print_config(&model, &facts, argument(arguments, "--json"), error);
}

static const struct option_spec options[] = { OPTION_JSON, OPTIONS_END };

const struct command command_config = {
	.name = "config",
	.usage = "",
	.summary = "print the running state as a configuration file",
	.options = options,
	.run = run,
};
