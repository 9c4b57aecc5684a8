// SPDX-License-Identifier: BSD-2-Clause
#include "core/model.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/check.h"
#include "core/endpoint.h"
#include "core/proxy.h"

bool model_is_member(const struct model_service *service, uint32_t backend)
{
	return service->member[backend / 64] >> (backend % 64) & 1;
}

static void set_member(struct model_service *service, uint32_t backend, bool member)
{
	uint64_t bit = 1ull << (backend % 64);

	if (member)
		service->member[backend / 64] |= bit;
	else
		service->member[backend / 64] &= ~bit;
}

struct model_service *model_service_find(struct model *model, const char *name)
{
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (model->service[i].name[0] && !strcmp(model->service[i].name, name))
			return &model->service[i];
	return NULL;
}

/* "a, b and 3 more" */
static void list_names(const struct model *model, char *to, size_t size)
{
	size_t length = 0;
	int left = 0;

	to[0] = 0;
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++) {
		const char *name = model->service[i].name;

		if (!name[0])
			continue;
		if (length + RCXLB_NAME_LEN + 16 > size)
			left++;
		else
			length += snprintf(to + length, size - length, "%s%s", length ? ", " : "", name);
	}
	if (left)
		snprintf(to + length, size - length, " and %d more", left);
}

int model_service_select(struct model *model, const char *name, struct model_service **ret, struct error *error)
{
	struct model_service *only = NULL;
	int count = 0;
	char names[256];

	if (name) {
		only = model_service_find(model, name);
		list_names(model, names, sizeof(names));
		if (!only)
			return failed(error, -ENOENT, "there is no service '%s'; there is: %s", name,
				      names[0] ? names : "none (rcxlb services add NAME --listen ADDR:PORT)");
		*ret = only;
		return 0;
	}
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++) {
		if (!model->service[i].name[0])
			continue;
		only = &model->service[i];
		count++;
	}
	if (!count)
		return failed(error, -ENOENT,
			      "there is no service; add one: rcxlb services add NAME --listen ADDR:PORT");
	if (count > 1) {
		list_names(model, names, sizeof(names));
		return failed(error, -EINVAL, "there are %d services, name one with -s: %s", count, names);
	}
	*ret = only;
	return 0;
}

int model_name_check(const char *name, struct error *error)
{
	if (!name[0] || strlen(name) >= RCXLB_NAME_LEN)
		return failed(error, -EINVAL, "the service name '%s' must have 1 to %d characters", name,
			      RCXLB_NAME_LEN - 1);
	for (const char *c = name; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("-_.", *c))
			return failed(error, -EINVAL,
				      "the service name '%s' may have letters, digits, '-', '_' and '.' only", name);
	return 0;
}

static bool listens_on(const struct model_service *service, const struct rcxlb_endpoint *endpoint)
{
	for (int i = 0; i < service->listens; i++)
		if (endpoint_equal(&service->listen[i], endpoint))
			return true;
	return false;
}

/* Has a service the any-address of the other family as well? Then the two are *:PORT. */
static bool is_star(const struct model_service *service, const struct rcxlb_endpoint *listen)
{
	struct rcxlb_endpoint twin = endpoint_any(!endpoint_is_ipv4(listen), listen->port);

	return endpoint_is_any(listen) && listens_on(service, &twin);
}

const char *model_listen_text(const struct model_service *service, const struct rcxlb_endpoint *listen, char *to)
{
	if (!is_star(service, listen))
		return endpoint_format(listen, to);
	snprintf(to, RCXLB_TEXT_LEN, "*:%u", listen->port);
	return to;
}

int model_service_listen(struct model_service *service, const char *text, struct error *error)
{
	struct rcxlb_endpoint found[2];
	unsigned int count;
	int err = endpoint_parse_listen(text, found, &count, error);

	if (err)
		return err;
	if (service->listens + count > RCXLB_MAX_LISTEN)
		return failed(error, -EINVAL,
			      "'%s' is one address too many: a service listens on at most %d (*:PORT is two)", text,
			      RCXLB_MAX_LISTEN);
	for (unsigned int i = 0; i < count; i++) {
		if (listens_on(service, &found[i]))
			return failed(error, -EINVAL, "the address '%s' is given twice", text);
		service->listen[service->listens++] = found[i];
	}
	return 0;
}

static int by_endpoint(const void *a, const void *b)
{
	return endpoint_compare(a, b);
}

