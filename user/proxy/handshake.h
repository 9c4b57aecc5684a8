/* SPDX-License-Identifier: BSD-2-Clause */
/* The server's side of one TLS handshake on the event loop, with an end to it. */
#ifndef PROXY_HANDSHAKE_H
#define PROXY_HANDSHAKE_H

#include <event2/event_struct.h>
#include <stdint.h>

#include "proxy/tls.h"

enum handshake_end {
	HANDSHAKE_OK,
	HANDSHAKE_FAILED, /* the client left, or wants what we do not have */
	HANDSHAKE_TIMED_OUT,
};

struct handshake {
	struct tls_context *context; /* a reference */
	SSL *ssl;
	struct event_base *base;
	void (*ended)(struct handshake *handshake, enum handshake_end end);
	short watching;
	int64_t since_ms;
	struct event event, timer;
};

/*
 * `fd` is non-blocking and stays the caller's. `ended` is called once, never from inside here, with nothing left of the
 * handshake but `ssl`, which is the callee's with HANDSHAKE_OK, else NULL. 0 or -ENOMEM.
 */
int handshake_start(struct handshake *handshake, struct event_base *base, struct tls_context *context, int fd,
		    uint32_t limit_ms);

/* Gives it up without calling `ended`. */
void handshake_abandon(struct handshake *handshake);

#endif
