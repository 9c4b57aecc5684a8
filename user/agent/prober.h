/* SPDX-License-Identifier: BSD-2-Clause */
/* Health checks of all backends: when, how, and what became of them. One prober for each backend that is checked. */
#ifndef AGENT_PROBER_H
#define AGENT_PROBER_H

#include <event2/event.h>
#include <stdbool.h>

#include "core/model.h"
#include "dataplane/watch.h"

struct probers;

/* A backend's state is another one now. `reason` says why it is down. */
typedef void (*prober_changed)(uint32_t backend, uint32_t state, const char *reason, void *context);

/* NULL when there is no memory. Writes health into the watch, which must outlive it. */
struct probers *probers_new(struct event_base *base, struct watch *watch, prober_changed changed, void *context);
void probers_free(struct probers *probers);

/* Checks what this model says from now on. What did not change goes on as it was. */
void probers_follow(struct probers *probers, const struct model *model);

/* A backend's listener came: nothing is known of this instance yet. It is checked at once. */
void probers_renew(struct probers *probers, uint32_t backend);

/* For metrics. */
struct prober_facts {
	bool checked;	    /* there is a check */
	uint32_t state;	    /* enum rcxlb_health_state */
	uint64_t good, bad; /* checks so far */
	uint64_t took_ns;   /* the last one */
	uint64_t since;	    /* CLOCK_MONOTONIC: the state; 0: not known */
};

struct prober_facts probers_facts(const struct probers *probers, uint32_t backend);

#endif
