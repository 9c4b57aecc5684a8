// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent/presence.h"
#include "agent/tally.h"
#include "cmd/commands.h"
#include "cmd/print.h"
#include "core/endpoint.h"
#include "core/http.h"
#include "core/proxy.h"
#include "core/state.h"
#include "core/version.h"
#include "dataplane/dataplane.h"

static uint64_t refused(const struct rcxlb_exits *exits)
{
	return exits->no_backend + exits->none_usable + exits->assign_failed + exits->no_worker;
}

static struct state_input input_of(const struct model *model, const struct facts *facts,
				   const struct model_service *service, uint32_t id)
{
	struct state_input input = dataplane_state(model, facts, id);

	input.tls = service->tls.certificates;
	input.http = http_is_parsed(&service->http);
	input.proxy = proxy_is_spoken(&service->proxy);
	return input;
}

static json_t *backend_json(const struct model *model, const struct facts *all, const struct model_service *service,
			    uint32_t id)
{
	const struct model_backend *backend = &model->backend[id];
	const struct backend_facts *facts = &all->backend[id];
	struct state_input input = input_of(model, all, service, id);
	char text[RCXLB_TEXT_LEN];

	return json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "address",
			 endpoint_format(&backend->endpoint, text), "weight", backend->weight, "state",
			 state_name(&input), "path", state_path(&input), "reason", state_reason(&input), "event_loop",
			 state_loop(&input), "active", (json_int_t)facts->load.active, "steered",
			 (json_int_t)facts->load.steered, "spilled", (json_int_t)facts->load.spilled, "failovers",
			 (json_int_t)facts->load.failovers, "accept_queue", (json_int_t)facts->accept_queue);
}

static json_t *parts_json(const struct rcxlb_tally *tally,
			  size_t (*parts)(const struct rcxlb_tally *tally, struct tally_part *to))
{
	struct tally_part part[TALLY_PARTS];
	json_t *json = json_object();

	for (size_t i = 0, count = parts(tally, part); i < count; i++)
		json_object_set_new(json, part[i].name, json_integer((json_int_t)part[i].number));
	return json;
}

/* What workers count of a service. */
static json_t *work_json(const struct model_service *service, const struct facts *facts, uint32_t id)
{
	const struct rcxlb_tally *tally = &facts->tally[id];
	json_t *json =
	    json_pack("{s:I, s:I, s:I, s:o, s:o, s:o, s:o}", "connections", (json_int_t)facts->clients[id].open,
		      "accepted", (json_int_t)tally->accepted, "no_worker", (json_int_t)facts->service[id].no_worker,
		      "ends", parts_json(tally, tally_ends), "unserved", parts_json(tally, tally_unserved),
		      "connect_failures", parts_json(tally, tally_connects), "bytes", parts_json(tally, tally_bytes));

	if (service->http.flags) {
		json_object_set_new(json, "requests", json_integer((json_int_t)tally->requests));
		json_object_set_new(json, "answers", parts_json(tally, tally_answers));
	}
	if (service->tls.certificates) {
		json_object_set_new(json, "handshaking", json_integer(facts->clients[id].handshaking));
		json_object_set_new(json, "handshakes", parts_json(tally, tally_handshakes));
		json_object_set_new(json, "kernel", parts_json(tally, tally_kernel));
		json_object_set_new(json, "user_space", parts_json(tally, tally_reasons));
	}
	return json;
}

static json_t *service_json(const struct model *model, const struct facts *facts, uint32_t id)
{
	const struct model_service *service = &model->service[id];
	char listens[RCXLB_MAX_LISTEN][RCXLB_TEXT_LEN];
	uint16_t members[RCXLB_MAX_BACKENDS];
	json_t *listen = json_array(), *backends = json_array(), *json;
	uint32_t count = model_listens(service, listens);

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(listen, json_string(listens[i]));
	count = model_members(model, service, members);
	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(backends, backend_json(model, facts, service, members[i]));
	json = json_pack("{s:s, s:o, s:s, s:s, s:b, s:b, s:s, s:I, s:o}", "name", service->name, "listen", listen,
			 "hash", model_hash_name(service->hash), "balance", model_balance_name(service->balance), "tls",
			 service->tls.certificates != 0, "http", http_is_parsed(&service->http), "redirect",
			 http_redirect_name(&service->http), "refused", (json_int_t)refused(&facts->service[id]),
			 "backends", backends);
	if (dataplane_is_worked(model, facts, id))
		json_object_set_new(json, "work", work_json(service, facts, id));
	return json;
}

