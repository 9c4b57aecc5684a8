// SPDX-License-Identifier: BSD-2-Clause
#include "dataplane/watch.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dataplane/handle.h"

#define HEALTH_BYTES (RCXLB_MAX_BACKENDS * sizeof(struct rcxlb_health))
#define RECORDS_MAX  1024 /* taken from the ring at once: others want to be served as well */

struct watch {
	struct dataplane *dataplane;
	struct ring_buffer *ring;
	struct rcxlb_health *health;
	watch_event on_event;
	void *context;
	uint32_t taken; /* records, by one call */
	int cpus;
};

static int on_record(void *context, void *data, size_t size)
{
	struct watch *watch = context;

	if (size >= sizeof(struct rcxlb_event))
		watch->on_event(data, watch->context);
	return ++watch->taken < RECORDS_MAX ? 0 : -EAGAIN;
}

static int open_parts(struct watch *watch, struct error *error)
{
	struct dataplane *dataplane = watch->dataplane;
	int err = handle_open_iterators(dataplane, error);

	if (err)
		return err;
	watch->cpus = libbpf_num_possible_cpus();
	if (watch->cpus < 1)
		return failed(error, -EIO, "cannot tell how many CPUs there are");
	watch->health = mmap(NULL, HEALTH_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, dataplane->map[MAP_health], 0);
	if (watch->health == MAP_FAILED) {
		watch->health = NULL;
		return failed(error, -errno, "cannot map `health` into memory: %s", strerror(errno));
	}
	if (!watch->on_event)
		return 0;
	watch->ring = ring_buffer__new(dataplane->map[MAP_events], on_record, watch, NULL);
	if (!watch->ring)
		return failed(error, -errno, "cannot read the ring of events: %s", strerror(errno));
	return 0;
}

int watch_open(watch_event on_event, void *context, struct watch **ret, struct error *error)
{
	struct watch *watch = calloc(1, sizeof(*watch));
	int err;

	if (!watch)
		return failed(error, -ENOMEM, "out of memory");
	watch->on_event = on_event;
	watch->context = context;
	err = dataplane_open(DATAPLANE_LOOK_NOW, &watch->dataplane, error);
	if (!err) {
		err = open_parts(watch, error);
		flock(watch->dataplane->lock, LOCK_UN); /* nobody waits for a process that only watches */
	}
	if (err) {
		watch_close(watch);
		return err;
	}
	*ret = watch;
	return 0;
}

void watch_close(struct watch *watch)
{
	if (!watch)
		return;
	ring_buffer__free(watch->ring);
	if (watch->health)
		munmap(watch->health, HEALTH_BYTES);
	dataplane_close(watch->dataplane);
	free(watch);
}

struct dataplane *watch_dataplane(struct watch *watch)
{
	return watch->dataplane;
}

static int read_locked(struct watch *watch, struct model *ret, struct error *error)
{
	int err;

	if (flock(watch->dataplane->lock, LOCK_SH | LOCK_NB))
		return -EAGAIN;
	err = dataplane_read(watch->dataplane, ret, error);
	flock(watch->dataplane->lock, LOCK_UN);
	return err;
}

int watch_follow(struct watch *watch, uint64_t *revision, struct model *ret, struct error *error)
{
	struct rcxlb_meta meta = {};
	__u32 zero = 0;
	int err = bpf_map_lookup_elem(watch->dataplane->map[MAP_meta], &zero, &meta);

	if (err)
		return failed_in_kernel(error, err, "cannot read the map `meta`: %s", strerror(-err));
	if (meta.revision == *revision)
		return 0;
	if (meta.revision == RCXLB_REVISION_GONE)
		return failed(error, -ENOENT, "rcxlb was unloaded");
	watch->dataplane->meta = meta; /* the hash key may have changed as well */
	err = read_locked(watch, ret, error);
	if (err)
		return err;
	*revision = meta.revision;
	return 1;
}

int watch_descriptor(struct watch *watch)
{
	return ring_buffer__epoll_fd(watch->ring);
}

