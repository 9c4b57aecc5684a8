/* SPDX-License-Identifier: BSD-2-Clause */
/* Which backend each slot of a look-up table belongs to. Pure. */
#ifndef CORE_MAGLEV_H
#define CORE_MAGLEV_H

#include <stdint.h>

#include "rcxlb/abi.h"

struct maglev_member {
	struct rcxlb_endpoint endpoint; /* decides which slots it prefers */
	uint16_t id;
	uint16_t weight; /* from 1 */
};

/*
 * Fills all RCXLB_TABLE_SIZE slots with ids; without members none. `members`, at most RCXLB_MAX_BACKENDS, all different, is
 * put into the order of endpoints: the same members give the same table whatever their order was, on every host.
 * Each member has one slot, and its share by weight of the rest, rounded up or down.
 */
void maglev_build(struct maglev_member *members, uint32_t count, uint16_t slots[RCXLB_TABLE_SIZE]);

#endif
