// SPDX-License-Identifier: BSD-2-Clause
#include "core/http.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/http_own.h"
#include "core/number.h"
#include "core/path.h"
#include "core/prefix.h"

bool http_has_challenge(const struct rcxlb_http *http, const char *path, size_t length)
{
	const size_t size = sizeof(HTTP_CHALLENGE_PATH) - 1;

	return http->acme[0] && length > size && !memcmp(path, HTTP_CHALLENGE_PATH, size);
}

void http_defaults(struct rcxlb_http *http, uint32_t flags)
{
	memset(http, 0, sizeof(*http));
	http->flags = flags;
	if (!flags)
		return;
	http->head_bytes = RCXLB_HTTP_HEAD_BYTES;
	http->fields = RCXLB_HTTP_FIELDS;
	http->head_ms = RCXLB_HTTP_HEAD_MS;
	http->body_ms = RCXLB_HTTP_BODY_MS;
	http->answer_ms = RCXLB_HTTP_ANSWER_MS;
}

bool http_is_parsed(const struct rcxlb_http *http)
{
	return http->flags & RCXLB_HTTP_PARSED;
}

const char *http_redirect_name(const struct rcxlb_http *http)
{
	return http->flags & RCXLB_HTTP_REDIRECT ? "https" : "";
}

int http_redirect_check(const char *text, struct error *error)
{
	if (strcmp(text, "https"))
		return failed(error, -EINVAL, "'%s' is nothing to redirect to; it is https", text);
	return 0;
}

/* As it stands in a request, RFC 3986 3.3, without a query. */
static bool is_path(const char *text)
{
	if (text[0] != '/')
		return false;
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c >= 0x7f || strchr("?#\"<>\\", *c))
			return false;
	return true;
}

int http_route(struct rcxlb_http *http, const char *path, uint32_t service, struct error *error)
{
	size_t length = strlen(path);

	if (!is_path(path))
		return failed(error, -EINVAL,
			      "'%s' is no path: it begins with '/', and has no blank, query or fragment; other "
			      "characters than ASCII are written as %%XX",
			      path);
	if (path[length - 1] == '/')
		return failed(error, -EINVAL,
			      "'%s' ends with '/'; a route is for a path and all below it, as /websocket", path);
	if (length >= RCXLB_PATH_LEN)
		return failed(error, -EINVAL, "the path '%.64s...' has more than %d bytes; give a shorter one", path,
			      RCXLB_PATH_LEN - 1);
	for (uint32_t i = 0; i < http->routes; i++)
		if (!strcmp(http->route[i].path, path))
			return failed(error, -EEXIST, "there are two routes for '%s'; take one of them out", path);
	if (http->routes == RCXLB_MAX_ROUTES)
		return failed(error, -E2BIG, "the route '%s' is one too many: a service has at most %d", path,
			      RCXLB_MAX_ROUTES);
	strcpy(http->route[http->routes].path, path);
	http->route[http->routes++].service = service;
	return 0;
}

uint32_t http_routed(const struct rcxlb_http *http, const char *path, size_t length, uint32_t otherwise)
{
	const char *query = memchr(path, '?', length);
	size_t size = query ? (size_t)(query - path) : length, longest = 0;
	uint32_t service = otherwise;

	for (uint32_t i = 0; i < http->routes && i < RCXLB_MAX_ROUTES; i++) {
		size_t prefix = strnlen(http->route[i].path, RCXLB_PATH_LEN);

		if (prefix > size || prefix <= longest || memcmp(http->route[i].path, path, prefix) ||
		    (prefix < size && path[prefix] != '/'))
			continue;
		longest = prefix;
		service = http->route[i].service;
	}
	return service;
}

int http_set_affinity(struct rcxlb_http *http, const char *text, struct error *error)
{
	if (strcmp(text, "none") && strcmp(text, "cookie"))
		return failed(error, -EINVAL, "the affinity '%s' is not known; it is none or cookie", text);
	http->flags &= ~(uint32_t)RCXLB_HTTP_COOKIE;
	if (!strcmp(text, "cookie"))
		http->flags |= RCXLB_HTTP_COOKIE;
	return 0;
}

const char *http_affinity_name(const struct rcxlb_http *http)
{
	return http->flags & RCXLB_HTTP_COOKIE ? "cookie" : "none";
}

#define JOURNAL "journal"

bool http_logs_to_journal(const char *to)
{
	return !strcmp(to, JOURNAL);
}

int http_log_to(struct rcxlb_http *http, const char *text, struct error *error)
{
	if (!http_logs_to_journal(text))
		return path_set(http->access_log, text, error);
	memset(http->access_log, 0, sizeof(http->access_log));
	strcpy(http->access_log, JOURNAL);
	return 0;
}

int http_log_format(struct rcxlb_http *http, const char *text, struct error *error)
{
	if (strcmp(text, "combined") && strcmp(text, "json"))
		return failed(error, -EINVAL, "the format '%s' is not known; it is combined or json", text);
	http->access_log_json = !strcmp(text, "json");
	return 0;
}

const char *http_log_format_name(const struct rcxlb_http *http)
{
	return http->access_log_json ? "json" : "combined";
}

uint32_t http_error_page_of(const struct rcxlb_http *http, int status)
{
	for (uint32_t i = 0; i < http->error_pages && i < RCXLB_MAX_ERROR_PAGES; i++)
		for (uint32_t k = 0; k < RCXLB_ERROR_STATUSES && http->error_page[i].status[k]; k++)
			if (http->error_page[i].status[k] == status)
				return i;
	return RCXLB_MAX_ERROR_PAGES;
}

/* As many as there are statuses, each once: there is room. */
int http_error_status(struct rcxlb_http *http, uint32_t page, const char *text, struct error *error)
{
	__u16 *to = http->error_page[page].status;
	unsigned long status;

	if (number_parse(text, 400, 599, &status) || status == 404 ||
	    http_own_statuses[http_own_index((int)status)] != status)
		return failed(error, -EINVAL,
			      "'%s' is no error that a worker answers with itself; those are 400, 408, 413, 414, 417, "
			      "421, 431, 501, 502, 503, 504 and 505",
			      text);
	if (http_error_page_of(http, (int)status) < RCXLB_MAX_ERROR_PAGES)
		return failed(error, -EEXIST, "there is an error page for %s already; take one of them out", text);
	while (*to)
		to++;
	*to = (__u16)status;
	return 0;
}

char *http_error_statuses(const struct rcxlb_http *http, uint32_t page, char to[HTTP_STATUSES_LEN])
{
	size_t used = 0;

	to[0] = 0;
	for (uint32_t k = 0; k < RCXLB_ERROR_STATUSES && http->error_page[page].status[k]; k++)
		used += (size_t)snprintf(to + used, HTTP_STATUSES_LEN - used, "%s%u", k ? ", " : "",
					 http->error_page[page].status[k]);
	return to;
}

int http_trust(struct rcxlb_http *http, const char *text, struct error *error)
{
	return prefix_list_add(http->trusted, &http->trusted_count, RCXLB_MAX_TRUSTED, "trusts", text, error);
}
