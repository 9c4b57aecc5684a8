// SPDX-License-Identifier: BSD-2-Clause
#include "config/build.h"

#include <errno.h>
#include <string.h>

#include "core/check.h"
#include "core/endpoint.h"
#include "core/http.h"
#include "core/nearest.h"

#define SERVICE "services[]"
#define BACKEND "services[].backends[]"
#define HEALTH	"services[].health"
#define TLS	"services[].tls[]"
#define LOG	"services[].http.access_log"
#define PAGE	"services[].http.error_page[]"
#define ROUTE	"services[].routes[]"

struct builder {
	const struct draft *draft;
	struct config *to;
	struct mistakes *mistakes;
	uint32_t backend_line[RCXLB_MAX_BACKENDS];
};

static void build_interfaces(struct builder *builder)
{
	const struct draft *draft = builder->draft;
	struct error error;

	builder->to->has_interfaces = draft_has(&draft->head, "", "interfaces");
	builder->to->xdp = draft->xdp;
	for (uint32_t i = 0; i < draft->interfaces; i++) {
		const struct draft_interface *interface = &draft->interface[i];
		bool own = draft_has(&interface->head, "interfaces[]", "xdp");

		if (interface->name[0] &&
		    xdp_wish(&builder->to->interfaces, interface->name, own ? interface->xdp : draft->xdp, &error))
			mistake_from(builder->mistakes, interface->head.line, interface->name, &error);
	}
}

/* The first service before `before` that has this name; NULL: none. */
static const struct draft_service *find_service(const struct draft *draft, const char *name, uint32_t before)
{
	for (uint32_t i = 0; i < before; i++)
		if (!strcmp(draft->service[i].service.name, name))
			return &draft->service[i];
	return NULL;
}

static bool listens_on(const struct draft_service *service, const struct rcxlb_endpoint *endpoint)
{
	for (uint32_t i = 0; i < service->service.listens; i++)
		if (endpoint_equal(&service->service.listen[i], endpoint))
			return true;
	return false;
}

/* An address belongs to one service. */
static void check_listens(struct builder *builder, uint32_t index)
{
	const struct draft_service *service = &builder->draft->service[index];
	char text[RCXLB_TEXT_LEN];

	for (uint32_t i = 0; i < index; i++) {
		const struct draft_service *other = &builder->draft->service[i];

		for (uint32_t k = 0; k < service->service.listens; k++) {
			const struct rcxlb_endpoint *listen = &service->service.listen[k];

			if (listens_on(other, listen))
				mistake(builder->mistakes, service->listen_line[k],
					model_listen_text(&service->service, listen, text),
					"the service '%s' in line %u listens there already; give this one another "
					"address or port",
					other->service.name, other->head.line);
		}
	}
}

static void check_health(struct builder *builder, const struct draft_service *service)
{
	const struct draft_head *head = &service->health.head;
	struct error error;
	const char *key;

	if (draft_has(&service->head, SERVICE, "health") && check_validate(&service->health.check, &key, &error))
		mistake_from(builder->mistakes, draft_line(head, HEALTH, key), key, &error);
}

/* Who answers every request himself has no use for what requests need otherwise. */
static void check_redirect(struct builder *builder, const struct draft_service *service)
{
	static const char *const others[] = { "tls", "http", "backends", "backends_of", "health", "send_proxy" };

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (draft_has(&service->head, SERVICE, others[i]))
			mistake(builder->mistakes, draft_line(&service->head, SERVICE, others[i]), others[i],
				"the service has redirect, with which it asks no backend of its own and does nothing "
				"else; take one of the two out");
}

/* Whoever wants to come back is hashed by what stays the same, and gets the hash's choice if that can serve. */
static void check_affinity(struct builder *builder, const struct draft_service *service)
{
	if (draft_has(&service->head, SERVICE, "hash") && service->service.hash != RCXLB_HASH_CLIENT)
		mistake(builder->mistakes, draft_line(&service->head, SERVICE, "hash"), "tuple",
			"affinity: cookie hashes what stays the same of a client; take hash out, or make it client");
	if (draft_has(&service->head, SERVICE, "balance") && service->service.balance == RCXLB_BALANCE_LEAST)
		mistake(
		    builder->mistakes, draft_line(&service->head, SERVICE, "balance"), "least",
		    "with it clients do not come back, as affinity: cookie asks for; make it bounded or consistent");
}

