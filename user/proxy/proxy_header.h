/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The PROXY protocol, versions 1 and 2 (HAProxy's doc/proxy-protocol.txt): what a proxy says first on a connection of
 * for whom it is. Pure.
 */
#ifndef PROXY_PROXY_HEADER_H
#define PROXY_PROXY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "rcxlb/abi.h"

#define PROXY_HEADER_READ_MAX	 4096 /* a longer one, of version 2, is refused */
#define PROXY_HEADER_WRITTEN_MAX 52

struct proxy_header {
	bool known; /* false: the connection is the proxy's own, as for a health check, or it cannot say whose */
	struct rcxlb_endpoint client, dialled;
};

/*
 * Its length; 0 when more bytes are needed, of which all that are here belong to it; -EPROTO when this is none, or not
 * one for TCP. Strict: each number and each length has one form, TLVs fill what is left exactly, and a checksum that is
 * there is right.
 */
ssize_t proxy_header_read(const uint8_t *bytes, size_t size, struct proxy_header *ret);

/* Writes one of version 2. Returns its length. */
size_t proxy_header_write(const struct rcxlb_endpoint *client, const struct rcxlb_endpoint *dialled,
			  uint8_t to[static PROXY_HEADER_WRITTEN_MAX]);

/* One for a connection that is nobody's, as a health check. */
size_t proxy_header_write_local(uint8_t to[static PROXY_HEADER_WRITTEN_MAX]);

#endif
