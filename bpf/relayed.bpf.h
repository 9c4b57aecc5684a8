/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Backends that no connection can be assigned to, so that a worker connects to them and relays: those elsewhere, and
 * those whose listeners the kernel puts into no map. Asked only of who has no listener in `listeners`.
 */
#ifndef RCXLB_RELAYED_BPF_H
#define RCXLB_RELAYED_BPF_H

#include "down.bpf.h"
#include "maps.bpf.h"
#include "rcxlb/choice.h"

static __always_inline __u32 workers_present(void)
{
	__u32 zero = 0;
	struct rcxlb_crew *present = bpf_map_lookup_elem(&crew, &zero);

	return present && present->workers <= RCXLB_MAX_WORKERS ? present->workers : 0;
}

/* The load entry for a backend, cleared when its id was another address's before. */
static __always_inline struct rcxlb_load *load_of(__u32 id, __u32 generation)
{
	struct rcxlb_load *entry = bpf_map_lookup_elem(&load, &id);
	__u32 former;

	if (!entry)
		return NULL;
	former = entry->generation;
	if (former == generation)
		return entry;
	/* Two members of a group may call listen() at once: one of them clears. */
	if (__sync_val_compare_and_swap(&entry->generation, former, generation) == former) {
		entry->active = 0;
		entry->steered = 0;
		entry->spilled = 0;
		entry->failovers = 0;
		entry->rows = 0;
		entry->refused = 0;
		entry->since = 0;
		entry->unassignable = 0;
	}
	return entry;
}

static __always_inline bool is_relayed(const struct rcxlb_backend *backend, const struct rcxlb_load *entry)
{
	bool apart = backend->flags & RCXLB_BACKEND_ELSEWHERE ||
		     (entry->unassignable && entry->generation == backend->generation);

	return apart && workers_present();
}

/* Its connections. The load entry of one elsewhere is its own from its first one on. */
static __always_inline __u32 relayed_active(const struct rcxlb_backend *backend, const struct rcxlb_load *entry)
{
	return entry->generation == backend->generation ? entry->active : 0;
}

/*
 * Does a worker reach this one? Then what is known of it: that it is there, and what it has; nothing of its event loop.
 * A global function, so that its stack is its own.
 */
__weak __noinline int relayed_facts(__u32 id, struct rcxlb_facts *facts)
{
	struct rcxlb_backend *backend = bpf_map_lookup_elem(&backends, &id);
	struct rcxlb_load *entry = bpf_map_lookup_elem(&load, &id);

	if (!facts || !backend || !entry || !is_relayed(backend, entry))
		return 0;
	facts->listens = 1;
	facts->takes = 1; /* of any family: the worker's connection is another one than the client's */
	facts->loop = RCXLB_LOOP_UNKNOWN;
	facts->suspect = 0;
	facts->down |= is_set_back(id, backend->generation);
	facts->active = relayed_active(backend, entry);
	facts->passing = rcxlb_is_passing(entry->steered, facts->active);
	return 1;
}

#endif