static bool redirects(const struct draft_service *service)
{
	return draft_has(&service->head, SERVICE, "redirect");
}

/* Where the files are named that are read later. */
static void note_lines(struct builder *builder, uint32_t index)
{
	const struct draft_service *service = &builder->draft->service[index];

	for (uint32_t i = 0; i < service->certificates; i++)
		builder->to->tls[index][i] = (struct config_lines){
			.certificate = draft_line(&service->tls[i].head, TLS, "certificate"),
			.key = draft_line(&service->tls[i].head, TLS, "key"),
		};
	builder->to->acme[index] = draft_line(&service->head, SERVICE, "acme");
	builder->to->access_log[index] = draft_line(&service->http.access_log.head, LOG, "to");
	for (uint32_t i = 0; i < service->http.http.error_pages; i++)
		builder->to->error_page[index][i] = draft_line(&service->http.error_page[i].head, PAGE, "file");
}

static void build_service(struct builder *builder, uint32_t index)
{
	const struct draft_service *service = &builder->draft->service[index], *twin;
	struct model_service wished = service->service, usual = {};
	struct error ignored;

	if (!wished.name[0])
		return;
	twin = find_service(builder->draft, wished.name, index);
	if (twin) {
		mistake(builder->mistakes, draft_line(&service->head, SERVICE, "name"), wished.name,
			"a service in line %u has this name already; give this one another", twin->head.line);
		return;
	}
	check_listens(builder, index);
	check_health(builder, service);
	if (service->http.http.flags & RCXLB_HTTP_COOKIE) {
		check_affinity(builder, service);
		wished.hash = RCXLB_HASH_CLIENT;
	}
	model_service_defaults(&usual, wished.hash);
	/* Who asks for a cookie has clients that must come back: a session of SockJS is lost at another instance. */
	if (service->http.http.flags & RCXLB_HTTP_COOKIE)
		usual.balance = RCXLB_BALANCE_CONSISTENT;
	if (!draft_has(&service->head, SERVICE, "balance"))
		wished.balance = usual.balance;
	wished.check = service->health.check;
	wished.tls.certificates = service->certificates;
	for (uint32_t i = 0; i < service->certificates; i++) {
		memcpy(wished.tls.file[i].certificate, service->tls[i].certificate, RCXLB_PATH_LEN);
		memcpy(wished.tls.file[i].key, service->tls[i].key, RCXLB_PATH_LEN);
	}
	note_lines(builder, index);
	wished.http = service->http.http;
	if (redirects(service)) {
		check_redirect(builder, service);
		http_defaults(&wished.http, RCXLB_HTTP_REDIRECT);
	}
	if (wished.http.flags)
		memcpy(wished.http.acme, service->acme, sizeof(wished.http.acme));
	else if (service->acme[0])
		mistake(builder->mistakes, draft_line(&service->head, SERVICE, "acme"), "acme",
			"paths are known where HTTP is parsed: add redirect: https, or http: {}, to the service");
	model_service_set(&builder->to->model, &wished, &ignored); /* why it may fail has been noted */
}

static bool is_alike(const struct model_backend *a, const struct draft_backend *b)
{
	return a->weight == b->weight && a->max_connections == b->max_connections && a->draining == b->draining;
}

