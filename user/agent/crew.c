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
#include "agent/process.h"
#include "core/address.h"
#include "core/endpoint.h"
#include "dataplane/staff.h"
#include "proxy/clock.h"

#define BEGIN_MS 10000
#define AGAIN_NS 1000000000ull /* after a worker died */

struct member {
	pid_t pid;	/* 0: none */
	uint64_t again; /* when to start it again */
};

struct crew {
	const struct crew_means *means;
	const struct crew *former; /* as long as this one is being started: it is still known then */
	struct model *model;	   /* as it was when it was started */
	struct material *material; /* likewise: whoever takes a dead worker's place serves what that one did */
	struct ktls_support ktls;
	uint32_t number;
	uint32_t before; /* the number of the crew that it takes over from; of itself when it has */
	uint32_t workers;
	bool first;    /* nobody is in charge: what cannot be used is left out */
	bool may_keep; /* what `former` has of files that cannot be used now */
	bool left_out[RCXLB_MAX_SERVICES];
	bool lacks_files[RCXLB_MAX_SERVICES]; /* it is served, with files as they were, or without some of its error
						 pages */
	struct error lacks;		      /* what is wrong with one of those */
	struct error said;		      /* why one could not be started again: told once */
	struct member member[RCXLB_MAX_WORKERS];
};

