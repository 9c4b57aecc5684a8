// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/reach.h"

#include <stddef.h>

static void on_dialled(struct dial *dial, int err);

static void give_back(struct reach *reach, enum worker_outcome outcome)
{
	const struct worker_backends *backends = &reach->shared->backends;

	if (reach->picked)
		backends->ended(backends->data, &reach->client, &reach->backend, outcome);
	reach->picked = false;
}

static void fail(struct reach *reach, int err)
{
	reach->counters->sum.unserved++;
	reach->ended(reach, err);
}

/* Picks an instance and connects to it. */
static void dial(struct reach *reach, const struct worker_backend *tried)
{
	struct connections *shared = reach->shared;
	const struct worker_backends *backends = &shared->backends;
	int fd, err;

	reach->dial = (struct dial){ .fd = -1, .ended = on_dialled };
	err = backends->pick(backends->data, &reach->client, tried, &reach->backend);
	if (err) {
		fail(reach, err);
		return;
	}
	reach->picked = true;
	fd = dial_socket(&reach->backend.endpoint);
	if (fd < 0) {
		on_dialled(&reach->dial, fd);
		return;
	}
	if (backends->prepare)
		backends->prepare(backends->data, fd, &reach->client, &reach->backend);
	if (reach->backend.send_proxy)
		reach->dial.greeting_size =
		    proxy_header_write(&reach->client.address, &reach->client.dialled, reach->dial.greeting);
	dial_start(&reach->dial, shared->base, fd, &reach->backend.endpoint, shared->limits.connect_ms);
}

static void on_dialled(struct dial *dialled, int err)
{
	struct reach *reach = (struct reach *)((char *)dialled - offsetof(struct reach, dial));
	struct worker_backend tried = reach->backend;

	if (!err) {
		int fd = dialled->fd;

		dialled->fd = -1;
		reach->ended(reach, fd);
		return;
	}
	reach->counters->sum.connects_failed++;
	give_back(reach, WORKER_CONNECT_FAILED);
	if (reach->retried) {
		fail(reach, err);
		return;
	}
	reach->retried = true;
	reach->counters->sum.connects_retried++;
	dial(reach, &tried);
}

void reach_start(struct reach *reach)
{
	reach->retried = false;
	dial(reach, NULL);
}

void reach_abandon(struct reach *reach)
{
	dial_abandon(&reach->dial);
	give_back(reach, WORKER_ENDED);
}

void reach_give_back(struct reach *reach)
{
	give_back(reach, WORKER_ENDED);
}
