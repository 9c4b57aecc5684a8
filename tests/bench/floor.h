/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* What floor.c tells floor.bpf.c before it is loaded. */
#ifndef FLOOR_H
#define FLOOR_H

#include <linux/types.h>

struct floor_setup {
	__u64 netns_cookie;
	__u32 service_port; /* what clients dial */
	__u32 first_port;   /* of the instances: it and those after it */
	__u32 count;	    /* of them, at least 1 */
	__u32 random;	    /* 1: each client to one drawn at random, as any hash does; else in turn */
	__u32 counts;	    /* 1: as if connections were counted: with the cgroup's program and a storage for each */
};

#define FLOOR_LISTENERS 1024

#endif
