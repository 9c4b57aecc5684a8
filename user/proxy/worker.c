// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/worker.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/address.h"
#include "proxy/clock.h"
#include "proxy/connection.h"
#include "proxy/http_service.h"

#define ACCEPT_BATCH	   16	/* clients taken before the others have their turn */
#define HANDSHAKE_GRACE_MS 1000 /* a handshake this young is not given up for a newer one */
#define PAUSE_MS	   100
#define OTHER_DESCRIPTORS  64 /* maps, the log, and what libraries open */

struct listener {
	struct worker *worker;
	struct connection_service *service;
	int fd; /* -1: closed */
	struct event event;
};

struct worker {
	struct connections connections;
	struct ticket_keys tickets;
	struct connection_service *services;
	unsigned int services_count;
	struct listener *listeners;
	unsigned int listeners_count;
	bool paused, draining;
	bool closed;	    /* draining, and no listener is left */
	struct event pause; /* ends a pause when nothing else does */
	void (*drained)(void *data);
};

/* --- Accepting --- */

static void pause_accepting(struct worker *worker, struct connection_service *service)
{
	struct timeval after = timeval_of_ms(PAUSE_MS);

	if (worker->paused)
		return;
	worker->paused = true;
	service->counters.sum.accept_pauses++;
	for (unsigned int l = 0; l < worker->listeners_count; l++)
		event_del(&worker->listeners[l].event);
	event_add(&worker->pause, &after);
}

static void resume_accepting(struct worker *worker)
{
	if (!worker->paused)
		return;
	worker->paused = false;
	event_del(&worker->pause);
	for (unsigned int l = 0; l < worker->listeners_count; l++)
		if (worker->listeners[l].fd >= 0)
			event_add(&worker->listeners[l].event, NULL);
}

static bool is_full_of_handshakes(const struct worker *worker, const struct connection_service *service)
{
	const struct connections *connections = &worker->connections;

	return service->tls && connections->handshakes >= connections->limits.handshakes;
}

/* Room for one more client. A handshake that takes its time makes room for a new one. */
static bool has_room(const struct worker *worker, const struct connection_service *service)
{
	const struct connections *connections = &worker->connections;

	if (connections->count >= connections->limits.connections)
		return false;
	return !is_full_of_handshakes(worker, service) ||
	       connections_oldest_handshake(connections) >= HANDSHAKE_GRACE_MS;
}

static bool is_out_of_resources(int err)
{
	return err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM;
}

enum accepted { ACCEPTED, ACCEPTED_NOBODY, ACCEPTED_NOT_NOW };

/* Takes one client. Nobody: the queue is empty. */
static enum accepted accept_one(struct listener *listener)
{
	struct worker *worker = listener->worker;
	struct worker_client client = { .service = listener->service->id };
	struct sockaddr_storage peer, own;
	socklen_t peer_size = sizeof(peer), own_size = sizeof(own);
	int fd;

	if (!has_room(worker, listener->service))
		return ACCEPTED_NOT_NOW;
	fd = accept4(listener->fd, (struct sockaddr *)&peer, &peer_size, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		if (is_out_of_resources(errno)) {
			pause_accepting(worker, listener->service);
			return ACCEPTED_NOT_NOW;
		}
		/* Who left before being accepted (and whatever accept(2) passes on of the network) is no reason to
		 * stop. */
		return errno == EAGAIN || errno == EBADF || errno == EINVAL ? ACCEPTED_NOBODY : ACCEPTED;
	}
	listener->service->counters.sum.accepted++;
	if (getsockname(fd, (struct sockaddr *)&own, &own_size) || !address_endpoint(&own, &client.dialled) ||
	    !address_endpoint(&peer, &client.address)) {
		close(fd);
		return ACCEPTED;
	}
	if (is_full_of_handshakes(worker, listener->service))
		connections_evict(&worker->connections);
	connection_start(&worker->connections, listener->service, fd, &client);
	return ACCEPTED;
}

static void close_listener(struct listener *listener)
{
	if (listener->fd < 0)
		return;
	event_del(&listener->event);
	close(listener->fd);
	listener->fd = -1;
}

/* Who has not even completed his handshake in good time, else a client that is waited for, as at the end of its time.
 */
static void make_room(struct connections *connections)
{
	if (connections_oldest_handshake(connections) >= HANDSHAKE_GRACE_MS)
		connections_evict(connections);
	else
		connections_dismiss(connections);
}

