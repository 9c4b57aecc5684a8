// SPDX-License-Identifier: BSD-2-Clause
/*
 * Loading and replacing the programs.
 *
 * A first load builds everything in a folder beside the real one and renames it; then the steer link is pinned, and
 * only with that rcxlb is loaded. Whoever dies before has changed nothing for any connection, and what he left is
 * removed by the next load or unload.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/become.h"
#include "dataplane/dataplane.h"
#include "dataplane/handle.h"
#include "dataplane/interfaces.h"
#include "dataplane/pending.h"
#include "dataplane/publish.h"
#include "dataplane/remember.h"
#include "dataplane/unload.h"
#include "rcxlb.skel.h"

#define NEEDS "rcxlb needs root (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON) and a kernel from 5.17 on"

/* Programs that are attached to the root of the cgroups, by name; so their links. */
static const char *const of_cgroup[] = { "registrar", "peername4", "peername6" };

#define OF_CGROUP (sizeof(of_cgroup) / sizeof(of_cgroup[0]))

/* Names the programs of this build: FNV-1a of the object and the version. */
static uint64_t build_of(const char *version)
{
	uint64_t hash = 0xcbf29ce484222325ull;
	size_t size;
	const unsigned char *elf = rcxlb_bpf__elf_bytes(&size);

	for (size_t i = 0; i < size; i++)
		hash = (hash ^ elf[i]) * 0x100000001b3ull;
	for (; *version; version++)
		hash = (hash ^ (unsigned char)*version) * 0x100000001b3ull;
	return hash;
}

static struct bpf_map *object_map(struct rcxlb_bpf *skel, int which)
{
	return bpf_object__find_map_by_name(skel->obj, map_names[which]);
}

static struct bpf_program *program_of(struct rcxlb_bpf *skel, const char *name)
{
	return bpf_object__find_program_by_name(skel->obj, name);
}

/* The kernel did not take the programs: which of the things that they need does it not have? */
static int say_what_is_missing(int err, struct error *error)
{
	struct feature features[FEATURES];
	char complaint[200];

	snprintf(complaint, sizeof(complaint), "%s", handle_complaint());
	dataplane_probe(features);
	for (int i = 0; i < FEATURES; i++)
		if (features[i].needed && features[i].err && strcmp(features[i].name, "programs"))
			return failed_in_kernel(
			    error, err, "the kernel does not have, or not permit, %s (%s): it is needed for %s; " NEEDS,
			    features[i].name, strerror(-features[i].err), features[i].purpose);
	return failed_in_kernel(
	    error, err, "the kernel did not take the BPF programs (%s%s%s): " NEEDS "; --verbose shows what it said",
	    strerror(-err), complaint[0] ? "; " : "", complaint);
}

/* Loads the programs, on the maps that the handle has; makes those that it has not. */
static int load_programs(struct dataplane *dataplane, struct rcxlb_bpf **ret, struct error *error)
{
	struct rcxlb_bpf *skel = rcxlb_bpf__open();
	int err = 0;

	if (!skel) {
		err = errno ? -errno : -ENOMEM;
		return failed_in_kernel(error, err, "cannot open the BPF programs: %s", strerror(-err));
	}
	skel->rodata->netns_cookie = dataplane->meta.netns_cookie;
	handle_tell_kernel(skel);
	bpf_program__set_autoload(skel->progs.guard, false); /* libxdp loads it */
	for (int i = 0; i < MAPS && !err; i++)
		if (dataplane->map[i] >= 0)
			err = bpf_map__reuse_fd(object_map(skel, i), dataplane->map[i]);
	handle_forget_complaint();
	if (!err)
		err = rcxlb_bpf__load(skel);
	for (int i = 0; i < MAPS && !err; i++)
		if (dataplane->map[i] < 0) {
			dataplane->map[i] = fcntl(bpf_map__fd(object_map(skel, i)), F_DUPFD_CLOEXEC, 3);
			err = dataplane->map[i] < 0 ? -errno : 0;
		}
	if (err) {
		rcxlb_bpf__destroy(skel);
		return say_what_is_missing(err, error);
	}
	*ret = skel;
	return 0;
}

