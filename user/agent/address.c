// SPDX-License-Identifier: BSD-2-Clause
#include "agent/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "core/endpoint.h"

socklen_t address_of(const struct rcxlb_endpoint *endpoint, struct sockaddr_storage *to)
{
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)to;
	struct sockaddr_in *four = (struct sockaddr_in *)to;

	memset(to, 0, sizeof(*to));
	if (endpoint_is_ipv4(endpoint)) {
		four->sin_family = AF_INET;
		four->sin_port = htons(endpoint->port);
		memcpy(&four->sin_addr, endpoint->address + 12, 4);
		return sizeof(*four);
	}
	six->sin6_family = AF_INET6;
	six->sin6_port = htons(endpoint->port);
	memcpy(&six->sin6_addr, endpoint->address, 16);
	return sizeof(*six);
}

struct rcxlb_endpoint endpoint_of(const struct sockaddr_storage *address)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	const struct sockaddr_in *four = (const struct sockaddr_in *)address;
	struct rcxlb_endpoint endpoint = endpoint_any(address->ss_family == AF_INET, 0);

	if (address->ss_family == AF_INET) {
		endpoint.port = ntohs(four->sin_port);
		memcpy(endpoint.address + 12, &four->sin_addr, 4);
	} else if (address->ss_family == AF_INET6) {
		endpoint.port = ntohs(six->sin6_port);
		memcpy(endpoint.address, &six->sin6_addr, 16);
	}
	return endpoint;
}
