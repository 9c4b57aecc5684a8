/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Metrics over HTTP, for Prometheus: GET /metrics. There are sixteen connections at most: whoever comes then takes the
 * place of the one that has been idle longest, so that nobody who connects and says nothing, or asks and does not read,
 * keeps others out. On a libevent loop.
 */
#ifndef AGENT_EXPORTER_H
#define AGENT_EXPORTER_H

#include <event2/event.h>
#include <stdio.h>

#include "core/error.h"
#include "rcxlb/abi.h"

struct exporter;

/* Writes the metrics as they are now; 0 or -errno. */
typedef int (*exporter_write)(FILE *to, void *context);

/* Serves what `write` writes at this address. *ret is the caller's, for exporter_free(). */
int exporter_new(struct event_base *base, const struct rcxlb_endpoint *at, exporter_write write, void *context,
		 struct exporter **ret, struct error *error);
void exporter_free(struct exporter *exporter);

#endif