static int pin_maps(struct dataplane *dataplane, struct error *error)
{
	char path[PATH_MAX];
	__u32 zero = 0;
	int err;

	err = bpf_map_update_elem(dataplane->map[MAP_meta], &zero, &dataplane->meta, BPF_ANY);
	for (int i = 0; i < MAPS && !err; i++)
		err = bpf_obj_pin(dataplane->map[i], place_pin(&dataplane->place, map_names[i], path));
	return err ? failed_in_kernel(error, err, "cannot pin the maps in %s: %s", dataplane->place.pins,
				      strerror(-err))
		   : 0;
}

/* Pins a link that was just made, or says why it could not be made. Takes it. */
static int pin_link(struct dataplane *dataplane, struct bpf_link *link, const char *name, struct error *error)
{
	char path[PATH_MAX];
	int err = link ? bpf_link__pin(link, place_pin(&dataplane->place, name, path)) : -errno;

	if (link)
		bpf_link__destroy(link); /* closes the descriptor; the pin keeps it attached */
	return err ? failed_in_kernel(error, err, "cannot attach the program `%s`: %s", name, strerror(-err)) : 0;
}

/* Before steer: what these do not see is not known later. */
static int attach_others(struct dataplane *dataplane, struct rcxlb_bpf *skel, struct error *error)
{
	int cgroup = place_cgroup(error), err = 0;

	if (cgroup < 0)
		return cgroup;
	for (size_t i = 0; i < OF_CGROUP && !err; i++)
		err = pin_link(dataplane, bpf_program__attach_cgroup(program_of(skel, of_cgroup[i]), cgroup),
			       of_cgroup[i], error);
	close(cgroup);
	for (int i = 0; i < ITERATORS && !err; i++)
		err = pin_link(dataplane, bpf_program__attach_iter(program_of(skel, iterator_names[i]), NULL),
			       iterator_names[i], error);
	return err;
}

static int attach_steer(struct dataplane *dataplane, struct rcxlb_bpf *skel, struct error *error)
{
	int netns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), err;

	if (netns < 0)
		return failed(error, -errno, "cannot open /proc/self/ns/net: %s", strerror(errno));
	err = pin_link(dataplane, bpf_program__attach_netns(skel->progs.steer, netns), LINK_STEER, error);
	close(netns);
	return err;
}

static int make_meta(struct dataplane *dataplane, const struct load_options *options, struct error *error)
{
	const uint64_t *given = options->model->hash_key;
	struct rcxlb_meta *meta = &dataplane->meta;

	*meta = (struct rcxlb_meta){ .layout = RCXLB_LAYOUT, .build = build_of(options->version) };
	strncpy(meta->version, options->version, sizeof(meta->version) - 1);
	if (getrandom(meta->hash_key, sizeof(meta->hash_key), 0) != sizeof(meta->hash_key))
		return failed(error, -errno, "cannot draw a random key: %s", strerror(errno));
	if (given[0] || given[1])
		memcpy(meta->hash_key, given, sizeof(meta->hash_key));
	return handle_netns_cookie((uint64_t *)&meta->netns_cookie, error);
}

static int attach_interfaces(struct dataplane *dataplane, const struct xdp_wishes *wishes, struct error *error)
{
	int err = 0;

	for (uint32_t i = 0; i < wishes->count && !err; i++)
		err = interface_attach(dataplane, wishes->entry[i].name, wishes->entry[i].xdp, error);
	return err;
}

/* The wished one, with the hash key that was drawn where it says none. */
static int publish_wished(struct dataplane *dataplane, const struct load_options *options, struct error *error)
{
	struct model *model = malloc(sizeof(*model));
	int err;

	if (!model)
		return failed(error, -ENOMEM, "out of memory");
	*model = *options->model;
	memcpy(model->hash_key, dataplane->meta.hash_key, sizeof(model->hash_key));
	err = publish_first(dataplane, model, error);
	free(model);
	return err;
}