static bool is_former(const struct facts *facts, const struct worker_facts *worker)
{
	return worker->crew != facts->crew.number;
}

static json_t *workers_json(const struct facts *facts)
{
	json_t *workers = json_array();

	for (uint32_t i = 0; i < facts->workers; i++) {
		const struct worker_facts *worker = &facts->worker[i];

		json_array_append_new(workers, json_pack("{s:i, s:i, s:b, s:i}", "pid", (int)worker->pid, "number",
							 (int)worker->number, "former", is_former(facts, worker),
							 "connections", (int)worker->open));
	}
	return workers;
}

static json_t *agent_json(void)
{
	pid_t pid = presence_pid();
	json_t *agent = json_pack("{s:b}", "running", pid != 0);

	if (pid)
		json_object_set_new(agent, "pid", json_integer(pid));
	return agent;
}

static json_t *status_json(bool loaded, json_t *interfaces, json_t *workers, json_t *services)
{
	return json_pack("{s:s, s:b, s:o, s:o, s:o, s:o}", "version", rcxlb_version, "loaded", loaded, "interfaces",
			 interfaces, "agent", agent_json(), "workers", workers, "services", services);
}

static int print_as_json(const struct model *model, const struct facts *facts)
{
	json_t *interfaces = json_array(), *services = json_array();

	for (uint32_t i = 0; i < facts->interfaces; i++)
		json_array_append_new(interfaces, json_pack("{s:s, s:s}", "name", facts->interface[i].name, "xdp",
							    xdp_mode_name(facts->interface[i].mode)));
	for (uint32_t i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (model->service[i].name[0])
			json_array_append_new(services, service_json(model, facts, i));
	return print_json(status_json(true, interfaces, workers_json(facts), services));
}

static void print_backends(const struct model *model, const struct facts *facts, const struct model_service *service)
{
	char text[RCXLB_TEXT_LEN], number[6][24];
	uint16_t members[RCXLB_MAX_BACKENDS];
	uint32_t count = model_members(model, service, members);
	struct table *table = table_new("llrlllrrrrrl");

	table_row(table, "", "BACKEND", "WEIGHT", "STATE", "PATH", "LOOP", "ACTIVE", "QUEUE", "STEERED", "SPILLED",
		  "FAILOVERS", "");
	for (uint32_t i = 0; i < count; i++) {
		const struct model_backend *backend = &model->backend[members[i]];
		const struct backend_facts *fact = &facts->backend[members[i]];
		struct state_input input = input_of(model, facts, service, members[i]);

		snprintf(number[0], sizeof(number[0]), "%u", backend->weight);
		snprintf(number[1], sizeof(number[1]), "%u", fact->load.active);
		snprintf(number[2], sizeof(number[2]), "%u", fact->accept_queue);
		snprintf(number[3], sizeof(number[3]), "%llu", (unsigned long long)fact->load.steered);
		snprintf(number[4], sizeof(number[4]), "%llu", (unsigned long long)fact->load.spilled);
		snprintf(number[5], sizeof(number[5]), "%llu", (unsigned long long)fact->load.failovers);
		table_row(table, "", endpoint_format(&backend->endpoint, text), number[0], state_name(&input),
			  state_path(&input), state_loop(&input), number[1], number[2], number[3], number[4], number[5],
			  state_reason(&input));
	}
	if (count)
		table_print(table);
	table_free(table);
}

static void print_part(const struct tally_part *part)
{
	if (part->text) {
		printf("%s (%llu)", part->text, (unsigned long long)part->number);
		return;
	}
	printf("%llu ", (unsigned long long)part->number);
	for (const char *c = part->name; *c; c++)
		putchar(*c == '_' ? ' ' : *c);
}

/* "7 full, 3 timed out": those that there are. */
static void print_parts(const char *what, const struct rcxlb_tally *tally,
			size_t (*parts)(const struct rcxlb_tally *tally, struct tally_part *to))
{
	struct tally_part part[TALLY_PARTS];
	const char *before = "";

	printf("%s", what);
	for (size_t i = 0, count = parts(tally, part); i < count; i++) {
		if (!part[i].number)
			continue;
		fputs(before, stdout);
		print_part(&part[i]);
		before = ", ";
	}
	puts(before[0] ? "" : "none");
}

static void print_work(const struct model_service *service, const struct facts *facts, uint32_t id)
{
	const struct rcxlb_tally *tally = &facts->tally[id];

	printf("  connections to workers: %u open, %llu accepted\n", facts->clients[id].open,
	       (unsigned long long)tally->accepted);
	if (service->http.flags)
		print_parts("  answers: ", tally, tally_answers);
	if (!service->tls.certificates)
		return;
	print_parts("  TLS handshakes: ", tally, tally_handshakes);
	print_parts("  records in the kernel: ", tally, tally_kernel);
	if (tally->handshakes_ok != tally->ktls_reasons[0])
		print_parts("  not there, because: ", tally, tally_reasons);
}

static void print_workers(const struct facts *facts)
{
	uint32_t former = 0, kept = 0;

	for (uint32_t i = 0; i < facts->workers; i++)
		if (is_former(facts, &facts->worker[i])) {
			former++;
			kept += facts->worker[i].open;
		}
	if (facts->workers)
		printf("workers: %u", facts->workers - former);
	if (former)
		printf("; %u of before, with the last %u of their connections", former, kept);
	if (facts->workers)
		putchar('\n');
}

static void print_for_people(const struct model *model, const struct facts *facts)
{
	char listens[RCXLB_MAX_LISTEN][RCXLB_TEXT_LEN];
	bool any = false;

	printf("rcxlb %s, %s; guard on", rcxlb_version, presence_pid() ? "agent running" : "no agent");
	for (uint32_t i = 0; i < facts->interfaces; i++)
		printf("%s %s (xdp %s)", i ? "," : "", facts->interface[i].name,
		       xdp_mode_name(facts->interface[i].mode));
	puts(facts->interfaces ? "" : " no interface");
	print_workers(facts);
	for (uint32_t i = 0; i < RCXLB_MAX_SERVICES; i++) {
		const struct model_service *service = &model->service[i];
		uint32_t count = model_listens(service, listens);

		if (!service->name[0])
			continue;
		any = true;
		printf("\nservice %s on", service->name);
		for (uint32_t k = 0; k < count; k++)
			printf(" %s", listens[k]);
		if (http_redirect_name(&service->http)[0])
			printf(", redirects to %s", http_redirect_name(&service->http));
		else
			printf(", hash %s, balance %s%s%s", model_hash_name(service->hash),
			       model_balance_name(service->balance), service->tls.certificates ? ", TLS" : "",
			       http_is_parsed(&service->http) ? ", HTTP" : "");
		printf(", refused %llu\n", (unsigned long long)refused(&facts->service[i]));
		if (dataplane_is_worked(model, facts, i))
			print_work(service, facts, i);
		print_backends(model, facts, service);
	}
	if (!any)
		puts("\nno service; add one: rcxlb services add NAME --listen ADDR:PORT");
}

static int run(const struct arguments *arguments, struct error *error)
{
	bool as_json = argument(arguments, "--json");
	struct dataplane *dataplane;
	struct facts facts;
	static struct model model;
	int err;

	err = arguments_expect(arguments, 0, 0, "", error);
	if (err)
		return err;
	err = dataplane_open(DATAPLANE_LOOK, &dataplane, error);
	if (err == -ENOENT) { /* not to be loaded is a state, no failure */
		if (as_json)
			return print_json(status_json(false, json_array(), json_array(), json_array()));
		printf("rcxlb %s, not loaded; load it: rcxlb load INTERFACE\n", rcxlb_version);
		return 0;
	}
	if (err)
		return err;
	err = dataplane_read(dataplane, &model, error);
	if (!err)
		err = dataplane_facts(dataplane, &facts, error);
	dataplane_close(dataplane);
	if (err)
		return err;
	if (as_json)
		return print_as_json(&model, &facts);
	print_for_people(&model, &facts);
	return 0;
}

static const struct option_spec options[] = { OPTION_JSON, OPTIONS_END };

const struct command command_status = {
	.name = "status",
	.usage = "",
	.summary = "what is loaded, and how every backend is doing",
	.options = options,
	.run = run,
};
