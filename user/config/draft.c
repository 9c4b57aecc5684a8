// SPDX-License-Identifier: BSD-2-Clause
#include "config/draft.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/header.h"
#include "core/check.h"
#include "core/endpoint.h"
#include "core/http.h"
#include "core/number.h"
#include "core/path.h"
#include "core/proxy.h"

struct draft *draft_new(void)
{
	struct draft *draft = calloc(1, sizeof(*draft));
	struct rcxlb_settings usual;

	if (!draft)
		return NULL;
	model_settings_defaults(&usual);
	draft->metrics.listen = usual.metrics;
	return draft;
}

void draft_free(struct draft *draft)
{
	for (int i = 0; draft && i < RCXLB_MAX_SERVICES; i++)
		free(draft->service[i].backend);
	free(draft);
}

bool draft_has(const struct draft_head *head, const char *section, const char *key)
{
	return head->key_line[config_key_place(config_key_find(section, key))];
}

uint32_t draft_line(const struct draft_head *head, const char *section, const char *key)
{
	uint32_t line = head->key_line[config_key_place(config_key_find(section, key))];

	return line ? line : head->line;
}

bool draft_has_zeros(const char *text, struct error *error)
{
	const char *plain = number_without_zeros(text);

	if (plain == text || text[strspn(text, "0123456789.-")])
		return false;
	error_set(error, "a number that begins with 0 can be meant as an octal one; write %s", plain);
	return true;
}

void *draft_open_interface(void *draft, struct error *error)
{
	struct draft *in = draft;

	if (in->interfaces < RCXLB_MAX_INTERFACES)
		return &in->interface[in->interfaces++];
	error_set(error, "there are more than %d interfaces; take some out", RCXLB_MAX_INTERFACES);
	return NULL;
}

void *draft_open_service(void *draft, struct error *error)
{
	struct draft *in = draft;
	struct draft_service *service;

	if (in->services == RCXLB_MAX_SERVICES) {
		error_set(error, "there are more than %d services; take some out", RCXLB_MAX_SERVICES);
		return NULL;
	}
	service = &in->service[in->services++];
	model_service_defaults(&service->service, RCXLB_HASH_TUPLE);
	check_defaults(&service->health.check);
	return service;
}

void *draft_open_backend(void *service, struct error *error)
{
	struct draft_service *in = service;
	uint32_t room = in->room ? in->room * 2 : 16;
	struct draft_backend *grown;

	if (in->backends == in->room) {
		grown = realloc(in->backend, room * sizeof(*grown));
		if (!grown) {
			error_set(error, "out of memory");
			return NULL;
		}
		in->backend = grown;
		in->room = room;
	}
	in->backend[in->backends] = (struct draft_backend){ .weight = 1 };
	return &in->backend[in->backends++];
}

void *draft_open_health(void *service, struct error *error)
{
	(void)error;
	return &((struct draft_service *)service)->health;
}

void *draft_open_tls(void *service, struct error *error)
{
	struct draft_service *in = service;

	if (in->certificates < RCXLB_MAX_CERTIFICATES)
		return &in->tls[in->certificates++];
	error_set(error, "there are more than %d certificates in one service; take some out", RCXLB_MAX_CERTIFICATES);
	return NULL;
}

void *draft_open_http(void *service, struct error *error)
{
	struct draft_http *http = &((struct draft_service *)service)->http;

	(void)error;
	http_defaults(&http->http, RCXLB_HTTP_PARSED);
	return http;
}

void *draft_open_headers(void *http, struct error *error)
{
	struct draft_http *in = http;

	(void)error;
	in->headers.http = &in->http;
	return &in->headers;
}

void *draft_open_access_log(void *http, struct error *error)
{
	struct draft_http *in = http;

	(void)error;
	in->access_log.http = &in->http;
	return &in->access_log;
}

void *draft_open_error_page(void *http, struct error *error)
{
	struct draft_http *in = http;
	struct draft_error_page *page;

	if (in->http.error_pages == RCXLB_MAX_ERROR_PAGES) {
		error_set(error, "there are more than %d error pages in one service; take some out",
			  RCXLB_MAX_ERROR_PAGES);
		return NULL;
	}
	page = &in->error_page[in->http.error_pages];
	page->http = &in->http;
	page->page = in->http.error_pages++;
	return page;
}

