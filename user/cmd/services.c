// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/certificates.h"
#include "cmd/file.h"
#include "cmd/commands.h"
#include "cmd/print.h"
#include "config/header.h"
#include "core/check.h"
#include "core/endpoint.h"
#include "core/http.h"
#include "core/proxy.h"
#include "core/path.h"
#include "dataplane/dataplane.h"

static json_t *check_json(const struct rcxlb_check *check)
{
	char status[CHECK_STATUS_LEN];

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:i, s:i}", "type", check_type_name(check->type), "path",
			 check->path, "host", check->host, "status", check_status_text(check, status), "body",
			 check->body, "interval_ms", (int)check->interval_ms, "timeout_ms", (int)check->timeout_ms,
			 "rise", check->rise, "fall", check->fall);
}

static json_t *service_json(const struct model *model, const struct model_service *service)
{
	char listens[RCXLB_MAX_LISTEN][RCXLB_TEXT_LEN], text[RCXLB_TEXT_LEN];
	uint16_t members[RCXLB_MAX_BACKENDS];
	json_t *listen = json_array(), *backends = json_array();
	uint32_t count = model_listens(service, listens);

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(listen, json_string(listens[i]));
	count = model_members(model, service, members);
	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(backends,
				      json_string(endpoint_format(&model->backend[members[i]].endpoint, text)));
	return json_pack("{s:s, s:o, s:s, s:s, s:f, s:i, s:i, s:i, s:b, s:b, s:s, s:o, s:o}", "name", service->name,
			 "listen", listen, "hash", model_hash_name(service->hash), "balance",
			 model_balance_name(service->balance), "load_factor", service->load_factor / 100.0,
			 "blocked_ms", (int)service->blocked_ms, "slow_start_ms", (int)service->slow_start_ms,
			 "idle_ms", (int)service->idle_ms, "tls", service->tls.certificates != 0, "http",
			 http_is_parsed(&service->http), "redirect", http_redirect_name(&service->http), "health",
			 check_json(&service->check), "backends", backends);
}

static int list_json(const struct model *model)
{
	json_t *all = json_array();

	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (model->service[i].name[0])
			json_array_append_new(all, service_json(model, &model->service[i]));
	return print_json(json_pack("{s:o}", "services", all));
}

static void list_table(const struct model *model)
{
	char listens[RCXLB_MAX_LISTEN][RCXLB_TEXT_LEN], joined[RCXLB_MAX_LISTEN * RCXLB_TEXT_LEN], number[16];
	uint16_t members[RCXLB_MAX_BACKENDS];
	struct table *table = table_new("lllrl");

	table_row(table, "SERVICE", "HASH", "BALANCE", "BACKENDS", "LISTEN");
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++) {
		const struct model_service *service = &model->service[i];
		uint32_t count = model_listens(service, listens);

		if (!service->name[0])
			continue;
		joined[0] = 0;
		for (uint32_t k = 0; k < count; k++)
			strcat(strcat(joined, k ? " " : ""), listens[k]);
		snprintf(number, sizeof(number), "%u", model_members(model, service, members));
		table_row(table, service->name, model_hash_name(service->hash), model_balance_name(service->balance),
			  number, joined);
	}
	table_print(table);
	table_free(table);
}

static int list(const struct arguments *arguments, struct error *error)
{
	struct dataplane *dataplane;
	static struct model model;
	int err;

	err = arguments_expect(arguments, 0, 0, "", error);
	if (!err)
		err = dataplane_open(DATAPLANE_LOOK, &dataplane, error);
	if (err)
		return err;
	err = dataplane_read(dataplane, &model, error);
	dataplane_close(dataplane);
	if (err)
		return err;
	if (argument(arguments, "--json"))
		return list_json(&model);
	list_table(&model);
	return 0;
}

/* How a service chooses, where the options say so. */
static int wished_rule(const struct arguments *arguments, struct model_service *to, struct error *error)
{
	unsigned long factor, blocked, slow_start, idle;
	int err = 0;

	if (argument(arguments, "--balance"))
		err = model_balance_parse(argument(arguments, "--balance"), &to->balance, error);
	if (!err)
		err = argument_factor(arguments, "--load-factor", 101, RCXLB_MAX_LOAD_FACTOR, to->load_factor, &factor,
				      error);
	if (!err)
		err = argument_number(arguments, "--blocked-ms", 1, RCXLB_MAX_BLOCKED_MS, to->blocked_ms, &blocked,
				      error);
	if (!err)
		err = argument_number(arguments, "--slow-start-ms", 0, RCXLB_MAX_SLOW_START_MS, to->slow_start_ms,
				      &slow_start, error);
	if (!err)
		err = argument_number(arguments, "--idle-ms", 1, RCXLB_MAX_IDLE_MS, to->idle_ms, &idle, error);
	if (err)
		return err;
	to->load_factor = factor;
	to->blocked_ms = blocked;
	to->slow_start_ms = slow_start;
	to->idle_ms = idle;
	return 0;
}

