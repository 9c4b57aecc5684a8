/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where libxdp keeps its dispatchers: one for each interface, a folder of pins with each program that is attached there
 * and the link of that program to the dispatcher.
 */
#ifndef DATAPLANE_DISPATCH_H
#define DATAPLANE_DISPATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "dataplane/place.h"

/* To be called before libxdp is: it shall use the bpffs that our pins are in. */
void dispatch_find(const struct place *place);

/* Is this a guard of ours? It is told by the map that it counts in. `stats`: a descriptor of that. */
bool dispatch_is_ours(int stats, uint32_t program);

/*
 * Takes our guard out of the folders of this interface's dispatchers that are not attached: libxdp makes a folder
 * before it attaches, and removes it after it has detached, and whoever is killed in between leaves guards that nobody
 * finds. Other people's programs stay.
 */
void dispatch_sweep(int stats, uint32_t index);

/* Removes libxdp's folder, which that leaves behind, when nothing is in it. */
void dispatch_forget(void);

#endif
