// SPDX-License-Identifier: BSD-2-Clause
#include "core/merge.h"

#include <errno.h>
#include <string.h>

#include "core/endpoint.h"

#define NOBODY RCXLB_MAX_BACKENDS

static int no_room(const char *what, int most, struct error *error)
{
	return failed(error, -ENOSPC,
		      "so many %s go and come at once that there are more than %d in between: first load a "
		      "configuration without those that go, then this one",
		      what, most);
}

/* Whose id nobody has: who had the address before, else who never had any, else any. */
static uint32_t free_id(const struct model *running, const struct model *merged, const struct rcxlb_endpoint *endpoint)
{
	static const struct rcxlb_endpoint never;
	uint32_t best = NOBODY;

	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		const struct rcxlb_endpoint *former = &running->backend[id].endpoint;

		if (running->backend[id].used || merged->backend[id].used)
			continue;
		if (endpoint_equal(former, endpoint))
			return id;
		if (best == NOBODY ||
		    (endpoint_equal(former, &never) && !endpoint_equal(&running->backend[best].endpoint, &never)))
			best = id;
	}
	return best;
}

static uint32_t id_of(const struct model *running, const struct rcxlb_endpoint *endpoint)
{
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
		if (running->backend[id].used && endpoint_equal(&running->backend[id].endpoint, endpoint))
			return id;
	return NOBODY;
}

/* Puts every backend in its place; new_id[] says where. Those that stay first, so that nobody new takes their ids. */
static int place_backends(const struct model *running, const struct model *wished, struct model *ret, uint32_t *new_id,
			  struct error *error)
{
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
		ret->backend[id] = (struct model_backend){ .endpoint = running->backend[id].endpoint };
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		new_id[id] = wished->backend[id].used ? id_of(running, &wished->backend[id].endpoint) : NOBODY;
		if (new_id[id] != NOBODY)
			ret->backend[new_id[id]] = wished->backend[id];
	}
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++) {
		if (!wished->backend[id].used || new_id[id] != NOBODY)
			continue;
		new_id[id] = free_id(running, ret, &wished->backend[id].endpoint);
		if (new_id[id] == NOBODY)
			return no_room("backends", RCXLB_MAX_BACKENDS, error);
		ret->backend[new_id[id]] = wished->backend[id];
	}
	return 0;
}

static void put_service(struct model_service *to, const struct model_service *wished, const uint32_t *new_id)
{
	*to = *wished;
	memset(to->member, 0, sizeof(to->member));
	for (uint32_t id = 0; id < RCXLB_MAX_BACKENDS; id++)
		if (model_is_member(wished, id))
			to->member[new_id[id] / 64] |= 1ull << (new_id[id] % 64);
}

static struct model_service *free_service(const struct model *running, struct model *ret)
{
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++)
		if (!running->service[i].name[0] && !ret->service[i].name[0])
			return &ret->service[i];
	return NULL;
}

/* Routes name services by their ids; those are other ones now. */
static void renumber_routes(const struct model *wished, struct model *ret)
{
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++) {
		struct rcxlb_http *http = &ret->service[i].http;

		for (uint32_t r = 0; r < http->routes; r++) {
			const char *name = wished->service[http->route[r].service].name;

			http->route[r].service = model_service_find(ret, name) - ret->service;
		}
	}
}

static int place_services(struct model *running, const struct model *wished, struct model *ret, const uint32_t *new_id,
			  struct error *error)
{
	for (int i = 0; i < RCXLB_MAX_SERVICES; i++) {
		const struct model_service *service = &wished->service[i];
		struct model_service *present = service->name[0] ? model_service_find(running, service->name) : NULL;
		struct model_service *to = present ? &ret->service[present - running->service] : NULL;

		if (!service->name[0])
			continue;
		if (!to)
			to = free_service(running, ret);
		if (!to)
			return no_room("services", RCXLB_MAX_SERVICES, error);
		put_service(to, service, new_id);
	}
	renumber_routes(wished, ret);
	return 0;
}

int model_merge(const struct model *running, const struct model *wished, struct model *ret, struct error *error)
{
	static const uint64_t none[2];
	uint32_t new_id[RCXLB_MAX_BACKENDS];
	int err;

	memset(ret, 0, sizeof(*ret));
	ret->settings = wished->settings;
	memcpy(ret->hash_key, memcmp(wished->hash_key, none, sizeof(none)) ? wished->hash_key : running->hash_key,
	       sizeof(ret->hash_key));
	err = place_backends(running, wished, ret, new_id, error);
	if (!err)
		err = place_services((struct model *)running, wished, ret, new_id, error); /* only looked at */
	return err;
}
