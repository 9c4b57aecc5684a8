/* SPDX-License-Identifier: BSD-2-Clause */
/* Where rcxlb keeps its pins and its lock, and whether it may. */
#ifndef DATAPLANE_PLACE_H
#define DATAPLANE_PLACE_H

#include <limits.h>
#include <stdbool.h>

#include "core/error.h"

struct place {
	char pins[PATH_MAX];   /* RCXLB_PIN_DIR, or the default */
	char parent[PATH_MAX]; /* the folder that `pins` is in */
	char run[PATH_MAX];    /* RCXLB_RUN_DIR, or the default */
};

/* Reads the environment; checks nothing. -EINVAL when a value cannot be used. */
int place_find(struct place *ret, struct error *error);

/* Makes sure that the pin folder's parent is a bpffs, mounting one at the default place, and that pins will last. */
int place_prepare(const struct place *place, struct error *error);

/* Where a first load builds: beside the real folder. */
struct place place_building(const struct place *place);

/* A path below the pin folder, in `to` of PATH_MAX bytes. Returns `to`. */
const char *place_pin(const struct place *place, const char *name, char *to);

/*
 * Locks the run folder, and makes it when it is not there. `how` is flock()'s. Returns a descriptor whose close() unlocks,
 * or -errno: -EPERM when it is LOCK_EX, and this process may not do all that a change takes; -EAGAIN with LOCK_NB, when
 * somebody else has the lock.
 */
int place_lock(const struct place *place, int how, struct error *error);

/*
 * Removes the lock, which is held exclusively, and the run folder when that is then empty. Another lock that took the
 * place of this one stays.
 */
void place_forget(const struct place *place, int lock);

/* Opens the folder of the first cgroup v2 hierarchy that is mounted. A descriptor, the caller's, or -errno. */
int place_cgroup(struct error *error);

/* Removes a folder of pins and what is in it, the pin `last` last. Returns 0 (also when it is not there) or -errno. */
int place_remove(const char *folder, const char *last);

#endif
