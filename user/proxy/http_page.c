// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/whole_file.h"

/* Without a charset: what the page itself says would count for nothing. */
static const struct {
	const char *ending, *type;
} types[] = {
	{ ".html", "text/html" },    { ".htm", "text/html" },	      { ".xhtml", "application/xhtml+xml" },
	{ ".txt", "text/plain" },    { ".json", "application/json" }, { ".xml", "application/xml" },
	{ ".svg", "image/svg+xml" },
};

static const char *type_of(const char *path)
{
	const char *ending = strrchr(path, '.');

	for (size_t i = 0; ending && i < sizeof(types) / sizeof(types[0]); i++)
		if (!strcasecmp(ending, types[i].ending))
			return types[i].type;
	return "text/html";
}

int http_page_read(const char *path, struct http_page *ret, struct error *error)
{
	const struct whole_file_rules rules = { .most = HTTP_PAGE_BYTES, .ours = true };

	*ret = (struct http_page){ .type = type_of(path) };
	return whole_file_read("error page", path, &rules, &ret->bytes, &ret->size, error);
}

int http_page_copy(const struct http_page *page, struct http_page *ret)
{
	*ret = *page;
	if (!page->bytes)
		return 0;
	ret->bytes = malloc(page->size + 1);
	if (!ret->bytes)
		return -ENOMEM;
	memcpy(ret->bytes, page->bytes, page->size);
	return 0;
}

void http_page_free(struct http_page *page)
{
	free(page->bytes);
	*page = (struct http_page){ 0 };
}
