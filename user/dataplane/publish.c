// SPDX-License-Identifier: BSD-2-Clause
/*
 * A model into the maps: new things first, then the tables that point at them, then away with what nothing points at.
 * Each step can be done again, so that a change which was cut short is completed by doing all of it.
 */
#include "dataplane/publish.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/endpoint.h"
#include "core/maglev.h"
#include "dataplane/dataplane.h"
#include "dataplane/handle.h"
#include "dataplane/answers.h"
#include "dataplane/pending.h"

#define REFUSED(map, err) "the kernel refused a change of the map `" map "`: %s", strerror(-(err))

/* When its event loop is called blocked by who asks for no service. */
static uint32_t blocked_ms_of(const struct model *model, uint32_t id)
{
	uint32_t longest = 0;

	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (model_is_member(&model->service[i], id) && model->service[i].blocked_ms > longest)
			longest = model->service[i].blocked_ms;
	return longest ? longest : RCXLB_BLOCKED_MS;
}

static int write_backend(struct dataplane *dataplane, uint32_t id, const struct model *model, struct error *error)
{
	const struct model_backend *wished = &model->backend[id];
	int map = dataplane->map[MAP_backends], err;
	struct rcxlb_backend present, value;

	err = bpf_map_lookup_elem(map, &id, &present);
	if (err)
		return failed_in_kernel(error, err, REFUSED("backends", err));
	value = present;
	if (!endpoint_equal(&present.endpoint, &wished->endpoint)) {
		value.endpoint = wished->endpoint;
		value.generation = present.generation + 1;
		memset(value.text, 0, sizeof(value.text));
		endpoint_format(&wished->endpoint, value.text);
	}
	value.weight = wished->weight;
	value.max_connections = wished->max_connections;
	value.blocked_ms = blocked_ms_of(model, id);
	value.flags = (wished->used ? RCXLB_BACKEND_USED : 0) | (wished->draining ? RCXLB_BACKEND_DRAINING : 0) |
		      (wished->elsewhere ? RCXLB_BACKEND_ELSEWHERE : 0);
	if (!memcmp(&value, &present, sizeof(value)))
		return 0;
	if (value.generation != present.generation && present.generation && answers_clear_backend(dataplane, id))
		return failed(error, -ENOMEM, REFUSED("answers", -ENOMEM));
	err = bpf_map_update_elem(map, &id, &value, BPF_ANY);
	return err ? failed_in_kernel(error, err, REFUSED("backends", err)) : 0;
}

/* With `used` those of the model, else those that are not in it. */
static int write_backends(struct dataplane *dataplane, const struct model *model, bool used, struct error *error)
{
	int err = 0;

	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS && !err; id++)
		if (model->backend[id].used == used)
			err = write_backend(dataplane, id, model, error);
	return err;
}

/*
 * Where backends may be listening: at their address, and at the any-address of its family with its port. An any-address
 * belongs to the first backend of that port, of those that are here: who listens on all addresses of this host does not
 * listen on another one's.
 */
struct address {
	struct rcxlb_endpoint endpoint; /* first, for bsearch() */
	uint32_t id;
};

struct addresses {
	uint32_t count;
	struct address entry[RCXLB_MAX_BACKENDS * 2];
};

static int by_endpoint_and_id(const void *a, const void *b)
{
	const struct address *left = a, *right = b;
	int order = endpoint_compare(&left->endpoint, &right->endpoint);

	return order ? order : (int)left->id - (int)right->id;
}

static void list_addresses(const struct model *model, struct addresses *to)
{
	uint32_t kept = 0;

	to->count = 0;
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		const struct rcxlb_endpoint *at = &model->backend[id].endpoint;

		if (!model->backend[id].used)
			continue;
		to->entry[to->count++] = (struct address){ *at, id };
		if (model->backend[id].elsewhere)
			continue;
		to->entry[to->count++] = (struct address){ endpoint_any(endpoint_is_ipv4(at), at->port), id };
	}
	qsort(to->entry, to->count, sizeof(to->entry[0]), by_endpoint_and_id);
	for (uint32_t i = 0; i < to->count; i++)
		if (!kept || !endpoint_equal(&to->entry[kept - 1].endpoint, &to->entry[i].endpoint))
			to->entry[kept++] = to->entry[i];
	to->count = kept;
}

static int write_addresses(struct dataplane *dataplane, const struct addresses *wished, struct error *error)
{
	int map = dataplane->map[MAP_addresses], err = 0;
	uint32_t present;

	for (uint32_t i = 0; i < wished->count && !err; i++)
		if (bpf_map_lookup_elem(map, &wished->entry[i].endpoint, &present) || present != wished->entry[i].id)
			err = bpf_map_update_elem(map, &wished->entry[i].endpoint, &wished->entry[i].id, BPF_ANY);
	return err ? failed_in_kernel(error, err, REFUSED("addresses", err)) : 0;
}

