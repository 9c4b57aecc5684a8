/* SPDX-License-Identifier: BSD-2-Clause */
/* Connecting to an instance on the event loop, with an end to it. */
#ifndef PROXY_DIAL_H
#define PROXY_DIAL_H

#include <event2/event_struct.h>
#include <stdint.h>

#include "proxy/proxy_header.h"
#include "rcxlb/abi.h"

struct dial {
	int fd; /* -1: none */
	void (*ended)(struct dial *dial, int err);
	unsigned int greeting_size; /* what is sent as soon as it is connected; the owner sets it */
	uint8_t greeting[PROXY_HEADER_WRITTEN_MAX];
	struct event event;
};

/*
 * A non-blocking socket for dial_start(), -errno in case of error. In between its owner may bind it, or tell others of
 * it.
 */
int dial_socket(const struct rcxlb_endpoint *to);

/*
 * `fd` is the dial's from now on. `ended` is called once, perhaps from inside here: with 0 the connected socket is
 * dial->fd and the callee's; else with -errno (-ETIMEDOUT past the limit), and it is closed.
 */
void dial_start(struct dial *dial, struct event_base *base, int fd, const struct rcxlb_endpoint *to, uint32_t limit_ms);

/* Gives it up without calling `ended`. */
void dial_abandon(struct dial *dial);

#endif
