/* SPDX-License-Identifier: BSD-2-Clause */
/* The process of one worker: it holds clients' bytes and keys, and nothing else of the host. */
#ifndef AGENT_WORK_H
#define AGENT_WORK_H

#include <stdint.h>

#include "core/model.h"
#include "dataplane/desk.h"
#include "proxy/worker.h"

/* Written by the supervisor, read by all of its workers, in memory that they share. */
struct work_tickets {
	uint32_t version; /* odd while it is being written */
	struct ticket_keys keys;
};

struct work {
	struct desk *desk;
	const struct model *model;
	uint32_t number; /* of the worker in its crew */
	uint32_t crew;	 /* number of that */
	const struct worker_service *services;
	unsigned int services_count;
	struct ktls_support ktls;
	const struct work_tickets *tickets;
	/* Called when it can take connections: what it was started with is not needed any more. */
	void (*began)(void *context);
	void *context;
};

/*
 * Gives up its privileges and works until another crew is in charge and the last connection has ended. Returns 0, or
 * -errno with a sentence.
 */
int work_run(const struct work *work, struct error *error);

/* Reads the keys whole. */
struct ticket_keys work_ticket_keys(const struct work_tickets *tickets);

#endif
