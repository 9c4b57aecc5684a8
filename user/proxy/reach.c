// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/reach.h"

#include <errno.h>
#include <stddef.h>

#define TOLD_TRIES 3 /* instances that the worker connects to itself */

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

/* Connects to what was picked. */
static void dial(struct reach *reach)
{
	struct connections *shared = reach->shared;
	const struct worker_backends *backends = &shared->backends;
	int fd;

	reach->dial = (struct dial){ .fd = -1, .ended = on_dialled };
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

static void pick(struct reach *reach, const struct worker_backend *tried)
{
	const struct worker_backends *backends = &reach->shared->backends;
	int err = backends->pick(backends->data, &reach->client, tried, &reach->backend);

	if (err) {
		fail(reach, err);
		return;
	}
	reach->picked = true;
	dial(reach);
}

/* What the refusal of what was picked means, if anything. */
static enum worker_answer answer_of(struct reach *reach, int err)
{
	const struct worker_backends *backends = &reach->shared->backends;

	if (err != -ECONNREFUSED || reach->backend.told || !backends->told)
		return WORKER_NO_ANSWER;
	return backends->told(backends->data, &reach->client, &reach->backend);
}

/* Of a connect that failed: is it the instance's? */
static enum worker_outcome outcome_of(int err)
{
	switch (-err) {
	case ECONNREFUSED:
	case ECONNRESET:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EPIPE:
	case ETIMEDOUT:
		return WORKER_CONNECT_FAILED;
	default:
		return WORKER_NOT_CONNECTED;
	}
}

/* May another instance be asked for? */
static bool may_retry(struct reach *reach)
{
	if (reach->backend.told)
		return ++reach->told < TOLD_TRIES;
	if (reach->retried)
		return false;
	return reach->retried = true;
}

static void on_dialled(struct dial *dialled, int err)
{
	struct reach *reach = (struct reach *)((char *)dialled - offsetof(struct reach, dial));
	struct worker_backend tried = reach->backend;
	enum worker_answer answer;

	if (!err) {
		int fd = dialled->fd;

		dialled->fd = -1;
		reach->ended(reach, fd);
		return;
	}
	answer = answer_of(reach, err);
	if (answer == WORKER_DIAL) {
		dial(reach);
		return;
	}
	reach->counters->sum.connects_failed++;
	give_back(reach, outcome_of(err));
	if (answer == WORKER_NOBODY || !may_retry(reach)) {
		fail(reach, err);
		return;
	}
	reach->counters->sum.connects_retried++;
	pick(reach, &tried);
}

void reach_start(struct reach *reach)
{
	reach->retried = false;
	reach->told = 0;
	pick(reach, NULL);
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
