// SPDX-License-Identifier: BSD-2-Clause
#include "config/header.h"

#include <errno.h>
#include <string.h>

#include "core/utf8.h"
#include "proxy/http1_write.h"

static struct http1_span span_of(const char *text)
{
	return (struct http1_span){ text, strlen(text) };
}

static bool has(const struct rcxlb_http *http, const char *name)
{
	for (uint32_t i = 0; i < http->headers; i++)
		if (http1_equal_folded(span_of(http->header[i].name), span_of(name)))
			return true;
	return false;
}

int header_set(struct rcxlb_http *http, const char *name, const char *value, struct error *error)
{
	struct http1_header header = { span_of(name), span_of(value) };
	const char *wrong = http1_header_wrong(&header);
	uint32_t at = http->headers;

	if (!wrong && !utf8_is_printable(value)) /* it must be possible to print it in a configuration */
		wrong = "a control character, or what is no UTF-8, in the value";
	if (wrong)
		return failed(error, -EINVAL, "the header field '%s' cannot be set: %s", name, wrong);
	if (header.name.length >= sizeof(http->header[0].name) || header.value.length >= sizeof(http->header[0].value))
		return failed(error, -EINVAL,
			      "the header field '%s' is too long: a name has at most %zu bytes, a value %zu", name,
			      sizeof(http->header[0].name) - 1, sizeof(http->header[0].value) - 1);
	if (!header.value.length)
		return failed(error, -EINVAL, "the header field '%s' has no value; give it one", name);
	if (has(http, name))
		return failed(error, -EINVAL, "the header field '%s' is set twice", name);
	if (at == RCXLB_MAX_HEADERS)
		return failed(error, -EINVAL, "the header field '%s' is one too many: a service sets at most %d", name,
			      RCXLB_MAX_HEADERS);
	memcpy(http->header[at].name, name, header.name.length + 1);
	memcpy(http->header[at].value, value, header.value.length + 1);
	http->headers++;
	return 0;
}

int header_set_line(struct rcxlb_http *http, const char *line, struct error *error)
{
	const char *colon = strchr(line, ':');
	char name[sizeof(http->header[0].name)];
	size_t length = colon ? (size_t)(colon - line) : 0;

	if (!colon || length >= sizeof(name))
		return failed(error, -EINVAL,
			      "'%s' is no header field: it is NAME: VALUE, and the name has at most %zu bytes", line,
			      sizeof(name) - 1);
	memcpy(name, line, length);
	name[length] = 0;
	return header_set(http, name, colon + 1 + strspn(colon + 1, " "), error);
}
