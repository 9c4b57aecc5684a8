/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The long-running process beside the kernel's programs: it checks health, tells what happens and serves metrics.
 * Steering goes on without it. It never changes what is wished; it follows what the command line publishes.
 */
#ifndef AGENT_AGENT_H
#define AGENT_AGENT_H

#include <stdbool.h>

#include "core/error.h"

/*
 * Is the agent until SIGTERM or SIGINT, on a terminal also until SIGHUP. Standard error is its log when `foreground`,
 * else syslog. When all is open and given away that is not needed, the service manager is told, and a byte is written
 * to `ready` and it is closed (-1: to nobody). -EBUSY when there is one already, -ENOENT when rcxlb is not loaded,
 * -ECHILD when the supervisor of its workers died.
 */
int agent_run(bool foreground, int ready, struct error *error);

/*
 * Starts an agent in the background: a process of its own session. Returns when it works, or with why it does not;
 * -EBUSY, without a sentence, when there is one, which may still be starting.
 */
int agent_spawn(struct error *error);

#endif
