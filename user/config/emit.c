// SPDX-License-Identifier: BSD-2-Clause
#include "config/emit.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "core/check.h"
#include "core/endpoint.h"
#include "core/http.h"
#include "core/proxy.h"
#include "core/prefix.h"
#include "core/xdp.h"

static json_t *backend_tree(const struct model_backend *backend)
{
	char text[RCXLB_TEXT_LEN];
	json_t *tree = json_pack("{s:s}", "address", endpoint_format(&backend->endpoint, text));

	if (backend->weight != 1)
		json_object_set_new(tree, "weight", json_integer(backend->weight));
	if (backend->max_connections)
		json_object_set_new(tree, "max_connections", json_integer(backend->max_connections));
	if (backend->draining)
		json_object_set_new(tree, "draining", json_true());
	return tree;
}

static void put_text(json_t *tree, const char *key, const char *text, const char *usual)
{
	if (strcmp(text, usual))
		json_object_set_new(tree, key, json_string(text));
}

static void put_number(json_t *tree, const char *key, uint64_t number, uint64_t usual)
{
	if (number != usual)
		json_object_set_new(tree, key, json_integer(number));
}

/* What is not as it is when nothing is said. */
static json_t *check_tree(const struct rcxlb_check *check)
{
	json_t *tree = json_object();
	char status[CHECK_STATUS_LEN];
	struct rcxlb_check usual;

	check_defaults(&usual);
	put_text(tree, "type", check_type_name(check->type), check_type_name(usual.type));
	put_text(tree, "path", check->path, usual.path);
	put_text(tree, "host", check->host, usual.host);
	if (check->status_from != usual.status_from || check->status_to != usual.status_to)
		json_object_set_new(tree, "status",
				    check->status_from == check->status_to
					? json_integer(check->status_from)
					: json_string(check_status_text(check, status)));
	put_text(tree, "body", check->body, usual.body);
	put_number(tree, "interval_ms", check->interval_ms, usual.interval_ms);
	put_number(tree, "timeout_ms", check->timeout_ms, usual.timeout_ms);
	put_number(tree, "rise", check->rise, usual.rise);
	put_number(tree, "fall", check->fall, usual.fall);
	return tree;
}

/* One stands by itself, several in a list. */
static json_t *tls_tree(const struct rcxlb_tls *tls)
{
	json_t *all = json_array(), *only;

	for (uint32_t i = 0; i < tls->certificates && i < RCXLB_MAX_CERTIFICATES; i++)
		json_array_append_new(
		    all, json_pack("{s:s, s:s}", "certificate", tls->file[i].certificate, "key", tls->file[i].key));
	if (json_array_size(all) != 1)
		return all;
	only = json_incref(json_array_get(all, 0));
	json_decref(all);
	return only;
}

static json_t *prefixes_tree(const struct rcxlb_prefix *prefix, uint32_t count)
{
	json_t *all = json_array();
	char text[PREFIX_LEN];

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(all, json_string(prefix_format(&prefix[i], text)));
	return all;
}

static json_t *headers_tree(const struct rcxlb_http *http)
{
	json_t *set = json_object();

	for (uint32_t i = 0; i < http->headers && i < RCXLB_MAX_HEADERS; i++)
		json_object_set_new(set, http->header[i].name, json_string(http->header[i].value));
	return json_pack("{s:o}", "set", set);
}

static json_t *error_pages_tree(const struct rcxlb_http *http)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < http->error_pages && i < RCXLB_MAX_ERROR_PAGES; i++) {
		json_t *statuses = json_array();

		for (uint32_t k = 0; k < RCXLB_ERROR_STATUSES && http->error_page[i].status[k]; k++)
			json_array_append_new(statuses, json_integer(http->error_page[i].status[k]));
		json_array_append_new(all,
				      json_pack("{s:o, s:s}", "status", statuses, "file", http->error_page[i].file));
	}
	return all;
}