void model_settings_defaults(struct rcxlb_settings *settings)
{
	struct error ignored;

	memset(settings, 0, sizeof(*settings));
	endpoint_parse(RCXLB_METRICS_LISTEN, false, &settings->metrics, &ignored);
}

void model_service_defaults(struct model_service *service, uint8_t hash)
{
	service->hash = hash;
	/* Whose address alone is hashed wants to come back; otherwise the next connection goes elsewhere anyway. */
	service->balance = hash == RCXLB_HASH_CLIENT ? RCXLB_BALANCE_BOUNDED : RCXLB_BALANCE_LEAST;
	service->load_factor = RCXLB_LOAD_FACTOR;
	service->blocked_ms = RCXLB_BLOCKED_MS;
	service->slow_start_ms = 0;
	service->idle_ms = RCXLB_IDLE_MS;
	check_defaults(&service->check);
}

static bool has_members(const struct model_service *service)
{
	for (size_t i = 0; i < sizeof(service->member) / sizeof(service->member[0]); i++)
		if (service->member[i])
			return true;
	return false;
}

/* A service that has a route to this one, or NULL. */
static const struct model_service *leads_to(const struct model *model, const struct model_service *service)
{
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		for (uint32_t r = 0; r < model->service[i].http.routes; r++)
			if (&model->service[model->service[i].http.route[r].service] == service)
				return &model->service[i];
	return NULL;
}

int model_service_set(struct model *model, const struct model_service *wished, struct error *error)
{
	struct model_service *service = model_service_find(model, wished->name), *other;
	int err = model_name_check(wished->name, error);
	char text[RCXLB_TEXT_LEN];

	if (err)
		return err;
	if (!wished->listens)
		return failed(error, -EINVAL, "the service '%s' needs an address to listen on: --listen ADDR:PORT",
			      wished->name);
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++) {
		other = &model->service[i];
		if (!other->name[0] && !service)
			service = other;
		if (!other->name[0] || other == service)
			continue;
		for (int k = 0; k < wished->listens; k++)
			if (listens_on(other, &wished->listen[k]))
				return failed(error, -EEXIST, "%s is already the address of service '%s'",
					      model_listen_text(wished, &wished->listen[k], text), other->name);
	}
	if (!service)
		return failed(error, -ENOSPC, "there are %d services already, no room for '%s'; delete one first",
			      RCXLB_MAX_SERVICES, wished->name);
	if (wished->http.flags & RCXLB_HTTP_REDIRECT && leads_to(model, service))
		return failed(error, -EEXIST, "the service '%s' has a route to '%s', and a redirect asks no backend",
			      leads_to(model, service)->name, wished->name);
	if (wished->http.flags & RCXLB_HTTP_REDIRECT && has_members(service))
		return failed(error, -EEXIST,
			      "the service '%s' has backends, and a redirect asks none; delete them first: rcxlb "
			      "backends del",
			      wished->name);
	memcpy(service->name, wished->name, sizeof(service->name));
	service->hash = wished->hash;
	service->balance = wished->balance;
	service->load_factor = wished->load_factor;
	service->blocked_ms = wished->blocked_ms;
	service->slow_start_ms = wished->slow_start_ms;
	service->idle_ms = wished->idle_ms;
	service->check = wished->check;
	service->tls = wished->tls;
	service->http = wished->http;
	service->proxy = wished->proxy;
	service->listens = wished->listens;
	memcpy(service->listen, wished->listen, sizeof(service->listen));
	qsort(service->listen, service->listens, sizeof(service->listen[0]), by_endpoint);
	return 0;
}

/* Backends live as long as a service uses them. The address stays in the entry. */
static void drop_unused(struct model *model)
{
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		bool used = false;

		for (int i = 0; i < RCXLB_MAX_SERVICES && !used; i++)
			used = model_is_member(&model->service[i], id);
		if (!used)
			model->backend[id] = (struct model_backend){ .endpoint = model->backend[id].endpoint };
	}
}

int model_service_delete(struct model *model, const char *name, struct error *error)
{
	const struct model_service *other;
	struct model_service *service;
	int err = model_service_select(model, name, &service, error);

	if (err)
		return err;
	other = leads_to(model, service);
	if (other)
		return failed(error, -EEXIST,
			      "the service '%s' has a route to '%s'; take the route out of the configuration first",
			      other->name, service->name);
	memset(service, 0, sizeof(*service));
	drop_unused(model);
	return 0;
}

