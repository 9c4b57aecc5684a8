/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The process that keeps its privileges: it reads certificates and starts workers, and does nothing else. It speaks
 * with nobody. Workers outlive it: those who take over from them are of the next supervisor.
 */
#ifndef AGENT_SUPERVISOR_H
#define AGENT_SUPERVISOR_H

#include <stdbool.h>

#include "core/error.h"

/*
 * Starts it. Returns a descriptor whose end is its end too, to be kept open, or -errno. To be called while this process
 * has one thread.
 */
int supervisor_start(bool foreground, struct error *error);

#endif
