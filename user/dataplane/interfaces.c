// SPDX-License-Identifier: BSD-2-Clause
#include "dataplane/interfaces.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>
#include <xdp/libxdp.h>

#include "dataplane/dispatch.h"
#include "dataplane/handle.h"
#include "rcxlb.skel.h"

#define GUARD "guard"

int interface_index(const char *name, struct error *error)
{
	unsigned int index = strlen(name) < IF_NAMESIZE ? if_nametoindex(name) : 0;

	return index
		   ? (int)index
		   : failed(error, -ENODEV, "there is no interface '%s' in this network namespace; see: ip link", name);
}

/* A program object with the guard alone, on the map that is already there. */
static struct bpf_object *open_guard(struct dataplane *dataplane)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "rcxlb");
	struct bpf_object *object;
	struct bpf_program *program;
	struct bpf_map *map;
	size_t size;
	const void *elf = rcxlb_bpf__elf_bytes(&size);

	object = bpf_object__open_mem(elf, size, &opts);
	if (!object)
		return NULL;
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, !strcmp(bpf_program__name(program), GUARD));
	bpf_object__for_each_map(map, object) {
		if (bpf_map__is_internal(map))
			continue;
		if (!strcmp(bpf_map__name(map), map_names[MAP_guard_stats])) {
			if (bpf_map__reuse_fd(map, dataplane->map[MAP_guard_stats])) {
				bpf_object__close(object);
				return NULL;
			}
		} else {
			bpf_map__set_autocreate(map, false);
		}
	}
	return object;
}

static bool is_ours(const struct dataplane *dataplane, uint32_t program)
{
	return dispatch_is_ours(dataplane->map[MAP_guard_stats], program);
}

static enum xdp_attach_mode mode_of(const struct xdp_multiprog *all)
{
	return xdp_multiprog__attach_mode(all);
}

/* A lone program, attached without a dispatcher (where the kernel lets no program be replaced by another). */
static int detach_lone(struct dataplane *dataplane, uint32_t index, const struct xdp_multiprog *all)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	struct xdp_program *lone = xdp_multiprog__main_prog(all);
	__u32 flags =
	    mode_of(all) == XDP_MODE_SKB ? 1u << 1 /* XDP_FLAGS_SKB_MODE */ : 1u << 2 /* XDP_FLAGS_DRV_MODE */;
	int err;

	if (!lone || !is_ours(dataplane, xdp_program__id(lone)))
		return 0;
	opts.old_prog_fd = xdp_program__fd(lone);
	err = bpf_xdp_detach(index, flags, &opts);
	return err == -ENOENT || err == -EEXIST ? 0 : err;
}

static int detach_among(struct dataplane *dataplane, uint32_t index, struct xdp_multiprog *all)
{
	struct xdp_program *program = NULL;

	while ((program = xdp_multiprog__next_prog(program, all)))
		if (is_ours(dataplane, xdp_program__id(program)))
			return xdp_program__detach(program, index, mode_of(all), 0);
	return 0;
}

static int detach_live(struct dataplane *dataplane, uint32_t index)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(index);
	int err = libxdp_get_error(all);

	if (err) /* no program, or no interface any more; or one that cannot be looked at */
		return err == -EPERM || err == -EACCES ? err : 0;
	err = xdp_multiprog__is_legacy(all) ? detach_lone(dataplane, index, all) : detach_among(dataplane, index, all);
	xdp_multiprog__close(all);
	return err;
}

static int detach(struct dataplane *dataplane, uint32_t index)
{
	int err = detach_live(dataplane, index);

	if (!err)
		dispatch_sweep(dataplane->map[MAP_guard_stats], index);
	return err;
}