/* Removes the keys of a hash map that `keep` does not say yes to. */
static int prune(int map, bool (*keep)(const struct rcxlb_endpoint *key, const void *context), const void *context)
{
	struct rcxlb_endpoint key, next;
	int err = 0;
	bool more = !bpf_map_get_next_key(map, NULL, &key);

	while (more && !err) {
		more = !bpf_map_get_next_key(map, &key, &next);
		if (!keep(&key, context))
			err = bpf_map_delete_elem(map, &key);
		key = next;
	}
	return err;
}

static int by_endpoint(const void *a, const void *b)
{
	return endpoint_compare(a, b);
}

static bool is_address(const struct rcxlb_endpoint *key, const void *context)
{
	const struct addresses *wished = context;

	return bsearch(key, wished->entry, wished->count, sizeof(wished->entry[0]), by_endpoint);
}

static bool is_listen(const struct rcxlb_endpoint *key, const void *context)
{
	const struct model *model = context;

	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		for (int k = 0; k < model->service[i].listens; k++)
			if (model->service[i].name[0] && endpoint_equal(&model->service[i].listen[k], key))
				return true;
	return false;
}

static int write_services(struct dataplane *dataplane, const struct model *model, struct error *error)
{
	int map = dataplane->map[MAP_services], err = 0;
	struct rcxlb_service present;

	for (uint32_t i = 0; i < RCXLB_MAX_SERVICES; i++) {
		const struct model_service *service = &model->service[i];
		struct rcxlb_service value = {
			.id = i,
			.hash = service->hash,
			.balance = service->balance,
			.load_factor = service->load_factor,
			.blocked_ms = service->blocked_ms,
			.slow_start_ms = service->slow_start_ms,
			.idle_ms = service->idle_ms,
			.flags = (model_has_own_port(model, service) ? RCXLB_SERVICE_OWN_PORT : 0) |
				 (model_is_proxied(service) ? RCXLB_SERVICE_PROXIED : 0) |
				 (model_is_pierced(model, service) ? RCXLB_SERVICE_PIERCED : 0),
		};

		memcpy(value.name, service->name, sizeof(value.name));
		memcpy(value.hash_key, model->hash_key, sizeof(value.hash_key));
		for (int k = 0; service->name[0] && k < service->listens && !err; k++)
			if (bpf_map_lookup_elem(map, &service->listen[k], &present) ||
			    memcmp(&present, &value, sizeof(value)))
				err = bpf_map_update_elem(map, &service->listen[k], &value, BPF_ANY);
	}
	return err ? failed_in_kernel(error, err, REFUSED("services", err)) : 0;
}

/* What user space alone reads. */
static int write_notes(struct dataplane *dataplane, const struct model *model, struct error *error)
{
	__u32 zero = 0;
	int err = bpf_map_update_elem(dataplane->map[MAP_settings], &zero, &model->settings, BPF_ANY);

	if (err)
		return failed_in_kernel(error, err, REFUSED("settings", err));
	for (uint32_t i = 0; i < RCXLB_MAX_SERVICES; i++)
		for (int k = 0; k < NOTES; k++) {
			const char *note = (const char *)&model->service[i] + notes[k].at;

			err = bpf_map_update_elem(dataplane->map[notes[k].map], &i, note, BPF_ANY);
			if (err)
				return failed_in_kernel(error, err, "the kernel refused a change of the map `%s`: %s",
							map_names[notes[k].map], strerror(-err));
		}
	return 0;
}

/* After everything else: whoever watches reads anew. */
static int raise_revision(struct dataplane *dataplane, const struct model *model, struct error *error)
{
	__u32 zero = 0;
	int err;

	memcpy(dataplane->meta.hash_key, model->hash_key, sizeof(dataplane->meta.hash_key));
	dataplane->meta.revision++;
	err = bpf_map_update_elem(dataplane->map[MAP_meta], &zero, &dataplane->meta, BPF_ANY);
	return err ? failed_in_kernel(error, err, REFUSED("meta", err)) : 0;
}

/* The type of tables, so that bpftool shows their fields; without it they work as well. */
static void describe_table(struct dataplane *dataplane, struct bpf_map_create_opts *opts, int *ret_btf)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);
	struct btf *btf;
	int key, value;

	*ret_btf = -1;
	if (bpf_obj_get_info_by_fd(dataplane->map[MAP_backends], &info, &size) || !info.btf_id)
		return;
	btf = btf__load_from_kernel_by_id(info.btf_id);
	if (!btf)
		return;
	key = btf__find_by_name_kind(btf, "unsigned int", BTF_KIND_INT);
	value = btf__find_by_name_kind(btf, "rcxlb_table", BTF_KIND_STRUCT);
	if (key > 0 && value > 0) {
		*ret_btf = bpf_btf_get_fd_by_id(info.btf_id);
		opts->btf_fd = *ret_btf >= 0 ? *ret_btf : 0;
		opts->btf_key_type_id = *ret_btf >= 0 ? key : 0;
		opts->btf_value_type_id = *ret_btf >= 0 ? value : 0;
	}
	btf__free(btf);
}

