// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/drain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "core/endpoint.h"
#include "dataplane/dataplane.h"

#define PAUSE_MS  100
#define SETTLE_MS 1500
#define NAMED	  4 /* backends that a sentence names */

/* Who is left. */
struct rest {
	uint64_t connections;
	uint32_t backends;
	char names[NAMED * (RCXLB_TEXT_LEN + 24)];
};

static void add_rest(struct rest *rest, const char *backend, uint32_t active)
{
	size_t length = strlen(rest->names);

	rest->connections += active;
	if (active && rest->backends++ < NAMED)
		snprintf(rest->names + length, sizeof(rest->names) - length, "%s%s has %u", length ? ", " : "", backend,
			 active);
}

static int look_at(struct dataplane *dataplane, struct model *model, const struct rcxlb_endpoint *endpoint,
		   struct rest *rest, struct error *error)
{
	const struct model_backend *backend = model_backend_find(model, NULL, endpoint);
	char text[RCXLB_TEXT_LEN];
	uint32_t active = 0;
	int err;

	endpoint_format(endpoint, text);
	if (!backend)
		return failed(error, -ENOENT, "%s was deleted while it was waited for", text);
	if (!backend->draining)
		return failed(error, -ECANCELED, "%s was put back into service while it was waited for", text);
	err = dataplane_active(dataplane, backend - model->backend, &active, error);
	add_rest(rest, text, active);
	return err;
}

static int look(const struct arguments *arguments, struct rest *rest, struct error *error)
{
	struct rcxlb_endpoint endpoint;
	struct dataplane *dataplane;
	static struct model model;
	uint16_t last;
	int err = dataplane_open(DATAPLANE_LOOK, &dataplane, error);

	if (err)
		return err;
	*rest = (struct rest){};
	err = dataplane_read(dataplane, &model, error);
	for (uint32_t i = 0; i < arguments->words && !err; i++) {
		err = endpoint_parse_range(arguments->word[i], &endpoint, &last, error);
		for (uint32_t port = endpoint.port; !err && port <= last; port++) {
			endpoint.port = port;
			err = look_at(dataplane, &model, &endpoint, rest, error);
		}
	}
	dataplane_close(dataplane);
	return err;
}

static long passed_ms(const struct timespec *since)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - since->tv_sec) * 1000 + (now.tv_nsec - since->tv_nsec) / 1000000;
}

/*
 * A client whose handshake is under way was given the backend before it drained, and counts only when that is complete.
 * When the kernel's answer to it was lost, that is more than a second later.
 */
static bool is_settled(long passed, long milliseconds)
{
	return passed >= SETTLE_MS || (milliseconds >= 0 && passed >= milliseconds);
}

int drain_wait(const struct arguments *arguments, long milliseconds, struct error *error)
{
	static const struct timespec pause = { .tv_nsec = PAUSE_MS * 1000000l };
	struct timespec begin;
	struct rest rest;
	int err;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (;;) {
		long passed = passed_ms(&begin); /* before the look, which is to be that late */

		err = look(arguments, &rest, error);
		if (err || (!rest.connections && is_settled(passed, milliseconds)))
			return err;
		if (rest.connections && milliseconds >= 0 && passed >= milliseconds)
			break;
		nanosleep(&pause, NULL);
	}
	return failed(error, -ETIMEDOUT, "after %ld s %llu connection%s left: %s%s; draining goes on",
		      milliseconds / 1000, (unsigned long long)rest.connections,
		      rest.connections == 1 ? " is" : "s are", rest.names, rest.backends > NAMED ? " and others" : "");
}
