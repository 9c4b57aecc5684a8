// SPDX-License-Identifier: BSD-2-Clause
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "core/address.h"

#include "core/endpoint.h"

socklen_t address_of(const struct rcxlb_endpoint *endpoint, struct sockaddr_storage *to)
{
	memset(to, 0, sizeof(*to));
	if (endpoint_is_ipv4(endpoint)) {
		struct sockaddr_in *v4 = (struct sockaddr_in *)to;

		v4->sin_family = AF_INET;
		v4->sin_port = htons(endpoint->port);
		memcpy(&v4->sin_addr, endpoint->address + 12, 4);
		return sizeof(*v4);
	}
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;

	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(endpoint->port);
	memcpy(&v6->sin6_addr, endpoint->address, 16);
	return sizeof(*v6);
}

bool address_endpoint(const struct sockaddr_storage *from, struct rcxlb_endpoint *to)
{
	memset(to, 0, sizeof(*to));
	if (from->ss_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;

		memset(to->address + 10, 0xff, 2);
		memcpy(to->address + 12, &v4->sin_addr, 4);
		to->port = ntohs(v4->sin_port);
		return true;
	}
	if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;

		memcpy(to->address, &v6->sin6_addr, 16);
		to->port = ntohs(v6->sin6_port);
		return true;
	}
	return false;
}
