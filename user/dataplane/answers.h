/* SPDX-License-Identifier: BSD-2-Clause */
/* The map `answers`, which is too large to be read an entry at a time. */
#ifndef DATAPLANE_ANSWERS_H
#define DATAPLANE_ANSWERS_H

#include <stdbool.h>

#include "dataplane/handle.h"

/* All of it, by RCXLB_ANSWERS_KEY, for answers_unmap(); NULL: it cannot be had. */
struct rcxlb_answers *answers_map(const struct dataplane *dataplane, bool write);

/* NULL is fine. */
void answers_unmap(const struct rcxlb_answers *answers);

/* Whoever gets this id next starts with counters at 0. -ENOMEM. */
int answers_clear_service(const struct dataplane *dataplane, uint32_t service);
int answers_clear_backend(const struct dataplane *dataplane, uint32_t backend);

#endif