/* How it is attached in fact; as it was noted where that cannot be seen, as behind somebody else's program. */
static uint32_t mode_in_fact(struct dataplane *dataplane, uint32_t index, uint32_t noted)
{
	struct xdp_multiprog *all = xdp_multiprog__get_from_ifindex(index);
	int err = libxdp_get_error(all);
	struct xdp_program *program = NULL;
	uint32_t mode;
	bool found;

	if (err)
		return err == -ENOENT ? RCXLB_XDP_NONE : noted;
	if (xdp_multiprog__is_legacy(all)) {
		program = xdp_multiprog__main_prog(all);
		found = program && is_ours(dataplane, xdp_program__id(program));
	} else {
		do {
			program = xdp_multiprog__next_prog(program, all);
			found = program && is_ours(dataplane, xdp_program__id(program));
		} while (program && !found);
	}
	mode = mode_of(all) == XDP_MODE_SKB ? RCXLB_XDP_SKB : RCXLB_XDP_NATIVE;
	if (!found)
		mode = xdp_multiprog__is_legacy(all) ? noted : RCXLB_XDP_NONE;
	xdp_multiprog__close(all);
	return mode;
}

static int try_mode(struct dataplane *dataplane, uint32_t index, enum xdp_attach_mode mode)
{
	struct bpf_object *object = open_guard(dataplane);
	struct xdp_program *program;
	int err;

	if (!object)
		return -errno;
	program = xdp_program__from_bpf_obj(object, "xdp");
	err = libxdp_get_error(program);
	if (!err) {
		err = xdp_program__attach(program, index, mode, 0);
		xdp_program__close(program);
	}
	bpf_object__close(object);
	return err;
}

static int attach(struct dataplane *dataplane, uint32_t index, enum xdp_choice xdp, uint32_t *ret_mode)
{
	int err = -EOPNOTSUPP;

	if (xdp == XDP_AUTO || xdp == XDP_NATIVE) {
		err = try_mode(dataplane, index, XDP_MODE_NATIVE);
		*ret_mode = RCXLB_XDP_NATIVE;
	}
	/* A driver that cannot says so in many ways; only what skb mode would meet as well is final. */
	if (xdp == XDP_SKB || (xdp == XDP_AUTO && err && err != -EBUSY && err != -EEXIST && err != -EPERM)) {
		err = try_mode(dataplane, index, XDP_MODE_SKB);
		*ret_mode = RCXLB_XDP_SKB;
	}
	return err;
}

static int say_why(const char *name, enum xdp_choice xdp, int err, struct error *error)
{
	if (err == -EBUSY || err == -EEXIST)
		return failed_in_kernel(
		    error, err,
		    "'%s' has an XDP program that leaves no room for another: remove it (ip link set %s "
		    "xdp off), or load with --xdp off",
		    name, name);
	if (xdp == XDP_NATIVE)
		return failed_in_kernel(error, err,
					"the driver of '%s' takes no native XDP program (%s): load with --xdp auto",
					name, strerror(-err));
	return failed_in_kernel(error, err, "cannot attach XDP to '%s': %s; load with --xdp off to do without", name,
				strerror(-err));
}

uint32_t interfaces_noted(const struct dataplane *dataplane, uint32_t to[RCXLB_MAX_INTERFACES])
{
	uint32_t *former = NULL, count = 0;

	while (count < RCXLB_MAX_INTERFACES &&
	       !bpf_map_get_next_key(dataplane->map[MAP_interfaces], former, &to[count]))
		former = &to[count++];
	return count;
}

/*
 * Puts right what is noted of interfaces that were renamed, and forgets those that are no more when another one has
 * their name, or when `all` shall go. Else one stays: it may be in another network namespace, with the guard, and come
 * back.
 */
static void follow_names(struct dataplane *dataplane, bool all)
{
	uint32_t index[RCXLB_MAX_INTERFACES], count = interfaces_noted(dataplane, index);
	int map = dataplane->map[MAP_interfaces];
	struct rcxlb_interface entry;
	char name[IF_NAMESIZE];

	for (uint32_t i = 0; i < count; i++) {
		if (bpf_map_lookup_elem(map, &index[i], &entry))
			continue;
		if (!if_indextoname(index[i], name)) {
			if (errno == ENXIO && (all || if_nametoindex(entry.name)))
				bpf_map_delete_elem(map, &index[i]);
		} else if (strcmp(entry.name, name)) {
			strcpy(entry.name, name);
			bpf_map_update_elem(map, &index[i], &entry, BPF_EXIST);
		}
	}
}

