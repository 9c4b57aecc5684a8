// SPDX-License-Identifier: BSD-2-Clause
/* Model and interfaces, changed together. */
#include "dataplane/become.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "dataplane/dataplane.h"
#include "dataplane/handle.h"
#include "dataplane/interfaces.h"

/* An interface that was changed, and how it was before. */
struct former {
	uint32_t index;
	bool had; /* the guard, or the note that it has none */
	struct rcxlb_interface entry;
};

struct change {
	struct dataplane *dataplane;
	const struct xdp_wishes *wishes;
	bool said;			      /* the choices of the wishes were; else those that are noted stay */
	uint32_t index[RCXLB_MAX_INTERFACES]; /* of the wishes */
	struct former former[RCXLB_MAX_INTERFACES];
	uint32_t formers;
};

static int find_indices(struct change *change, struct error *error)
{
	for (uint32_t i = 0; i < change->wishes->count; i++) {
		int index = interface_index(change->wishes->entry[i].name, error);

		if (index < 0)
			return index;
		change->index[i] = index;
	}
	return 0;
}

/* What cannot be put back either was said already: the first failure is the one to know. */
static void undo(struct change *change)
{
	struct error ignored;

	while (change->formers) {
		const struct former *former = &change->former[--change->formers];

		if (former->had)
			interface_attach(change->dataplane, former->entry.name, interface_exactly(former->entry.mode),
					 &ignored);
		else
			interface_detach(change->dataplane, former->index, &ignored);
	}
}

static int attach(struct change *change, struct error *error)
{
	int map = change->dataplane->map[MAP_interfaces], err = 0;

	for (uint32_t i = 0; i < change->wishes->count && !err; i++) {
		struct xdp_wish wish = change->wishes->entry[i];
		struct former former = { .index = change->index[i] };

		former.had = !bpf_map_lookup_elem(map, &former.index, &former.entry);
		if (former.had && !change->said)
			wish.xdp = xdp_choice_of(former.entry.mode);
		if (former.had && interface_is_met(change->dataplane, former.index, &former.entry, &wish))
			continue;
		strcpy(former.entry.name, wish.name); /* it may have been renamed since */
		change->former[change->formers++] = former;
		err = interface_attach(change->dataplane, wish.name, wish.xdp, error);
	}
	return err;
}

static bool is_wished(const struct change *change, uint32_t index)
{
	for (uint32_t i = 0; i < change->wishes->count; i++)
		if (change->index[i] == index)
			return true;
	return false;
}

static int detach_others(struct change *change, struct error *error)
{
	uint32_t index[RCXLB_MAX_INTERFACES], count = interfaces_noted(change->dataplane, index);
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++)
		if (!is_wished(change, index[i]))
			err = interface_detach(change->dataplane, index[i], error);
	return err;
}

static int change_all(struct change *change, const struct model *wished, struct error *error)
{
	int err = find_indices(change, error);

	if (!err)
		err = attach(change, error);
	if (!err && wished)
		err = dataplane_publish(change->dataplane, wished, error);
	if (err)
		undo(change);
	return err;
}

int become_also(struct dataplane *dataplane, const struct model *wished, const struct xdp_wishes *interfaces, bool said,
		struct error *error)
{
	struct change change = { .dataplane = dataplane, .wishes = interfaces, .said = said };

	return change_all(&change, wished, error);
}

int dataplane_become(struct dataplane *dataplane, const struct model *wished, const struct xdp_wishes *interfaces,
		     struct error *error)
{
	struct change change = { .dataplane = dataplane, .wishes = interfaces, .said = true };
	int err;

	if (!interfaces)
		return dataplane_publish(dataplane, wished, error);
	err = change_all(&change, wished, error);
	return err ? err : detach_others(&change, error);
}
