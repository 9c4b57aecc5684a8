/* SPDX-License-Identifier: BSD-2-Clause */
/* A model that was made from nothing, as a change of the one that is running. Pure. */
#ifndef CORE_MERGE_H
#define CORE_MERGE_H

#include "core/error.h"
#include "core/model.h"

/*
 * *ret is what `wished` says, with the ids of `running`: services of the same name and backends of the same address
 * keep theirs, so that their tables, counters and connections stay; what did not change is equal as bytes. A hash key
 * of zeros in `wished` says nothing: the running one is kept. Who is new gets an id that nobody has now, so that
 * nothing meant for who goes reaches him. -ENOSPC when there are not enough of those. `ret` is neither of the other
 * two.
 */
int model_merge(const struct model *running, const struct model *wished, struct model *ret, struct error *error);

#endif
