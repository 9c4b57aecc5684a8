/* SPDX-License-Identifier: BSD-2-Clause */
/* Endpoints as socket addresses, and back. */
#ifndef AGENT_ADDRESS_H
#define AGENT_ADDRESS_H

#include <sys/socket.h>

#include "rcxlb/abi.h"

/* Returns the size of what is written into `to`: AF_INET for IPv4, else AF_INET6. */
socklen_t address_of(const struct rcxlb_endpoint *endpoint, struct sockaddr_storage *to);

/* Of AF_INET and AF_INET6; of anything else an endpoint with port 0. */
struct rcxlb_endpoint endpoint_of(const struct sockaddr_storage *address);

#endif
