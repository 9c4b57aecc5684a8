// SPDX-License-Identifier: BSD-2-Clause
#include "agent/legs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/address.h"
#include "core/endpoint.h"
#include "proxy/clock.h"
#include "rcxlb/siphash.h"

#define ADDRESSES 254 /* of each worker: 127.83.(worker + 1).1 and following */
#define NONE	  0xffffffffu

/* One connection to an instance. The worker knows it by its index, as the id of a backend. */
struct leg {
	struct rcxlb_endpoint local; /* in `peers`; port 0: it is not there */
	uint32_t backend;	     /* who was chosen; RCXLB_NO_BACKEND: not asked yet */
	uint32_t generation;	     /* of one that the worker was told of */
	uint32_t next;		     /* of the free ones */
};

struct legs {
	struct desk *desk;
	const struct model *model;
	uint32_t number;
	uint32_t pid;  /* this process */
	uint32_t turn; /* through the addresses */
	struct leg *leg;
	uint32_t room, free;
};

static bool grow(struct legs *legs)
{
	uint32_t room = legs->room ? 2 * legs->room : 256;
	struct leg *more = reallocarray(legs->leg, room, sizeof(*more));

	if (!more)
		return false;
	legs->leg = more;
	for (uint32_t i = legs->room; i < room; i++)
		legs->leg[i] = (struct leg){ .next = i + 1 < room ? i + 1 : NONE };
	legs->free = legs->room;
	legs->room = room;
	return true;
}

static struct rcxlb_endpoint any_four(uint32_t address, uint16_t port)
{
	struct rcxlb_endpoint endpoint = endpoint_any(true, port);

	for (int i = 0; i < 4; i++)
		endpoint.address[12 + i] = address >> (24 - 8 * i);
	return endpoint;
}

static struct rcxlb_endpoint loopback6(uint16_t port)
{
	struct rcxlb_endpoint endpoint = endpoint_any(false, port);

	endpoint.address[15] = 1;
	return endpoint;
}

/* Whichever instance it will be: steer passes over those that cannot be connected to. */
static int pick(void *data, const struct worker_client *client, const struct worker_backend *tried,
		struct worker_backend *ret)
{
	struct legs *legs = data;
	uint32_t id;

	(void)tried;
	if (legs->free == NONE && !grow(legs))
		return -ENOMEM;
	id = legs->free;
	legs->free = legs->leg[id].next;
	legs->leg[id].local.port = 0;
	legs->leg[id].backend = RCXLB_NO_BACKEND;
	*ret = (struct worker_backend){
		.id = id,
		.endpoint = any_four(RCXLB_LEG_ADDRESS, RCXLB_LEG_PORT),
		.send_proxy = legs->model->service[client->service % RCXLB_MAX_SERVICES].proxy.send,
	};
	return 0;
}

/*
 * The entry of the service by which steer will find it: the address that the client dialled, and of a service that it
 * came to by a route the first one.
 */
static bool service_entry(const struct legs *legs, const struct worker_client *client, struct rcxlb_endpoint *ret)
{
	const struct model_service *service = &legs->model->service[client->service % RCXLB_MAX_SERVICES];
	struct rcxlb_endpoint any = endpoint_any(endpoint_is_ipv4(&client->dialled), client->dialled.port);

	*ret = service->listen[0];
	for (int i = 0; i < service->listens; i++) {
		if (endpoint_equal(&service->listen[i], &client->dialled)) {
			*ret = service->listen[i];
			return true;
		}
		if (endpoint_equal(&service->listen[i], &any))
			*ret = any;
	}
	return service->listens > 0;
}

static bool bind_leg(struct legs *legs, int fd, bool ipv4, struct rcxlb_endpoint *ret)
{
	struct rcxlb_endpoint from = loopback6(0);
	struct sockaddr_storage address;
	socklen_t size;

	if (ipv4)
		from = any_four(RCXLB_LEG_NET | (legs->number + 1) << 8 | (legs->turn++ % ADDRESSES + 1), 0);
	size = address_of(&from, &address);
	if (bind(fd, (struct sockaddr *)&address, size))
		return false;
	size = sizeof(address);
	return !getsockname(fd, (struct sockaddr *)&address, &size) && address_endpoint(&address, ret);
}

/* Keyed, as that of addresses is. */
static void set_hash(const struct legs *legs, const struct worker_client *client, struct rcxlb_peer *to)
{
	const __u64 key[2] = { legs->model->hash_key[0], legs->model->hash_key[1] };
	__u64 number = client->affinity, hash = rcxlb_siphash(key, &number, 1, 1, 3);

	if (!number)
		return;
	to->hash[0] = (__u32)hash;
	to->hash[1] = (__u32)(hash >> 32);
}

