// SPDX-License-Identifier: BSD-2-Clause
#include "core/diff.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/check.h"
#include "core/endpoint.h"
#include "core/http.h"
#include "core/prefix.h"
#include "core/proxy.h"

#define VALUE_LEN RCXLB_PATH_LEN

struct diff {
	uint32_t lines;
	diff_line line;
	void *context;
};

__attribute__((format(printf, 2, 3))) static void say(struct diff *diff, const char *format, ...)
{
	char text[2 * RCXLB_PATH_LEN + 128];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	diff->lines++;
	diff->line(text, diff->context);
}

/* Settings of a service by their names in a configuration file. */
static const char *const settings[] = {
	"hash",
	"balance",
	"load_factor",
	"blocked_ms",
	"slow_start_ms",
	"idle_ms",
	"health.type",
	"health.path",
	"health.host",
	"health.body",
	"health.status",
	"health.rise",
	"health.interval_ms",
	"health.timeout_ms",
	"health.fall",
	"http",
	"http.head_bytes",
	"http.fields",
	"http.body_bytes",
	"http.head_ms",
	"http.body_ms",
	"http.answer_ms",
	"http.affinity",
	"http.access_log",
	"http.access_log.format",
	"redirect",
	"acme",
	"send_proxy",
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

struct value {
	char text[VALUE_LEN];
};

static const char *or_none(const char *text)
{
	return text[0] ? text : "none";
}

/* Of a service that parses nothing, as if it did: what comes with `http` is told once. */
static struct value *print_http(const struct rcxlb_http *http, struct value *next)
{
	struct rcxlb_http usual;

	http_defaults(&usual, RCXLB_HTTP_PARSED);
	snprintf(next++->text, VALUE_LEN, "%s", http_is_parsed(http) ? "on" : "off");
	if (!http_is_parsed(http))
		http = &usual;
	snprintf(next++->text, VALUE_LEN, "%u", http->head_bytes);
	snprintf(next++->text, VALUE_LEN, "%u", http->fields);
	snprintf(next++->text, VALUE_LEN, "%llu", (unsigned long long)http->body_bytes);
	snprintf(next++->text, VALUE_LEN, "%u", http->head_ms);
	snprintf(next++->text, VALUE_LEN, "%u", http->body_ms);
	snprintf(next++->text, VALUE_LEN, "%u", http->answer_ms);
	snprintf(next++->text, VALUE_LEN, "%s", http_affinity_name(http));
	snprintf(next++->text, VALUE_LEN, "%s", or_none(http->access_log));
	snprintf(next++->text, VALUE_LEN, "%s", http_log_format_name(http));
	return next;
}

/* Their values, in the same order. */
static void print_settings(const struct model_service *service, struct value to[SETTINGS])
{
	const struct rcxlb_check *check = &service->check;
	struct value *next = to;

	snprintf(next++->text, VALUE_LEN, "%s", model_hash_name(service->hash));
	snprintf(next++->text, VALUE_LEN, "%s", model_balance_name(service->balance));
	snprintf(next++->text, VALUE_LEN, "%.2f", service->load_factor / 100.0);
	snprintf(next++->text, VALUE_LEN, "%u", service->blocked_ms);
	snprintf(next++->text, VALUE_LEN, "%u", service->slow_start_ms);
	snprintf(next++->text, VALUE_LEN, "%u", service->idle_ms);
	snprintf(next++->text, VALUE_LEN, "%s", check_type_name(check->type));
	snprintf(next++->text, VALUE_LEN, "%s", or_none(check->path));
	snprintf(next++->text, VALUE_LEN, "%s", or_none(check->host));
	snprintf(next++->text, VALUE_LEN, "%s", or_none(check->body));
	check_status_text(check, next++->text);
	snprintf(next++->text, VALUE_LEN, "%u", check->rise);
	snprintf(next++->text, VALUE_LEN, "%u", check->interval_ms);
	snprintf(next++->text, VALUE_LEN, "%u", check->timeout_ms);
	snprintf(next++->text, VALUE_LEN, "%u", check->fall);
	next = print_http(&service->http, next);
	snprintf(next++->text, VALUE_LEN, "%s", or_none(http_redirect_name(&service->http)));
	snprintf(next++->text, VALUE_LEN, "%s", or_none(service->http.acme));
	snprintf(next++->text, VALUE_LEN, "%s", or_none(proxy_send_name(&service->proxy)));
}

static void diff_settings(struct diff *diff, const struct model_service *from, const struct model_service *to)
{
	struct value before[SETTINGS], after[SETTINGS];

	print_settings(from, before);
	print_settings(to, after);
	for (size_t i = 0; i < SETTINGS; i++)
		if (strcmp(before[i].text, after[i].text))
			say(diff, "~ service %s: %s %s → %s", to->name, settings[i], before[i].text, after[i].text);
}

static bool listens_on(const struct model_service *service, const char *text)
{
	char listens[RCXLB_MAX_LISTEN][RCXLB_TEXT_LEN];
	uint32_t count = model_listens(service, listens);

	for (uint32_t i = 0; i < count; i++)
		if (!strcmp(listens[i], text))
			return true;
	return false;
}

/* Addresses that `service` has and `other`, NULL for nobody, has not. */
static void diff_listens(struct diff *diff, char sign, const struct model_service *service,
			 const struct model_service *other)
{
	char listens[RCXLB_MAX_LISTEN][RCXLB_TEXT_LEN];
	uint32_t count = model_listens(service, listens);

	for (uint32_t i = 0; i < count; i++)
		if (!other || !listens_on(other, listens[i]))
			say(diff, "%c address %s of %s", sign, listens[i], service->name);
}

/* Backends that a service has in one model and not in the other. */
static void diff_members(struct diff *diff, char sign, const struct model *model, const struct model_service *service,
			 struct model *other_model, const struct model_service *other)
{
	uint16_t members[RCXLB_MAX_BACKENDS];
	uint32_t count = model_members(model, service, members);
	char text[RCXLB_TEXT_LEN];

	for (uint32_t i = 0; i < count; i++) {
		const struct rcxlb_endpoint *endpoint = &model->backend[members[i]].endpoint;

		if (!other || !model_backend_find(other_model, other, endpoint))
			say(diff, "%c backend %s in %s", sign, endpoint_format(endpoint, text), service->name);
	}
}

static void diff_backend(struct diff *diff, const struct model_backend *from, const struct model_backend *to)
{
	char text[RCXLB_TEXT_LEN];

	endpoint_format(&to->endpoint, text);
	if (from->weight != to->weight)
		say(diff, "~ backend %s: weight %u → %u", text, from->weight, to->weight);
	if (from->max_connections != to->max_connections)
		say(diff, "~ backend %s: max_connections %u → %u", text, from->max_connections, to->max_connections);
	if (from->draining != to->draining)
		say(diff, "~ backend %s: draining %s → %s", text, from->draining ? "true" : "false",
		    to->draining ? "true" : "false");
}

static void diff_backends(struct diff *diff, struct model *from, const struct model *to)
{
	static const struct model_backend usual = { .weight = 1 };

	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		const struct model_backend *backend = &to->backend[id], *before;

		if (!backend->used)
			continue;
		before = model_backend_find(from, NULL, &backend->endpoint);
		diff_backend(diff, before ? before : &usual, backend);
	}
}

