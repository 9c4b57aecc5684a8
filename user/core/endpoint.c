// SPDX-License-Identifier: BSD-2-Clause
#include "core/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/number.h"

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

bool endpoint_address_is_ipv4(const uint8_t address[16])
{
	return !memcmp(address, mapped, sizeof(mapped));
}

bool endpoint_is_ipv4(const struct rcxlb_endpoint *endpoint)
{
	return endpoint_address_is_ipv4(endpoint->address);
}

struct rcxlb_endpoint endpoint_any(bool ipv4, uint16_t port)
{
	struct rcxlb_endpoint any = { .port = port };

	if (ipv4)
		memcpy(any.address, mapped, sizeof(mapped));
	return any;
}

bool endpoint_is_any(const struct rcxlb_endpoint *endpoint)
{
	struct rcxlb_endpoint any = endpoint_any(endpoint_is_ipv4(endpoint), endpoint->port);

	return endpoint_equal(endpoint, &any);
}

bool endpoint_equal(const struct rcxlb_endpoint *a, const struct rcxlb_endpoint *b)
{
	return endpoint_compare(a, b) == 0;
}

int endpoint_compare(const struct rcxlb_endpoint *a, const struct rcxlb_endpoint *b)
{
	int families = (int)endpoint_is_ipv4(b) - (int)endpoint_is_ipv4(a);
	int addresses = memcmp(a->address, b->address, sizeof(a->address));

	if (families)
		return families;
	return addresses ? addresses : (int)a->port - (int)b->port;
}

int endpoint_address_parse(const char *text, uint8_t to[16])
{
	if (inet_pton(AF_INET6, text, to) == 1)
		return 0;
	memcpy(to, mapped, sizeof(mapped));
	return inet_pton(AF_INET, text, to + 12) == 1 ? 0 : -EINVAL;
}

/* Splits at the last colon; brackets around an IPv6 address are taken off, and needed. */
static int split(const char *text, char *address, size_t size, const char **ret_port, struct error *error)
{
	const char *colon = strrchr(text, ':'), *start = text, *end = colon;
	bool bracketed = text[0] == '[';

	if (!colon || colon == text || !colon[1])
		return failed(error, -EINVAL, "'%s' is not ADDRESS:PORT; an IPv6 address is written [ADDRESS]:PORT",
			      text);
	if (bracketed) {
		start++;
		end--;
		if (*end != ']')
			return failed(error, -EINVAL, "'%s' has no port behind the ]; write [ADDRESS]:PORT", text);
	}
	if ((size_t)(end - start) >= size)
		return failed(error, -EINVAL, "'%s' has no IPv4 or IPv6 address before the port", text);
	memcpy(address, start, end - start);
	address[end - start] = 0;
	if (bracketed != !!strchr(address, ':'))
		return failed(error, -EINVAL, "'%s': brackets belong around an IPv6 address, and only there", text);
	*ret_port = colon + 1;
	return 0;
}

static int port_parse(const char *text, const char *port, uint16_t *ret, struct error *error)
{
	unsigned long number;

	if (number_parse(port, 1, 65535, &number))
		return failed(error, -EINVAL, "'%s': the port '%s' is not a number from 1 to 65535", text, port);
	*ret = number;
	return 0;
}

int endpoint_parse(const char *text, bool any, struct rcxlb_endpoint *ret, struct error *error)
{
	struct rcxlb_endpoint endpoint = {};
	char address[INET6_ADDRSTRLEN];
	const char *port;
	int err;

	err = split(text, address, sizeof(address), &port, error);
	if (err)
		return err;
	if (endpoint_address_parse(address, endpoint.address))
		return failed(error, -EINVAL, "'%s': '%s' is not an IPv4 or IPv6 address", text, address);
	err = port_parse(text, port, &endpoint.port, error);
	if (err)
		return err;
	if (!any && endpoint_is_any(&endpoint))
		return failed(error, -EINVAL, "'%s': name the one address, not all of them", text);
	*ret = endpoint;
	return 0;
}

int endpoint_parse_range(const char *text, struct rcxlb_endpoint *ret, uint16_t *ret_last, struct error *error)
{
	const char *colon = strrchr(text, ':'), *dash = colon ? strchr(colon, '-') : NULL;
	char single[RCXLB_TEXT_LEN];
	struct rcxlb_endpoint first;
	uint16_t last;
	int err;

	if (!dash || dash == colon + 1 || (size_t)(dash - text) >= sizeof(single)) {
		err = endpoint_parse(text, false, &first, error);
		if (err)
			return err;
		*ret = first;
		*ret_last = first.port;
		return 0;
	}
	memcpy(single, text, dash - text);
	single[dash - text] = 0;
	err = endpoint_parse(single, false, &first, error);
	if (!err)
		err = port_parse(text, dash + 1, &last, error);
	if (err)
		return err;
	if (last < first.port)
		return failed(error, -EINVAL, "'%s': the range ends before it begins", text);
	*ret = first;
	*ret_last = last;
	return 0;
}

int endpoint_parse_listen(const char *text, struct rcxlb_endpoint ret[2], unsigned int *ret_count, struct error *error)
{
	uint16_t port;
	int err;

	if (strncmp(text, "*:", 2)) {
		err = endpoint_parse(text, true, &ret[0], error);
		if (!err)
			*ret_count = 1;
		return err;
	}
	err = port_parse(text, text + 2, &port, error);
	if (err)
		return err;
	ret[0] = endpoint_any(true, port);
	ret[1] = endpoint_any(false, port);
	*ret_count = 2;
	return 0;
}

const char *endpoint_format(const struct rcxlb_endpoint *endpoint, char *to)
{
	bool ipv4 = endpoint_is_ipv4(endpoint);
	char address[INET6_ADDRSTRLEN];

	inet_ntop(ipv4 ? AF_INET : AF_INET6, endpoint->address + (ipv4 ? 12 : 0), address, sizeof(address));
	snprintf(to, RCXLB_TEXT_LEN, ipv4 ? "%s:%u" : "[%s]:%u", address, endpoint->port);
	return to;
}