/* The same keys as in a file, with the same rules. */
static const struct {
	const char *option;
	int (*set)(struct rcxlb_check *check, const char *text, struct error *error);
} check_texts[] = {
	{ "--check", check_set_type },		{ "--check-path", check_set_path }, { "--check-host", check_set_host },
	{ "--check-status", check_set_status }, { "--check-body", check_set_body },
};

static int wished_check(const struct arguments *arguments, struct rcxlb_check *to, struct error *error)
{
	unsigned long interval = 0, timeout = 0, rise = 0, fall = 0;
	const char *key;
	int err = 0;

	for (size_t i = 0; i < sizeof(check_texts) / sizeof(check_texts[0]) && !err; i++)
		if (argument(arguments, check_texts[i].option))
			err = check_texts[i].set(to, argument(arguments, check_texts[i].option), error);
	if (!err)
		err = argument_number(arguments, "--check-interval-ms", CHECK_LEAST_INTERVAL_MS, CHECK_MOST_INTERVAL_MS,
				      to->interval_ms, &interval, error);
	if (!err)
		err = argument_number(arguments, "--check-timeout-ms", CHECK_LEAST_TIMEOUT_MS, CHECK_MOST_INTERVAL_MS,
				      to->timeout_ms, &timeout, error);
	if (!err)
		err = argument_number(arguments, "--rise", 1, CHECK_MOST_IN_A_ROW, to->rise, &rise, error);
	if (!err)
		err = argument_number(arguments, "--fall", 1, CHECK_MOST_IN_A_ROW, to->fall, &fall, error);
	if (err)
		return err;
	to->interval_ms = interval;
	to->timeout_ms = timeout;
	to->rise = rise;
	to->fall = fall;
	return check_validate(to, &key, error);
}

/* --certificate and --key, in pairs. */
static int wished_tls(const struct arguments *arguments, struct rcxlb_tls *to, struct error *error)
{
	uint32_t certificates = 0, keys = 0;
	int err = 0;

	for (uint32_t i = 0; i < arguments->options && !err; i++) {
		bool certificate = !strcmp(arguments->option[i]->name, "--certificate");
		uint32_t *count = certificate ? &certificates : &keys;

		if (!certificate && strcmp(arguments->option[i]->name, "--key"))
			continue;
		if (*count == RCXLB_MAX_CERTIFICATES)
			return failed(error, -EINVAL, "a service has at most %d certificates", RCXLB_MAX_CERTIFICATES);
		err = path_set(certificate ? to->file[*count].certificate : to->file[*count].key, arguments->value[i],
			       error);
		++*count;
	}
	if (!err && certificates != keys)
		err = failed(error, -EINVAL, "there are %u of --certificate and %u of --key; give them in pairs",
			     certificates, keys);
	to->certificates = certificates;
	return err ? err : certificates_check(to, arguments->word[0], error);
}

/* An option that may be repeated, each time given to set(). */
static int take_each(const struct arguments *arguments, const char *option, struct rcxlb_http *to,
		     int (*set)(struct rcxlb_http *http, const char *text, struct error *error), struct error *error)
{
	int err = 0;

	if (argument(arguments, option) && !argument(arguments, "--http"))
		return failed(error, -EINVAL, "%s needs --http: only a service that parses HTTP has a use for it",
			      option);
	for (uint32_t i = 0; i < arguments->options && !err; i++)
		if (!strcmp(arguments->option[i]->name, option))
			err = set(to, arguments->value[i], error);
	return err;
}

/* A redirect is all that a service does. */
static int wished_redirect(const struct arguments *arguments, struct rcxlb_http *to, struct error *error)
{
	int err = http_redirect_check(argument(arguments, "--redirect"), error);

	for (uint32_t i = 0; i < arguments->options && !err; i++) {
		const char *name = arguments->option[i]->name;

		if (strcmp(name, "--redirect") && strcmp(name, "--listen") && strcmp(name, "--accept-proxy") &&
		    strcmp(name, "--acme"))
			err = failed(error, -EINVAL,
				     "--redirect and %s exclude each other: the service asks no backend and does "
				     "nothing else",
				     name);
	}
	http_defaults(to, RCXLB_HTTP_REDIRECT);
	return err;
}

