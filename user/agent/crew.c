// SPDX-License-Identifier: BSD-2-Clause
#include "agent/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/log.h"
#include "agent/material.h"
#include "core/address.h"
#include "core/endpoint.h"
#include "proxy/clock.h"

#define BEGIN_MS 10000
#define AGAIN_NS 1000000000ull /* after a worker died */

struct member {
	pid_t pid;	/* 0: none */
	uint64_t again; /* when to start it again */
};

struct crew {
	struct watch *watch;
	const struct work_tickets *tickets;
	struct model *model; /* as it was when it was started */
	struct ktls_support ktls;
	uint32_t number;
	uint32_t workers;
	struct member member[RCXLB_MAX_WORKERS];
};

/* What one worker is started with. */
struct start {
	int listener[RCXLB_MAX_SERVICES][2]; /* IPv4, IPv6 */
	struct worker_service service[RCXLB_MAX_SERVICES];
	uint32_t count;
	int began[2]; /* a byte: it did */
	struct material *material;
};

static uint32_t wished_workers(const struct model *model)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t wished = model->settings.workers;
	bool any = false;

	for (uint32_t i = 0; i < RCXLB_MAX_SERVICES && !any; i++)
		any = model_has_workers(model, &model->service[i]);
	if (!any)
		return 0;
	if (!wished)
		wished = cores > 0 ? cores : 1;
	return wished < RCXLB_MAX_WORKERS ? wished : RCXLB_MAX_WORKERS;
}

/* Steer alone brings clients here: nobody can dial it from elsewhere. -EAFNOSUPPORT: the host has no such addresses. */
static int listening_socket(bool ipv6, struct error *error)
{
	struct rcxlb_endpoint at = endpoint_any(!ipv6, 0);
	struct sockaddr_storage address;
	socklen_t size;
	int fd, err;

	at.address[12] = ipv6 ? 0 : 127;
	at.address[15] = 1;
	size = address_of(&at, &address);
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !bind(fd, (struct sockaddr *)&address, size) && !listen(fd, SOMAXCONN))
		return fd;
	err = errno == EADDRNOTAVAIL ? -EAFNOSUPPORT : -errno;
	if (fd >= 0)
		close(fd);
	return failed(error, err, "cannot make a listening socket for a worker: %s", strerror(-err));
}

static void close_listeners(struct start *start)
{
	for (uint32_t i = 0; i < start->count; i++)
		for (uint32_t k = 0; k < start->service[i].listeners_count; k++)
			close(start->listener[i][k]);
	start->count = 0;
}

/* IPv4 first; IPv6 where the host has it. */
static int prepare_service(struct start *start, uint32_t id, struct error *error)
{
	struct worker_service *service = &start->service[start->count];
	int *listener = start->listener[start->count];

	*service = (struct worker_service){
		.id = id,
		.listeners = listener,
		.tls = start->material->tls[id].count ? &start->material->tls[id] : NULL,
	};
	for (int ipv6 = 0; ipv6 < 2; ipv6++) {
		int fd = listening_socket(ipv6, error);

		if (fd == -EAFNOSUPPORT && ipv6)
			break;
		if (fd < 0)
			return fd;
		listener[service->listeners_count++] = fd;
		start->count += !ipv6;
	}
	return 0;
}

static int prepare(const struct crew *crew, struct material *material, struct start *start, struct error *error)
{
	int err = 0;

	*start = (struct start){ .material = material };
	for (uint32_t id = 0; id < RCXLB_MAX_SERVICES && !err; id++)
		if (model_has_workers(crew->model, &crew->model->service[id]))
			err = prepare_service(start, id, error);
	return err;
}

static void on_began(void *context)
{
	struct start *start = context;
	char yes = 1;

	material_forget(start->material);
	if (write(start->began[1], &yes, 1) != 1)
		log_line("a worker's supervisor is gone");
	close(start->began[1]);
}

static _Noreturn void be_worker(const struct crew *crew, uint32_t number, struct start *start)
{
	struct work work = {
		.watch = crew->watch,
		.model = crew->model,
		.number = number,
		.crew = crew->number,
		.services = start->service,
		.services_count = start->count,
		.ktls = crew->ktls,
		.tickets = crew->tickets,
		.began = on_began,
		.context = start,
	};
	struct error error = { "" };
	int err;

	prctl(PR_SET_NAME, "rcxlb-worker");
	signal(SIGINT, SIG_IGN);
	signal(SIGTERM, SIG_IGN); /* a worker ends with its last connection */
	close(start->began[0]);
	err = work_run(&work, &error);
	if (err)
		log_line("worker %u: %s", number, error.text[0] ? error.text : strerror(-err));
	_exit(err ? 1 : 0);
}

