// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/* XDP on the interface: counts what comes in and passes all of it (fail-open). */
#include "maps.bpf.h"

SEC("xdp")
int guard(struct xdp_md *ctx)
{
	__u32 reason = RCXLB_GUARD_PASS;
	struct rcxlb_guard_stats *stats = bpf_map_lookup_elem(&guard_stats, &reason);

	if (stats) {
		stats->packets++;
		stats->bytes += ctx->data_end - ctx->data;
	}
	return XDP_PASS;
}
