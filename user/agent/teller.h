/* SPDX-License-Identifier: BSD-2-Clause */
/* Says what happens: the kernel's events, and what only its counters tell, become lines of the journal. */
#ifndef AGENT_TELLER_H
#define AGENT_TELLER_H

#include "agent/journal.h"
#include "core/model.h"
#include "dataplane/watch.h"

struct teller;

/* A backend's first listener came. */
typedef void (*teller_came)(uint32_t backend, void *context);

/* The journal and the watch must outlive it. NULL when there is no memory. */
struct teller *teller_new(struct journal *journal, struct watch *watch, teller_came came, void *context);

/* Ends the telling of connections as well. NULL is permitted. */
void teller_free(struct teller *teller);

/* Names are those of this model from now on; it stays the caller's, until the next call. */
void teller_follow(struct teller *teller, const struct model *model);

void teller_event(struct teller *teller, const struct rcxlb_event *event);
void teller_health(struct teller *teller, uint32_t backend, uint32_t state, const char *reason);

/* Once a second: drained backends, failovers, listeners whose event was lost. */
void teller_count(struct teller *teller);

/* Several times a second: whether connections are to be told, and how many could not be. */
void teller_listen(struct teller *teller);

#endif
