// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/tls_features.h"
#include "cmd/commands.h"
#include "cmd/print.h"
#include "dataplane/dataplane.h"

#define ALL (FEATURES + TLS_FEATURES)

static int print_as_json(const struct feature *features, bool able)
{
	json_t *all = json_array();

	for (int i = 0; i < ALL; i++)
		json_array_append_new(
		    all, json_pack("{s:s, s:b, s:s, s:b, s:s, s:s}", "name", features[i].name, "have", !features[i].err,
				   "error", features[i].err ? strerror(-features[i].err) : "", "needed",
				   features[i].needed, "purpose", features[i].purpose, "loss", features[i].loss));
	return print_json(json_pack("{s:b, s:o}", "able", able, "features", all));
}

static void print_for_people(const struct feature *features)
{
	struct table *table = table_new("llll");

	table_row(table, "HAVE", "FEATURE", "FOR", "WITHOUT IT THERE IS NO");
	for (int i = 0; i < ALL; i++)
		table_row(table, features[i].err ? "no" : "yes", features[i].name, features[i].purpose,
			  features[i].err ? features[i].loss : "");
	table_print(table);
	table_free(table);
}

static int run(const struct arguments *arguments, struct error *error)
{
	struct feature features[ALL];
	const struct feature *missing = NULL;
	int err = arguments_expect(arguments, 0, 0, "", error);

	if (err)
		return err;
	dataplane_probe(features);
	tls_features(features + FEATURES);
	for (int i = 0; i < ALL && !missing; i++)
		if (features[i].needed && features[i].err)
			missing = &features[i];
	if (argument(arguments, "--json"))
		err = print_as_json(features, !missing);
	else
		print_for_people(features);
	if (err || !missing)
		return err;
	return failed_in_kernel(error, missing->err, "rcxlb cannot steer here: no %s (%s), which is needed for %s",
				missing->name, strerror(-missing->err), missing->purpose);
}

static const struct option_spec options[] = { OPTION_JSON, OPTIONS_END };

const struct command command_doctor = {
	.name = "doctor",
	.usage = "",
	.summary = "what the kernel can do of what rcxlb asks of it, and what is lost without",
	.options = options,
	.run = run,
};
