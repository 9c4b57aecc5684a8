// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "agent/presence.h"
#include "cmd/commands.h"
#include "cmd/file.h"
#include "cmd/reload.h"
#include "core/version.h"
#include "dataplane/dataplane.h"

/* What a load without a file begins with. `given`: --listen was. */
static int first_model(const struct arguments *arguments, struct model_service *service, bool *given,
		       struct model *model, struct error *error)
{
	int err = 0;

	*given = false;
	strcpy(service->name, "default");
	model_service_defaults(service, RCXLB_HASH_TUPLE);
	for (uint32_t i = 0; i < arguments->options && !err; i++)
		if (!strcmp(arguments->option[i]->name, "--listen")) {
			err = model_service_listen(service, arguments->value[i], error);
			*given = true;
		}
	if (!err && !*given)
		err = model_service_listen(service, "*:3000", error);
	model_settings_defaults(&model->settings);
	return err ? err : model_service_set(model, service, error);
}

/* How the file, if there is one, wishes the guard on an interface. */
static enum xdp_choice choice_of_file(const struct config *config, const char *name)
{
	const struct xdp_wish *wish = xdp_find(&config->interfaces, name);

	return wish ? wish->xdp : config->xdp;
}

/* Those of the command line, else those of the file, else none. --xdp is said of all of them. */
static int wish_interfaces(const struct arguments *arguments, const struct config *config, struct xdp_wishes *to,
			   struct error *error)
{
	const char *mode = argument(arguments, "--xdp");
	enum xdp_choice xdp = XDP_AUTO;
	int err = mode ? xdp_choice_parse(mode, &xdp, error) : 0;

	for (uint32_t i = 0; i < arguments->words && !err; i++) {
		const char *name = arguments->word[i];

		err = xdp_wish(to, name, mode ? xdp : choice_of_file(config, name), error) ? -EINVAL : 0;
	}
	if (err || arguments->words)
		return err;
	*to = config->interfaces;
	for (uint32_t i = 0; i < to->count && mode; i++)
		to->entry[i].xdp = xdp;
	return 0;
}

static int load_plainly(const struct arguments *arguments, const struct xdp_wishes *interfaces,
			struct load_result *result, struct error *error)
{
	struct load_options options = { .interfaces = interfaces, .version = rcxlb_version };
	struct model_service service = {};
	static struct model model;
	bool given;
	int err;

	err = first_model(arguments, &service, &given, &model, error);
	if (err)
		return err;
	options.model = &model;
	options.listens = given ? &service : NULL;
	options.xdp_said = argument(arguments, "--xdp");
	return dataplane_load(&options, result, error);
}

static int remember(const char *file, struct error *error)
{
	struct dataplane *dataplane;
	int err = dataplane_open(DATAPLANE_CHANGE, &dataplane, error);

	if (err)
		return err;
	reload_remember(dataplane, file);
	dataplane_close(dataplane);
	return 0;
}

/* When rcxlb is loaded already, this is a reload, after programs of another build have been replaced. */
static int load_file(const char *file, const struct stat *as_read, const struct config *config,
		     const struct xdp_wishes *interfaces, struct load_result *result, struct error *error)
{
	struct load_options options = {
		.interfaces = interfaces,
		.model = &config->model,
		.programs_only = true,
		.version = rcxlb_version,
	};
	int err;

	err = dataplane_load(&options, result, error);
	if (err)
		return err;
	return result->was_loaded ? reload_from(file, as_read, config, interfaces, false, error)
				  : remember(file, error);
}

/*
 * One of another version makes way, also when the load that replaced the programs did not come as far as this; what is
 * checked goes on from where it was. So does one whose supervisor has died, which it has no privilege to start again.
 */
static int start_agent(const struct arguments *arguments, bool replaced, struct error *error)
{
	bool foreground = argument(arguments, "--foreground"), none = argument(arguments, "--no-agent");
	int err = 0;

	if (replaced || foreground || presence_is_other() || (!none && presence_lacks_supervisor()))
		err = presence_end(error);
	if (err || none)
		return err;
	if (foreground)
		return agent_run(true, -1, error);
	err = presence_pid() ? -EBUSY : agent_spawn(error);
	return err == -EBUSY ? presence_await(error) : err;
}

