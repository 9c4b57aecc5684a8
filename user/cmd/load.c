// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/presence.h"
#include "cmd/commands.h"
#include "dataplane/dataplane.h"

static int parse_xdp(const char *text, enum xdp_choice *ret, struct error *error)
{
	static const char *const names[] = { "auto", "native", "skb", "off" };

	for (unsigned int i = 0; text && i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(text, names[i])) {
			*ret = (enum xdp_choice)i;
			return 0;
		}
	if (!text) {
		*ret = XDP_AUTO;
		return 0;
	}
	return failed(error, -EINVAL, "--xdp '%s' is not known; it is auto, native, skb or off", text);
}

static int collect_listens(const struct arguments *arguments, struct load_options *to, struct error *error)
{
	int err = 0;

	strcpy(to->service.name, "default");
	model_service_defaults(&to->service, RCXLB_HASH_TUPLE);
	for (uint32_t i = 0; i < arguments->options && !err; i++)
		if (!strcmp(arguments->option[i]->name, "--listen")) {
			err = model_service_listen(&to->service, arguments->value[i], error);
			to->set = true;
		}
	if (!err && !to->set)
		err = model_service_listen(&to->service, "*:3000", error);
	return err;
}

static int check_interfaces(const struct arguments *arguments, struct error *error)
{
	int err = arguments_expect(arguments, 1, RCXLB_MAX_INTERFACES, "an interface", error);

	for (uint32_t i = 0; i < arguments->words && !err; i++)
		for (uint32_t k = 0; k < i; k++)
			if (!strcmp(arguments->word[i], arguments->word[k]))
				return failed(error, -EINVAL, "the interface '%s' is given twice", arguments->word[i]);
	return err;
}

/* One of another version makes way; what is checked goes on from where it was. */
static int start_agent(const struct arguments *arguments, bool replaced, struct error *error)
{
	bool foreground = argument(arguments, "--foreground");
	int err = 0;

	if (replaced || foreground)
		err = presence_end(error);
	if (err || argument(arguments, "--no-agent"))
		return err;
	if (foreground)
		return agent_run(true, -1, error);
	return presence_pid() ? 0 : agent_spawn(error);
}

static int run_load(const struct arguments *arguments, struct error *error)
{
	struct load_options options = { .version = RCXLB_VERSION };
	struct load_result result;
	int err;

	err = check_interfaces(arguments, error);
	if (!err && argument(arguments, "--no-agent") && argument(arguments, "--foreground"))
		err = failed(error, -EINVAL, "--no-agent and --foreground exclude each other");
	if (!err)
		err = parse_xdp(argument(arguments, "--xdp"), &options.xdp, error);
	if (!err)
		err = collect_listens(arguments, &options, error);
	if (err)
		return err;
	options.interfaces = arguments->word;
	options.interface_count = arguments->words;
	err = dataplane_load(&options, &result, error);
	if (err)
		return err;
	if (result.replaced)
		puts("The programs were replaced by those of this version; maps and connections stayed.");
	return start_agent(arguments, result.replaced, error);
}

static const struct option_spec load_options[] = {
	{ "--listen", NULL, "ADDR:PORT", "where the service `default` listens; may be repeated; *:3000 if not given",
	  true },
	{ "--xdp", NULL, "auto|native|skb|off", "how the guard is attached; auto: native if the driver can, else skb",
	  false },
	{ "--no-agent", NULL, NULL, "start no agent: no health checks, events and metrics", false },
	{ "--foreground", NULL, NULL, "be the agent, until SIGTERM; for service managers", false },
	OPTIONS_END,
};

const struct command command_load = {
	.name = "load",
	.usage = "INTERFACE... [--listen ADDR:PORT]... [--xdp auto|native|skb|off] [--no-agent | --foreground]",
	.summary = "load the programs, attach them, and start steering",
	.options = load_options,
	.run = run_load,
};

static int run_unload(const struct arguments *arguments, struct error *error)
{
	int err = arguments_expect(arguments, 0, RCXLB_MAX_INTERFACES, "", error);

	if (!err && !arguments->words)
		err = presence_end(error);
	if (!err && !arguments->words)
		presence_forget();
	return err ? err : dataplane_unload(arguments->word, arguments->words, error);
}

static const struct option_spec unload_options[] = { OPTIONS_END };

const struct command command_unload = {
	.name = "unload",
	.usage = "[INTERFACE...]",
	.summary = "take everything away, or the guard off some interfaces; connections stay",
	.options = unload_options,
	.run = run_unload,
};
