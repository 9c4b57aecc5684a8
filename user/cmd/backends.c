// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/drain.h"
#include "cmd/print.h"
#include "core/endpoint.h"
#include "core/state.h"
#include "dataplane/dataplane.h"

#define MOST_SECONDS 31536000ul /* a year */

static void list_service(const struct model *model, const struct facts *facts, const struct model_service *service,
			 json_t *json, struct table *table)
{
	uint16_t members[RCXLB_MAX_BACKENDS];
	uint32_t count = model_members(model, service, members);
	char text[RCXLB_TEXT_LEN], weight[16], most[16];

	for (uint32_t i = 0; i < count; i++) {
		const struct model_backend *backend = &model->backend[members[i]];
		struct state_input input = dataplane_state(model, facts, members[i]);
		const char *state = state_name(&input);

		endpoint_format(&backend->endpoint, text);
		if (json) {
			json_array_append_new(json,
					      json_pack("{s:s, s:s, s:i, s:I, s:s}", "service", service->name,
							"address", text, "weight", backend->weight, "max_connections",
							(json_int_t)backend->max_connections, "state", state));
			continue;
		}
		snprintf(weight, sizeof(weight), "%u", backend->weight);
		snprintf(most, sizeof(most), "%u", backend->max_connections);
		table_row(table, service->name, text, weight, backend->max_connections ? most : "-", state);
	}
}

static void print_all(const struct model *model, const struct facts *facts, const struct model_service *only)
{
	struct table *table = table_new("llrrl");

	table_row(table, "SERVICE", "BACKEND", "WEIGHT", "MAX", "STATE");
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (model->service[i].name[0] && (!only || only == &model->service[i]))
			list_service(model, facts, &model->service[i], NULL, table);
	table_print(table);
	table_free(table);
}

static int print_all_as_json(const struct model *model, const struct facts *facts, const struct model_service *only)
{
	json_t *json = json_array();

	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (model->service[i].name[0] && (!only || only == &model->service[i]))
			list_service(model, facts, &model->service[i], json, NULL);
	return print_json(json_pack("{s:o}", "backends", json));
}

static int list(const struct arguments *arguments, struct error *error)
{
	struct model_service *only = NULL;
	struct dataplane *dataplane;
	static struct model model;
	struct facts facts;
	int err;

	err = arguments_expect(arguments, 0, 0, "", error);
	if (!err)
		err = dataplane_open(DATAPLANE_LOOK, &dataplane, error);
	if (err)
		return err;
	err = dataplane_read(dataplane, &model, error);
	if (!err)
		err = dataplane_facts(dataplane, &facts, error);
	if (!err && argument(arguments, "--service"))
		err = model_service_select(&model, argument(arguments, "--service"), &only, error);
	dataplane_close(dataplane); /* before anything is printed: who reads slowly must not hold others up */
	if (err)
		return err;
	if (argument(arguments, "--json"))
		return print_all_as_json(&model, &facts, only);
	print_all(&model, &facts, only);
	return 0;
}

struct change {
	bool add, del, drain;
	bool wait;    /* until the last connection has ended */
	long wait_ms; /* -1: as long as it takes */
	long weight;  /* -1: as it is */
	long max_connections;
	struct model *model;
	struct model_service *service;
};

static int change_one(const struct change *change, const struct rcxlb_endpoint *endpoint, struct error *error)
{
	struct model_backend *backend;
	int err;

	if (change->del)
		return model_backend_remove(change->model, change->service, endpoint, error);
	if (change->add) {
		err = model_backend_add(change->model, change->service, endpoint, &backend, error);
		if (!err && change->weight >= 0)
			backend->weight = change->weight;
		if (!err && change->max_connections >= 0)
			backend->max_connections = change->max_connections;
		return err;
	}
	err = model_backend_select(change->model, change->service, endpoint, &backend, error);
	if (!err)
		backend->draining = change->drain;
	return err;
}

static int change_all(const struct change *change, const struct arguments *arguments, struct error *error)
{
	struct rcxlb_endpoint endpoint;
	uint16_t last;
	int err = 0;

	for (uint32_t i = 0; i < arguments->words && !err; i++) {
		err = endpoint_parse_range(arguments->word[i], &endpoint, &last, error);
		for (uint32_t port = endpoint.port; !err && port <= last; port++) {
			endpoint.port = port;
			err = change_one(change, &endpoint, error);
		}
	}
	return err;
}