static int wished_acme(const struct arguments *arguments, struct rcxlb_http *to, struct error *error)
{
	const char *folder = argument(arguments, "--acme");
	int err = folder ? path_set(to->acme, folder, error) : 0;

	if (!err && folder && !to->flags)
		err = failed(error, -EINVAL,
			     "--acme needs --redirect https or --http: paths are known where HTTP is parsed");
	return err || !folder ? err : folder_check(folder, error);
}

static int wished_http(const struct arguments *arguments, struct rcxlb_http *to, struct error *error)
{
	int err = 0;

	if (argument(arguments, "--redirect"))
		err = wished_redirect(arguments, to, error);
	else
		http_defaults(to, argument(arguments, "--http") ? RCXLB_HTTP_PARSED : 0);
	if (!err)
		err = wished_acme(arguments, to, error);
	if (!err)
		err = take_each(arguments, "--trusted-proxy", to, http_trust, error);
	return err ? err : take_each(arguments, "--set-header", to, header_set_line, error);
}

static int wished_proxy(const struct arguments *arguments, struct rcxlb_proxy *to, struct error *error)
{
	const char *send = argument(arguments, "--send-proxy");
	int err = send ? proxy_send_parse(to, send, error) : 0;

	for (uint32_t i = 0; i < arguments->options && !err; i++)
		if (!strcmp(arguments->option[i]->name, "--accept-proxy"))
			err = proxy_accept(to, arguments->value[i], error);
	return err;
}

static int wished_service(const struct arguments *arguments, struct model_service *to, struct error *error)
{
	uint8_t hash = RCXLB_HASH_TUPLE;
	int err;

	err = arguments_expect(arguments, 1, 1, "a name", error);
	if (err)
		return err;
	if (strlen(arguments->word[0]) >= sizeof(to->name))
		return failed(error, -EINVAL, "the service name '%s' must have 1 to %d characters", arguments->word[0],
			      RCXLB_NAME_LEN - 1);
	strcpy(to->name, arguments->word[0]);
	for (uint32_t i = 0; i < arguments->options && !err; i++)
		if (!strcmp(arguments->option[i]->name, "--listen"))
			err = model_service_listen(to, arguments->value[i], error);
	if (!err && argument(arguments, "--hash"))
		err = model_hash_parse(argument(arguments, "--hash"), &hash, error);
	model_service_defaults(to, hash);
	if (!err)
		err = wished_rule(arguments, to, error);
	if (!err)
		err = wished_check(arguments, &to->check, error);
	if (!err)
		err = wished_http(arguments, &to->http, error);
	if (!err)
		err = wished_proxy(arguments, &to->proxy, error);
	return err ? err : wished_tls(arguments, &to->tls, error);
}

static int change(const struct arguments *arguments, struct error *error)
{
	bool adding = arguments_verb(arguments, "add");
	struct model_service wished = {};
	struct dataplane *dataplane;
	static struct model model;
	int err;

	err = adding ? wished_service(arguments, &wished, error) : arguments_expect(arguments, 1, 1, "a name", error);
	if (!err)
		err = dataplane_open(DATAPLANE_CHANGE, &dataplane, error);
	if (err)
		return err;
	err = dataplane_read(dataplane, &model, error);
	if (!err)
		err = adding ? model_service_set(&model, &wished, error)
			     : model_service_delete(&model, arguments->word[0], error);
	if (!err && adding)
		err = model_checks_agree(&model, error);
	if (!err)
		err = dataplane_publish(dataplane, &model, error);
	dataplane_close(dataplane);
	return err;
}

/* All options but --json are of `add`. */
static int check_options(const struct arguments *arguments, struct error *error)
{
	for (uint32_t i = 0; i < arguments->options; i++)
		if (!arguments_verb(arguments, "add") && strcmp(arguments->option[i]->name, "--json"))
			return failed(error, -EINVAL, "%s belongs to services add, not to services %s",
				      arguments->option[i]->name, arguments->verb);
	return 0;
}

static int run(const struct arguments *arguments, struct error *error)
{
	int err = check_options(arguments, error);

	if (err)
		return err;
	return arguments_verb(arguments, "list") ? list(arguments, error) : change(arguments, error);
}

static const char *const verbs[] = { "list", "add", "del", NULL };

