// SPDX-License-Identifier: BSD-2-Clause
/* Opening a loaded dataplane, with what somebody left half done completed first. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "dataplane/dataplane.h"
#include "dataplane/handle.h"
#include "dataplane/pending.h"
#include "dataplane/publish.h"

int dataplane_run_folder(char *to, struct error *error)
{
	struct place place;
	int err = place_find(&place, error);

	if (!err)
		strcpy(to, place.run);
	return err;
}

/*
 * Of what was unloaded while this waited. Unless others have the lock as well: one of them removes it, or loads by
 * then; what was loaded in between keeps it.
 */
static void forget_lock(struct dataplane *dataplane)
{
	struct error ignored;

	if (!flock(dataplane->lock, LOCK_EX | LOCK_NB) && handle_is_loaded(&dataplane->place, &ignored) == 0)
		place_forget(&dataplane->place, dataplane->lock);
}

static const int lock_of[] = {
	[DATAPLANE_LOOK] = LOCK_SH,
	[DATAPLANE_CHANGE] = LOCK_EX,
	[DATAPLANE_LOOK_NOW] = LOCK_SH | LOCK_NB,
	[DATAPLANE_CHANGE_NOW] = LOCK_EX | LOCK_NB,
};

static int open_locked(enum dataplane_purpose purpose, struct dataplane *dataplane, struct error *error)
{
	int err;

	dataplane->lock = place_lock(&dataplane->place, lock_of[purpose], error);
	if (dataplane->lock < 0)
		return dataplane->lock;
	err = handle_is_loaded(&dataplane->place, error);
	if (err == 0) {
		forget_lock(dataplane);
		return failed(error, -ENOENT, "rcxlb is not loaded; load it: rcxlb load INTERFACE");
	}
	if (err < 0)
		return err;
	return handle_open_maps(dataplane, error);
}

int dataplane_open(enum dataplane_purpose purpose, struct dataplane **ret, struct error *error)
{
	struct dataplane *dataplane;
	struct place place;
	int err;

	err = place_find(&place, error);
	if (err)
		return err;
	err = handle_is_loaded(&place, error);
	if (err < 0)
		return err;
	if (!err)
		return failed(error, -ENOENT, "rcxlb is not loaded; load it: rcxlb load INTERFACE");
	dataplane = malloc(sizeof(*dataplane));
	if (!dataplane)
		return failed(error, -ENOMEM, "out of memory");
	*dataplane = handle_none(&place);
	err = open_locked(purpose, dataplane, error);
	if (!err && pending_exists(&place)) {
		if (!(lock_of[purpose] & LOCK_EX)) { /* to complete what somebody left takes the other lock */
			dataplane_close(dataplane);
			return dataplane_open(purpose == DATAPLANE_LOOK ? DATAPLANE_CHANGE : DATAPLANE_CHANGE_NOW, ret,
					      error);
		}
		err = publish_pending(dataplane, error);
	}
	if (err) {
		dataplane_close(dataplane);
		return err;
	}
	*ret = dataplane;
	return 0;
}

int dataplane_complete(struct error *error)
{
	struct dataplane *dataplane = NULL;
	struct place place;
	int err;

	err = place_find(&place, error);
	if (err || !pending_exists(&place))
		return err;
	err = dataplane_open(DATAPLANE_CHANGE_NOW, &dataplane, error);
	dataplane_close(dataplane);
	return err;
}

void dataplane_close(struct dataplane *dataplane)
{
	if (!dataplane)
		return;
	handle_close_maps(dataplane);
	if (dataplane->lock >= 0)
		close(dataplane->lock);
	free(dataplane);
}
