/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Access logs are written by a process each: disks and journals make whoever writes wait, and a worker must not.
 * Workers write whole lines into a pipe; when it is full a line is lost. A recorder ends with the last worker that has
 * its pipe.
 */
#ifndef AGENT_RECORDER_H
#define AGENT_RECORDER_H

#include "core/error.h"
#include "core/model.h"

struct recorder {
	char to[RCXLB_PATH_LEN]; /* a file, or "journal"; empty: unused */
	int pipe[2];		 /* both ends are kept, so that one that died can be started again */
	int process;		 /* a pidfd; -1: none */
	uint64_t again;		 /* not to be started before */
	int failure;		 /* -errno: it could not be started the last time */
};

/* Zeroed is empty. */
struct recorders {
	struct recorder recorder[RCXLB_MAX_SERVICES];
	void (*leave)(void *context); /* in the process of each: gives away what it must not have. NULL: nothing */
	void *context;
};

/*
 * Starts those that the model asks for, and those again that have died; forgets those that it does not ask for, which
 * end by themselves. In case of error, with a sentence about the first, there are those that could be started.
 */
int recorders_follow(struct recorders *recorders, const struct model *model, struct error *error);

/* Where a service's lines are to be written: the pipe's end, non-blocking; -1: nowhere. */
int recorders_pipe(const struct recorders *recorders, const struct model_service *service);

/* In a process that was forked to be a worker: all that is not one of those ends is closed. */
void recorders_leave(const struct recorders *recorders);

#endif
