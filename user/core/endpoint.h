/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses with a port as people write them: 192.0.2.1:80, [2001:db8::1]:80, *:80. Pure. */
#ifndef CORE_ENDPOINT_H
#define CORE_ENDPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "rcxlb/abi.h"

/* One address and port. The any-addresses are refused when `any` is false. -EINVAL with a sentence. */
int endpoint_parse(const char *text, bool any, struct rcxlb_endpoint *ret, struct error *error);

/* ADDR:PORT or ADDR:FIRST-LAST, no any-address. *ret is the first; *ret_last the last port, at least the first. */
int endpoint_parse_range(const char *text, struct rcxlb_endpoint *ret, uint16_t *ret_last, struct error *error);

/* What a service listens on: an endpoint, or *:PORT, which is the any-address of both families. Sets one or two. */
int endpoint_parse_listen(const char *text, struct rcxlb_endpoint ret[2], unsigned int *ret_count, struct error *error);

/* As endpoint_parse() reads it; `to` holds RCXLB_TEXT_LEN bytes. Returns `to`. */
const char *endpoint_format(const struct rcxlb_endpoint *endpoint, char *to);

/* An address without a port, in the form that endpoints have. 0 or -EINVAL. */
int endpoint_address_parse(const char *text, uint8_t to[16]);
bool endpoint_address_is_ipv4(const uint8_t address[16]);

bool endpoint_is_ipv4(const struct rcxlb_endpoint *endpoint);
bool endpoint_is_any(const struct rcxlb_endpoint *endpoint);
bool endpoint_equal(const struct rcxlb_endpoint *a, const struct rcxlb_endpoint *b);

/* IPv4 first, then by address, then by port: negative, 0 or positive. */
int endpoint_compare(const struct rcxlb_endpoint *a, const struct rcxlb_endpoint *b);

/* The any-address of a family, with a port. */
struct rcxlb_endpoint endpoint_any(bool ipv4, uint16_t port);

#endif