struct model_backend *model_backend_find(struct model *model, const struct model_service *service,
					 const struct rcxlb_endpoint *endpoint)
{
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
		if (model->backend[id].used && endpoint_equal(&model->backend[id].endpoint, endpoint) &&
		    (!service || model_is_member(service, id)))
			return &model->backend[id];
	return NULL;
}

int model_backend_select(struct model *model, const struct model_service *service,
			 const struct rcxlb_endpoint *endpoint, struct model_backend **ret, struct error *error)
{
	struct model_backend *found = model_backend_find(model, service, endpoint);
	char text[RCXLB_TEXT_LEN];

	if (!found)
		return failed(error, -ENOENT, "%s is not a backend of service '%s'; see: rcxlb backends",
			      endpoint_format(endpoint, text), service->name);
	*ret = found;
	return 0;
}

/* The entry that had this address before, else one that never had any, else any. */
static struct model_backend *free_backend(struct model *model, const struct rcxlb_endpoint *endpoint)
{
	static const struct rcxlb_endpoint never;
	struct model_backend *best = NULL, *entry;

	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		entry = &model->backend[id];
		if (entry->used)
			continue;
		if (endpoint_equal(&entry->endpoint, endpoint))
			return entry;
		if (!best || (endpoint_equal(&entry->endpoint, &never) && !endpoint_equal(&best->endpoint, &never)))
			best = entry;
	}
	return best;
}

int model_backend_add(struct model *model, struct model_service *service, const struct rcxlb_endpoint *endpoint,
		      struct model_backend **ret, struct error *error)
{
	struct model_backend *backend = model_backend_find(model, NULL, endpoint);
	char text[RCXLB_TEXT_LEN];

	if (service->http.flags & RCXLB_HTTP_REDIRECT)
		return failed(error, -EOPNOTSUPP, "the service '%s' redirects all requests, and asks no backend",
			      service->name);
	if (!backend) {
		backend = free_backend(model, endpoint);
		if (!backend)
			return failed(error, -ENOSPC,
				      "there are %d backends already, no room for %s; delete some first",
				      RCXLB_MAX_BACKENDS, endpoint_format(endpoint, text));
		*backend = (struct model_backend){ .used = true, .weight = 1, .endpoint = *endpoint };
	}
	set_member(service, backend - model->backend, true);
	*ret = backend;
	return 0;
}

int model_backend_remove(struct model *model, struct model_service *service, const struct rcxlb_endpoint *endpoint,
			 struct error *error)
{
	struct model_backend *backend;
	int err = model_backend_select(model, service, endpoint, &backend, error);

	if (err)
		return err;
	set_member(service, backend - model->backend, false);
	drop_unused(model);
	return 0;
}

static bool listens_at(const struct model_service *service, uint16_t port)
{
	for (int i = 0; i < service->listens; i++)
		if (service->listen[i].port == port)
			return true;
	return false;
}

bool model_has_own_port(const struct model *model, const struct model_service *service)
{
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
		if (model->backend[id].used && listens_at(service, model->backend[id].endpoint.port))
			return true;
	return false;
}

bool model_is_own_port(const struct model *model, uint16_t port)
{
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (model->service[i].name[0] && listens_at(&model->service[i], port))
			return true;
	return false;
}

/* Does a service listen on one address of this port? */
static bool listens_at_one(const struct model_service *service, uint16_t port)
{
	for (int i = 0; i < service->listens; i++)
		if (service->listen[i].port == port && !endpoint_is_any(&service->listen[i]))
			return true;
	return false;
}

bool model_is_pierced(const struct model *model, const struct model_service *service)
{
	for (int i = 0; i < service->listens; i++)
		for (int k = 0; k < RCXLB_MAX_SERVICES && endpoint_is_any(&service->listen[i]); k++)
			if (model->service[k].name[0] && listens_at_one(&model->service[k], service->listen[i].port))
				return true;
	return false;
}

bool model_is_proxied(const struct model_service *service)
{
	return service->name[0] &&
	       (service->tls.certificates || service->http.flags || proxy_is_spoken(&service->proxy));
}

