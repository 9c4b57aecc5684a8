/* SPDX-License-Identifier: BSD-2-Clause */
/* One check of a backend: connect, and when asked to, GET a path and judge the answer. On a libevent loop. */
#ifndef AGENT_CHECK_H
#define AGENT_CHECK_H

#include <event2/event.h>
#include <stdbool.h>

#include "rcxlb/abi.h"

enum check_outcome {
	CHECK_GOOD,
	CHECK_BAD,
	CHECK_REFUSED, /* nobody listens */
	CHECK_SILENT,  /* it accepted, and then said nothing in time */
	CHECK_STRANGE, /* it accepted, and its answer is not HTTP */
};

struct check_result {
	enum check_outcome outcome;
	uint32_t status; /* of the answer, 0: none */
	uint64_t took_ns;
	char reason[RCXLB_REASON_LEN]; /* what is wrong, in words; empty when good */
};

struct check_request {
	struct rcxlb_endpoint backend;
	const char *path; /* NULL: that it accepts is enough. All texts stay the caller's, until the end */
	const char *host; /* of the Host field; empty: the backend's address */
	const char *body; /* must occur in about the first CHECK_BODY_MAX bytes of the body; empty: no matter */
	uint16_t status_from, status_to;
	uint32_t timeout_ms; /* of everything */
	bool send_proxy;     /* what is sent begins with a header of the PROXY protocol, also when that is all */
};

#define CHECK_BODY_MAX 65536

struct check;

typedef void (*check_done)(const struct check_result *result, void *context);

struct check_hooks {
	/* With the address that the check will come from, before it dials, and when it is over. NULL: no matter. */
	void (*dials)(const struct rcxlb_endpoint *local, void *context);
	void (*ended)(const struct rcxlb_endpoint *local, void *context);
	check_done done; /* once, never from within check_start(); the check is gone then */
	void *context;
};

/* NULL when there is no memory or no socket left. */
struct check *check_start(struct event_base *base, const struct check_request *request,
			  const struct check_hooks *hooks);

/* Ends it early: `ended` is called, `done` is not. NULL is permitted. */
void check_cancel(struct check *check);

#endif
