/* SPDX-License-Identifier: BSD-2-Clause */
/* The guard on network interfaces, by libxdp. */
#ifndef DATAPLANE_INTERFACES_H
#define DATAPLANE_INTERFACES_H

#include "dataplane/dataplane.h"

struct dataplane;

/* The index of an interface, or -ENODEV with a sentence. */
int interface_index(const char *name, struct error *error);

/*
 * Attaches the guard (in place of an earlier one of ours when `again`), and notes it in the map `interfaces`. With
 * XDP_OFF only notes it. Other people's programs on a libxdp dispatcher stay.
 */
int interface_attach(struct dataplane *dataplane, const char *name, enum xdp_choice xdp, bool again,
		     struct error *error);

/* Takes the guard off; 0 also when it or the interface is not there. */
int interface_detach(struct dataplane *dataplane, uint32_t index, struct error *error);

/* Takes it off all interfaces of the map. */
int interface_detach_all(struct dataplane *dataplane, struct error *error);

#endif
