/* SPDX-License-Identifier: BSD-2-Clause */
/* Which configuration file the state was made from: a note in the run folder. */
#ifndef DATAPLANE_REMEMBER_H
#define DATAPLANE_REMEMBER_H

#include "dataplane/place.h"

/* Removes the note. With the lock held. */
void remember_nothing(const struct place *place);

#endif
