// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/print.h"
#include "core/endpoint.h"
#include "core/http.h"
#include "dataplane/dataplane.h"

static const char *const verdicts[] = {
	[RCXLB_USABLE] = "usable",     [RCXLB_ABSENT] = "absent",   [RCXLB_FAMILY] = "family",
	[RCXLB_DRAINING] = "draining", [RCXLB_DOWN] = "down",	    [RCXLB_FULL] = "full",
	[RCXLB_BLOCKED] = "blocked",   [RCXLB_WARMING] = "warming", [RCXLB_LOADED] = "loaded",
	[RCXLB_AWAKE] = "busy",	       [RCXLB_SUSPECT] = "suspect", [RCXLB_COMING] = "coming",
};

static const char *const explanations[] = {
	[RCXLB_USABLE] = "usable",
	[RCXLB_ABSENT] = "absent: nobody listens there",
	[RCXLB_FAMILY] = "cannot take this client: its socket is of the other address family",
	[RCXLB_DRAINING] = "draining: takes no new connections",
	[RCXLB_DOWN] = "down: its health check fails",
	[RCXLB_FULL] = "full: it has max_connections",
	[RCXLB_BLOCKED] = "blocked",
	[RCXLB_WARMING] = "in slow start: takes only some of the clients yet",
	[RCXLB_LOADED] = "has more than its share of the connections",
	[RCXLB_AWAKE] = "busy: its event loop does not sleep at the moment",
	[RCXLB_SUSPECT] = "suspect: its event loop was blocked for long, a moment ago",
	[RCXLB_COMING] = "others are on their way to it",
};

static const char *const blocks[] = {
	[RCXLB_LOOP_STARVED] = "its event loop has been waiting for a CPU for too long",
	[RCXLB_LOOP_LATE] = "a connection has been waiting in its accept queue for too long",
	[RCXLB_LOOP_AWAY] = "its event loop has been computing without a break for too long",
	[RCXLB_LOOP_STILL] = "its event loop has got nothing done for too long",
	[RCXLB_LOOP_STOPPED] = "it is stopped, by a signal, a debugger or a frozen cgroup",
	[RCXLB_LOOP_FULL] = "its accept queue is full",
};

#define KINDS (sizeof(verdicts) / sizeof(verdicts[0]))

struct answer {
	const struct model *model;
	const struct model_service *service;
	struct rcxlb_why why;
};

/* Candidates come again while the table is walked: each is shown once. */
static bool is_first(const struct rcxlb_why *why, uint32_t step)
{
	for (uint32_t i = 0; i < step; i++)
		if (why->step[i].backend == why->step[step].backend)
			return false;
	return true;
}

static uint32_t steps_shown(const struct rcxlb_why *why)
{
	return why->steps < RCXLB_WHY_STEPS ? why->steps : RCXLB_WHY_STEPS;
}

/* Candidates that were asked after those. */
static uint32_t steps_left_out(const struct rcxlb_why *why)
{
	return why->steps - steps_shown(why);
}

static const char *address_of(const struct answer *answer, uint32_t backend, char *to)
{
	return endpoint_format(&answer->model->backend[backend % RCXLB_MAX_BACKENDS].endpoint, to);
}

static int print_as_json(const struct answer *answer)
{
	char client[RCXLB_TEXT_LEN], listen[RCXLB_TEXT_LEN], text[RCXLB_TEXT_LEN], hash[24];
	const struct rcxlb_why *why = &answer->why;
	json_t *candidates = json_array(), *chosen, *json;

	for (uint32_t i = 0; i < steps_shown(why); i++)
		if (is_first(why, i))
			json_array_append_new(candidates, json_pack("{s:s, s:s}", "address",
								    address_of(answer, why->step[i].backend, text),
								    "verdict", verdicts[why->step[i].verdict % KINDS]));
	chosen = why->chosen == RCXLB_NO_BACKEND ? json_null() : json_string(address_of(answer, why->chosen, text));
	model_listen_text(answer->service, &why->service, listen);
	snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)why->hash);
	json = json_pack("{s:s, s:s, s:s, s:s, s:I, s:o, s:o}", "client", endpoint_format(&why->client, client),
			 "service", answer->service->name, "listen", listen, "hash", hash, "slot",
			 (json_int_t)why->slot, "backend", chosen, "candidates", candidates);
	/* Then the first candidate is not the hash's choice, but one that was asked before it. */
	if (why->emptiest != RCXLB_NO_BACKEND)
		json_object_set_new(json, "far_behind", json_string(address_of(answer, why->emptiest, text)));
	if (why->worker)
		json_object_set_new(json, "worker", json_true());
	if (steps_left_out(why))
		json_object_set_new(json, "left_out", json_integer(steps_left_out(why)));
	return print_json(json);
}