static json_t *http_tree(const struct rcxlb_http *http)
{
	json_t *tree = json_pack("{s:b}", "forwarded", 1);
	struct rcxlb_http usual;

	http_defaults(&usual, RCXLB_HTTP_PARSED);
	put_number(tree, "head_bytes", http->head_bytes, usual.head_bytes);
	put_number(tree, "fields", http->fields, usual.fields);
	put_number(tree, "body_bytes", http->body_bytes, usual.body_bytes);
	put_number(tree, "head_ms", http->head_ms, usual.head_ms);
	put_number(tree, "body_ms", http->body_ms, usual.body_ms);
	put_number(tree, "answer_ms", http->answer_ms, usual.answer_ms);
	put_text(tree, "affinity", http_affinity_name(http), "none");
	if (http->access_log[0])
		json_object_set_new(
		    tree, "access_log",
		    json_pack("{s:s, s:s}", "to", http->access_log, "format", http_log_format_name(http)));
	if (http->trusted_count)
		json_object_set_new(tree, "trusted_proxies", prefixes_tree(http->trusted, http->trusted_count));
	if (http->error_pages)
		json_object_set_new(tree, "error_page", error_pages_tree(http));
	if (http->headers)
		json_object_set_new(tree, "headers", headers_tree(http));
	return tree;
}

static json_t *routes_tree(const struct model *model, const struct rcxlb_http *http)
{
	json_t *all = json_array();

	for (uint32_t i = 0; i < http->routes && i < RCXLB_MAX_ROUTES; i++)
		json_array_append_new(all, json_pack("{s:s, s:s}", "path", http->route[i].path, "service",
						     model->service[http->route[i].service % RCXLB_MAX_SERVICES].name));
	return all;
}

static json_t *service_tree(const struct model *model, const struct model_service *service)
{
	char listens[RCXLB_MAX_LISTEN][RCXLB_TEXT_LEN];
	uint16_t members[RCXLB_MAX_BACKENDS];
	json_t *listen = json_array(), *backends = json_array(), *check = check_tree(&service->check), *tree;
	uint32_t count = model_listens(service, listens);

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(listen, json_string(listens[i]));
	count = model_members(model, service, members);
	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(backends, backend_tree(&model->backend[members[i]]));
	tree = json_pack("{s:s, s:o, s:s, s:s}", "name", service->name, "listen", listen, "hash",
			 model_hash_name(service->hash), "balance", model_balance_name(service->balance));
	if (service->load_factor != RCXLB_LOAD_FACTOR)
		json_object_set_new(tree, "load_factor", json_real(service->load_factor / 100.0));
	put_number(tree, "blocked_ms", service->blocked_ms, RCXLB_BLOCKED_MS);
	put_number(tree, "slow_start_ms", service->slow_start_ms, 0);
	put_number(tree, "idle_ms", service->idle_ms, RCXLB_IDLE_MS);
	if (service->tls.certificates)
		json_object_set_new(tree, "tls", tls_tree(&service->tls));
	if (http_is_parsed(&service->http))
		json_object_set_new(tree, "http", http_tree(&service->http));
	if (service->http.routes)
		json_object_set_new(tree, "routes", routes_tree(model, &service->http));
	put_text(tree, "redirect", http_redirect_name(&service->http), "");
	put_text(tree, "acme", service->http.acme, "");
	if (service->proxy.accepts)
		json_object_set_new(tree, "accept_proxy", prefixes_tree(service->proxy.accept, service->proxy.accepts));
	put_text(tree, "send_proxy", proxy_send_name(&service->proxy), "");
	if (http_redirect_name(&service->http)[0])
		json_decref(backends); /* it has none */
	else
		json_object_set_new(tree, "backends", backends);
	if (json_object_size(check))
		json_object_set(tree, "health", check);
	json_decref(check);
	return tree;
}

static json_t *interface_tree(const struct rcxlb_interface *interface)
{
	enum xdp_choice xdp = xdp_choice_of(interface->mode);

	if (xdp == XDP_AUTO)
		return json_string(interface->name);
	return json_pack("{s:s, s:s}", "name", interface->name, "xdp", xdp_choice_name(xdp));
}

static void put_rest(json_t *tree, const struct model *model)
{
	const struct rcxlb_endpoint *metrics = &model->settings.metrics;
	char text[RCXLB_TEXT_LEN], key[33];

	if (model->settings.workers)
		json_object_set_new(tree, "agent", json_pack("{s:i}", "workers", (int)model->settings.workers));
	endpoint_format(metrics, text);
	if (!metrics->port || strcmp(text, RCXLB_METRICS_LISTEN))
		json_object_set_new(tree, "metrics", json_pack("{s:s}", "listen", metrics->port ? text : "off"));
	snprintf(key, sizeof(key), "%016llx%016llx", (unsigned long long)model->hash_key[0],
		 (unsigned long long)model->hash_key[1]);
	if (model->hash_key[0] || model->hash_key[1])
		json_object_set_new(tree, "hash_key", json_string(key));
}