/* One backend. Returns whether there is any sense in going on with the others of its range. */
static bool add_backend(struct builder *builder, struct model_service *service, const struct draft_backend *draft,
			const struct rcxlb_endpoint *endpoint)
{
	struct model *model = &builder->to->model;
	struct model_backend *backend = model_backend_find(model, NULL, endpoint);
	uint32_t line = draft_line(&draft->head, BACKEND, "address"), *first;
	char text[RCXLB_TEXT_LEN];
	struct error error;

	endpoint_format(endpoint, text);
	first = backend ? &builder->backend_line[backend - model->backend] : NULL;
	if (backend && model_is_member(service, backend - model->backend)) {
		mistake(builder->mistakes, line, text, "line %u has this backend already; it can be there once",
			*first);
		return false;
	}
	if (backend && !is_alike(backend, draft)) {
		mistake(
		    builder->mistakes, line, text,
		    "it is a backend of another service in line %u, and the same instance: give it the same weight, "
		    "max_connections and draining, or use backends_of",
		    *first);
		return false;
	}
	if (model_backend_add(model, service, endpoint, &backend, &error)) {
		mistake_from(builder->mistakes, line, text, &error);
		return false;
	}
	if (!first) {
		backend->weight = draft->weight;
		backend->max_connections = draft->max_connections;
		backend->draining = draft->draining;
		builder->backend_line[backend - model->backend] = line;
	}
	return true;
}

static void build_backends(struct builder *builder, const struct draft_service *service)
{
	struct model_service *to = model_service_find(&builder->to->model, service->service.name);

	for (uint32_t i = 0; to && i < service->backends && !builder->mistakes->more; i++) {
		const struct draft_backend *backend = &service->backend[i];
		struct rcxlb_endpoint endpoint = backend->first;

		for (uint32_t port = endpoint.port; backend->last && port <= backend->last; port++) {
			endpoint.port = port;
			if (!add_backend(builder, to, backend, &endpoint))
				break;
		}
	}
}

/* `name` is what `service` says in this line. */
static void say_unknown_service(struct builder *builder, const struct draft_service *service, const char *name,
				uint32_t line)
{
	struct nearest nearest = { .meant = name };

	for (uint32_t i = 0; i < builder->draft->services; i++)
		if (builder->draft->service[i].service.name[0] && &builder->draft->service[i] != service)
			nearest_offer(&nearest, builder->draft->service[i].service.name);
	if (nearest.word)
		mistake(builder->mistakes, line, name, "no service has this name; did you mean '%s'?", nearest.word);
	else
		mistake(builder->mistakes, line, name, "no service has this name; name one that has backends");
}

/* The service whose backends these are in the end: backends_of may name one that has backends_of itself. */
static const struct draft_service *find_root(struct builder *builder, const struct draft_service *service)
{
	const struct draft *draft = builder->draft;
	const struct draft_service *root = service;

	for (uint32_t steps = 0; root->backends_of[0]; steps++) {
		const struct draft_service *next = find_service(draft, root->backends_of, draft->services);

		if (!next) {
			if (root == service) /* else it is said where it is written */
				say_unknown_service(builder, service, service->backends_of,
						    draft_line(&service->head, SERVICE, "backends_of"));
			return NULL;
		}
		if (next == service || steps > draft->services) {
			mistake(builder->mistakes, draft_line(&service->head, SERVICE, "backends_of"),
				service->backends_of,
				"the services name each other in a circle, or one itself; one of them must have "
				"backends of its own");
			return NULL;
		}
		root = next;
	}
	return root;
}

static void build_shared(struct builder *builder, const struct draft_service *service)
{
	static const char *const others[] = { "backends", "health" };
	struct model *model = &builder->to->model;
	struct model_service *to = model_service_find(model, service->service.name), *from;
	const struct draft_service *root;

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (draft_has(&service->head, SERVICE, others[i]))
			mistake(builder->mistakes, draft_line(&service->head, SERVICE, others[i]), others[i],
				"the service has backends_of, which stands for the %s of '%s'; take one of the two out",
				others[i], service->backends_of);
	root = find_root(builder, service);
	if (root && redirects(root)) {
		mistake(builder->mistakes, draft_line(&service->head, SERVICE, "backends_of"), service->backends_of,
			"that service has redirect, and no backends; name one that has some");
		return;
	}
	from = root ? model_service_find(model, root->service.name) : NULL;
	if (!to || !from)
		return;
	memcpy(to->member, from->member, sizeof(to->member));
	to->check = from->check;
}

