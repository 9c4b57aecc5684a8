/* SPDX-License-Identifier: BSD-2-Clause */
/* The process of one worker: it holds clients' bytes and keys, and nothing else of the host. */
#ifndef AGENT_WORK_H
#define AGENT_WORK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/model.h"
#include "dataplane/desk.h"
#include "proxy/worker.h"

/* Written by the supervisor, which reads nothing back, and read by all of its workers in memory that they share. */
struct work_tickets {
	uint32_t version; /* odd while it is being written */
	struct ticket_keys keys;
};

struct work {
	struct desk *desk;
	const struct model *model;
	uint32_t number;  /* of the worker in its crew */
	uint32_t crew;	  /* number of that */
	uint32_t workers; /* in it */
	const struct worker_service *services;
	unsigned int services_count;
	struct ktls_support ktls;
	const struct work_tickets *tickets;
	/*
	 * Called when it can take connections: what it was started with is not needed any more. False: whoever started
	 * it is gone and will send it none, so it ends.
	 */
	bool (*began)(void *context);
	void *context;
};

/*
 * Gives up its privileges and works until another crew is in charge and the last connection has ended. Returns 0, or
 * -errno with a sentence.
 */
int work_run(const struct work *work, struct error *error);

/* Copies the keys for the workers. By one process, whose own version this is: another one each time. */
void work_publish_tickets(struct work_tickets *shared, uint32_t version, const struct ticket_keys *keys);

/* Reads the keys whole. Returns their version; an odd one when they were being written all the time: there are none. */
uint32_t work_ticket_keys(const struct work_tickets *shared, struct ticket_keys *ret);

/* From here on this process, and who is forked by it, can only read them. -errno. */
int work_seal_tickets(const struct work_tickets *shared);

#endif
