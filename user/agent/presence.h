/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Is there an agent? It holds a lock on a file in the run folder for as long as it lives, however it ends; the kernel
 * tells who holds it.
 */
#ifndef AGENT_PRESENCE_H
#define AGENT_PRESENCE_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/error.h"

/* The pid of the agent, 0 when there is none. */
pid_t presence_pid(void);

/* Is there an agent, and is it of another version than this program? One that does not tell is. */
bool presence_is_other(void);

/*
 * This process is the agent from now on, and is starting. A descriptor to be kept open, or -errno: -EBUSY when there is
 * one; one that is starting is waited for. The process must not call presence_pid() after this.
 */
int presence_take(struct error *error);

/* It works: who waits for that goes on. `lock`: from presence_take(). */
void presence_announce(int lock);

/*
 * Is there an agent whose supervisor has died? One that is starting is none. And, called by a supervisor: until this
 * process ends there is one, of whatever agent is there. A descriptor to be kept open, or -errno.
 */
bool presence_lacks_supervisor(void);
int presence_supervise(void);

/* Waits until the agent that another process started works. -ECHILD when it ended instead. */
int presence_await(struct error *error);

/* A listening socket for those who follow the events, in the place of a former agent's. A descriptor or -errno. */
int presence_listen(struct error *error);

/* A connected socket to the agent; -ENOENT when there is none. */
int presence_connect(struct error *error);

/* Ends the agent, if there is one, and waits until it has ended. -ETIMEDOUT when it does not within ten seconds. */
int presence_end(struct error *error);

/* Removes what an agent leaves in the run folder, unless one is running. */
void presence_forget(void);

#endif