/* The id of the service that a route leads to; RCXLB_MAX_SERVICES: it cannot lead there. */
static uint32_t route_end(struct builder *builder, const struct draft_service *service, const struct draft_route *route)
{
	const struct draft_service *end = find_service(builder->draft, route->service, builder->draft->services);
	uint32_t line = draft_line(&route->head, ROUTE, "service");
	const struct model_service *to;

	if (!end)
		say_unknown_service(builder, service, route->service, line);
	else if (end == service)
		mistake(builder->mistakes, line, route->service,
			"the route leads to the service that it is in; it can be left out");
	else if (redirects(end))
		mistake(builder->mistakes, line, route->service,
			"that service has redirect, and no backends; name one that has some");
	to = model_service_find(&builder->to->model, route->service);
	return to && end != service ? to - builder->to->model.service : RCXLB_MAX_SERVICES;
}

/* Where challenges of a certificate authority are, or a part of it. */
static bool is_challenges(const char *path)
{
	const char challenges[] = HTTP_CHALLENGE_PATH;
	const size_t length = sizeof(challenges) - 2; /* without the final slash */

	return !strncmp(path, challenges, length) && (!path[length] || path[length] == '/');
}

static void build_routes(struct builder *builder, const struct draft_service *service)
{
	struct model_service *to = model_service_find(&builder->to->model, service->service.name);
	struct error error;

	if (service->routes && !draft_has(&service->head, SERVICE, "http") && !redirects(service))
		mistake(builder->mistakes, draft_line(&service->head, SERVICE, "routes"), "routes",
			"paths are known where HTTP is parsed: add http: {} to the service");
	for (uint32_t i = 0; to && i < service->routes; i++) {
		const struct draft_route *route = &service->route[i];
		uint32_t end;

		if (service->acme[0] && is_challenges(route->path))
			mistake(builder->mistakes, draft_line(&route->head, ROUTE, "path"), route->path,
				"the service has acme, which answers what is below it; take one of the two out");
		end = route->service[0] ? route_end(builder, service, route) : RCXLB_MAX_SERVICES;

		if (route->path[0] && end < RCXLB_MAX_SERVICES && http_route(&to->http, route->path, end, &error))
			mistake_from(builder->mistakes, draft_line(&route->head, ROUTE, "path"), route->path, &error);
	}
}

/* Only when all is well otherwise: a check that could not be read differs from others. */
static void check_rivals(struct builder *builder)
{
	const struct model *model = &builder->to->model;
	char text[RCXLB_TEXT_LEN];
	uint32_t backend;

	for (uint32_t i = 0; i < builder->draft->services; i++) {
		const struct draft_service *service = &builder->draft->service[i];
		const struct model_service *rival = model_check_rival(model, &model->service[i], &backend);

		if (rival)
			mistake(
			    builder->mistakes, draft_line(&service->head, SERVICE, "health"),
			    endpoint_format(&model->backend[backend].endpoint, text),
			    "it is a backend of the service '%s' too, which checks it differently, and it can only be "
			    "up or down for both: write the same health in both, or use backends_of",
			    rival->name);
	}
}

void config_build(const struct draft *draft, struct config *ret, struct mistakes *mistakes)
{
	struct builder builder = { .draft = draft, .to = ret, .mistakes = mistakes };

	memset(ret, 0, sizeof(*ret));
	ret->model.settings.metrics = draft->metrics.listen;
	ret->model.settings.workers = draft->agent.workers;
	memcpy(ret->model.hash_key, draft->hash_key, sizeof(ret->model.hash_key));
	build_interfaces(&builder);
	for (uint32_t i = 0; i < draft->services; i++)
		build_service(&builder, i);
	for (uint32_t i = 0; i < draft->services; i++)
		if (!redirects(&draft->service[i]))
			build_backends(&builder, &draft->service[i]);
	for (uint32_t i = 0; i < draft->services; i++)
		if (draft->service[i].backends_of[0] && !redirects(&draft->service[i]))
			build_shared(&builder, &draft->service[i]);
	for (uint32_t i = 0; i < draft->services; i++)
		build_routes(&builder, &draft->service[i]);
	if (!mistakes->count)
		check_rivals(&builder);
}
