/* SPDX-License-Identifier: BSD-2-Clause */
/* The part of the metrics that workers count: of proxied services. Pure. */
#ifndef AGENT_METRICS_WORKERS_H
#define AGENT_METRICS_WORKERS_H

#include <stdio.h>

#include "core/model.h"
#include "dataplane/dataplane.h"

/* Writes all of it. Looks at no result: the caller asks ferror(). */
void metrics_write_workers(FILE *to, const struct model *model, const struct facts *facts);

#endif
