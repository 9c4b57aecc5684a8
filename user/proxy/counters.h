/* SPDX-License-Identifier: BSD-2-Clause */
/* What a worker has done since it started. All only grow, but for those that say "now". */
#ifndef PROXY_COUNTERS_H
#define PROXY_COUNTERS_H

#include <stdint.h>

#include "proxy/ktls.h"
#include "proxy/path.h"
#include "proxy/relay.h"

struct worker_counters {
	uint64_t accepted;
	uint64_t accept_pauses; /* a bound was reached, or descriptors ran out */
	uint64_t open;		/* now: clients' connections, handshakes included */
	uint64_t handshaking;	/* now */

	uint64_t handshakes_ok;
	uint64_t handshakes_resumed; /* of these, without a certificate: by a ticket */
	uint64_t handshakes_failed;
	uint64_t handshakes_timed_out;
	uint64_t handshakes_evicted; /* too many at once: the oldest had to go */

	uint64_t kernel_sends, kernel_receives; /* connections whose records the kernel makes, opens */
	uint64_t ktls_reasons[KTLS_REASONS];	/* the first is: both */
	uint64_t path_reasons[PATH_REASONS];	/* the first is: handed */

	uint64_t connects_failed;  /* to instances */
	uint64_t connects_retried; /* at another instance */
	uint64_t silent;	   /* clients that left before their first byte, and were given no instance */
	uint64_t unserved;	   /* clients for whom there was no instance */
	uint64_t relay_ends[RELAY_ENDS];
	uint64_t bytes_up, bytes_down; /* to instances, to clients */
};

#endif
