// SPDX-License-Identifier: BSD-2-Clause
#include "dataplane/staff.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/handle.h"

#define CREWS_AHEAD 1024 /* that were started and never in charge: far more than there can be */

#define BATCH 4096 /* entries of `peers`: more than ever share a bucket of the hash */

/* Process ids of workers, in ascending order. */
struct dead {
	uint32_t count;
	uint32_t pid[RCXLB_MAX_STAFF];
};

static int by_pid(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static bool is_dead(const struct dead *dead, uint32_t pid)
{
	return bsearch(&pid, dead->pid, dead->count, sizeof(pid), by_pid);
}

static void find_dead(int staff, bool (*lives)(uint32_t pid, uint64_t started), struct dead *to)
{
	uint32_t pid, *former = NULL;
	struct rcxlb_worker worker = {};

	to->count = 0;
	while (to->count < RCXLB_MAX_STAFF && !bpf_map_get_next_key(staff, former, &pid)) {
		former = &pid;
		if (!bpf_map_lookup_elem(staff, &pid, &worker) && !lives(pid, worker.started))
			to->pid[to->count++] = pid;
	}
	qsort(to->pid, to->count, sizeof(to->pid[0]), by_pid);
}

struct peers {
	struct rcxlb_endpoint key[BATCH];
	struct rcxlb_peer value[BATCH];
};

static int forget_peers(int map, const struct dead *dead, struct peers *room)
{
	__u32 position, *former = NULL; /* the kernel's own word for how far it has come */
	int err = 0;

	while (!err) {
		__u32 count = BATCH;

		err = bpf_map_lookup_batch(map, former, &position, room->key, room->value, &count, NULL);
		if (err && err != -ENOENT)
			return err;
		former = &position;
		for (__u32 i = 0; i < count; i++)
			if (is_dead(dead, room->value[i].worker))
				bpf_map_delete_elem(map, &room->key[i]);
	}
	return 0;
}

static int bury(const struct dataplane *dataplane, const struct dead *dead)
{
	struct peers *room = malloc(sizeof(*room));
	int err = room ? forget_peers(dataplane->map[MAP_peers], dead, room) : -ENOMEM;

	for (uint32_t i = 0; i < dead->count && !err; i++)
		bpf_map_delete_elem(dataplane->map[MAP_staff], &dead->pid[i]);
	free(room);
	return err;
}

int staff_bury(struct dataplane *dataplane, bool (*lives)(uint32_t pid, uint64_t started), struct error *error)
{
	struct dead *dead = malloc(sizeof(*dead));
	int err = 0, count;

	if (!dead)
		return failed(error, -ENOMEM, "out of memory");
	find_dead(dataplane->map[MAP_staff], lives, dead);
	count = dead->count;
	if (count)
		err = bury(dataplane, dead);
	free(dead);
	return err ? failed_in_kernel(error, err, "cannot remove what a dead worker left in `peers`: %s",
				      strerror(-err))
		   : count;
}

uint32_t staff_in_charge(const struct dataplane *dataplane)
{
	uint32_t pid, *former = NULL, zero = 0, count = 0;
	struct rcxlb_worker worker = {};
	struct rcxlb_crew crew = {};

	if (bpf_map_lookup_elem(dataplane->map[MAP_crew], &zero, &crew))
		return 0;
	while (!bpf_map_get_next_key(dataplane->map[MAP_staff], former, &pid)) {
		former = &pid;
		if (!bpf_map_lookup_elem(dataplane->map[MAP_staff], &pid, &worker))
			count += worker.crew == crew.number;
	}
	return count;
}

uint32_t staff_greatest(const struct dataplane *dataplane, uint32_t least)
{
	uint32_t pid, *former = NULL, greatest = least;
	struct rcxlb_worker worker = {};

	while (!bpf_map_get_next_key(dataplane->map[MAP_staff], former, &pid)) {
		former = &pid;
		if (!bpf_map_lookup_elem(dataplane->map[MAP_staff], &pid, &worker) && worker.crew > greatest &&
		    worker.crew - least <= CREWS_AHEAD)
			greatest = worker.crew;
	}
	return greatest;
}

static void add_worker(struct facts *to, uint32_t pid, const struct rcxlb_worker *worker)
{
	struct worker_facts fact = { .pid = pid, .number = worker->number, .crew = worker->crew };

	for (uint32_t i = 0; i < RCXLB_MAX_SERVICES; i++) {
		fact.open += worker->service[i].open;
		to->clients[i].open += worker->service[i].open;
		to->clients[i].handshaking += worker->service[i].handshaking;
	}
	if (to->workers < FACTS_WORKERS)
		to->worker[to->workers++] = fact;
}

static int by_crew_and_number(const void *a, const void *b)
{
	const struct worker_facts *left = a, *right = b;

	if (left->crew != right->crew)
		return left->crew < right->crew ? -1 : 1;
	return left->number < right->number ? -1 : left->number > right->number;
}

int staff_facts(const struct dataplane *dataplane, struct facts *to, struct error *error)
{
	uint32_t pid, *former = NULL, zero = 0;
	struct rcxlb_worker worker = {};
	int err = bpf_map_lookup_elem(dataplane->map[MAP_crew], &zero, &to->crew);

	for (uint32_t i = 0; i < RCXLB_MAX_SERVICES && !err; i++)
		err = bpf_map_lookup_elem(dataplane->map[MAP_tallies], &i, &to->tally[i]);
	if (err)
		return failed_in_kernel(error, err, "cannot read what the workers count: %s", strerror(-err));
	while (!bpf_map_get_next_key(dataplane->map[MAP_staff], former, &pid)) {
		former = &pid;
		if (!bpf_map_lookup_elem(dataplane->map[MAP_staff], &pid, &worker))
			add_worker(to, pid, &worker);
	}
	qsort(to->worker, to->workers, sizeof(to->worker[0]), by_crew_and_number);
	return 0;
}