/* The note of an interface, for which others make room that are no more. */
static int note(struct dataplane *dataplane, uint32_t index, const struct rcxlb_interface *entry)
{
	int map = dataplane->map[MAP_interfaces], err;

	follow_names(dataplane, false);
	err = bpf_map_update_elem(map, &index, entry, BPF_ANY);
	if (err != -E2BIG)
		return err;
	follow_names(dataplane, true);
	return bpf_map_update_elem(map, &index, entry, BPF_ANY);
}

/*
 * What is begun is noted as what it is to become: who is killed in between leaves a note that the kernel does not bear
 * out.
 */
int interface_attach(struct dataplane *dataplane, const char *name, enum xdp_choice xdp, struct error *error)
{
	struct rcxlb_interface entry = {}, former;
	int map = dataplane->map[MAP_interfaces], err;
	uint32_t index;
	bool noted;

	err = interface_index(name, error);
	if (err < 0)
		return err;
	index = err;
	dispatch_find(&dataplane->place);
	entry.mode = xdp == XDP_OFF ? RCXLB_XDP_NONE : xdp == XDP_SKB ? RCXLB_XDP_SKB : RCXLB_XDP_NATIVE;
	strcpy(entry.name, name);
	noted = !bpf_map_lookup_elem(map, &index, &former);
	err = note(dataplane, index, &entry);
	if (err)
		return failed_in_kernel(error, err, "no room for interface '%s', there are %d already: %s", name,
					RCXLB_MAX_INTERFACES, strerror(-err));
	err = detach(dataplane, index);
	if (err) {
		if (noted) /* it is there: who unloads has to know of it */
			bpf_map_update_elem(map, &index, &former, BPF_ANY);
		else
			bpf_map_delete_elem(map, &index);
		return say_why(name, xdp, err, error);
	}
	if (xdp != XDP_OFF)
		err = attach(dataplane, index, xdp, &entry.mode);
	if (!err)
		err = bpf_map_update_elem(map, &index, &entry, BPF_ANY);
	if (err) {
		bpf_map_delete_elem(map, &index);
		return say_why(name, xdp, err, error);
	}
	return 0;
}

enum xdp_choice interface_exactly(uint32_t mode)
{
	return mode == RCXLB_XDP_NATIVE ? XDP_NATIVE : mode == RCXLB_XDP_SKB ? XDP_SKB : XDP_OFF;
}

bool interface_is_met(struct dataplane *dataplane, uint32_t index, const struct rcxlb_interface *noted,
		      const struct xdp_wish *wish)
{
	dispatch_find(&dataplane->place);
	return xdp_is_met(wish->xdp, noted->mode) && !strcmp(noted->name, wish->name) &&
	       mode_in_fact(dataplane, index, noted->mode) == noted->mode;
}

int interface_detach(struct dataplane *dataplane, uint32_t index, struct error *error)
{
	char name[IF_NAMESIZE] = "?";
	int err;

	dispatch_find(&dataplane->place);
	err = detach(dataplane, index);
	if (err)
		return failed_in_kernel(error, err, "cannot take the guard off '%s': %s",
					if_indextoname(index, name) ? name : "?", strerror(-err));
	bpf_map_delete_elem(dataplane->map[MAP_interfaces], &index);
	return 0;
}

int interface_detach_all(struct dataplane *dataplane, struct error *error)
{
	uint32_t index;
	int err = 0;

	while (!err && !bpf_map_get_next_key(dataplane->map[MAP_interfaces], NULL, &index))
		err = interface_detach(dataplane, index, error);
	if (!err)
		dispatch_forget();
	return err;
}
