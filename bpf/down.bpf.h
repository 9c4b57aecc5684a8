/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Who is not to be trusted with clients at the moment: by what the agent and the workers found out about it. */
#ifndef RCXLB_DOWN_BPF_H
#define RCXLB_DOWN_BPF_H

#include "maps.bpf.h"
#include "rcxlb/choice.h"

/* By health check. */
static __always_inline bool is_down(__u32 id)
{
	struct rcxlb_health *check = bpf_map_lookup_elem(&health, &id);

	return check && check->state == RCXLB_HEALTH_DOWN && rcxlb_is_fresh(check, bpf_ktime_get_ns());
}

/* A worker could not connect to it a moment ago. */
static __always_inline bool is_set_back(__u32 id, __u32 generation)
{
	struct rcxlb_setback *setback = bpf_map_lookup_elem(&setbacks, &id);

	return setback && setback->generation == generation && bpf_ktime_get_ns() < setback->until;
}

#endif