static bool has_certificate(const struct rcxlb_tls *tls, const char *certificate, const char *key)
{
	for (uint32_t i = 0; i < tls->certificates; i++)
		if (!strcmp(tls->file[i].certificate, certificate) && !strcmp(tls->file[i].key, key))
			return true;
	return false;
}

/* Certificates that `service` has and `other`, NULL for nobody, has not. */
static void diff_certificates(struct diff *diff, char sign, const struct model_service *service,
			      const struct model_service *other)
{
	const struct rcxlb_tls *tls = &service->tls;

	for (uint32_t i = 0; i < tls->certificates; i++)
		if (!other || !has_certificate(&other->tls, tls->file[i].certificate, tls->file[i].key))
			say(diff, "%c certificate %s, key %s, of %s", sign, tls->file[i].certificate, tls->file[i].key,
			    service->name);
}

/* The first one is for clients that name no host. Of several for one host the first one is taken, too. */
static void diff_order(struct diff *diff, const struct model_service *before, const struct model_service *after)
{
	const struct rcxlb_tls *from = &before->tls, *to = &after->tls;
	uint32_t same = 0;

	while (same < from->certificates && same < to->certificates &&
	       !strcmp(from->file[same].certificate, to->file[same].certificate))
		same++;
	if (!from->certificates || !to->certificates || same == from->certificates || same == to->certificates)
		return;
	if (same && has_certificate(from, to->file[same].certificate, to->file[same].key))
		say(diff, "~ service %s: order of certificates", after->name);
	if (!same)
		say(diff, "~ service %s: certificate for clients that name none %s → %s", after->name,
		    from->file[0].certificate, to->file[0].certificate);
}

