// SPDX-License-Identifier: BSD-2-Clause
#include "dataplane/desk.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/answers.h"

#define SOON_MS	       4000 /* and the last setback's length: it fails again soon. Longer than a connect takes */
#define SETBACKS_BYTES (RCXLB_MAX_BACKENDS * sizeof(struct rcxlb_setback))
#define TALLIES_BYTES  (RCXLB_MAX_SERVICES * sizeof(struct rcxlb_tally))

struct desk {
	int peers, staff, sockets; /* -1: not open */
	const struct rcxlb_crew *crew;
	struct rcxlb_tally *tallies;
	struct rcxlb_answers *answers;
	struct rcxlb_setback *setbacks;
};

_Static_assert(sizeof(struct rcxlb_tally) % sizeof(__u64) == 0, "the kernel rounds entries of an array up");

static int open_map(const struct dataplane *dataplane, enum dataplane_map which)
{
	int fd = fcntl(dataplane->map[which], F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static void *share(const struct dataplane *dataplane, enum dataplane_map which, size_t size, int protection)
{
	void *memory = mmap(NULL, size, protection, MAP_SHARED, dataplane->map[which], 0);

	return memory == MAP_FAILED ? NULL : memory;
}

int desk_open(struct watch *watch, struct desk **ret, struct error *error)
{
	const struct dataplane *dataplane = watch_dataplane(watch);
	struct desk *desk = calloc(1, sizeof(*desk));

	if (!desk)
		return failed(error, -ENOMEM, "out of memory");
	desk->peers = open_map(dataplane, MAP_peers);
	desk->staff = open_map(dataplane, MAP_staff);
	desk->sockets = open_map(dataplane, MAP_sockets);
	desk->crew = share(dataplane, MAP_crew, sizeof(*desk->crew), PROT_READ);
	desk->tallies = share(dataplane, MAP_tallies, TALLIES_BYTES, PROT_READ | PROT_WRITE);
	desk->setbacks = share(dataplane, MAP_setbacks, SETBACKS_BYTES, PROT_READ | PROT_WRITE);
	desk->answers = answers_map(dataplane, true);
	if (desk->peers < 0 || desk->staff < 0 || desk->sockets < 0 || !desk->crew || !desk->tallies ||
	    !desk->setbacks || !desk->answers) {
		desk_close(desk);
		return failed(error, -ENOMEM, "cannot share the maps of a worker with the kernel");
	}
	*ret = desk;
	return 0;
}

void desk_close(struct desk *desk)
{
	if (!desk)
		return;
	if (desk->peers >= 0)
		close(desk->peers);
	if (desk->staff >= 0)
		close(desk->staff);
	if (desk->sockets >= 0)
		close(desk->sockets);
	if (desk->crew)
		munmap((void *)desk->crew, sizeof(*desk->crew));
	if (desk->tallies)
		munmap(desk->tallies, TALLIES_BYTES);
	answers_unmap(desk->answers);
	if (desk->setbacks)
		munmap(desk->setbacks, SETBACKS_BYTES);
	free(desk);
}

int desk_peer(struct desk *desk, const struct rcxlb_endpoint *local, const struct rcxlb_peer *peer)
{
	return bpf_map_update_elem(desk->peers, local, peer, BPF_ANY);
}

void desk_unpeer(struct desk *desk, const struct rcxlb_endpoint *local)
{
	bpf_map_delete_elem(desk->peers, local);
}

int desk_told(struct desk *desk, const struct rcxlb_endpoint *local, struct rcxlb_peer *ret)
{
	int err = bpf_map_lookup_elem(desk->peers, local, ret);

	return err ? err : ret->answer ? 0 : -ENOENT;
}

int desk_mark(struct desk *desk, int fd, uint32_t backend, uint32_t generation)
{
	const struct rcxlb_socket is = { .backend = backend, .generation = generation, .row = RCXLB_NO_ROW };

	return bpf_map_update_elem(desk->sockets, &fd, &is, BPF_ANY);
}

/* Several workers may write at once; whose word stays does not matter. */
void desk_set_back(struct desk *desk, uint32_t backend, uint32_t generation, uint64_t now)
{
	struct rcxlb_setback *entry = &desk->setbacks[backend % RCXLB_MAX_BACKENDS];
	uint64_t until = __atomic_load_n(&entry->until, __ATOMIC_RELAXED);
	bool known = entry->generation == generation;

	if (known && now < until)
		return;
	if (known && now - until < (entry->ms + SOON_MS) * 1000000ull)
		entry->ms = entry->ms < RCXLB_SETBACK_MS_MOST / 2 ? 2 * entry->ms : RCXLB_SETBACK_MS_MOST;
	else
		entry->ms = RCXLB_SETBACK_MS;
	entry->generation = generation;
	__atomic_store_n(&entry->until, now + entry->ms * 1000000ull, __ATOMIC_RELEASE);
}

struct rcxlb_crew desk_crew(const struct desk *desk)
{
	struct rcxlb_crew crew;

	__atomic_load(desk->crew, &crew, __ATOMIC_ACQUIRE);
	return crew;
}

struct rcxlb_tally *desk_tally(struct desk *desk, uint32_t service)
{
	return &desk->tallies[service];
}

void desk_count_answer(struct desk *desk, uint32_t service, uint32_t backend, unsigned int class, int by)
{
	struct rcxlb_answers *answers = &desk->answers[RCXLB_ANSWERS_KEY(service, backend)];

	__atomic_fetch_add(&answers->by_class[class], (__u64)(__s64)by, __ATOMIC_RELAXED);
}

int desk_sign(struct desk *desk, uint32_t pid, const struct rcxlb_worker *as)
{
	return bpf_map_update_elem(desk->staff, &pid, as, BPF_ANY);
}

void desk_leave(struct desk *desk, uint32_t pid)
{
	bpf_map_delete_elem(desk->staff, &pid);
}
