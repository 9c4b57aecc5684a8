/* SPDX-License-Identifier: BSD-2-Clause */
/* What a worker has done for the clients of one service since it started, and how many they are now. */
#ifndef PROXY_COUNTERS_H
#define PROXY_COUNTERS_H

#include <stdint.h>

#include "core/http_own.h"
#include "proxy/ktls.h"
#include "proxy/path.h"
#include "proxy/relay.h"
#include "rcxlb/abi.h"

_Static_assert(KTLS_REASONS <= RCXLB_KTLS_REASONS && RELAY_ENDS <= RCXLB_RELAY_ENDS &&
		   HTTP_OWN_STATUSES <= RCXLB_OWN_ANSWERS,
	       "a tally has too little room");

struct worker_counters {
	struct rcxlb_tally sum;
	__u64 path_reasons[PATH_REASONS]; /* the first is: handed */
	uint32_t open;			  /* now: clients' connections, handshakes included */
	uint32_t handshaking;		  /* now */
};

#endif