json_t *config_tree(const struct model *model, const struct rcxlb_interface *interface, uint32_t count)
{
	json_t *interfaces = json_array(), *services = json_array(), *tree;

	for (uint32_t i = 0; i < count; i++)
		json_array_append_new(interfaces, interface_tree(&interface[i]));
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (model->service[i].name[0])
			json_array_append_new(services, service_tree(model, &model->service[i]));
	tree = json_pack("{s:o, s:o}", "interfaces", interfaces, "services", services);
	put_rest(tree, model);
	return tree;
}

static int emit(yaml_emitter_t *emitter, yaml_event_t *event, int made)
{
	return made && yaml_emitter_emit(emitter, event) ? 0 : -EIO;
}

static int emit_scalar(yaml_emitter_t *emitter, const char *text, bool quoted)
{
	yaml_event_t event;

	return emit(emitter, &event,
		    yaml_scalar_event_initialize(&event, NULL, NULL, (yaml_char_t *)text, strlen(text), 1, 1,
						 quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE));
}

/* Leaves stand on one line: lists of texts, and mappings without lists in them. */
static bool is_leaf(const json_t *node)
{
	const char *key;
	json_t *value;
	size_t i;

	if (json_is_array(node)) {
		json_array_foreach(node, i, value)
			if (json_is_object(value) || json_is_array(value))
				return false;
		return true;
	}
	json_object_foreach((json_t *)node, key, value)
		if (json_is_object(value) || json_is_array(value))
			return false;
	return true;
}

/* A word that every reader of YAML takes for a text without quotes. */
static bool is_plain(const char *text)
{
	static const char *const others[] = { "y", "n", "yes", "no", "on", "off", "true", "false", "null" };

	if (!isalpha((unsigned char)text[0]))
		return false;
	for (const char *c = text; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
			return false;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (!strcasecmp(text, others[i]))
			return false;
	return true;
}

static int emit_node(yaml_emitter_t *emitter, const json_t *node);

static int emit_list(yaml_emitter_t *emitter, const json_t *node)
{
	yaml_sequence_style_t style = is_leaf(node) ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE;
	yaml_event_t event;
	json_t *value;
	size_t i;
	int err;

	err = emit(emitter, &event, yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, style));
	json_array_foreach(node, i, value)
		if (!err)
			err = emit_node(emitter, value);
	return err ? err : emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

static int emit_mapping(yaml_emitter_t *emitter, const json_t *node)
{
	yaml_mapping_style_t style = is_leaf(node) ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE;
	yaml_event_t event;
	const char *key;
	json_t *value;
	int err;

	err = emit(emitter, &event, yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, style));
	json_object_foreach((json_t *)node, key, value) {
		if (!err)
			err = emit_scalar(emitter, key, !is_plain(key));
		if (!err)
			err = emit_node(emitter, value);
	}
	return err ? err : emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static int emit_node(yaml_emitter_t *emitter, const json_t *node)
{
	char number[32];

	if (json_is_array(node))
		return emit_list(emitter, node);
	if (json_is_object(node))
		return emit_mapping(emitter, node);
	if (json_is_integer(node)) {
		snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(node));
		return emit_scalar(emitter, number, false);
	}
	if (json_is_real(node)) {
		snprintf(number, sizeof(number), "%g", json_real_value(node));
		return emit_scalar(emitter, number, false);
	}
	if (json_is_boolean(node))
		return emit_scalar(emitter, json_is_true(node) ? "true" : "false", false);
	return emit_scalar(emitter, json_string_value(node), !is_plain(json_string_value(node)));
}

int config_write_yaml(const json_t *tree, FILE *to)
{
	yaml_emitter_t emitter;
	yaml_event_t event;
	int err;

	if (!yaml_emitter_initialize(&emitter))
		return -ENOMEM;
	yaml_emitter_set_output_file(&emitter, to);
	yaml_emitter_set_width(&emitter, 120);
	err = emit(&emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
	if (!err)
		err = emit(&emitter, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1));
	if (!err)
		err = emit_node(&emitter, tree);
	if (!err)
		err = emit(&emitter, &event, yaml_document_end_event_initialize(&event, 1));
	if (!err)
		err = emit(&emitter, &event, yaml_stream_end_event_initialize(&event));
	yaml_emitter_delete(&emitter);
	return err;
}