bool model_has_workers(const struct model *model, const struct model_service *service)
{
	bool listens[2] = { false, false };

	if (!service->name[0] || model_is_proxied(service))
		return service->name[0];
	for (int i = 0; i < service->listens; i++)
		listens[endpoint_is_ipv4(&service->listen[i])] = true;
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		const struct model_backend *backend = &model->backend[id];

		if (model_is_member(service, id) &&
		    (backend->elsewhere || backend->unassignable || listens[!endpoint_is_ipv4(&backend->endpoint)]))
			return true;
	}
	return false;
}

bool model_sends_proxy(const struct model *model, uint32_t backend)
{
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (model->service[i].proxy.send && model_is_member(&model->service[i], backend))
			return true;
	return false;
}

const struct rcxlb_check *model_check(const struct model *model, uint32_t backend)
{
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (model->service[i].name[0] && model_is_member(&model->service[i], backend) &&
		    model->service[i].check.type != RCXLB_CHECK_OFF)
			return &model->service[i].check;
	return NULL;
}

static int by_address(const void *a, const void *b, void *model)
{
	const struct model_backend *backend = ((const struct model *)model)->backend;

	return endpoint_compare(&backend[*(const uint16_t *)a].endpoint, &backend[*(const uint16_t *)b].endpoint);
}

uint32_t model_members(const struct model *model, const struct model_service *service, uint16_t *to)
{
	uint32_t count = 0;

	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
		if (model_is_member(service, id))
			to[count++] = id;
	qsort_r(to, count, sizeof(*to), by_address, (void *)model);
	return count;
}

uint32_t model_listens(const struct model_service *service, char to[RCXLB_MAX_LISTEN][RCXLB_TEXT_LEN])
{
	uint32_t count = 0;

	for (int i = 0; i < service->listens; i++)
		if (endpoint_is_ipv4(&service->listen[i]) || !is_star(service, &service->listen[i]))
			model_listen_text(service, &service->listen[i], to[count++]);
	return count;
}

const struct model_service *model_check_rival(const struct model *model, const struct model_service *service,
					      uint32_t *ret_backend)
{
	if (service->check.type == RCXLB_CHECK_OFF)
		return NULL;
	for (const struct model_service *other = model->service; other < service; other++) {
		if (!other->name[0] || other->check.type == RCXLB_CHECK_OFF ||
		    check_equal(&other->check, &service->check))
			continue;
		for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
			if (model_is_member(other, id) && model_is_member(service, id)) {
				*ret_backend = id;
				return other;
			}
	}
	return NULL;
}

int model_checks_agree(const struct model *model, struct error *error)
{
	const struct model_service *rival;
	char text[RCXLB_TEXT_LEN];
	uint32_t backend;

	for (const struct model_service *service = model->service; service < &model->service[RCXLB_MAX_SERVICES];
	     service++) {
		rival = service->name[0] ? model_check_rival(model, service, &backend) : NULL;
		if (rival)
			return failed(
			    error, -EEXIST,
			    "%s is a backend of the services '%s' and '%s', which check it differently, and it "
			    "can only be up or down for both: give both the same check, or one of them "
			    "--check off",
			    endpoint_format(&model->backend[backend].endpoint, text), rival->name, service->name);
	}
	return 0;
}

static const char *const hash_names[] = {
	[RCXLB_HASH_TUPLE] = "tuple",
	[RCXLB_HASH_CLIENT] = "client",
};

static const char *const balance_names[] = {
	[RCXLB_BALANCE_CONSISTENT] = "consistent",
	[RCXLB_BALANCE_BOUNDED] = "bounded",
	[RCXLB_BALANCE_LEAST] = "least",
};

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

const char *model_hash_name(uint8_t hash)
{
	return hash < LENGTH(hash_names) ? hash_names[hash] : "?";
}

const char *model_balance_name(uint8_t balance)
{
	return balance < LENGTH(balance_names) ? balance_names[balance] : "?";
}

int model_hash_parse(const char *text, uint8_t *ret, struct error *error)
{
	for (unsigned int i = 0; i < LENGTH(hash_names); i++)
		if (!strcmp(text, hash_names[i])) {
			*ret = i;
			return 0;
		}
	return failed(error, -EINVAL, "the hash '%s' is not known; it is tuple or client", text);
}

int model_balance_parse(const char *text, uint8_t *ret, struct error *error)
{
	for (unsigned int i = 0; i < LENGTH(balance_names); i++)
		if (!strcmp(text, balance_names[i])) {
			*ret = i;
			return 0;
		}
	return failed(error, -EINVAL, "the balance rule '%s' is not known; it is consistent, bounded or least", text);
}
