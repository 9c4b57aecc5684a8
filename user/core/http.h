/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules of what a service makes of HTTP, one for options and configuration files alike. Pure. */
#ifndef CORE_HTTP_H
#define CORE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "rcxlb/abi.h"

#define HTTP_LEAST_HEAD_BYTES 1024
#define HTTP_MOST_HEAD_BYTES  RCXLB_HTTP_HEAD_BYTES /* with what is added, an instance of Node.js must take it */
#define HTTP_MOST_FIELDS      RCXLB_HTTP_FIELDS
#define HTTP_MOST_BODY_BYTES  0x7fffffffffffffff /* what JSON can say */
#define HTTP_LEAST_MS	      100
#define HTTP_MOST_MS	      86400000

/* Sets it to what it is when the operator says nothing but these of enum rcxlb_http_flags; 0: nothing is parsed. */
void http_defaults(struct rcxlb_http *http, uint32_t flags);

/* Are requests parsed and given to backends? Not where all are redirected. */
bool http_is_parsed(const struct rcxlb_http *http);

/* Where requests are redirected to: "https", else empty. */
const char *http_redirect_name(const struct rcxlb_http *http);

/* Reads it: 0, or -EINVAL with a sentence. */
int http_redirect_check(const char *text, struct error *error);

/*
 * One more route: requests whose path is this one, or below it, go to the backends of that service; the longest that
 * fits counts. Errors with a sentence: -EINVAL when it is no path, begins otherwise than with '/', or ends so; -EEXIST,
 * -E2BIG.
 */
int http_route(struct rcxlb_http *http, const char *path, uint32_t service, struct error *error);

/* Whose backends answer a request for this path, which may have a query; `otherwise` when no route fits. */
uint32_t http_routed(const struct rcxlb_http *http, const char *path, size_t length, uint32_t otherwise);

/* none or cookie: how clients come back to their instance. -EINVAL with a sentence. */
int http_set_affinity(struct rcxlb_http *http, const char *text, struct error *error);
const char *http_affinity_name(const struct rcxlb_http *http);

/* Where a line for each request is written: an absolute path, or journal. Errors as those of path_set(). */
int http_log_to(struct rcxlb_http *http, const char *text, struct error *error);
bool http_logs_to_journal(const char *to);

/* combined or json; -EINVAL with a sentence. */
int http_log_format(struct rcxlb_http *http, const char *text, struct error *error);
const char *http_log_format_name(const struct rcxlb_http *http);

/* Is that, the path of a request, where a certificate authority asks, and the service answers it from its folder? */
#define HTTP_CHALLENGE_PATH "/.well-known/acme-challenge/" /* RFC 8555 8.3 */
bool http_has_challenge(const struct rcxlb_http *http, const char *path, size_t length);

/*
 * Each status that an error page is for, of those in http_own.h which are errors: 0; or -EINVAL, -EEXIST when it has a
 * page already, with a sentence. There are RCXLB_MAX_ERROR_PAGES of them, so that each status could have its own.
 */
int http_error_status(struct rcxlb_http *http, uint32_t page, const char *text, struct error *error);

/* The statuses of a page as "502, 503". `to` holds HTTP_STATUSES_LEN bytes. Returns `to`. */
#define HTTP_STATUSES_LEN (5 * RCXLB_ERROR_STATUSES + 1)
char *http_error_statuses(const struct rcxlb_http *http, uint32_t page, char to[HTTP_STATUSES_LEN]);

/* The page for a status; RCXLB_MAX_ERROR_PAGES: none. */
uint32_t http_error_page_of(const struct rcxlb_http *http, int status);

/* One more proxy, or CIDR block of them, whose forwarding headers are believed. 0; or -EINVAL, -E2BIG or -EEXIST with a
 * sentence. */
int http_trust(struct rcxlb_http *http, const char *text, struct error *error);

#endif