void *draft_open_route(void *service, struct error *error)
{
	struct draft_service *in = service;

	if (in->routes < RCXLB_MAX_ROUTES)
		return &in->route[in->routes++];
	error_set(error, "there are more than %d routes in one service; take some out", RCXLB_MAX_ROUTES);
	return NULL;
}

void *draft_open_agent(void *draft, struct error *error)
{
	(void)error;
	return &((struct draft *)draft)->agent;
}

void *draft_open_metrics(void *draft, struct error *error)
{
	(void)error;
	return &((struct draft *)draft)->metrics;
}

int draft_take_interface_name(const struct draft_value *value, void *interface, struct error *error)
{
	int err = xdp_check_name(value->text, error);

	if (!err)
		strcpy(((struct draft_interface *)interface)->name, value->text);
	return err;
}

int draft_take_interface_xdp(const struct draft_value *value, void *interface, struct error *error)
{
	return xdp_choice_parse(value->text, &((struct draft_interface *)interface)->xdp, error);
}

int draft_take_xdp(const struct draft_value *value, void *draft, struct error *error)
{
	return xdp_choice_parse(value->text, &((struct draft *)draft)->xdp, error);
}

static unsigned int hex_digit(char digit)
{
	return isdigit((unsigned char)digit) ? digit - '0' : tolower((unsigned char)digit) - 'a' + 10;
}

int draft_take_hash_key(const struct draft_value *value, void *draft, struct error *error)
{
	uint64_t key[2] = {};

	if (strlen(value->text) != 32 || strspn(value->text, "0123456789abcdefABCDEF") != 32)
		return failed(error, -EINVAL,
			      "a hash key is 32 hexadecimal digits, as openssl rand -hex 16 prints them");
	for (int i = 0; i < 32; i++)
		key[i / 16] = key[i / 16] << 4 | hex_digit(value->text[i]);
	if (!key[0] && !key[1])
		return failed(error, -EINVAL,
			      "everybody can guess a hash key of zeros; openssl rand -hex 16 prints one");
	memcpy(((struct draft *)draft)->hash_key, key, sizeof(key));
	return 0;
}

int draft_take_name(const struct draft_value *value, void *service, struct error *error)
{
	int err = model_name_check(value->text, error);

	if (!err)
		strcpy(((struct draft_service *)service)->service.name, value->text);
	return err;
}

int draft_take_listen(const struct draft_value *value, void *service, struct error *error)
{
	struct draft_service *in = service;
	uint32_t before = in->service.listens;
	int err = model_service_listen(&in->service, value->text, error);

	for (uint32_t i = before; i < in->service.listens; i++)
		in->listen_line[i] = value->line;
	return err;
}

int draft_take_hash(const struct draft_value *value, void *service, struct error *error)
{
	return model_hash_parse(value->text, &((struct draft_service *)service)->service.hash, error);
}

int draft_take_balance(const struct draft_value *value, void *service, struct error *error)
{
	return model_balance_parse(value->text, &((struct draft_service *)service)->service.balance, error);
}

int draft_take_backends_of(const struct draft_value *value, void *service, struct error *error)
{
	int err = model_name_check(value->text, error);

	if (!err)
		strcpy(((struct draft_service *)service)->backends_of, value->text);
	return err;
}

int draft_take_address(const struct draft_value *value, void *backend, struct error *error)
{
	struct draft_backend *in = backend;

	return endpoint_parse_range(value->text, &in->first, &in->last, error);
}

int draft_take_type(const struct draft_value *value, void *health, struct error *error)
{
	return check_set_type(&((struct draft_health *)health)->check, value->text, error);
}

int draft_take_path(const struct draft_value *value, void *health, struct error *error)
{
	return check_set_path(&((struct draft_health *)health)->check, value->text, error);
}

int draft_take_host(const struct draft_value *value, void *health, struct error *error)
{
	return check_set_host(&((struct draft_health *)health)->check, value->text, error);
}

int draft_take_body(const struct draft_value *value, void *health, struct error *error)
{
	return check_set_body(&((struct draft_health *)health)->check, value->text, error);
}

