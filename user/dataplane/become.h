/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef DATAPLANE_BECOME_H
#define DATAPLANE_BECOME_H

#include "dataplane/dataplane.h"

/*
 * As dataplane_become(), with the guard left on all interfaces that are not named. NULL: the model stays. `said`: the
 * choices of the interfaces were; else one that is noted stays how it is noted.
 */
int become_also(struct dataplane *dataplane, const struct model *wished, const struct xdp_wishes *interfaces, bool said,
		struct error *error);

#endif