/* Everything of a first load but the last two steps, in the handle's place, where nobody sees it. */
static int build(struct dataplane *dataplane, const struct load_options *options, struct rcxlb_bpf **ret,
		 struct error *error)
{
	int err;

	err = make_meta(dataplane, options, error);
	if (!err)
		err = load_programs(dataplane, ret, error);
	if (!err && mkdir(dataplane->place.pins, 0700))
		err = failed(error, -errno, "cannot make the folder %s: %s", dataplane->place.pins, strerror(errno));
	if (!err)
		err = pin_maps(dataplane, error);
	if (!err)
		err = attach_others(dataplane, *ret, error);
	if (!err)
		err = publish_wished(dataplane, options, error);
	if (!err)
		err = attach_interfaces(dataplane, options->interfaces, error);
	return err;
}

static int first_load(const struct place *place, const struct load_options *options, struct error *error)
{
	struct place building = place_building(place);
	struct dataplane dataplane = handle_none(&building);
	struct rcxlb_bpf *skel = NULL;
	struct error ignored;
	int err;

	err = build(&dataplane, options, &skel, error);
	if (!err && rename(building.pins, place->pins))
		err = failed(error, -errno, "cannot rename %s to %s: %s", building.pins, place->pins, strerror(errno));
	if (!err) {
		dataplane.place = *place;
		err = attach_steer(&dataplane, skel, error);
	}
	if (err)
		unload_tear_down(&dataplane.place, &ignored);
	rcxlb_bpf__destroy(skel);
	handle_close_maps(&dataplane);
	return err;
}

static int replace_program(struct dataplane *dataplane, struct bpf_program *program, const char *link,
			   struct error *error)
{
	char path[PATH_MAX];
	int fd = bpf_obj_get(place_pin(&dataplane->place, link, path)), err;

	err = fd < 0 ? fd : bpf_link_update(fd, bpf_program__fd(program), NULL);
	if (fd >= 0)
		close(fd);
	return err ? failed_in_kernel(error, err, "cannot replace the program of %s: %s", path, strerror(-err)) : 0;
}

/* The guard again on all interfaces that have it, as it was. */
static int replace_guards(struct dataplane *dataplane, struct error *error)
{
	uint32_t index[RCXLB_MAX_INTERFACES], count = interfaces_noted(dataplane, index);
	struct rcxlb_interface entry;
	int map = dataplane->map[MAP_interfaces], err = 0;

	for (uint32_t i = 0; i < count && !err; i++) {
		if (bpf_map_lookup_elem(map, &index[i], &entry) || entry.mode == RCXLB_XDP_NONE)
			continue;
		if (interface_index(entry.name, error) != (int)index[i]) /* is no more */
			continue;
		err = interface_attach(dataplane, entry.name, xdp_choice_of(entry.mode), error);
	}
	return err;
}

/*
 * The new programs get a timer of their own: the old one holds the program that it calls for as long as its map is
 * pinned.
 */
static int replace_watch(struct dataplane *dataplane, struct error *error)
{
	char path[PATH_MAX], draft[PATH_MAX];
	int err;

	place_pin(&dataplane->place, map_names[MAP_watch], path);
	place_pin(&dataplane->place, "watch-new", draft);
	unlink(draft); /* of a load that was killed */
	err = bpf_obj_pin(dataplane->map[MAP_watch], draft);
	if (!err && rename(draft, path))
		err = -errno;
	return err ? failed_in_kernel(error, err, "cannot replace %s: %s", path, strerror(-err)) : 0;
}