static void print_step(const struct answer *answer, uint32_t i)
{
	const struct rcxlb_why *why = &answer->why;
	char text[RCXLB_TEXT_LEN];
	uint8_t verdict = why->step[i].verdict % KINDS, loop = why->step[i].loop;
	bool behind = why->emptiest != RCXLB_NO_BACKEND; /* then that one was asked before the hash's order */
	const char *turn = behind && !i ? "far behind   " : i == behind ? "hash's choice" : "then         ";

	printf("  %s %s: %s", turn, address_of(answer, why->step[i].backend, text), explanations[verdict]);
	if (verdict == RCXLB_BLOCKED && loop <= RCXLB_LOOP_FULL && blocks[loop])
		printf(": %s", blocks[loop]);
	if (verdict == RCXLB_LOADED)
		printf(" (%u of %llu)", why->step[i].active, (unsigned long long)why->active);
	putchar('\n');
}

static void print_for_people(const struct answer *answer)
{
	char client[RCXLB_TEXT_LEN], listen[RCXLB_TEXT_LEN], text[RCXLB_TEXT_LEN];
	const struct rcxlb_why *why = &answer->why;

	model_listen_text(answer->service, &why->service, listen);
	printf("%s to service %s at %s: hash %016llx, slot %u of %u\n", endpoint_format(&why->client, client),
	       answer->service->name, listen, (unsigned long long)why->hash, why->slot, RCXLB_TABLE_SIZE);
	for (uint32_t i = 0; i < steps_shown(why); i++)
		if (is_first(why, i))
			print_step(answer, i);
	if (steps_left_out(why))
		printf("  then          %u looks more\n", steps_left_out(why));
	if (why->chosen != RCXLB_NO_BACKEND)
		printf("  chosen        %s%s\n", address_of(answer, why->chosen, text),
		       why->worker ? ", which is reached by a worker" : "");
	else if (why->worker)
		puts("  a worker takes it, and reaches one of these by the other address family");
	else
		puts(why->steps ? "  refused: no backend can take it" : "  refused: the service has no backends");
}

/*
 * Which of the service's addresses the client dials: the one given, of *:PORT that of the client's family, else the
 * first of that family.
 */
static int choose_listen(const struct model_service *service, const struct rcxlb_endpoint *client, const char *to,
			 struct rcxlb_endpoint *ret, struct error *error)
{
	struct rcxlb_endpoint wished[2];
	unsigned int count = 0;
	char text[RCXLB_TEXT_LEN];
	int err;

	if (to) {
		err = endpoint_parse_listen(to, wished, &count, error);
		if (err)
			return err;
		if (count == 2 && !endpoint_is_ipv4(client))
			wished[0] = wished[1];
	}
	for (int i = 0; i < service->listens; i++)
		if (to ? endpoint_equal(&service->listen[i], &wished[0])
		       : endpoint_is_ipv4(&service->listen[i]) == endpoint_is_ipv4(client)) {
			*ret = service->listen[i];
			return 0;
		}
	if (to)
		return failed(error, -ENOENT, "service '%s' does not listen on '%s'; see: rcxlb services",
			      service->name, to);
	return failed(error, -ENOENT, "service '%s' listens on no address of the family of %s", service->name,
		      endpoint_format(client, text));
}

static int ask(const struct arguments *arguments, struct dataplane *dataplane, const struct rcxlb_endpoint *client,
	       struct answer *ret, struct error *error)
{
	struct rcxlb_endpoint local;
	struct model_service *service;
	static struct model model;
	int err;

	err = dataplane_read(dataplane, &model, error);
	if (!err)
		err = model_service_select(&model, argument(arguments, "--service"), &service, error);
	if (!err && http_redirect_name(&service->http)[0])
		err = failed(error, -ENOENT,
			     "no client of service '%s' gets a backend: a worker redirects each request to %s",
			     service->name, http_redirect_name(&service->http));
	if (!err)
		err = choose_listen(service, client, argument(arguments, "--to"), &local, error);
	if (!err)
		err = dataplane_why(dataplane, client, &local, &ret->why, error);
	if (err)
		return err;
	ret->model = &model;
	ret->service = service;
	return 0;
}

static int run(const struct arguments *arguments, struct error *error)
{
	struct rcxlb_endpoint client;
	struct dataplane *dataplane;
	struct answer answer;
	int err;

	err = arguments_expect(arguments, 1, 1, "a client, as 198.51.100.7:40000", error);
	if (!err)
		err = endpoint_parse(arguments->word[0], false, &client, error);
	if (!err)
		err = dataplane_open(DATAPLANE_CHANGE, &dataplane, error); /* one question at a time */
	if (err)
		return err;
	err = ask(arguments, dataplane, &client, &answer, error);
	dataplane_close(dataplane);
	if (err)
		return err;
	if (argument(arguments, "--json"))
		return print_as_json(&answer);
	print_for_people(&answer);
	return 0;
}

static const struct option_spec options[] = {
	OPTION_SERVICE,
	{ "--to", NULL, "ADDR:PORT", "which of the service's addresses is dialled", false },
	OPTION_JSON,
	OPTIONS_END,
};

const struct command command_why = {
	.name = "why",
	.usage = "CLIENT:PORT [-s SERVICE] [--to ADDR:PORT]",
	.summary = "which backend a client gets, and why: the loaded program answers",
	.options = options,
	.run = run,
};