/* -ESTALE: the file is to be read again. */
static int read_and_load(const struct arguments *arguments, const char *file, struct load_result *result,
			 struct error *error)
{
	static struct config config;
	struct xdp_wishes interfaces = {};
	struct stat as_read;
	bool named;
	int err = 0;

	if (file)
		err = file_read(file, &config, &as_read, error);
	if (!err)
		err = wish_interfaces(arguments, &config, &interfaces, error);
	named = arguments->words || config.has_interfaces;
	if (!err && !file && !named)
		err = failed(error, -EINVAL, LOAD_NEEDS_INTERFACE);
	if (!err && !named && argument(arguments, "--xdp"))
		err = failed(error, -EINVAL, "--xdp says how interfaces are guarded, and %s names none: name them here",
			     file);
	if (err)
		return err;
	return file ? load_file(file, &as_read, &config, named ? &interfaces : NULL, result, error)
		    : load_plainly(arguments, &interfaces, result, error);
}

static int run_load(const struct arguments *arguments, struct error *error)
{
	const char *file = argument(arguments, "--config");
	bool replaced = false;
	int err, tries = 0;

	if (argument(arguments, "--no-agent") && argument(arguments, "--foreground"))
		return failed(error, -EINVAL, "--no-agent and --foreground exclude each other");
	if (file && argument(arguments, "--listen"))
		return failed(error, -EINVAL, "--listen and -c do not go together: the file %s says where to listen",
			      file);
	do {
		struct load_result result = {};

		err = read_and_load(arguments, file, &result, error);
		replaced |= result.replaced;
	} while (err == -ESTALE && ++tries < RELOAD_TRIES);
	if (err)
		return err;
	if (replaced)
		puts("The programs were replaced by those of this version; maps and connections stayed.");
	return start_agent(arguments, replaced, error);
}

static const struct option_spec load_options[] = {
	{ "--config", "-c", "FILE",
	  "services, backends and interfaces as a file says; interfaces that are named here take the place of the "
	  "file's",
	  false },
	{ "--listen", NULL, "ADDR:PORT",
	  "where the service `default` listens; may be several, or repeated; *:3000 if not "
	  "given",
	  OPTION_LISTED },
	{ "--xdp", NULL, "auto|native|skb|off", "how the guard is attached; auto: native if the driver can, else skb",
	  false },
	{ "--no-agent", NULL, NULL, "start no agent: no health checks, events and metrics", false },
	{ "--foreground", NULL, NULL, "be the agent, until SIGTERM; for service managers", false },
	OPTIONS_END,
};

const struct command command_load = {
	.name = "load",
	.usage = "INTERFACE... [--listen ADDR:PORT]... [--xdp auto|native|skb|off] [--no-agent | --foreground]\n"
		 "[INTERFACE...] -c FILE [--xdp auto|native|skb|off] [--no-agent | --foreground]",
	.summary = "load the programs, attach them, and start steering",
	.options = load_options,
	.run = run_load,
};

/*
 * The agent first, as it would complain about what is taken away under it; before that all that can be known of whether
 * this will do. The lock is not held meanwhile: an agent that is starting waits for it.
 */
static int unload_all(struct error *error)
{
	int loaded = dataplane_may_unload(error), err = 0;

	if (loaded < 0)
		return loaded;
	if (loaded)
		err = presence_end(error);
	if (err)
		return err;
	presence_forget();
	return dataplane_unload(NULL, 0, !loaded && presence_pid(), error);
}

static int run_unload(const struct arguments *arguments, struct error *error)
{
	int err = arguments_expect(arguments, 0, RCXLB_MAX_INTERFACES, "", error);

	if (err)
		return err;
	if (!arguments->words)
		return unload_all(error);
	return dataplane_unload(arguments->word, arguments->words, presence_pid(), error);
}

static const struct option_spec unload_options[] = { OPTIONS_END };

const struct command command_unload = {
	.name = "unload",
	.usage = "[INTERFACE...]",
	.summary = "take everything away, or the guard off some interfaces; connections stay",
	.options = unload_options,
	.run = run_unload,
};