static void fill_table(const struct model *model, const struct model_service *service, struct rcxlb_table *table)
{
	struct maglev_member members[RCXLB_MAX_BACKENDS];

	memset(table, 0, sizeof(*table));
	table->members = model_members(model, service, table->member);
	for (uint32_t i = 0; i < table->members; i++) {
		const struct model_backend *backend = &model->backend[table->member[i]];

		members[i] = (struct maglev_member){ backend->endpoint, table->member[i], backend->weight };
	}
	maglev_build(members, table->members, table->slot);
}

static int put_table(struct dataplane *dataplane, uint32_t service, const struct rcxlb_table *table,
		     const struct bpf_map_create_opts *opts)
{
	int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "table", sizeof(__u32), sizeof(*table), 1, opts), err;
	__u32 zero = 0;

	if (map < 0)
		return map;
	err = bpf_map_update_elem(map, &zero, table, BPF_ANY);
	if (!err)
		err = bpf_map_update_elem(dataplane->map[MAP_tables], &service, &map, BPF_ANY);
	close(map);
	return err;
}

static int write_table(struct dataplane *dataplane, const struct model *model, uint32_t service,
		       struct rcxlb_table *table, struct error *error)
{
	LIBBPF_OPTS(bpf_map_create_opts, described);
	int btf, err;

	fill_table(model, &model->service[service], table);
	describe_table(dataplane, &described, &btf);
	err = put_table(dataplane, service, table, &described);
	if (err == -EINVAL) /* before 6.2 a map with a type is another kind than the one without that stands for it */
		err = put_table(dataplane, service, table, NULL);
	if (btf >= 0)
		close(btf);
	return err ? failed_in_kernel(error, err, REFUSED("tables", err)) : 0;
}

static bool same_table(const struct model *a, const struct model *b, uint32_t service)
{
	const struct model_service *left = &a->service[service], *right = &b->service[service];

	if (!left->name[0] != !right->name[0] || memcmp(left->member, right->member, sizeof(left->member)))
		return false;
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
		if (model_is_member(left, id) && (a->backend[id].weight != b->backend[id].weight ||
						  !endpoint_equal(&a->backend[id].endpoint, &b->backend[id].endpoint)))
			return false;
	return true;
}

/* Tables of services that have changed since `present`; of all when that is NULL. */
static int write_tables(struct dataplane *dataplane, const struct model *present, const struct model *wished,
			struct error *error)
{
	struct rcxlb_table *table = malloc(sizeof(*table));
	int err = 0;

	if (!table)
		return failed(error, -ENOMEM, "out of memory");
	for (uint32_t i = 0; i < RCXLB_MAX_SERVICES && !err; i++)
		if (wished->service[i].name[0] && !(present && same_table(present, wished, i)))
			err = write_table(dataplane, wished, i, table, error);
	free(table);
	return err;
}

/* The next service with this id starts with counters at 0. While none has it; else steer and workers write them. */
static int clear_counters(struct dataplane *dataplane, uint32_t service, struct error *error)
{
	int cpus = libbpf_num_possible_cpus(), err;
	struct rcxlb_exits *none = cpus > 0 ? calloc(cpus, sizeof(*none)) : NULL;
	const struct rcxlb_tally idle = {};

	if (!none)
		return failed(error, -ENOMEM, "out of memory");
	err = bpf_map_update_elem(dataplane->map[MAP_exits], &service, none, BPF_ANY);
	free(none);
	if (err)
		return failed_in_kernel(error, err, REFUSED("exits", err));
	err = bpf_map_update_elem(dataplane->map[MAP_tallies], &service, &idle, BPF_ANY);
	if (err)
		return failed_in_kernel(error, err, REFUSED("tallies", err));
	err = answers_clear_service(dataplane, service);
	return err ? failed_in_kernel(error, err, REFUSED("answers", err)) : 0;
}

/*
 * Of a service that is gone. Looked up first: each deletion waits until no program is running. That its table is there
 * says that this is not done, so counters are cleared before it goes; and once more, as programs were still counting.
 */
static int clear_service(struct dataplane *dataplane, uint32_t service, struct error *error)
{
	int map = dataplane->map[MAP_tables], err;
	__u32 inner;

	if (bpf_map_lookup_elem(map, &service, &inner))
		return 0;
	err = clear_counters(dataplane, service, error);
	if (err)
		return err;
	err = bpf_map_delete_elem(map, &service);
	if (err && err != -ENOENT)
		return failed_in_kernel(error, err, REFUSED("tables", err));
	return clear_counters(dataplane, service, error);
}