/* Somebody waits. */
static void on_listener(evutil_socket_t fd, short what, void *arg)
{
	struct listener *listener = arg;
	struct connections *connections = &listener->worker->connections;

	(void)fd;
	(void)what;
	if (connections->count >= connections->limits.connections)
		make_room(connections);
	if (!has_room(listener->worker, listener->service))
		pause_accepting(listener->worker, listener->service);
	for (int i = 0; i < ACCEPT_BATCH && accept_one(listener) == ACCEPTED; i++)
		;
}

static void drain_queues(struct worker *worker);

static void on_pause_over(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;

	(void)fd;
	(void)what;
	resume_accepting(worker);
	if (worker->draining)
		drain_queues(worker);
}

static void on_room(void *data)
{
	struct worker *worker = data;

	if (worker->draining && (!worker->closed || TAILQ_EMPTY(&worker->connections.all)))
		event_active(&worker->pause, EV_TIMEOUT, 0);
	else
		resume_accepting(worker);
}

/* Later, from the loop: whoever is told may free the worker. */
static void on_drained(evutil_socket_t fd, short what, void *arg)
{
	struct worker *worker = arg;

	(void)fd;
	(void)what;
	if (worker->drained)
		worker->drained(worker->connections.backends.data);
}

/* Closing a listening socket resets who waits in its queue: those whom there is no room for yet are waited for. */
static void drain_queues(struct worker *worker)
{
	bool closed = true;

	for (unsigned int l = 0; l < worker->listeners_count; l++) {
		struct listener *listener = &worker->listeners[l];
		enum accepted last = listener->fd < 0 ? ACCEPTED_NOBODY : ACCEPTED;

		while (last == ACCEPTED)
			last = accept_one(listener);
		if (last == ACCEPTED_NOBODY)
			close_listener(listener);
		closed = closed && listener->fd < 0;
	}
	if (!closed)
		return;
	worker->closed = true;
	event_del(&worker->pause);
	evtimer_assign(&worker->pause, worker->connections.base, on_drained, worker);
	if (TAILQ_EMPTY(&worker->connections.all))
		event_active(&worker->pause, EV_TIMEOUT, 0);
}

/* --- Making and ending --- */

static int set_tls(struct worker *worker, struct connection_service *service, const struct tls_material *tls,
		   struct error *warning, struct error *error)
{
	struct tls_context *context;
	int err = tls_context_new(tls, &worker->tickets, worker->connections.ktls.present, &context, warning, error);

	if (err)
		return err;
	tls_context_unref(service->tls);
	service->tls = context;
	return 0;
}

static int listen_on(struct worker *worker, struct connection_service *service, int fd, struct error *error)
{
	struct listener *listener = &worker->listeners[worker->listeners_count];

	*listener = (struct listener){ .worker = worker, .service = service, .fd = fd };
	if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK))
		return failed(error, -errno, "listening socket %d of service %u: %s", fd, service->id, strerror(errno));
	if (event_assign(&listener->event, worker->connections.base, fd, EV_READ | EV_PERSIST, on_listener, listener) ||
	    event_add(&listener->event, NULL))
		return failed(error, -EINVAL, "listening socket %d of service %u cannot be watched", fd, service->id);
	worker->listeners_count++;
	return 0;
}

static unsigned int count_listeners(const struct worker_config *config)
{
	unsigned int count = 0;

	for (unsigned int s = 0; s < config->services_count; s++)
		count += config->services[s].listeners_count;
	return count;
}

/* What it has open, whoever comes: of each service its listeners, and the pipe of its access log. */
static rlim_t count_reserved(const struct worker_config *config)
{
	rlim_t count = OTHER_DESCRIPTORS + count_listeners(config);

	for (unsigned int s = 0; s < config->services_count; s++)
		count += config->services[s].access_log > 0;
	return count;
}

/* A client and its instance: two descriptors. */
static void lower_connections(struct worker_limits *limits, rlim_t reserved)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) || files.rlim_cur == RLIM_INFINITY)
		return;
	if (files.rlim_cur < reserved + 2)
		limits->connections = 1;
	else if (limits->connections > (files.rlim_cur - reserved) / 2)
		limits->connections = (uint32_t)((files.rlim_cur - reserved) / 2);
}

static int start_http(struct worker *worker, const struct worker_service *given, struct connection_service *service,
		      struct error *error)
{
	int err = http_service_new(given->http, given->pages, &service->http, error);