int draft_take_status(const struct draft_value *value, void *health, struct error *error)
{
	if (draft_has_zeros(value->text, error))
		return -EINVAL;
	return check_set_status(&((struct draft_health *)health)->check, value->text, error);
}

int draft_take_certificate(const struct draft_value *value, void *tls, struct error *error)
{
	return path_set(((struct draft_tls *)tls)->certificate, value->text, error);
}

int draft_take_key(const struct draft_value *value, void *tls, struct error *error)
{
	return path_set(((struct draft_tls *)tls)->key, value->text, error);
}

int draft_take_accept_proxy(const struct draft_value *value, void *service, struct error *error)
{
	return proxy_accept(&((struct draft_service *)service)->service.proxy, value->text, error);
}

int draft_take_send_proxy(const struct draft_value *value, void *service, struct error *error)
{
	return proxy_send_parse(&((struct draft_service *)service)->service.proxy, value->text, error);
}

int draft_take_redirect(const struct draft_value *value, void *service, struct error *error)
{
	(void)service;
	return http_redirect_check(value->text, error);
}

int draft_take_acme(const struct draft_value *value, void *service, struct error *error)
{
	return path_set(((struct draft_service *)service)->acme, value->text, error);
}

int draft_take_forwarded(const struct draft_value *value, void *http, struct error *error)
{
	(void)http;
	if (strcmp(value->text, "true"))
		return failed(error, -EINVAL,
			      "it is true: requests that are parsed are forwarded with these headers; a service "
			      "without http parses none");
	return 0;
}

int draft_take_affinity(const struct draft_value *value, void *http, struct error *error)
{
	return http_set_affinity(&((struct draft_http *)http)->http, value->text, error);
}

int draft_take_trusted(const struct draft_value *value, void *http, struct error *error)
{
	return http_trust(&((struct draft_http *)http)->http, value->text, error);
}

int draft_take_header(const struct draft_value *value, void *headers, struct error *error)
{
	return header_set(((struct draft_http_part *)headers)->http, value->name, value->text, error);
}

int draft_take_log_to(const struct draft_value *value, void *access_log, struct error *error)
{
	return http_log_to(((struct draft_http_part *)access_log)->http, value->text, error);
}

int draft_take_log_format(const struct draft_value *value, void *access_log, struct error *error)
{
	return http_log_format(((struct draft_http_part *)access_log)->http, value->text, error);
}

int draft_take_error_status(const struct draft_value *value, void *error_page, struct error *error)
{
	struct draft_error_page *in = error_page;

	if (draft_has_zeros(value->text, error))
		return -EINVAL;
	return http_error_status(in->http, in->page, value->text, error);
}

int draft_take_error_file(const struct draft_value *value, void *error_page, struct error *error)
{
	struct draft_error_page *in = error_page;

	return path_set(in->http->error_page[in->page].file, value->text, error);
}

int draft_take_route_path(const struct draft_value *value, void *route, struct error *error)
{
	struct rcxlb_http alone = {};
	int err = http_route(&alone, value->text, 0, error);

	if (!err)
		strcpy(((struct draft_route *)route)->path, value->text);
	return err;
}

int draft_take_route_service(const struct draft_value *value, void *route, struct error *error)
{
	int err = model_name_check(value->text, error);

	if (!err)
		strcpy(((struct draft_route *)route)->service, value->text);
	return err;
}

int draft_take_workers(const struct draft_value *value, void *agent, struct error *error)
{
	uint32_t *to = &((struct draft_agent *)agent)->workers;
	unsigned long number;

	if (!strcmp(value->text, "auto")) {
		*to = 0;
		return 0;
	}
	if (draft_has_zeros(value->text, error))
		return -EINVAL;
	if (!number_parse(value->text, 1, RCXLB_MAX_WORKERS, &number)) {
		*to = number;
		return 0;
	}
	return failed(error, -EINVAL, "it is auto or 1 to %d", RCXLB_MAX_WORKERS);
}

int draft_take_metrics_listen(const struct draft_value *value, void *metrics, struct error *error)
{
	struct rcxlb_endpoint *to = &((struct draft_metrics *)metrics)->listen;

	if (strcmp(value->text, "off"))
		return endpoint_parse(value->text, true, to, error);
	*to = (struct rcxlb_endpoint){};
	return 0;
}
