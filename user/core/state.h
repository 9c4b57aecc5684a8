/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of a backend in `status`: its state, the path its connections take, and why. Pure. */
#ifndef CORE_STATE_H
#define CORE_STATE_H

#include <stdbool.h>
#include <stdint.h>

struct state_input {
	bool draining;
	bool listens;	  /* somebody does, whom connections can be assigned to */
	bool down;        /* by health check, and the check is fresh */
	uint8_t loop;     /* enum rcxlb_loop_state */
	bool tls;         /* the service ends it */
	bool http;        /* the service parses it */
	bool proxy;       /* the PROXY protocol is spoken with its clients or backends */
	const char *down_reason; /* why it is down, in words, or NULL */
	bool elsewhere;   /* nobody listens here, and its address is none of this host's */
	bool unassignable; /* who listens can be reached by a worker alone, as MPTCP's */
	bool workers;	   /* there are any */
	uint32_t refused; /* errno with which its listener was refused, or 0 */
};

/* up, down, absent or draining. */
const char *state_name(const struct state_input *input);

/* Is it there, and not down? A draining one may be. */
bool state_is_up(const struct state_input *input);

/* Does somebody listen who is given no connection? */
bool state_is_refused(const struct state_input *input);

/* direct, proxied or none. */
const char *state_path(const struct state_input *input);

/* Of its event loop, when it listens: asleep (accepts at once), awake, blocked, unknown; else empty. */
const char *state_loop(const struct state_input *input);

/* Why it is down, or its path not direct, in words; else empty. */
const char *state_reason(const struct state_input *input);

#endif
