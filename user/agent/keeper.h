/* SPDX-License-Identifier: BSD-2-Clause */
/* Follows what is published and what the kernel tells: starts checks, tells of changes, serves metrics. */
#ifndef AGENT_KEEPER_H
#define AGENT_KEEPER_H

#include <event2/event.h>

#include "agent/journal.h"
#include "core/error.h"

struct keeper;

/* Opens the dataplane. The loop and the journal must outlive it. -ENOENT when rcxlb is not loaded. */
int keeper_new(struct event_base *base, struct journal *journal, struct keeper **ret, struct error *error);
void keeper_free(struct keeper *keeper);

#endif
