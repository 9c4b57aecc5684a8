/* SPDX-License-Identifier: BSD-2-Clause */
/* Endpoints as the socket calls want them. Pure. */
#ifndef CORE_ADDRESS_H
#define CORE_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "rcxlb/abi.h"

/* Sets *to and returns its size: AF_INET for IPv4 (and what is mapped into IPv6), else AF_INET6. */
socklen_t address_of(const struct rcxlb_endpoint *endpoint, struct sockaddr_storage *to);

/* The other way round; false for another family. */
bool address_endpoint(const struct sockaddr_storage *from, struct rcxlb_endpoint *to);

#endif