static bool has_page(const struct rcxlb_http *http, const char *file, const char *statuses)
{
	char own[HTTP_STATUSES_LEN];

	for (uint32_t i = 0; i < http->error_pages; i++)
		if (!strcmp(http->error_page[i].file, file) && !strcmp(http_error_statuses(http, i, own), statuses))
			return true;
	return false;
}

/* Error pages that `service` has and `other`, NULL for nobody, has not. */
static void diff_pages(struct diff *diff, char sign, const struct model_service *service,
		       const struct model_service *other)
{
	const struct rcxlb_http *http = &service->http;
	char statuses[HTTP_STATUSES_LEN];

	for (uint32_t i = 0; i < http->error_pages; i++) {
		http_error_statuses(http, i, statuses);
		if (!other || !has_page(&other->http, http->error_page[i].file, statuses))
			say(diff, "%c error page %s for %s of %s", sign, http->error_page[i].file, statuses,
			    service->name);
	}
}

static bool sets(const struct rcxlb_http *http, const char *name, const char *value)
{
	for (uint32_t i = 0; i < http->headers; i++)
		if (!strcmp(http->header[i].name, name) && !strcmp(http->header[i].value, value))
			return true;
	return false;
}

/* Proxies, header fields and error pages that `service` has and `other`, NULL for nobody, has not. */
static void diff_http(struct diff *diff, char sign, const struct model_service *service,
		      const struct model_service *other)
{
	const struct rcxlb_http *http = &service->http;
	char text[PREFIX_LEN];

	for (uint32_t i = 0; i < http->trusted_count; i++)
		if (!other || !prefix_list_has(other->http.trusted, other->http.trusted_count, &http->trusted[i]))
			say(diff, "%c trusted proxy %s of %s", sign, prefix_format(&http->trusted[i], text),
			    service->name);
	for (uint32_t i = 0; i < http->headers; i++)
		if (!other || !sets(&other->http, http->header[i].name, http->header[i].value))
			say(diff, "%c header %s: %s of %s", sign, http->header[i].name, http->header[i].value,
			    service->name);
	diff_pages(diff, sign, service, other);
}

static const char *route_end(const struct model *model, const struct rcxlb_http *http, uint32_t route)
{
	return model->service[http->route[route].service % RCXLB_MAX_SERVICES].name;
}

static bool has_route(const struct model *model, const struct rcxlb_http *http, const char *path, const char *end)
{
	for (uint32_t i = 0; i < http->routes; i++)
		if (!strcmp(http->route[i].path, path) && !strcmp(route_end(model, http, i), end))
			return true;
	return false;
}

/* Routes that `service` has and `other`, NULL for nobody, has not. */
static void diff_routes(struct diff *diff, char sign, const struct model *model, const struct model_service *service,
			const struct model *other_model, const struct model_service *other)
{
	const struct rcxlb_http *http = &service->http;

	for (uint32_t i = 0; i < http->routes; i++) {
		const char *path = http->route[i].path, *end = route_end(model, http, i);

		if (!other || !has_route(other_model, &other->http, path, end))
			say(diff, "%c route %s to %s of %s", sign, path, end, service->name);
	}
}

