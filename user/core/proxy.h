/* SPDX-License-Identifier: BSD-2-Clause */
/* What a service says of the PROXY protocol, by one set of rules for options and configuration files. Pure. */
#ifndef CORE_PROXY_H
#define CORE_PROXY_H

#include <stdbool.h>

#include "core/error.h"
#include "rcxlb/abi.h"

/* Does it come into a service's connections at all? */
bool proxy_is_spoken(const struct rcxlb_proxy *proxy);

/*
 * One more address or CIDR block from which connections begin with a header. 0; or -EINVAL, -E2BIG or -EEXIST with a
 * sentence.
 */
int proxy_accept(struct rcxlb_proxy *proxy, const char *text, struct error *error);

/* What connections to backends begin with: "v2", else empty; and how it is read, 0 or -EINVAL with a sentence. */
const char *proxy_send_name(const struct rcxlb_proxy *proxy);
int proxy_send_parse(struct rcxlb_proxy *proxy, const char *text, struct error *error);

#endif