static int apply(const struct arguments *arguments, struct dataplane *dataplane, struct change *change,
		 struct error *error)
{
	static struct model model;
	int err;

	err = dataplane_read(dataplane, &model, error);
	if (!err)
		err = model_service_select(&model, argument(arguments, "--service"), &change->service, error);
	change->model = &model;
	if (!err)
		err = change_all(change, arguments, error);
	if (!err && change->add)
		err = model_checks_agree(&model, error);
	if (!err)
		err = dataplane_publish(dataplane, &model, error);
	change->model = NULL;
	return err;
}

/* Everything that is wrong with the words is said before the dataplane is opened. */
static int check_words(const struct arguments *arguments, struct error *error)
{
	struct rcxlb_endpoint endpoint;
	uint16_t last;
	int err = arguments_expect(arguments, 1, ARGUMENTS_MAX, "an address, as 127.0.0.1:3001", error);

	for (uint32_t i = 0; i < arguments->words && !err; i++)
		err = endpoint_parse_range(arguments->word[i], &endpoint, &last, error);
	return err;
}

static int check_options(const struct arguments *arguments, struct change *change, struct error *error)
{
	unsigned long weight, most, seconds;
	int err;

	err = argument_number(arguments, "--weight", 1, RCXLB_MAX_WEIGHT, 0, &weight, error);
	if (!err)
		err = argument_number(arguments, "--max-connections", 0, 4294967295ul, 0, &most, error);
	if (!err)
		err = argument_number(arguments, "--timeout", 0, MOST_SECONDS, 0, &seconds, error);
	if (err)
		return err;
	change->wait = argument(arguments, "--wait");
	change->wait_ms = argument(arguments, "--timeout") ? (long)seconds * 1000 : -1;
	change->weight = argument(arguments, "--weight") ? (long)weight : -1;
	change->max_connections = argument(arguments, "--max-connections") ? (long)most : -1;
	if (!change->add && (change->weight >= 0 || change->max_connections >= 0))
		return failed(error, -EINVAL,
			      "--weight and --max-connections belong to backends add, not to backends %s",
			      arguments->verb);
	if (!change->drain && (change->wait || change->wait_ms >= 0))
		return failed(error, -EINVAL, "--wait and --timeout belong to backends drain, not to backends %s",
			      arguments->verb);
	if (change->wait_ms >= 0 && !change->wait)
		return failed(error, -EINVAL, "--timeout says how long --wait waits; give both");
	return 0;
}

static int run(const struct arguments *arguments, struct error *error)
{
	struct change change = {
		.add = arguments_verb(arguments, "add"),
		.del = arguments_verb(arguments, "del"),
		.drain = arguments_verb(arguments, "drain"),
	};
	struct dataplane *dataplane;
	int err;

	err = check_options(arguments, &change, error);
	if (err)
		return err;
	if (arguments_verb(arguments, "list"))
		return list(arguments, error);
	err = check_words(arguments, error);
	if (!err)
		err = dataplane_open(DATAPLANE_CHANGE, &dataplane, error);
	if (err)
		return err;
	err = apply(arguments, dataplane, &change, error);
	dataplane_close(dataplane);
	return !err && change.wait ? drain_wait(arguments, change.wait_ms, error) : err;
}

static const char *const verbs[] = { "list", "add", "del", "drain", "undrain", NULL };

static const struct option_spec options[] = {
	OPTION_SERVICE,
	{ "--weight", NULL, "N", "add: share of the connections, 1 to 256; 1 if never given", false },
	{ "--max-connections", NULL, "N",
	  "add: most connections at a time, 0 for no limit; bounded and least give it no more", false },
	{ "--wait", NULL, NULL, "drain: return when the last of their connections has ended", false },
	{ "--timeout", NULL, "SECONDS", "drain --wait: give up after so long, with status 1; they stay draining",
	  false },
	OPTION_JSON,
	OPTIONS_END,
};

const struct command command_backends = {
	.name = "backends",
	.usage = "[list]\nadd ADDR:PORT[-PORT]... [--weight N] [--max-connections N]\ndel ADDR:PORT[-PORT]...\n"
		 "drain ADDR:PORT[-PORT]... [--wait [--timeout SECONDS]]\nundrain ADDR:PORT[-PORT]...",
	.summary = "the instances: list, add or change, delete, drain, undrain; all with [-s SERVICE]",
	.verbs = verbs,
	.options = options,
	.run = run,
};
