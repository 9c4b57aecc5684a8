// SPDX-License-Identifier: BSD-2-Clause
#include "dataplane/unload.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/dataplane.h"
#include "dataplane/handle.h"
#include "dataplane/interfaces.h"
#include "dataplane/pending.h"
#include "dataplane/remember.h"

/* Those of the proxied path, who end with their last connection. */
static void dismiss_workers(struct dataplane *dataplane)
{
	struct rcxlb_crew nobody = { .number = RCXLB_CREW_DISMISSED };
	char path[PATH_MAX];

	dataplane->map[MAP_crew] = bpf_obj_get(place_pin(&dataplane->place, map_names[MAP_crew], path));
	if (dataplane->map[MAP_crew] >= 0)
		handle_change_crew(dataplane->map[MAP_crew], NULL, &nobody);
}

/*
 * Moved aside first, where loads build: who is killed before the folder itself is removed leaves an empty one, and of
 * one there it is known that it is ours. As long as it is not empty, `meta` says so.
 */
static int remove_pins(const struct place *place, const struct place *aside, struct error *error)
{
	const char *pins = rename(place->pins, aside->pins) ? place->pins : aside->pins;
	int err = place_remove(pins, map_names[MAP_meta]);

	return err ? failed_in_kernel(error, err, "cannot remove %s: %s", pins, strerror(-err)) : 0;
}

static int tear_down(const struct place *place, const struct place *aside, struct error *error)
{
	struct dataplane dataplane = handle_none(place);
	char path[PATH_MAX];
	int err = 0;

	if (unlink(place_pin(place, LINK_STEER, path)) && errno != ENOENT)
		return failed(error, -errno, "cannot remove %s: %s; rcxlb needs root", path, strerror(errno));
	dataplane.map[MAP_interfaces] = bpf_obj_get(place_pin(place, map_names[MAP_interfaces], path));
	dataplane.map[MAP_guard_stats] = bpf_obj_get(place_pin(place, map_names[MAP_guard_stats], path));
	if (dataplane.map[MAP_interfaces] >= 0 && dataplane.map[MAP_guard_stats] >= 0)
		err = interface_detach_all(&dataplane, error);
	dismiss_workers(&dataplane);
	handle_close_maps(&dataplane);
	return err ? err : remove_pins(place, aside, error);
}

int unload_tear_down(const struct place *place, struct error *error)
{
	return tear_down(place, place, error);
}

int unload_leftovers(const struct place *place, bool loaded, struct error *error)
{
	struct place building = place_building(place);
	int ours = handle_is_ours(building.pins, error), err = 0;

	if (ours == -EEXIST && !rmdir(building.pins)) /* killed before the first pin */
		ours = 0;
	if (ours > 0)
		err = unload_tear_down(&building, error);
	if (ours < 0 || err || loaded)
		return ours < 0 ? ours : err;
	ours = handle_is_ours(place->pins, error);
	return ours > 0 ? tear_down(place, &building, error) : ours;
}

/* Who still has the maps open, such as an agent that was started a moment ago, sees that they are nobody's any more. */
static void mark_gone(struct dataplane *dataplane)
{
	__u32 zero = 0;

	dataplane->meta.revision = RCXLB_REVISION_GONE;
	bpf_map_update_elem(dataplane->map[MAP_meta], &zero, &dataplane->meta, BPF_ANY);
}

/* May everything be taken away from here? *ret_known: the maps are of this program's layout. */
static int check_all(struct dataplane *dataplane, bool *ret_known, struct error *error)
{
	const char *pins = dataplane->place.pins;
	int err = 0;

	*ret_known = false;
	if (access(pins, W_OK)) /* first: of a read-only bpffs maps cannot be opened either */
		return failed(error, -errno, "cannot remove %s: %s; rcxlb needs root, and a bpffs that can be written",
			      pins, strerror(errno));
	if (!handle_is_orphaned(&dataplane->place))
		err = handle_open_maps(dataplane, error);
	*ret_known = !err;
	return err == -EPROTO ? 0 : err; /* another layout: to unload it is the way out */
}

static int unload_all(struct dataplane *dataplane, struct error *error)
{
	struct place aside = place_building(&dataplane->place);
	bool known;
	int err = check_all(dataplane, &known, error);

	if (!err)
		err = tear_down(&dataplane->place, &aside, error);
	if (!err && known)
		mark_gone(dataplane);
	return err;
}

static int unload_guards(struct dataplane *dataplane, const char *const *names, uint32_t count, struct error *error)
{
	struct rcxlb_interface entry;
	int index, err;

	err = handle_open_maps(dataplane, error);
	for (uint32_t i = 0; i < count && !err; i++) {
		index = interface_index(names[i], error);
		if (index < 0)
			return index;
		if (bpf_map_lookup_elem(dataplane->map[MAP_interfaces], &index, &entry))
			return failed(error, -ENOENT, "the guard is not on '%s'; see: rcxlb status", names[i]);
	}
	for (uint32_t i = 0; i < count && !err; i++) {
		index = interface_index(names[i], error);
		err = index < 0 ? index : interface_detach(dataplane, index, error);
	}
	return err;
}

/*
 * 1: rcxlb is loaded, 0: something is left of it, or in its place. Where there is nothing this says so before a lock is
 * taken: the run folder may belong to one that is loaded elsewhere, in a bpffs that is not seen from here.
 */
static int find(const struct place *place, struct error *error)
{
	struct place building = place_building(place);
	int loaded = handle_is_loaded(place, error);

	if (!loaded && access(place->pins, F_OK) && access(building.pins, F_OK))
		return failed(error, -ENOENT, "rcxlb is not loaded; there is nothing to unload");
	return loaded;
}

int dataplane_may_unload(struct error *error)
{
	struct dataplane dataplane;
	struct place place;
	int err, loaded;
	bool known;

	err = place_find(&place, error);
	loaded = err ? err : find(&place, error);
	if (loaded <= 0)
		return loaded;
	err = handle_lock(&place, &dataplane, &loaded, error);
	if (err)
		return err;
	err = loaded > 0 ? check_all(&dataplane, &known, error) : 0;
	handle_close_maps(&dataplane);
	close(dataplane.lock);
	return err ? err : loaded;
}

static void forget_run_folder(const struct place *place, int lock)
{
	pending_remove(place);
	remember_nothing(place);
	place_forget(place, lock);
}

int dataplane_unload(const char *const *interfaces, uint32_t count, bool keep_run, struct error *error)
{
	struct dataplane dataplane;
	struct place place;
	int err, loaded;

	err = place_find(&place, error);
	if (!err)
		err = find(&place, error);
	if (err < 0)
		return err;
	err = handle_lock(&place, &dataplane, &loaded, error);
	if (err)
		return err;
	err = loaded < 0 ? loaded : 0;
	if (loaded > 0)
		err = count ? unload_guards(&dataplane, interfaces, count, error) : unload_all(&dataplane, error);
	if (!err && !(loaded && count))
		err = unload_leftovers(&place, false, error);
	if (!err && !loaded)
		err = failed(error, -ENOENT, "rcxlb is not loaded; there is nothing to unload");
	if (!keep_run && (!loaded || (!err && !count)))
		forget_run_folder(&place, dataplane.lock);
	handle_close_maps(&dataplane);
	close(dataplane.lock);
	return err;
}
