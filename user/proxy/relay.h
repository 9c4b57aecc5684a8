/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Moves bytes between a client and an instance, both ways, as if there were one connection: what one side does not read
 * the other cannot send; the end of one direction (FIN, close_notify) is passed on when its bytes are, and the other
 * goes on; a RST becomes a RST when what came before it has been delivered, or after a second.
 */
#ifndef PROXY_RELAY_H
#define PROXY_RELAY_H

#include <stdint.h>

#include "proxy/buffers.h"
#include "proxy/side.h"

struct relay_limits {
	uint32_t idle_ms; /* without a byte either way, where a service does not say its own */
	/*
	 * The same, after the instance has sent its end and the client has not: nobody can tell then whether the
	 * instance still listens, and the kernel would give such a socket tcp_fin_timeout.
	 */
	uint32_t half_closed_ms;
};

enum relay_end {
	RELAY_DONE,	      /* both have sent their end */
	RELAY_CLIENT_BROKE,   /* RST, fatal alert, broken protocol */
	RELAY_INSTANCE_BROKE, /* RST */
	RELAY_IDLE,	      /* too long without a byte */
	RELAY_NO_MEMORY,
	RELAY_ENDS,
};

/* As one word. */
const char *relay_end_name(enum relay_end end);

/* One direction. */
struct flow {
	struct buffer *buffer; /* bytes in flight, else NULL */
	__u64 *total;	       /* bytes given to the other socket are added here; the owner sets it */
	bool ended;	       /* its source has sent its end */
	bool finished;	       /* and the destination was told */
	bool finish_waits;     /* the destination must become writable to be told */
	bool finish_polls;     /* or it will be tried again after a moment */
	bool draining;	       /* the source is broken, but may have sent something before that */
	bool cut;	       /* the source is broken and has nothing more */
	bool dead;	       /* the destination is broken: nothing is read for it */
};

struct relay {
	struct event_base *base;
	struct buffers *buffers;
	uint32_t idle_ms, half_closed_ms; /* as in struct relay_limits */
	void (*ended)(struct relay *relay, enum relay_end end);
	struct side client, instance;
	struct flow up, down; /* client to instance, instance to client */
	int64_t last_ms;      /* when a byte was moved */
	int64_t cut_ms;	      /* when the rest is given up, after a side broke; 0: none did */
	enum relay_end reason;
	unsigned int poll_ms; /* the timer runs that fast now; 0: it only looks for idleness */
	bool half_closed;     /* the timer knows of it */
	struct event timer;
};

/*
 * The sides are initialized and are the relay's from now on, as are the buffers of both flows, which may hold what has
 * come already.
 * `ended` is called once, never from inside relay_start(), when all is closed and freed; it may free the relay. 0 or
 * -ENOMEM, with all still the caller's.
 */
int relay_start(struct relay *relay);

/* Ends it at once, with RSTs, without calling `ended`. */
void relay_abandon(struct relay *relay);

#endif