	if (!err)
		service->http->challenges = given->challenges;
	if (err || !given->access_log)
		return err;
	service->http->access =
	    http_access_new(worker->connections.base, given->access_log, given->name, given->http->access_log_json);
	return service->http->access ? 0 : failed(error, -ENOMEM, "no memory for an access log");
}

static int start_services(struct worker *worker, const struct worker_config *config, struct error *warning,
			  struct error *error)
{
	for (unsigned int s = 0; s < config->services_count; s++) {
		const struct worker_service *given = &config->services[s];
		struct connection_service *service = &worker->services[worker->services_count++];
		struct error said = { "" };
		int err = 0;

		service->id = given->id;
		service->client_first = given->client_first;
		service->idle_ms = given->idle_ms ? given->idle_ms : config->limits.relay.idle_ms;
		if (given->proxy)
			service->proxy = *given->proxy;
		if (given->http)
			err = start_http(worker, given, service, error);
		if (!err && given->tls)
			err = set_tls(worker, service, given->tls, &said, error);
		if (!warning->text[0])
			*warning = said;
		for (unsigned int l = 0; !err && l < given->listeners_count; l++)
			err = listen_on(worker, service, given->listeners[l], error);
		if (err)
			return err;
	}
	return 0;
}

static void close_listeners(struct worker *worker)
{
	for (unsigned int l = 0; l < worker->listeners_count; l++)
		close_listener(&worker->listeners[l]);
	worker->listeners_count = 0;
}

static int start(struct worker *worker, const struct worker_config *config, struct error *warning, struct error *error)
{
	struct connections *connections = &worker->connections;
	int err = ticket_keys_check(&config->tickets, error);

	if (err)
		return err;
	connections->base = config->base;
	connections->ktls = config->ktls;
	connections->limits = config->limits;
	connections->backends = config->backends;
	connections->room = on_room;
	connections->data = worker;
	lower_connections(&connections->limits, count_reserved(config));
	worker->tickets = config->tickets;
	worker->drained = config->drained;
	if (!worker->services || !worker->listeners ||
	    evtimer_assign(&worker->pause, config->base, on_pause_over, worker))
		return failed(error, -ENOMEM, "no memory for a worker");
	return start_services(worker, config, warning, error);
}

int worker_new(const struct worker_config *config, struct worker **ret, struct error *warning, struct error *error)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	int err;

	warning->text[0] = 0;
	if (!worker)
		return failed(error, -ENOMEM, "no memory for a worker");
	connections_init(&worker->connections);
	worker->services = calloc(config->services_count + 1, sizeof(*worker->services));
	worker->listeners = calloc(count_listeners(config) + 1, sizeof(*worker->listeners));
	err = start(worker, config, warning, error);
	if (err) {
		/* The sockets stay the caller's. */
		for (unsigned int l = 0; l < worker->listeners_count; l++)
			event_del(&worker->listeners[l].event);
		worker->listeners_count = 0;
		worker_free(worker);
		return err;
	}
	/* OpenSSL writes with write(2). */
	signal(SIGPIPE, SIG_IGN);
	*ret = worker;
	return 0;
}

int worker_set_tls(struct worker *worker, uint32_t service, const struct tls_material *tls, struct error *warning,
		   struct error *error)
{
	for (unsigned int s = 0; s < worker->services_count; s++)
		if (worker->services[s].id == service)
			return set_tls(worker, &worker->services[s], tls, warning, error);
	return failed(error, -ENOENT, "this worker has no service %u", service);
}

int worker_set_tickets(struct worker *worker, const struct ticket_keys *keys, struct error *error)
{
	int err = ticket_keys_check(keys, error);

	if (!err)
		worker->tickets = *keys;
	return err;
}

void worker_drain(struct worker *worker)
{
	if (worker->draining)
		return;
	worker->draining = worker->connections.draining = true;
	drain_queues(worker);
}

const struct worker_counters *worker_counters(const struct worker *worker, unsigned int service)
{
	return &worker->services[service].counters;
}

uint32_t worker_open(const struct worker *worker)
{
	return worker->connections.count;
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	close_listeners(worker);
	connections_free(&worker->connections);
	if (event_initialized(&worker->pause))
		event_del(&worker->pause);
	for (unsigned int s = 0; s < worker->services_count; s++) {
		tls_context_unref(worker->services[s].tls);
		http_service_free(worker->services[s].http);
	}
	OPENSSL_cleanse(&worker->tickets, sizeof(worker->tickets));
	free(worker->services);
	free(worker->listeners);
	free(worker);
}
