// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_service.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/http.h"
#include "core/prefix.h"

#define HEAD_MIN 64

static uint32_t or_default(uint32_t said, uint32_t standard)
{
	return said ? said : standard;
}

static uint32_t between(uint32_t value, uint32_t least, uint32_t most)
{
	return value < least ? least : value > most ? most : value;
}

static void read_limits(struct http_service *service)
{
	struct rcxlb_http *said = &service->said;

	said->head_bytes = between(or_default(said->head_bytes, RCXLB_HTTP_HEAD_BYTES), HEAD_MIN, HTTP1_MAX_HEAD);
	said->fields = between(or_default(said->fields, RCXLB_HTTP_FIELDS), 1, HTTP1_MAX_FIELDS);
	said->head_ms = or_default(said->head_ms, RCXLB_HTTP_HEAD_MS);
	said->body_ms = or_default(said->body_ms, RCXLB_HTTP_BODY_MS);
	said->answer_ms = or_default(said->answer_ms, RCXLB_HTTP_ANSWER_MS);
	said->trusted_count = between(said->trusted_count, 0, RCXLB_MAX_TRUSTED);
	service->limits = http1_default_limits;
	service->limits.head = said->head_bytes;
	service->limits.fields = (uint16_t)said->fields;
	if (said->body_bytes)
		service->limits.body = said->body_bytes;
}

static int read_headers(struct http_service *service, struct error *error)
{
	struct rcxlb_http *said = &service->said;

	for (unsigned int h = 0; h < said->headers && h < RCXLB_MAX_HEADERS; h++) {
		char *name = said->header[h].name, *value = said->header[h].value;
		struct http1_header *header = &service->set[service->set_count++];
		const char *wrong;

		*header = (struct http1_header){
			.name = { name, strnlen(name, sizeof(said->header[h].name)) },
			.value = { value, strnlen(value, sizeof(said->header[h].value)) },
		};
		wrong = http1_header_wrong(header);
		if (wrong)
			return failed(error, -EINVAL, "header %.*s: %s", (int)header->name.length, name, wrong);
	}
	return 0;
}

static int copy_pages(struct http_service *service, const struct http_page *pages, struct error *error)
{
	int err = 0;

	for (uint32_t i = 0; pages && i < service->said.error_pages && i < RCXLB_MAX_ERROR_PAGES && !err; i++)
		err = http_page_copy(&pages[i], &service->page[i]);
	return err ? failed(error, err, "no memory for error pages") : 0;
}

int http_service_new(const struct rcxlb_http *said, const struct http_page *pages, struct http_service **ret,
		     struct error *error)
{
	struct http_service *service = calloc(1, sizeof(*service));
	int err;

	if (!service)
		return failed(error, -ENOMEM, "no memory for a service");
	service->said = *said;
	read_limits(service);
	err = read_headers(service, error);
	if (!err)
		err = copy_pages(service, pages, error);
	if (err) {
		http_service_free(service);
		return err;
	}
	*ret = service;
	return 0;
}

void http_service_free(struct http_service *service)
{
	if (!service)
		return;
	for (int i = 0; i < RCXLB_MAX_ERROR_PAGES; i++)
		http_page_free(&service->page[i]);
	http_access_free(service->access);
	free(service);
}

const struct http_page *http_service_page(const struct http_service *service, int status)
{
	uint32_t page = http_error_page_of(&service->said, status);

	return page < RCXLB_MAX_ERROR_PAGES && service->page[page].bytes ? &service->page[page] : NULL;
}

bool http_service_trusts(const struct http_service *service, const struct rcxlb_endpoint *client)
{
	return prefix_list_contains(service->said.trusted, service->said.trusted_count, client->address);
}
