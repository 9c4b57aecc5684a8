// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>

#include "cmd/commands.h"
#include "cmd/print.h"
#include "config/emit.h"
#include "dataplane/dataplane.h"

static int print_config(const struct model *model, const struct facts *facts, bool as_json, struct error *error)
{
	json_t *interfaces = json_array(), *tree;
	int err;

	for (uint32_t i = 0; i < facts->interfaces; i++)
		json_array_append_new(interfaces, json_string(facts->interface[i].name));
	tree = config_tree(model, interfaces);
	if (as_json)
		return print_json(tree);
	err = tree ? config_write_yaml(tree, stdout) : -ENOMEM;
	json_decref(tree);
	return err ? failed(error, err, "cannot write the configuration") : 0;
}

static int run(const struct arguments *arguments, struct error *error)
{
	struct dataplane *dataplane;
	struct facts facts;
	struct model model;
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
