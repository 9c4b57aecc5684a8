/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that keeps its privileges: it reads certificates, starts workers, and looks where the backends' addresses
 * are; it does nothing else. It speaks with nobody. Workers outlive it: those who take over from them are of the next
 * supervisor.
 */
#ifndef AGENT_SUPERVISOR_H
#define AGENT_SUPERVISOR_H

#include <stdbool.h>

#include "core/error.h"

/* Both are the caller's. */
struct supervision {
	int life;  /* to be kept open: its end is the supervisor's too */
	int ended; /* readable when the supervisor has ended, whatever the reason; -1: that cannot be watched here */
};

/* Starts it, and returns when it has begun. 0 or -errno, and then nothing is open. To be called with one thread. */
int supervisor_start(bool foreground, struct supervision *ret, struct error *error);

#endif
