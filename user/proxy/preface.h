/* SPDX-License-Identifier: BSD-2-Clause */
/* Waiting for the PROXY protocol's header at the beginning of a connection, with an end to it. */
#ifndef PROXY_PREFACE_H
#define PROXY_PREFACE_H

#include <event2/event_struct.h>
#include <stdint.h>

#include "proxy/buffers.h"
#include "proxy/proxy_header.h"

struct preface {
	int fd;
	struct buffers *buffers;
	struct buffer *buffer; /* what has come of it, if not all has */
	void (*ended)(struct preface *preface, int err, const struct proxy_header *header);
	struct event event, timer;
};

/*
 * `fd` is non-blocking and stays the caller's; of what comes nothing but the header is read. `ended` is called once,
 * never from inside here: with 0 and the header; or with -errno and NULL: -EPROTO for anything else, -ETIMEDOUT,
 * -ENODATA when the peer left without a byte. 0 or -ENOMEM.
 */
int preface_start(struct preface *preface, struct event_base *base, struct buffers *buffers, int fd, uint32_t limit_ms);

/* Gives it up without calling `ended`. */
void preface_abandon(struct preface *preface);

#endif
