/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are the bodies of a worker's own answers. Read by who starts it. */
#ifndef PROXY_HTTP_PAGE_H
#define PROXY_HTTP_PAGE_H

#include <stddef.h>

#include "core/error.h"

#define HTTP_PAGE_BYTES (64 << 10) /* at most */

struct http_page {
	char *bytes; /* NULL: it is not there */
	size_t size;
	const char *type; /* for Content-Type; constant */
};

/*
 * Reads the file; its type is told by the end of its name, and is HTML when that tells nothing. To be freed with
 * http_page_free(). -errno with a sentence, and *ret is empty.
 */
int http_page_read(const char *path, struct http_page *ret, struct error *error);

/* A copy of its own; -ENOMEM. */
int http_page_copy(const struct http_page *page, struct http_page *ret);

/* An empty one is fine. */
void http_page_free(struct http_page *page);

#endif