static int clear_services(struct dataplane *dataplane, const struct model *model, struct error *error)
{
	int err = prune(dataplane->map[MAP_services], is_listen, model);

	if (err)
		return failed_in_kernel(error, err, REFUSED("services", err));
	for (uint32_t i = 0; i < RCXLB_MAX_SERVICES && !err; i++)
		if (!model->service[i].name[0])
			err = clear_service(dataplane, i, error);
	return err;
}

static int apply(struct dataplane *dataplane, const struct model *present, const struct model *wished,
		 struct error *error)
{
	struct addresses *addresses = malloc(sizeof(*addresses));
	int err;

	if (!addresses)
		return failed(error, -ENOMEM, "out of memory");
	list_addresses(wished, addresses);
	err = write_backends(dataplane, wished, true, error);
	if (!err)
		err = write_addresses(dataplane, addresses, error);
	if (!err)
		err = handle_iterate(dataplane, ITERATOR_collect, NULL, 0, error);
	if (!err)
		err = write_tables(dataplane, present, wished, error);
	if (!err)
		err = write_notes(dataplane, wished, error);
	if (!err)
		err = write_services(dataplane, wished, error);
	if (!err)
		err = clear_services(dataplane, wished, error);
	if (!err)
		err = write_backends(dataplane, wished, false, error);
	if (!err) {
		err = prune(dataplane->map[MAP_addresses], is_address, addresses);
		if (err)
			err = failed_in_kernel(error, err, REFUSED("addresses", err));
	}
	if (!err)
		err = handle_iterate(dataplane, ITERATOR_collect, NULL, 0, error);
	if (!err)
		err = handle_iterate(dataplane, ITERATOR_waiters, NULL, 0, error);
	if (!err)
		err = handle_iterate(dataplane, ITERATOR_holders, NULL, 0, error);
	if (!err)
		err = raise_revision(dataplane, wished, error);
	free(addresses);
	return err;
}

/*
 * If this fails as well, the wish to have things as before stays pending. Where there is no room for it beside the
 * change that was refused, it takes the place of that: what was said to have failed must not be done later.
 */
static int put_back(struct dataplane *dataplane, const struct model *present)
{
	struct error ignored;

	if (pending_write(&dataplane->place, present, &ignored)) {
		pending_remove(&dataplane->place);
		pending_write(&dataplane->place, present, &ignored);
	}
	return apply(dataplane, NULL, present, &ignored);
}

static int change(struct dataplane *dataplane, const struct model *present, const struct model *wished,
		  struct error *error)
{
	int err = pending_write(&dataplane->place, wished, error);

	if (err)
		return err;
	err = apply(dataplane, present, wished, error);
	if (err && put_back(dataplane, present))
		return err;
	pending_remove(&dataplane->place);
	return err;
}

/*
 * The model with each backend where it is at the moment. Addresses come and go, so that this is looked at with every
 * change, of whatever, and by the supervisor. Meanwhile one that has come here is reached by a worker as before, and by
 * steer when it calls listen(); who has gone is absent.
 */
static struct model *locate(const struct model *model)
{
	struct model *located = malloc(sizeof(*located));

	if (!located)
		return NULL;
	*located = *model;
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		struct model_backend *backend = &located->backend[id];

		backend->unassignable = false;
		backend->elsewhere = backend->used && dataplane_is_elsewhere(&backend->endpoint);
	}
	return located;
}

int dataplane_publish(struct dataplane *dataplane, const struct model *wished, struct error *error)
{
	struct model *present = malloc(sizeof(*present)), *located = locate(wished);
	int err;

	if (!present || !located)
		err = failed(error, -ENOMEM, "out of memory");
	else
		err = dataplane_read(dataplane, present, error);
	if (!err && memcmp(present, located, sizeof(*present)))
		err = change(dataplane, present, located, error);
	free(located);
	free(present);
	return err;
}

int publish_pending(struct dataplane *dataplane, struct error *error)
{
	struct model *wished = malloc(sizeof(*wished));
	int err;

	if (!wished)
		return failed(error, -ENOMEM, "out of memory");
	err = pending_read(&dataplane->place, wished, error);
	if (!err)
		err = apply(dataplane, NULL, wished, error);
	if (!err)
		pending_remove(&dataplane->place);
	free(wished);
	return err;
}

int publish_first(struct dataplane *dataplane, const struct model *model, struct error *error)
{
	struct model *located = locate(model);
	int err = located ? apply(dataplane, NULL, located, error) : failed(error, -ENOMEM, "out of memory");

	free(located);
	return err;
}