/* Each link changes over at once; one that is cut short is completed by loading again, as the build is noted last. */
static int replace(struct dataplane *dataplane, const char *version, struct error *error)
{
	struct rcxlb_bpf *skel;
	__u32 zero = 0;
	int err;

	close(dataplane->map[MAP_watch]);
	dataplane->map[MAP_watch] = -1;
	err = load_programs(dataplane, &skel, error);
	if (err)
		return err;
	err = replace_watch(dataplane, error);
	for (size_t i = 0; i < OF_CGROUP && !err; i++)
		err = replace_program(dataplane, program_of(skel, of_cgroup[i]), of_cgroup[i], error);
	for (int i = 0; i < ITERATORS && !err; i++)
		err = replace_program(dataplane, program_of(skel, iterator_names[i]), iterator_names[i], error);
	if (!err)
		err = replace_program(dataplane, skel->progs.steer, LINK_STEER, error);
	if (!err)
		err = replace_guards(dataplane, error);
	rcxlb_bpf__destroy(skel);
	if (err)
		return err;
	dataplane->meta.build = build_of(version);
	memset(dataplane->meta.version, 0, sizeof(dataplane->meta.version));
	strncpy(dataplane->meta.version, version, sizeof(dataplane->meta.version) - 1);
	err = bpf_map_update_elem(dataplane->map[MAP_meta], &zero, &dataplane->meta, BPF_ANY);
	return err ? failed_in_kernel(error, err, "cannot note the new version: %s", strerror(-err)) : 0;
}

/* What is published, with the wished listens: how the service chooses stays when it is there already. */
static int listen_there(struct dataplane *dataplane, const struct model_service *wished, struct model *ret,
			struct error *error)
{
	struct model_service service = *wished, *present;
	int err = dataplane_read(dataplane, ret, error);

	present = err ? NULL : model_service_find(ret, wished->name);
	if (present) {
		service = *present;
		service.listens = wished->listens;
		memcpy(service.listen, wished->listen, sizeof(service.listen));
	}
	return err ? err : model_service_set(ret, &service, error);
}

/* Interfaces and listens: both as wished, or as they were. */
static int change_as_wished(struct dataplane *dataplane, const struct load_options *options, struct error *error)
{
	struct model *model = NULL;
	int err = 0;

	if (options->listens) {
		model = malloc(sizeof(*model));
		err = model ? listen_there(dataplane, options->listens, model, error)
			    : failed(error, -ENOMEM, "out of memory");
	}
	if (!err)
		err = become_also(dataplane, model, options->interfaces, options->xdp_said, error);
	free(model);
	return err;
}

static int load_again(struct dataplane *dataplane, const struct load_options *options, struct load_result *ret,
		      struct error *error)
{
	int err = handle_open_maps(dataplane, error);

	if (err)
		return err;
	if (pending_exists(&dataplane->place))
		err = publish_pending(dataplane, error);
	if (!err && dataplane->meta.build != build_of(options->version)) {
		err = replace(dataplane, options->version, error);
		ret->replaced = !err;
	}
	if (!err && !options->programs_only)
		err = change_as_wished(dataplane, options, error);
	ret->was_loaded = !err;
	return err;
}

int dataplane_load(const struct load_options *options, struct load_result *ret, struct error *error)
{
	struct dataplane dataplane;
	struct place place;
	int err = 0, loaded;

	*ret = (struct load_result){};
	for (uint32_t i = 0; options->interfaces && i < options->interfaces->count; i++) {
		err = interface_index(options->interfaces->entry[i].name, error);
		if (err < 0)
			return err;
	}
	err = place_find(&place, error);
	if (!err)
		err = place_prepare(&place, error);
	if (err)
		return err;
	err = handle_lock(&place, &dataplane, &loaded, error);
	if (err)
		return err;
	err = loaded < 0 ? loaded : 0;
	if (loaded > 0 && handle_is_orphaned(&place))
		loaded = 0; /* what is left of it makes way */
	if (!err && !loaded && !options->interfaces)
		err = failed(error, -EINVAL, LOAD_NEEDS_INTERFACE);
	if (!err)
		err = unload_leftovers(&place, loaded, error);
	if (!err && !loaded) {
		pending_remove(&place);
		remember_nothing(&place);
	}
	if (!err)
		err = loaded ? load_again(&dataplane, options, ret, error) : first_load(&place, options, error);
	handle_close_maps(&dataplane);
	if (err && loaded <= 0)
		place_forget(&place, dataplane.lock);
	close(dataplane.lock);
	return err;
}
