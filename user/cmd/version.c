// SPDX-License-Identifier: BSD-2-Clause
#include <bpf/libbpf.h>
#include <stdio.h>

#include "cmd/commands.h"
#include "cmd/print.h"
#include "core/version.h"
#include "rcxlb/abi.h"

static int run(const struct arguments *arguments, struct error *error)
{
	int err = arguments_expect(arguments, 0, 0, "", error);

	if (err)
		return err;
	if (argument(arguments, "--json"))
		return print_json(json_pack("{s:s, s:i, s:s}", "version", rcxlb_version, "layout", RCXLB_LAYOUT,
					    "libbpf", libbpf_version_string()));
	printf("rcxlb %s (layout %d, libbpf %s)\n", rcxlb_version, RCXLB_LAYOUT, libbpf_version_string());
	return 0;
}

static const struct option_spec options[] = { OPTION_JSON, OPTIONS_END };

const struct command command_version = {
	.name = "version",
	.usage = "",
	.summary = "the version of this program",
	.options = options,
	.run = run,
};
