/* SPDX-License-Identifier: BSD-2-Clause */
/* The workers that there are, and what those leave behind who are no more. */
#ifndef DATAPLANE_STAFF_H
#define DATAPLANE_STAFF_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "dataplane/dataplane.h"

/*
 * Removes the entries of workers that `lives` says no of, in `peers` first: when this is cut short it can be done
 * again. `started` is what the worker itself noted. Returns how many they were, or -errno with a sentence.
 */
int staff_bury(struct dataplane *dataplane, bool (*lives)(uint32_t pid, uint64_t started), struct error *error);

/* How many workers of the crew in charge there are. */
uint32_t staff_in_charge(const struct dataplane *dataplane);

/*
 * The greatest number of a crew that there is a worker of, be it in charge or not, from `least` on. Workers say it
 * themselves: a number that cannot have been reached is not believed.
 */
uint32_t staff_greatest(const struct dataplane *dataplane, uint32_t least);

/* Fills in what the facts say of workers and their clients. */
int staff_facts(const struct dataplane *dataplane, struct facts *to, struct error *error);

#endif
