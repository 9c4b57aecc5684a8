// SPDX-License-Identifier: BSD-2-Clause
/* The model and the facts, out of the maps. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "dataplane/answers.h"
#include "dataplane/dataplane.h"
#include "dataplane/handle.h"
#include "dataplane/staff.h"
#include "rcxlb/choice.h"

static int by_endpoint(const void *a, const void *b)
{
	return endpoint_compare(a, b);
}

static int read_services(struct dataplane *dataplane, struct model *model, struct error *error)
{
	struct rcxlb_endpoint key = {}, *former = NULL;
	struct rcxlb_service value = {};
	struct model_service *service;
	int map = dataplane->map[MAP_services];

	while (!bpf_map_get_next_key(map, former, &key)) {
		former = &key;
		if (bpf_map_lookup_elem(map, &key, &value))
			continue;
		if (value.id >= RCXLB_MAX_SERVICES || model->service[value.id].listens >= RCXLB_MAX_LISTEN)
			return failed(error, -EPROTO, "the map `services` is damaged: unload and load again");
		service = &model->service[value.id];
		memcpy(service->name, value.name, sizeof(service->name));
		service->name[sizeof(service->name) - 1] = 0;
		service->hash = value.hash;
		service->balance = value.balance;
		service->load_factor = value.load_factor;
		service->blocked_ms = value.blocked_ms;
		service->slow_start_ms = value.slow_start_ms;
		service->idle_ms = value.idle_ms;
		service->listen[service->listens++] = key;
	}
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		qsort(model->service[i].listen, model->service[i].listens, sizeof(key), by_endpoint);
	return 0;
}

static int read_notes(struct dataplane *dataplane, struct model *model, struct error *error)
{
	__u32 zero = 0;
	int err = bpf_map_lookup_elem(dataplane->map[MAP_settings], &zero, &model->settings);

	for (uint32_t i = 0; i < RCXLB_MAX_SERVICES && !err; i++) {
		if (!model->service[i].name[0])
			continue;
		for (int k = 0; k < NOTES && !err; k++)
			err = bpf_map_lookup_elem(dataplane->map[notes[k].map], &i,
						  (char *)&model->service[i] + notes[k].at);
	}
	return err ? failed_in_kernel(error, err, "cannot read the services' members and checks: %s", strerror(-err))
		   : 0;
}

static int read_backends(struct dataplane *dataplane, struct model *model, struct error *error)
{
	struct rcxlb_backend value = {}; /* set by the kernel, which valgrind does not see */

	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		int err = bpf_map_lookup_elem(dataplane->map[MAP_backends], &id, &value);

		if (err)
			return failed_in_kernel(error, err, "cannot read the map `backends`: %s", strerror(-err));
		model->backend[id] = (struct model_backend){
			.used = value.flags & RCXLB_BACKEND_USED,
			.draining = value.flags & RCXLB_BACKEND_DRAINING,
			.elsewhere = value.flags & RCXLB_BACKEND_ELSEWHERE,
			.weight = value.weight,
			.max_connections = value.max_connections,
			.endpoint = value.endpoint,
		};
		if (!model->backend[id].used)
			model->backend[id] = (struct model_backend){ .endpoint = value.endpoint };
	}
	return 0;
}

int dataplane_read(struct dataplane *dataplane, struct model *ret, struct error *error)
{
	int err;

	memset(ret, 0, sizeof(*ret));
	memcpy(ret->hash_key, dataplane->meta.hash_key, sizeof(ret->hash_key));
	err = read_services(dataplane, ret, error);
	if (!err)
		err = read_notes(dataplane, ret, error);
	if (!err)
		err = read_backends(dataplane, ret, error);
	return err;
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ull + now.tv_nsec;
}

static bool is_down(const struct rcxlb_health *health)
{
	return health->state == RCXLB_HEALTH_DOWN && rcxlb_is_fresh(health, now_ns());
}

/* As steer sees it. */
static int read_setback(struct dataplane *dataplane, uint32_t id, uint32_t generation, struct backend_facts *to)
{
	struct rcxlb_setback setback = {};
	int err = bpf_map_lookup_elem(dataplane->map[MAP_setbacks], &id, &setback);

	to->set_back = !err && setback.generation == generation && now_ns() < setback.until;
	return err;
}

static int read_backend_facts(struct dataplane *dataplane, struct facts *facts, struct error *error)
{
	struct rcxlb_backend backend = {};
	struct rcxlb_health health = {};
	int err = 0;

	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS && !err; id++) {
		struct backend_facts *to = &facts->backend[id];

		err = bpf_map_lookup_elem(dataplane->map[MAP_backends], &id, &backend);
		if (!err && !(backend.flags & RCXLB_BACKEND_USED))
			continue;
		if (!err)
			err = bpf_map_lookup_elem(dataplane->map[MAP_load], &id, &to->load);
		if (!err)
			err = bpf_map_lookup_elem(dataplane->map[MAP_health], &id, &health);
		if (err)
			return failed_in_kernel(error, err, "cannot read the facts about %s: %s", backend.text,
						strerror(-err));
		if (to->load.generation != backend.generation) /* of the id's former owner */
			to->load = (struct rcxlb_load){ .generation = backend.generation };
		to->down = is_down(&health);
		if (to->down)
			memcpy(to->reason, health.reason, sizeof(to->reason) - 1);
		err = read_setback(dataplane, id, backend.generation, to);
	}
	return 0;
}