void watch_consume(struct watch *watch)
{
	watch->taken = 0;
	ring_buffer__consume(watch->ring);
}

struct rcxlb_health *watch_health(struct watch *watch, uint32_t backend)
{
	return &watch->health[backend];
}

int watch_probe(struct watch *watch, const struct rcxlb_endpoint *local, uint32_t backend)
{
	return bpf_map_update_elem(watch->dataplane->map[MAP_probes], local, &backend, BPF_ANY);
}

void watch_unprobe(struct watch *watch, const struct rcxlb_endpoint *local)
{
	bpf_map_delete_elem(watch->dataplane->map[MAP_probes], local);
}

void watch_unprobe_all(struct watch *watch)
{
	int map = watch->dataplane->map[MAP_probes];
	struct rcxlb_endpoint key;

	for (uint32_t i = 0; i < RCXLB_MAX_PROBES && !bpf_map_get_next_key(map, NULL, &key); i++)
		bpf_map_delete_elem(map, &key);
}

int watch_worker(struct watch *watch, uint32_t service, uint32_t worker, bool ipv6, int listener)
{
	__u32 key = RCXLB_WORKER_KEY(service, worker, ipv6);
	__u64 value = listener;

	return bpf_map_update_elem(watch->dataplane->map[MAP_workers], &key, &value, BPF_ANY);
}

int watch_set_crew(struct watch *watch, uint32_t from, uint32_t workers, uint32_t number)
{
	struct rcxlb_crew crew = { .workers = workers, .number = number };

	return handle_change_crew(watch->dataplane->map[MAP_crew], &from, &crew);
}

struct rcxlb_crew watch_crew(struct watch *watch)
{
	struct rcxlb_crew crew;
	__u32 zero = 0;

	if (bpf_map_lookup_elem(watch->dataplane->map[MAP_crew], &zero, &crew))
		return (struct rcxlb_crew){};
	return crew;
}

void watch_audience(struct watch *watch, uint64_t until)
{
	struct rcxlb_audience audience = { .until = until };
	__u32 zero = 0;

	bpf_map_update_elem(watch->dataplane->map[MAP_audience], &zero, &audience, BPF_ANY);
}

int watch_backend(struct watch *watch, uint32_t backend, struct rcxlb_backend *ret)
{
	return bpf_map_lookup_elem(watch->dataplane->map[MAP_backends], &backend, ret);
}

struct rcxlb_load watch_load(struct watch *watch, uint32_t backend)
{
	struct rcxlb_backend of = {};
	struct rcxlb_load load = {};

	if (watch_backend(watch, backend, &of) ||
	    bpf_map_lookup_elem(watch->dataplane->map[MAP_load], &backend, &load) || load.generation != of.generation)
		return (struct rcxlb_load){};
	return load;
}

bool watch_listens(struct watch *watch, uint32_t backend)
{
	struct rcxlb_load load = watch_load(watch, backend);
	__u64 cookie;

	if (load.unassignable)
		return true;
	for (__u32 row = 0; row < load.rows && row < RCXLB_ROWS; row++) {
		__u32 key = row * RCXLB_MAX_BACKENDS + backend;

		if (!bpf_map_lookup_elem(watch->dataplane->map[MAP_listeners], &key, &cookie))
			return true;
	}
	return false;
}

uint64_t watch_untold(struct watch *watch)
{
	struct rcxlb_exits each[watch->cpus];
	uint64_t sum = 0;

	memset(each, 0, sizeof(each));

	for (uint32_t i = 0; i <= RCXLB_MAX_SERVICES; i++)
		if (!bpf_map_lookup_elem(watch->dataplane->map[MAP_exits], &i, each))
			for (int cpu = 0; cpu < watch->cpus; cpu++)
				sum += each[cpu].untold;
	return sum;
}

int watch_collect(struct watch *watch, struct error *error)
{
	long got = handle_iterate(watch->dataplane, ITERATOR_collect, NULL, 0, error);

	return got < 0 ? got : 0;
}