static void forget(struct legs *legs, struct leg *leg)
{
	if (leg->local.port)
		desk_unpeer(legs->desk, &leg->local);
	leg->local.port = 0;
}

/* Steer's answer is where it was told for whom the connect was. That one's address is of no use any more. */
static enum worker_answer told(void *data, const struct worker_client *client, struct worker_backend *backend)
{
	struct legs *legs = data;
	struct leg *leg = &legs->leg[backend->id];
	struct rcxlb_peer peer = {};

	(void)client;
	if (!leg->local.port || desk_told(legs->desk, &leg->local, &peer))
		return WORKER_NO_ANSWER;
	forget(legs, leg);
	if (peer.answer == RCXLB_ANSWER_NOBODY)
		return WORKER_NOBODY;
	if (peer.answer == RCXLB_ANSWER_IPV6) {
		backend->endpoint = loopback6(RCXLB_LEG_PORT);
		return WORKER_DIAL;
	}
	leg->backend = peer.backend;
	leg->generation = peer.generation;
	backend->endpoint = peer.instance;
	backend->told = true;
	backend->elsewhere = peer.answer == RCXLB_ANSWER_ELSEWHERE;
	return WORKER_DIAL;
}

/*
 * When something fails here the kernel does not know for whom it is, and refuses the connect; of an instance that the
 * worker connects to itself, the client is not shown there, or the connection is not counted.
 */
static void prepare(void *data, int fd, const struct worker_client *client, const struct worker_backend *backend)
{
	struct legs *legs = data;
	struct rcxlb_peer peer = { .client = client->address, .worker = legs->pid, .backend = RCXLB_NO_BACKEND };
	struct leg *leg = &legs->leg[backend->id];

	if (backend->elsewhere) {
		desk_mark(legs->desk, fd, leg->backend, leg->generation);
		return;
	}
	set_hash(legs, client, &peer);
	if (!service_entry(legs, client, &peer.service) ||
	    !bind_leg(legs, fd, endpoint_is_ipv4(&backend->endpoint), &leg->local) ||
	    desk_peer(legs->desk, &leg->local, &peer))
		leg->local.port = 0;
}

/* The kernel alone knows whom steer has chosen. */
static uint32_t ask_backend(int fd)
{
	struct sockaddr_storage address;
	socklen_t size = sizeof(address);
	struct rcxlb_endpoint at;

	if (getpeername(fd, (struct sockaddr *)&address, &size) || !address_endpoint(&address, &at) ||
	    at.port <= RCXLB_LEG_PORT || at.port > RCXLB_LEG_PORT + RCXLB_MAX_BACKENDS)
		return RCXLB_NO_BACKEND;
	return at.port - RCXLB_LEG_PORT - 1;
}

static void answered(void *data, uint32_t service, const struct worker_backend *backend, int fd, unsigned int class,
		     int by)
{
	struct legs *legs = data;
	struct leg *leg = &legs->leg[backend->id];

	if (leg->backend == RCXLB_NO_BACKEND)
		leg->backend = ask_backend(fd);
	if (leg->backend != RCXLB_NO_BACKEND)
		desk_count_answer(legs->desk, service % RCXLB_MAX_SERVICES, leg->backend, class, by);
}

static void ended(void *data, const struct worker_client *client, const struct worker_backend *backend,
		  enum worker_outcome outcome)
{
	struct legs *legs = data;
	struct leg *leg = &legs->leg[backend->id];

	(void)client;
	if (backend->told && outcome == WORKER_CONNECT_FAILED)
		desk_set_back(legs->desk, leg->backend, leg->generation, clock_ns(CLOCK_MONOTONIC));
	forget(legs, leg);
	leg->next = legs->free;
	legs->free = backend->id;
}

struct worker_backends legs_backends(struct legs *legs)
{
	return (struct worker_backends){
		.data = legs, .pick = pick, .prepare = prepare, .told = told, .answered = answered, .ended = ended
	};
}

struct legs *legs_new(struct desk *desk, const struct model *model, uint32_t number)
{
	struct legs *legs = calloc(1, sizeof(*legs));

	if (!legs)
		return NULL;
	legs->desk = desk;
	legs->pid = getpid();
	legs->model = model;
	legs->number = number;
	legs->free = NONE;
	return legs;
}

void legs_free(struct legs *legs)
{
	if (legs)
		free(legs->leg);
	free(legs);
}