static const struct option_spec options[] = {
	{ "--listen", NULL, "ADDR:PORT", "add: where it listens; may be several, or repeated; *:PORT is every address",
	  OPTION_LISTED },
	{ "--hash", NULL, "tuple|client",
	  "add: what is hashed: address and port of client and service, or the client's "
	  "address alone",
	  false },
	{ "--balance", NULL, "consistent|bounded|least",
	  "add: which usable backend; consistent: the first in the hash's order; bounded: the first of them that is "
	  "not blocked and within its share; least: the first that would accept at once; least if not given, with "
	  "--hash client bounded",
	  false },
	{ "--load-factor", NULL, "FACTOR",
	  "add: how far a backend may exceed its share of the connections, 1.01 to 100; 1.25 if not given", false },
	{ "--blocked-ms", NULL, "MS",
	  "add: an event loop that gets nothing done for so long is blocked, 1 to 60000; 5 if not given", false },
	{ "--slow-start-ms", NULL, "MS",
	  "add: time until a backend that comes has its full share of new clients; 0 if not given", false },
	{ "--idle-ms", NULL, "MS",
	  "add: a connection that a worker relays is ended when no byte has come either way for so long, 1 to "
	  "604800000; 3600000 if not given",
	  false },
	{ "--certificate", NULL, "FILE",
	  "add: it ends TLS with this certificate (PEM); may be repeated: a client gets the one that it asks for",
	  true },
	{ "--key", NULL, "FILE", "add: the private key of the --certificate before or behind it", true },
	{ "--http", NULL, NULL,
	  "add: its requests are parsed, and reach a backend with X-Forwarded-For, X-Real-IP and the like", false },
	{ "--trusted-proxy", NULL, "CIDR", "add: whose own such headers are believed; may be repeated", true },
	{ "--set-header", NULL, "NAME:VALUE", "add: backends get it instead of the client's; may be repeated", true },
	{ "--redirect", NULL, "https", "add: it answers every request with the https address, and has no backends",
	  false },
	{ "--acme", NULL, "FOLDER",
	  "add: with --redirect or --http: challenges of a certificate authority are answered from there, where "
	  "certbot --webroot puts the answers",
	  false },
	{ "--accept-proxy", NULL, "CIDR",
	  "add: connections from there begin with a header of the PROXY protocol, which names the client; may be "
	  "repeated",
	  true },
	{ "--send-proxy", NULL, "v2", "add: connections to backends begin with a header of the PROXY protocol", false },
	{ "--check", NULL, "auto|off|tcp|http",
	  "add: how backends are checked; auto: the best that the instance answers to; auto if not given", false },
	{ "--check-path", NULL, "PATH", "add: what --check http asks for; / if not given", false },
	{ "--check-host", NULL, "HOST", "add: the Host field; the backend's address if not given", false },
	{ "--check-status", NULL, "STATUS", "add: answers that are good, as 200 or 200-399, which holds if not given",
	  false },
	{ "--check-body", NULL, "TEXT", "add: what must occur in the body of the answer", false },
	{ "--check-interval-ms", NULL, "MS", "add: from one check to the next, 100 to 3600000; 2000 if not given",
	  false },
	{ "--check-timeout-ms", NULL, "MS",
	  "add: an answer that takes longer is bad, 10 to the interval; 1000 if not given", false },
	{ "--rise", NULL, "N", "add: good checks in a row until a backend is up, 1 to 1000; 2 if not given", false },
	{ "--fall", NULL, "N", "add: bad checks in a row until it is down, 1 to 1000; 3 if not given", false },
	OPTION_JSON,
	OPTIONS_END,
};

const struct command command_services = {
	.name = "services",
	.usage = "[list]\nadd NAME --listen ADDR:PORT... [--hash tuple|client] [--balance RULE] [--load-factor FACTOR] "
		 "[--blocked-ms MS] [--slow-start-ms MS] [--idle-ms MS] [--certificate FILE --key FILE]... [--http] "
		 "[--trusted-proxy CIDR]... [--set-header NAME:VALUE]... [--acme FOLDER] [--accept-proxy CIDR]... "
		 "[--send-proxy v2] [--check auto|off|tcp|http] [--check-path PATH] "
		 "[--check-host HOST] [--check-status STATUS] [--check-body TEXT] [--check-interval-ms MS] "
		 "[--check-timeout-ms MS] [--rise N] [--fall N]\n"
		 "add NAME --listen ADDR:PORT... --redirect https [--acme FOLDER] [--accept-proxy CIDR]...\ndel NAME",
	.summary = "what clients dial: list, add or change, delete",
	.verbs = verbs,
	.options = options,
	.run = run,
};
