/* SPDX-License-Identifier: BSD-2-Clause */
/* A model into the maps. */
#ifndef DATAPLANE_PUBLISH_H
#define DATAPLANE_PUBLISH_H

#include "core/error.h"
#include "core/model.h"

struct dataplane;

/* Completes the change that somebody left pending. With the exclusive lock held. */
int publish_pending(struct dataplane *dataplane, struct error *error);

/* Writes a model into maps that nobody uses yet. */
int publish_first(struct dataplane *dataplane, const struct model *model, struct error *error);

#endif
