/* SPDX-License-Identifier: BSD-2-Clause */
/* What the configuration says of a service that parses HTTP, as its conversations use it. Pure. */
#ifndef PROXY_HTTP_SERVICE_H
#define PROXY_HTTP_SERVICE_H

#include "core/error.h"
#include "proxy/http1_head.h"
#include "proxy/http1_write.h"
#include "proxy/http_access.h"
#include "proxy/http_challenges.h"
#include "proxy/http_page.h"
#include "rcxlb/abi.h"

struct http_service {
	struct rcxlb_http said;	    /* the texts of `set` lie in here */
	struct http1_limits limits; /* of requests */
	struct http1_header set[RCXLB_MAX_HEADERS];
	unsigned int set_count;
	struct http_page page[RCXLB_MAX_ERROR_PAGES]; /* of said.error_page */
	const struct http_challenges *challenges;     /* of said.acme; NULL: nobody looks for them */
	struct http_access *access;		      /* NULL: no line is written for a request */
};

/*
 * 0 in a limit stands for its default. `pages`: as many as it says, copied; NULL: they are not there. To be freed with
 * http_service_free(). -EINVAL with a sentence when a header may not be set, -ENOMEM.
 */
int http_service_new(const struct rcxlb_http *said, const struct http_page *pages, struct http_service **ret,
		     struct error *error);

/* With its `access`. NULL is fine. */
void http_service_free(struct http_service *service);

/* The body of an answer with this status; NULL: it has no page. */
const struct http_page *http_service_page(const struct http_service *service, int status);

/* Are forwarding fields believed that come from there? */
bool http_service_trusts(const struct http_service *service, const struct rcxlb_endpoint *client);

#endif
