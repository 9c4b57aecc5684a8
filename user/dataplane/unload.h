/* SPDX-License-Identifier: BSD-2-Clause */
/* Taking away what a load made, whole or in part. */
#ifndef DATAPLANE_UNLOAD_H
#define DATAPLANE_UNLOAD_H

#include <stdbool.h>

#include "core/error.h"
#include "dataplane/place.h"

/* Takes away what is in a folder of ours: steering first. Needs nothing of it to be whole. */
int unload_tear_down(const struct place *place, struct error *error);

/* Removes what a load that was killed left behind; unless `loaded`, also what an unload did. */
int unload_leftovers(const struct place *place, bool loaded, struct error *error);

#endif