int dataplane_active(struct dataplane *dataplane, uint32_t backend, uint32_t *ret, struct error *error)
{
	struct rcxlb_backend present;
	struct rcxlb_load load;
	int err;

	err = bpf_map_lookup_elem(dataplane->map[MAP_backends], &backend, &present);
	if (!err)
		err = bpf_map_lookup_elem(dataplane->map[MAP_load], &backend, &load);
	if (err)
		return failed_in_kernel(error, err, "cannot read the load of backend %u: %s", backend, strerror(-err));
	*ret = load.generation == present.generation ? load.active : 0;
	return 0;
}

static int read_listeners(struct dataplane *dataplane, struct facts *facts, struct error *error)
{
	size_t size = sizeof(struct rcxlb_listener) * RCXLB_MAX_BACKENDS * RCXLB_ROWS;
	struct rcxlb_listener *records = malloc(size);
	long got;

	if (!records)
		return failed(error, -ENOMEM, "out of memory");
	got = handle_iterate(dataplane, ITERATOR_survey, records, size, error);
	for (long i = 0; i < got / (long)sizeof(*records); i++) {
		const struct rcxlb_listener *record = &records[i];
		struct backend_facts *to = &facts->backend[record->backend % RCXLB_MAX_BACKENDS];

		if (to->load.generation != record->generation)
			continue;
		if (record->unassignable) {
			to->unassignable = true;
			to->accept_queue += record->accept_queue;
			continue;
		}
		if (!to->ipv4 && !to->ipv6)
			to->loop = record->loop;
		to->loop = record->loop < to->loop ? record->loop : to->loop;
		to->ipv4 = to->ipv4 || record->ipv4;
		to->ipv6 = to->ipv6 || record->ipv6;
		to->accept_queue += record->accept_queue;
	}
	free(records);
	return got < 0 ? got : 0;
}

/* Sums an entry of numbers over all CPUs. */
static int read_sum(int map, uint32_t key, uint64_t *to, uint32_t numbers, struct error *error)
{
	int cpus = libbpf_num_possible_cpus(), err;
	uint64_t *each;

	each = cpus > 0 ? calloc(cpus, numbers * sizeof(*each)) : NULL;
	if (!each)
		return failed(error, -ENOMEM, "out of memory");
	err = bpf_map_lookup_elem(map, &key, each);
	for (uint32_t i = 0; i < cpus * numbers && !err; i++)
		to[i % numbers] += each[i];
	free(each);
	return err ? failed_in_kernel(error, err, "cannot read the counters: %s", strerror(-err)) : 0;
}

static int read_counters(struct dataplane *dataplane, struct facts *facts, struct error *error)
{
	int err = 0;

	for (uint32_t i = 0; i <= RCXLB_MAX_SERVICES && !err; i++)
		err = read_sum(dataplane->map[MAP_exits], i, (uint64_t *)&facts->service[i],
			       sizeof(facts->service[i]) / sizeof(uint64_t), error);
	for (uint32_t i = 0; i < RCXLB_GUARD_REASONS && !err; i++)
		err = read_sum(dataplane->map[MAP_guard_stats], i, (uint64_t *)&facts->guard[i],
			       sizeof(facts->guard[i]) / sizeof(uint64_t), error);
	return err;
}

int dataplane_facts(struct dataplane *dataplane, struct facts *ret, struct error *error)
{
	uint32_t key = 0, *former = NULL;
	int err;

	memset(ret, 0, sizeof(*ret));
	err = read_backend_facts(dataplane, ret, error);
	if (!err)
		err = read_listeners(dataplane, ret, error);
	if (!err)
		err = read_counters(dataplane, ret, error);
	if (!err)
		err = staff_facts(dataplane, ret, error);
	if (!dataplane->answers)
		dataplane->answers = answers_map(dataplane, false);
	ret->answers = dataplane->answers;
	while (!err && ret->interfaces < RCXLB_MAX_INTERFACES &&
	       !bpf_map_get_next_key(dataplane->map[MAP_interfaces], former, &key)) {
		former = &key;
		if (!bpf_map_lookup_elem(dataplane->map[MAP_interfaces], &key, &ret->interface[ret->interfaces]))
			ret->interfaces++;
	}
	return err;
}

struct state_input dataplane_state(const struct model *model, const struct facts *facts, uint32_t backend)
{
	const struct backend_facts *of = &facts->backend[backend];
	bool here = of->ipv4 || of->ipv6;

	return (struct state_input){
		.draining = model->backend[backend].draining,
		.listens = here,
		.elsewhere = !here && model->backend[backend].elsewhere,
		.unassignable = !here && of->unassignable,
		.workers = facts->crew.workers,
		.down = of->down || (!here && of->set_back),
		.down_reason = of->down ? of->reason : "a worker could not connect to it a moment ago",
		.loop = of->loop,
		.refused = of->load.refused,
	};
}

bool dataplane_is_worked(const struct model *model, const struct facts *facts, uint32_t service)
{
	const struct model_service *of = &model->service[service];
	bool worked = model_is_proxied(of) || (of->name[0] && facts->tally[service].accepted);

	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS && !worked; id++)
		worked = model_is_member(of, id) && (model->backend[id].elsewhere || facts->backend[id].unassignable);
	return worked;
}
