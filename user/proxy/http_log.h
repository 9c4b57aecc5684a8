/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The line of an access log for a request: in the combined format of Apache and nginx, or as JSON. What a client sent
 * is cut to a bound and escaped, so that a line is one line and its fields are what they seem. Pure.
 */
#ifndef PROXY_HTTP_LOG_H
#define PROXY_HTTP_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proxy/http1_head.h"

/* A line with its end is never longer: a pipe takes so many bytes whole or not at all (PIPE_BUF). */
#define HTTP_LOG_LINE 4096

#define HTTP_LOG_TEXT 3600

/* What is to be remembered of a request until it was answered, escaped. */
struct http_log_note {
	uint16_t method, target, host, referer, agent; /* lengths; the texts follow each other */
	uint8_t minor;				       /* HTTP/1.minor */
	char text[HTTP_LOG_TEXT];
};

/* Of a complete head. */
void http_log_note(const struct http1_head *head, bool json, struct http_log_note *ret);

struct http_log_entry {
	const struct http_log_note *note; /* NULL: no request could be read */
	const char *client;		  /* its address */
	const char *service;
	uint64_t time_ms; /* when it was answered, since 1970 */
	uint32_t took_ms; /* from the request's first byte on */
	int status;
	uint64_t bytes; /* of the answer's body */
};

/* Writes it with its end; `to` holds HTTP_LOG_LINE bytes. Returns the bytes written. */
size_t http_log_line(const struct http_log_entry *entry, bool json, char *to);

#endif
