/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The model that is being published, kept in the run folder until it is: a change takes many map updates, and whoever
 * dies between two of them leaves the rest to the next one who opens the dataplane.
 */
#ifndef DATAPLANE_PENDING_H
#define DATAPLANE_PENDING_H

#include <stdbool.h>

#include "core/error.h"
#include "core/model.h"
#include "dataplane/place.h"

/* All to be called with the lock held. */
bool pending_exists(const struct place *place);
int pending_write(const struct place *place, const struct model *model, struct error *error);
int pending_read(const struct place *place, struct model *ret, struct error *error);
void pending_remove(const struct place *place);

#endif
