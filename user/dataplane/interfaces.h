/* SPDX-License-Identifier: BSD-2-Clause */
/* The guard on network interfaces, by libxdp. */
#ifndef DATAPLANE_INTERFACES_H
#define DATAPLANE_INTERFACES_H

#include "dataplane/dataplane.h"

struct dataplane;

/* The index of an interface, or -ENODEV with a sentence. */
int interface_index(const char *name, struct error *error);

/*
 * Attaches the guard, in place of an earlier one of ours, and notes it in the map `interfaces`. With XDP_OFF only notes
 * it. Other people's programs on a libxdp dispatcher stay. Notes of interfaces that are no more, or are called otherwise
 * by now, are put right.
 */
int interface_attach(struct dataplane *dataplane, const char *name, enum xdp_choice xdp, struct error *error);

/* Indices of the interfaces that are noted. Returns how many. */
uint32_t interfaces_noted(const struct dataplane *dataplane, uint32_t to[RCXLB_MAX_INTERFACES]);

/* Is the guard on that interface as it was noted, with that name, and does that meet the wish? */
bool interface_is_met(struct dataplane *dataplane, uint32_t index, const struct rcxlb_interface *noted,
		      const struct xdp_wish *wish);

/* The choice that puts it exactly as it was, and not what may be had today. */
enum xdp_choice interface_exactly(uint32_t mode);

/* Takes the guard off; 0 also when it or the interface is not there. */
int interface_detach(struct dataplane *dataplane, uint32_t index, struct error *error);

/* Takes it off all interfaces of the map. */
int interface_detach_all(struct dataplane *dataplane, struct error *error);

#endif
