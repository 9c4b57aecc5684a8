// SPDX-License-Identifier: BSD-2-Clause
#include "core/http.h"

#include <errno.h>
#include <string.h>

#include "core/prefix.h"

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

int http_trust(struct rcxlb_http *http, const char *text, struct error *error)
{
	struct rcxlb_prefix prefix;
	int err = prefix_parse(text, &prefix, error);

	if (err)
		return err;
	if (http->trusted_count == RCXLB_MAX_TRUSTED)
		return failed(error, -E2BIG, "'%s' is one too many: a service trusts at most %d", text,
			      RCXLB_MAX_TRUSTED);
	for (uint32_t i = 0; i < http->trusted_count; i++)
		if (prefix_equal(&http->trusted[i], &prefix))
			return failed(error, -EEXIST, "the proxy '%s' is given twice", text);
	http->trusted[http->trusted_count++] = prefix;
	return 0;
}
