// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/http1_host.h"

#include <arpa/inet.h>
#include <string.h>

#include "proxy/http1_chars.h"

/* The bytes of `[…]`, whose first one is there, or 0. */
static size_t ipv6_literal(struct http1_span text)
{
	const char *end = memchr(text.at, ']', text.length);
	char address[INET6_ADDRSTRLEN] = "";
	struct in6_addr parsed;
	size_t length;

	if (!end)
		return 0;
	length = end - text.at - 1;
	if (!length || length >= sizeof(address))
		return 0;
	memcpy(address, text.at + 1, length);
	return inet_pton(AF_INET6, address, &parsed) == 1 && strlen(address) == length ? length + 2 : 0;
}

bool http1_host_parse(struct http1_span text, struct http1_host *ret)
{
	size_t length;
	uint64_t port;

	if (!text.length)
		return false;
	length = text.at[0] == '[' ? ipv6_literal(text) : http1_prefix(text.at, text.length, HTTP1_HOST_NAME);
	if (!length || length > 255)
		return false;
	ret->name = (struct http1_span){ text.at, length };
	ret->port = 0;
	if (length == text.length)
		return true;
	if (text.at[length] != ':' ||
	    !http1_decimal((struct http1_span){ text.at + length + 1, text.length - length - 1 }, &port) || !port ||
	    port > UINT16_MAX)
		return false;
	ret->port = port;
	return true;
}

bool http1_host_equal(const struct http1_host *a, const struct http1_host *b, unsigned int default_port)
{
	return http1_equal_nocase(a->name, b->name) &&
	       (a->port ? a->port : default_port) == (b->port ? b->port : default_port);
}
