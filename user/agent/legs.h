/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker's way to instances: it dials a reserved address from one of its own, and tells the kernel for whom; steer
 * chooses the instance, or answers which one the worker is to connect to itself. To be given to a worker as its `struct
 * worker_backends`.
 */
#ifndef AGENT_LEGS_H
#define AGENT_LEGS_H

#include <stdint.h>

#include "core/model.h"
#include "dataplane/desk.h"
#include "proxy/worker.h"

struct legs;

/* `number` of the worker chooses its addresses. The desk and the model must outlive it. NULL: no memory. */
struct legs *legs_new(struct desk *desk, const struct model *model, uint32_t number);
void legs_free(struct legs *legs);

/* Good for as long as the legs are. `data` may be given to worker_config.drained too. */
struct worker_backends legs_backends(struct legs *legs);

#endif
