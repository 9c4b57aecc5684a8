/* SPDX-License-Identifier: BSD-2-Clause */
/* A process that looks at the network all day gives away what it does not need. */
#ifndef AGENT_SANDBOX_H
#define AGENT_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include "core/error.h"

/* The user whom the package makes, and who is taken where there is none. */
#define SANDBOX_USER	  "rcxlb"
#define SANDBOX_OTHERWISE "nobody"

enum sandbox_role {
	SANDBOX_AGENT,
	SANDBOX_WORKER, /* speaks with clients: fewer system calls still, and of bpf(2) only looking into maps and
			   writing */
};

/*
 * From now on this process is an unprivileged user's, without a capability, cannot gain any, and may make only the
 * system calls of its role: it opens no file and starts no program. To be called with one thread, when everything that
 * needs more is open. Where the kernel asks for CAP_BPF to use maps that are open (before 5.19) that one is kept.
 */
int sandbox_enter(enum sandbox_role role, struct error *error);

/* Is it the user that sandbox_enter() would become? */
bool sandbox_user_is(uid_t uid);

/* This process keeps its user, who may own files, and from now on has no capability and gains none. 0 or -errno. */
int sandbox_drop_capabilities(void);

#endif
