/* SPDX-License-Identifier: BSD-2-Clause */
/* The authority of a request: uri-host [ ":" port ], RFC 9110 7.2, RFC 3986 3.2. Pure. */
#ifndef PROXY_HTTP1_HOST_H
#define PROXY_HTTP1_HOST_H

#include "proxy/http1_text.h"

struct http1_host {
	struct http1_span name; /* IPv6 with its brackets */
	unsigned int port;	/* 0: none was given */
};

/*
 * A name, an IPv4 address or an IPv6 address in brackets, and a port from 1 to 65535. Stricter than the grammar: no
 * empty host (RFC 9110 4.2.1), no empty port, no user (4.2.4), no percent, no comma, no zone.
 */
bool http1_host_parse(struct http1_span text, struct http1_host *ret);

/* The same host, letters in either case, and the same port, where none stands for `default_port`. */
bool http1_host_equal(const struct http1_host *a, const struct http1_host *b, unsigned int default_port);

#endif