static bool did_begin(int fd)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	char byte;

	return poll(&wait, 1, BEGIN_MS) == 1 && read(fd, &byte, 1) == 1;
}

/* Connections come to it from here on. */
static int engage(struct crew *crew, uint32_t number, const struct start *start, struct error *error)
{
	int err = 0;

	for (uint32_t i = 0; i < start->count && !err; i++)
		for (uint32_t k = 0; k < start->service[i].listeners_count && !err; k++)
			err = watch_worker(crew->watch, start->service[i].id, number, k, start->listener[i][k]);
	return err ? failed(error, err, "cannot steer connections to a worker: %s", strerror(-err)) : 0;
}

static int start_worker(struct crew *crew, uint32_t number, struct material *material, struct error *error)
{
	struct start start;
	int err = prepare(crew, material, &start, error);
	pid_t child = -1;

	if (!err && pipe2(start.began, O_CLOEXEC))
		err = failed(error, -errno, "cannot start a worker: %s", strerror(errno));
	if (!err) {
		child = fork();
		if (!child)
			be_worker(crew, number, &start);
		close(start.began[1]);
		if (child < 0)
			err = failed(error, -errno, "cannot start a worker: %s", strerror(errno));
		else if (!did_begin(start.began[0]))
			err = failed(error, -ECHILD, "worker %u did not start", number);
		close(start.began[0]);
	}
	if (!err)
		err = engage(crew, number, &start, error);
	close_listeners(&start);
	if (err && child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	crew->member[number] = (struct member){ .pid = err ? 0 : child, .again = clock_ns(CLOCK_MONOTONIC) + AGAIN_NS };
	return err;
}

/* All of them, or an error about the first that cannot be had. */
static int read_all(struct material *material, const struct model *model, struct error *error)
{
	int err = 0;

	for (uint32_t id = 0; id < RCXLB_MAX_SERVICES && !err; id++)
		if (model_is_proxied(&model->service[id]))
			err = material_read(material, model, id, error);
	return err;
}

/* Those from number `from` on, so many, with certificates as their files are now. */
static int start_workers(struct crew *crew, uint32_t from, uint32_t count, struct error *error)
{
	struct material *material = calloc(1, sizeof(*material));
	int err;

	if (!material)
		return failed(error, -ENOMEM, "out of memory");
	err = read_all(material, crew->model, error);
	for (uint32_t i = from; i < from + count && !err; i++)
		err = start_worker(crew, i, material, error);
	material_forget(material);
	free(material);
	return err;
}

static int start_all(struct crew *crew, struct error *error)
{
	int err = start_workers(crew, 0, crew->workers, error);

	if (!err)
		err = watch_set_crew(crew->watch, crew->workers, crew->number);
	if (err && !error->text[0])
		error_set(error, "cannot put the workers in charge: %s", strerror(-err));
	for (uint32_t i = 0; i < crew->workers && err; i++)
		if (crew->member[i].pid)
			kill(crew->member[i].pid, SIGKILL);
	return err;
}

int crew_start(struct watch *watch, const struct model *model, const struct work_tickets *tickets, struct crew **ret,
	       struct error *error)
{
	struct crew *crew = calloc(1, sizeof(*crew));
	int err;

	if (crew)
		crew->model = malloc(sizeof(*crew->model));
	if (!crew || !crew->model) {
		crew_free(crew);
		return failed(error, -ENOMEM, "out of memory");
	}
	*crew->model = *model;
	crew->watch = watch;
	crew->tickets = tickets;
	crew->number = watch_crew(watch).number + 1;
	crew->workers = wished_workers(model);
	if (crew->workers)
		ktls_probe(&crew->ktls);
	err = start_all(crew, error);
	if (err) {
		crew_free(crew);
		return err;
	}
	*ret = crew;
	return 0;
}

static void start_again(struct crew *crew, uint32_t number)
{
	struct error error;
	int err = start_workers(crew, number, 1, &error);

	crew->member[number].again = clock_ns(CLOCK_MONOTONIC) + AGAIN_NS;
	log_line("worker %u ended; %s", number, err ? error.text : "another one was started");
}

void crew_mend(struct crew *crew)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		for (uint32_t i = 0; crew && i < crew->workers; i++)
			if (crew->member[i].pid == pid)
				crew->member[i].pid = 0;
	for (uint32_t i = 0; crew && i < crew->workers; i++)
		if (!crew->member[i].pid && clock_ns(CLOCK_MONOTONIC) > crew->member[i].again)
			start_again(crew, i);
}

void crew_free(struct crew *crew)
{
	if (crew)
		free(crew->model);
	free(crew);
}