/* From where `service` accepts headers of the PROXY protocol and `other`, NULL for nobody, does not. */
static void diff_proxy(struct diff *diff, char sign, const struct model_service *service,
		       const struct model_service *other)
{
	const struct rcxlb_proxy *proxy = &service->proxy;
	char text[PREFIX_LEN];

	for (uint32_t i = 0; i < proxy->accepts; i++)
		if (!other || !prefix_list_has(other->proxy.accept, other->proxy.accepts, &proxy->accept[i]))
			say(diff, "%c accept_proxy %s of %s", sign, prefix_format(&proxy->accept[i], text),
			    service->name);
}

static void diff_service(struct diff *diff, struct model *from, struct model *to, const struct model_service *service)
{
	const struct model_service *before = model_service_find(from, service->name);
	struct model_service usual = {};

	if (!before) {
		model_service_defaults(&usual, RCXLB_HASH_TUPLE);
		say(diff, "+ service %s", service->name);
	}
	diff_settings(diff, before ? before : &usual, service);
	if (before)
		diff_listens(diff, '-', before, service);
	diff_listens(diff, '+', service, before);
	if (before)
		diff_certificates(diff, '-', before, service);
	diff_certificates(diff, '+', service, before);
	if (before) {
		diff_order(diff, before, service);
		diff_http(diff, '-', before, service);
	}
	diff_http(diff, '+', service, before);
	if (before)
		diff_routes(diff, '-', from, before, to, service);
	diff_routes(diff, '+', to, service, from, before);
	if (before)
		diff_proxy(diff, '-', before, service);
	diff_proxy(diff, '+', service, before);
	if (before)
		diff_members(diff, '-', from, before, to, service);
	diff_members(diff, '+', to, service, from, before);
}

static void diff_rest(struct diff *diff, const struct model *from, const struct model *to)
{
	const struct rcxlb_endpoint *before = &from->settings.metrics, *after = &to->settings.metrics;
	char left[RCXLB_TEXT_LEN], right[RCXLB_TEXT_LEN];

	if (!endpoint_equal(before, after))
		say(diff, "~ metrics.listen %s → %s", before->port ? endpoint_format(before, left) : "off",
		    after->port ? endpoint_format(after, right) : "off");
	if (from->settings.workers != to->settings.workers)
		say(diff, "~ agent.workers %u → %u (0: auto)", from->settings.workers, to->settings.workers);
	if (memcmp(from->hash_key, to->hash_key, sizeof(from->hash_key)))
		say(diff, "~ hash_key: another one, which scatters clients anew");
}

uint32_t model_diff(const struct model *from, const struct model *to, diff_line line, void *context)
{
	struct model *before = (struct model *)from, *after = (struct model *)to; /* only looked at */
	struct diff diff = { .line = line, .context = context };

	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (before->service[i].name[0] && !model_service_find(after, before->service[i].name))
			say(&diff, "- service %s", before->service[i].name);
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (after->service[i].name[0])
			diff_service(&diff, before, after, &after->service[i]);
	diff_backends(&diff, before, after);
	diff_rest(&diff, before, after);
	return diff.lines;
}

static const struct rcxlb_interface *find_interface(const struct rcxlb_interface *all, uint32_t count, const char *name)
{
	for (uint32_t i = 0; i < count; i++)
		if (!strcmp(all[i].name, name))
			return &all[i];
	return NULL;
}

uint32_t xdp_diff(const struct rcxlb_interface *from, uint32_t count, const struct xdp_wishes *to, diff_line line,
		  void *context)
{
	struct diff diff = { .line = line, .context = context };

	for (uint32_t i = 0; i < count; i++)
		if (!xdp_find(to, from[i].name))
			say(&diff, "- interface %s", from[i].name);
	for (uint32_t i = 0; i < to->count; i++) {
		const struct xdp_wish *wish = &to->entry[i];
		const struct rcxlb_interface *before = find_interface(from, count, wish->name);

		if (!before)
			say(&diff, "+ interface %s, xdp %s", wish->name, xdp_choice_name(wish->xdp));
		else if (!xdp_is_met(wish->xdp, before->mode))
			say(&diff, "~ interface %s: xdp %s → %s", wish->name, xdp_mode_name(before->mode),
			    xdp_choice_name(wish->xdp));
	}
	return diff.lines;
}
