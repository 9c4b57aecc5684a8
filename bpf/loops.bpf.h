/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Looking at the event loops that serve a listening socket; loops.bpf.c says how. */
#ifndef RCXLB_LOOPS_BPF_H
#define RCXLB_LOOPS_BPF_H

#include "kernel.bpf.h"

/* What is seen of a loop: its state, and whether it is suspect; the better the less. */
#define LOOPS_SIGHT(state, suspect) ((__u32)(state) << 1 | (suspect))
#define LOOPS_STATE(sight)	    ((sight) >> 1)
#define LOOPS_SUSPECT(sight)	    ((sight)&1)
#define SIGHT_NONE		    255 /* nobody was looked at */

/*
 * The sight of the best of the loops that serve this listener. `wait` is the
 * address of the struct socket_wq of its socket: a plain number, so that the function is verified once for all who call
 * it. `queue`: how many connections it has that nobody has accepted; without any it is not late.
 */
int loops_look(__u32 backend, __u64 wait, __u64 now, __u32 blocked_ms, __u32 queue);

/* Connections come: keeps the timer running that looks at all loops, for a moment; this backend among them. */
int loops_watch(__u32 id, __u64 now);

#endif
