/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is counted and measured, as text that Prometheus reads. Pure: from a model, the kernel's facts and what the
 * agent alone knows.
 *
 * A backend that several services use has its numbers once, without a service; rcxlb_service_backend_info says who
 * belongs to whom. So a sum over backends counts nothing twice, and a service's part of it is one join away:
 *
 *	sum by (service) (rcxlb_service_backend_info * on (instance, backend) group_left () rcxlb_backend_connections)
 */
#ifndef AGENT_METRICS_H
#define AGENT_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "core/model.h"
#include "dataplane/dataplane.h"
#include "rcxlb/abi.h"

/* The agent's checks of one backend. Times are nanoseconds. */
struct metrics_check {
	uint8_t state;	     /* enum rcxlb_health_state */
	uint64_t changed_ns; /* since 1970: when it became so; 0: not known */
	uint64_t passed;     /* checks, since the agent began */
	uint64_t failed;
	uint64_t duration_ns; /* of the last one */
};

/* Events that found no room, of services that are no more too: those take their counters with them. */
struct metrics_untold {
	uint64_t sum;
	uint64_t last[RCXLB_MAX_SERVICES + 1]; /* of each service, when they were counted */
};

struct metrics_agent {
	const char *version;
	uint64_t started_ns;				/* since 1970 */
	struct metrics_check check[RCXLB_MAX_BACKENDS]; /* by backend id */
	struct metrics_untold untold;			/* since before the agent began, of services that there were */
};

/* To be called with all facts that are told of. */
void metrics_count_untold(struct metrics_untold *untold, const struct facts *facts);

/* Writes all of it. -EIO when the stream did not take it. */
int metrics_write(FILE *to, const struct model *model, const struct facts *facts, const struct metrics_agent *agent);

#endif