/* What one worker is started with. */
struct start {
	int listener[RCXLB_MAX_SERVICES][2]; /* IPv4, IPv6 */
	struct worker_service service[RCXLB_MAX_SERVICES];
	uint32_t count;
	int began[2]; /* a byte: it did */
	const struct crew *crew;
	pid_t pid;
	struct start *before; /* of the worker that was started before, whose listening sockets are open as well */
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

/* A worker has its own. */
static void close_listeners(struct start *start)
{
	for (uint32_t i = 0; i < start->count; i++)
		for (uint32_t k = 0; k < start->service[i].listeners_count; k++)
			close(start->listener[i][k]);
	start->count = 0;
}

/* IPv4 first; IPv6 where the host has it. */
static int prepare_service(const struct crew *crew, struct start *start, uint32_t id, struct error *error)
{
	const struct model_service *wished = &crew->model->service[id];
	int log = recorders_pipe(crew->means->recorders, wished);
	struct worker_service *service = &start->service[start->count];
	int *listener = start->listener[start->count];

	*service = (struct worker_service){
		.id = id,
		.listeners = listener,
		.tls = crew->material->tls[id].count ? &crew->material->tls[id] : NULL,
		.name = wished->name,
		.http = wished->http.flags ? &wished->http : NULL,
		.pages = crew->material->page[id],
		.challenges = crew->means->challenges,
		.access_log = log < 0 ? 0 : log,
		.idle_ms = wished->idle_ms,
		.proxy = &wished->proxy,
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

/* One with TLS only when there is something to show: it would be served in the clear. */
static bool is_served(const struct crew *crew, uint32_t id)
{
	const struct model_service *service = &crew->model->service[id];

	return model_has_workers(crew->model, service) && (!service->tls.certificates || crew->material->tls[id].count);
}

static int prepare(const struct crew *crew, struct start *start, struct error *error)
{
	int err = 0;

	start->crew = crew;
	for (uint32_t id = 0; id < RCXLB_MAX_SERVICES && !err; id++)
		if (is_served(crew, id))
			err = prepare_service(crew, start, id, error);
	return err;
}

/* The supervisor's keys are in this process's memory as well, also those of the crew before. */
static bool on_began(void *context)
{
	struct start *start = context;
	char yes = 1;
	bool heard;

	crew_conceal(start->crew);
	crew_conceal(start->crew->former);
	heard = write(start->began[1], &yes, 1) == 1;
	if (!heard)
		log_line("a worker's supervisor is gone");
	close(start->began[1]);
	return heard;
}

static void end_worker(void)
{
	_exit(0);
}

static _Noreturn void be_worker(const struct crew *crew, uint32_t number, struct start *start)
{
	struct work work = {
		.model = crew->model,
		.number = number,
		.crew = crew->number,
		.workers = crew->workers,
		.services = start->service,
		.services_count = start->count,
		.ktls = crew->ktls,
		.tickets = crew->means->tickets,
		.began = on_began,
		.context = start,
	};
	struct error error = { "" };
	int err;

	prctl(PR_SET_NAME, "rcxlb-worker");
	signal(SIGINT, SIG_IGN);
	process_end_by_first(end_worker); /* else a worker ends with its last connection */
	close(start->began[0]);
	for (struct start *other = start->before; other; other = other->before)
		close_listeners(other);
	close(crew->means->life);
	close(crew->means->lock);
	recorders_leave(crew->means->recorders);
	webroot_seal(crew->means->challenges);
	err = work_seal_tickets(crew->means->tickets);
	if (!err)
		err = desk_open(crew->means->watch, &work.desk, &error);
	watch_close(crew->means->watch);
	if (!err)
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

/*
 * While this process was stopped, or waited for a disk, its agent may have ended, and another supervisor's workers have
 * taken over: they keep their places.
 */
static int may_engage(const struct crew *crew, struct error *error)
{
	struct pollfd life = { .fd = crew->means->life, .events = POLLIN };

	if (poll(&life, 1, 0) > 0)
		return failed(error, -ECANCELED, "the agent has ended");
	if (watch_crew(crew->means->watch).number != crew->before)
		return failed(error, -ESTALE, "the workers of another supervisor have taken over");
	return 0;
}

/* Connections come to it from here on, and no more to the worker with this number before it. */
static int engage(const struct crew *crew, uint32_t number, const struct start *start, struct error *error)
{
	int err = 0;

	for (uint32_t i = 0; i < start->count && !err; i++)
		for (uint32_t k = 0; k < start->service[i].listeners_count && !err; k++)
			err = watch_worker(crew->means->watch, start->service[i].id, number, k, start->listener[i][k]);
	return err ? failed(error, err, "cannot steer connections to a worker: %s", strerror(-err)) : 0;
}

/* A process that could take connections now. Its listening sockets are open here as well. */
static int start_worker(const struct crew *crew, uint32_t number, struct start *start, struct error *error)
{
	int err = prepare(crew, start, error);

	if (!err && pipe2(start->began, O_CLOEXEC))
		err = failed(error, -errno, "cannot start a worker: %s", strerror(errno));
	if (err)
		return err;
	start->pid = fork();
	if (!start->pid)
		be_worker(crew, number, start);
	close(start->began[1]);
	if (start->pid < 0)
		err = failed(error, -errno, "cannot start a worker: %s", strerror(errno));
	else if (!did_begin(start->began[0]))
		err = failed(error, -ECHILD, "worker %u did not start", number);
	close(start->began[0]);
	return err;
}

static void give_up(const struct start *start)
{
	if (start->pid <= 0)
		return;
	kill(start->pid, SIGKILL);
	waitpid(start->pid, NULL, 0);
}

static bool does_serve(const struct crew *crew, const struct model_service *service, uint32_t id)
{
	const struct model_service *own = &crew->model->service[id];

	return !crew->left_out[id] && model_has_workers(crew->model, own) && !strcmp(own->name, service->name);
}

/* Nothing that somebody serves now is given up. */
static int read_certificates(struct crew *crew, uint32_t id, struct error *error)
{
	int problem = material_read(crew->material, crew->model, id, error);
	bool served = crew->may_keep && does_serve(crew->former, &crew->model->service[id], id);

	crew->lacks_files[id] =
	    problem && served && !material_keep(crew->material, crew->former->material, crew->model, id);
	crew->left_out[id] = problem && !crew->lacks_files[id];
	return crew->left_out[id] && !crew->first && (served || !crew->may_keep) ? problem : 0;
}

/* `error` is left alone when it has what is wrong with the certificates. */
static int read_pages(struct crew *crew, uint32_t id, struct error *error)
{
	struct error what;
	int problem = material_read_pages(crew->material, crew->model, id, &what), err = 0;

	if (!problem)
		return 0;
	if (!crew->lacks_files[id])
		*error = what;
	crew->lacks_files[id] = true;
	if (crew->may_keep)
		err = material_keep_pages(crew->material, crew->model, crew->former->material, crew->former->model, id);
	return err || crew->first || crew->may_keep ? err : problem;
}

/* What one service asks for. -errno, and a sentence: something of it cannot be had, and may not be done without. */
static int read_service(struct crew *crew, uint32_t id, struct error *error)
{
	int err = read_certificates(crew, id, error);

	return err || crew->left_out[id] ? err : read_pages(crew, id, error);
}

/* All of them, or an error about the first that cannot be had; those that may be left out are only noted. */
static int read_all(struct crew *crew, struct error *error)
{
	uint32_t had = 0, missed = 0;

	for (uint32_t id = 0; id < RCXLB_MAX_SERVICES; id++) {
		struct error what;
		int problem;

		if (!model_has_workers(crew->model, &crew->model->service[id]))
			continue;
		problem = read_service(crew, id, &what);
		if (problem)
			return failed(error, problem, "%s", what.text);
		had += !crew->left_out[id];
		if ((crew->left_out[id] || crew->lacks_files[id]) && !missed++)
			crew->lacks = what;
	}
	return missed && !had ? failed(error, -ENOENT, "%s", crew->lacks.text) : 0;
}

/*
 * Those from number `from` on, so many, all or none: the first is engaged when the last has begun, so that those before
 * them lose nothing to a crew that cannot be.
 */
static int start_several(struct crew *crew, uint32_t from, uint32_t count, struct start *start, struct error *error)
{
	int err = 0;

	for (uint32_t i = 0; i < count && !err; i++) {
		err = start_worker(crew, from + i, &start[i], error);
		if (i + 1 < count)
			start[i + 1].before = &start[i];
	}
	if (!err)
		err = may_engage(crew, error);
	for (uint32_t i = 0; i < count && !err; i++)
		err = engage(crew, from + i, &start[i], error);
	for (uint32_t i = 0; i < count; i++) {
		close_listeners(&start[i]);
		if (err)
			give_up(&start[i]);
		else
			crew->member[from + i].pid = start[i].pid;
		crew->member[from + i].again = clock_ns(CLOCK_MONOTONIC) + AGAIN_NS;
	}
	return err;
}

static int start_workers(struct crew *crew, uint32_t from, uint32_t count, struct error *error)
{
	struct start *start = calloc(count + 1, sizeof(*start));
	int err = start ? start_several(crew, from, count, start, error) : failed(error, -ENOMEM, "out of memory");

	free(start);
	return err;
}

static int start_all(struct crew *crew, struct error *error)
{
	int err = start_workers(crew, 0, crew->workers, error);

	if (err)
		return err;
	err = watch_set_crew(crew->means->watch, crew->before, crew->workers, crew->number);
	for (uint32_t i = 0; i < crew->workers && err; i++)
		kill(crew->member[i].pid, SIGKILL);
	crew->before = crew->number;
	return err ? failed(error, err, "cannot put the workers in charge: %s", strerror(-err)) : 0;
}

static struct crew *make(const struct model *model)
{
	struct crew *crew = calloc(1, sizeof(*crew));

	if (!crew)
		return NULL;
	crew->model = malloc(sizeof(*crew->model));
	crew->material = calloc(1, sizeof(*crew->material));
	if (!crew->model || !crew->material) {
		crew_free(crew);
		return NULL;
	}
	*crew->model = *model;
	return crew;
}

/* Also by workers whose supervisor ended before they were in charge. */
static uint32_t unused_number(const struct crew *crew)
{
	return staff_greatest(watch_dataplane(crew->means->watch), crew->before) + 1;
}

int crew_start(const struct crew_means *means, const struct model *model, const struct crew *former,
	       enum crew_reason reason, struct crew **ret, struct error *error)
{
	struct crew *crew = make(model);
	bool same;
	int err;

	*ret = NULL;
	if (!crew)
		return failed(error, -ENOMEM, "out of memory");
	crew->means = means;
	crew->former = former;
	crew->before = watch_crew(means->watch).number;
	crew->number = unused_number(crew);
	crew->workers = wished_workers(model);
	crew->first = !staff_in_charge(watch_dataplane(means->watch));
	crew->may_keep = former && reason != CREW_LACKS;
	err = read_all(crew, error);
	same = reason != CREW_MODEL && former && material_equal(crew->material, former->material);
	if (!err && !same) {
		if (crew->workers)
			ktls_probe(&crew->ktls);
		err = start_all(crew, error);
	}
	if (!err && same && crew->lacks.text[0]) /* as when there were no others to read */
		err = failed(error, -ENOENT, "%s", crew->lacks.text);
	if (err || same) {
		crew_free(crew);
		return err;
	}
	crew->former = NULL;
	*ret = crew;
	return 0;
}

const char *crew_lacks(const struct crew *crew)
{
	return crew->lacks.text;
}

static void start_again(struct crew *crew, uint32_t number)
{
	struct error error;
	int err = start_workers(crew, number, 1, &error);

	crew->member[number].again = clock_ns(CLOCK_MONOTONIC) + AGAIN_NS;
	if (!err || strcmp(error.text, crew->said.text))
		log_line("worker %u ended; %s", number, err ? error.text : "another one was started");
	error_set(&crew->said, "%s", err ? error.text : "");
}

bool crew_reap(struct crew *crew)
{
	bool any = false;
	pid_t pid;

	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		any = true;
		for (uint32_t i = 0; crew && i < crew->workers; i++)
			if (crew->member[i].pid == pid)
				crew->member[i].pid = 0;
	}
	return any;
}

void crew_mend(struct crew *crew)
{
	for (uint32_t i = 0; crew && i < crew->workers; i++)
		if (!crew->member[i].pid && clock_ns(CLOCK_MONOTONIC) > crew->member[i].again)
			start_again(crew, i);
}

void crew_conceal(const struct crew *crew)
{
	if (crew)
		material_forget(crew->material);
}

void crew_free(struct crew *crew)
{
	if (!crew)
		return;
	if (crew->material)
		material_forget(crew->material);
	free(crew->material);
	free(crew->model);
	free(crew);
}
