// SPDX-License-Identifier: BSD-2-Clause
#include "proxy/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/prefix.h"
#include "proxy/clock.h"
#include "proxy/handshake.h"
#include "proxy/http_conversation.h"
#include "proxy/preface.h"
#include "proxy/reach.h"

enum phase { PHASE_PREFACE, PHASE_HANDSHAKE, PHASE_FIRST, PHASE_REACH, PHASE_RELAY, PHASE_HTTP };

struct connection {
	TAILQ_ENTRY(connection) all;
	TAILQ_ENTRY(connection) handshaking;
	struct connections *shared;
	struct connection_service *service;
	struct worker_counters *counters; /* of its service */
	struct worker_client client;
	struct reach reach;
	enum phase phase;
	enum ktls_reason ktls;
	bool tls;
	bool client_first;
	struct side side;     /* the client's, until the relay or the conversation has it */
	struct buffer *first; /* its first bytes, if they were waited for */
	union {
		struct preface preface;
		struct handshake handshake;
		struct event timer; /* of PHASE_FIRST */
		struct relay relay;
		struct http_conversation http;
	};
};

#define container_of(pointer, member) ((struct connection *)((char *)(pointer)-offsetof(struct connection, member)))

/* --- The end --- */

/* Its sockets are closed. */
static void remove_connection(struct connection *connection)
{
	struct connections *shared = connection->shared;

	reach_give_back(&connection->reach);
	TAILQ_REMOVE(&shared->all, connection, all);
	shared->count--;
	connection->counters->open--;
	free(connection);
	if (shared->room)
		shared->room(shared->data);
}

static void drop_first(struct connection *connection)
{
	if (connection->first)
		buffers_give(&connection->shared->buffers, connection->first);
	connection->first = NULL;
}

static void refuse(struct connection *connection)
{
	drop_first(connection);
	side_reset(&connection->side);
	remove_connection(connection);
}

/* --- Relay --- */

static void on_relayed(struct relay *relay, enum relay_end end)
{
	struct connection *connection = container_of(relay, relay);

	connection->counters->sum.relay_ends[end]++;
	remove_connection(connection);
}

/* The instance's side and what came from it already; the client's are the connection's. */
static void start_relay(struct connection *connection, struct side instance, struct buffer *down)
{
	struct connections *shared = connection->shared;
	struct relay *relay = &connection->relay;

	connection->phase = PHASE_RELAY;
	*relay = (struct relay){
		.base = shared->base,
		.buffers = &shared->buffers,
		.idle_ms = connection->service->idle_ms,
		.half_closed_ms = shared->limits.relay.half_closed_ms,
		.ended = on_relayed,
		.client = connection->side,
		.up = { .total = &connection->counters->sum.bytes_up, .buffer = connection->first },
		.instance = instance,
		.down = { .total = &connection->counters->sum.bytes_down, .buffer = down },
	};
	side_moved(&relay->client);
	connection->side.fd = -1;
	if (relay_start(relay)) {
		drop_first(connection);
		if (down)
			buffers_give(&shared->buffers, down);
		side_reset(&relay->client);
		side_reset(&relay->instance);
		on_relayed(relay, RELAY_NO_MEMORY);
		return;
	}
	connection->first = NULL;
}

/* --- Instance --- */

/* Nobody hands sockets over yet: whatever the configuration permits, no instance takes one. */
static void count_path(struct connection *connection)
{
	const struct path_facts facts = {
		.http = connection->service->http,
		.handoff = true,
		.tls = connection->tls,
		.ktls = connection->ktls,
		.same_host = !connection->reach.backend.elsewhere,
		.instance_takes = false,
	};

	connection->counters->path_reasons[path_choose(&facts).reason]++;
}

static void on_reached(struct reach *reach, int fd)
{
	struct connection *connection = container_of(reach, reach);
	struct side instance;

	if (connection->phase == PHASE_HTTP) {
		http_conversation_reached(&connection->http, fd);
	} else if (fd >= 0) {
		count_path(connection);
		side_init_plain(&instance, fd);
		start_relay(connection, instance, NULL);
	} else {
		refuse(connection);
	}
}

/* --- HTTP --- */

static void on_conversed(struct http_conversation *http, bool tunnel)
{
	struct connection *connection = container_of(http, http);
	struct side instance = http->instance;
	struct buffer *down = http->down;

	if (!tunnel) {
		remove_connection(connection);
		return;
	}
	connection->side = http->client;
	connection->first = http->up;
	start_relay(connection, instance, down);
}

static void start_conversation(struct connection *connection)
{
	struct http_conversation *http = &connection->http;

	connection->phase = PHASE_HTTP;
	*http = (struct http_conversation){
		.shared = connection->shared,
		.counters = connection->counters,
		.service = connection->service->http,
		.who = &connection->client,
		.reach = &connection->reach,
		.ended = on_conversed,
		.client = connection->side,
		.secure = connection->tls,
	};
	side_moved(&http->client);
	connection->side.fd = -1;
	http_conversation_start(http);
}

/* The client's socket is ready for bytes: what becomes of it? */
static void route(struct connection *connection)
{
	if (connection->service->http) {
		count_path(connection);
		start_conversation(connection);
		return;
	}
	connection->phase = PHASE_REACH;
	reach_start(&connection->reach);
}

/* --- The first byte --- */

/* Without a byte there was nothing to lose: it ends as it would at a server that closes an idle connection. */
static void leave_silently(struct connection *connection)
{
	connection->counters->sum.silent++;
	drop_first(connection);
	event_del(&connection->timer);
	side_finish(&connection->side);
	side_close(&connection->side);
	remove_connection(connection);
}

static void on_first(evutil_socket_t fd, short what, void *arg);

static int await_first(struct connection *connection)
{
	return side_watch(&connection->side, connection->shared->base,
			  connection->side.read_blocked ? EV_WRITE : EV_READ, on_first, connection);
}

static void on_first(evutil_socket_t fd, short what, void *arg)
{
	struct connection *connection = arg;
	struct buffers *buffers = &connection->shared->buffers;
	ssize_t n = -ENOMEM;

	(void)fd;
	(void)what;
	connection->first = buffers_take(buffers);
	if (connection->first)
		n = side_read(&connection->side, connection->first->bytes, BUFFER_SIZE);
	if (n > 0) {
		connection->first->end = (unsigned int)n;
		event_del(&connection->timer);
		side_unwatch(&connection->side);
		route(connection);
		return;
	}
	drop_first(connection);
	if (n != -EAGAIN || await_first(connection))
		leave_silently(connection);
}

static void on_silence(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	leave_silently(arg);
}

/* The client may be given an instance; but one that speaks first does so before. */
static void admit(struct connection *connection)
{
	struct connections *shared = connection->shared;
	struct timeval limit = timeval_of_ms(shared->limits.first_ms);

	/* A conversation waits for the first request itself. */
	if (!connection->client_first || connection->service->http) {
		route(connection);
		return;
	}
	connection->phase = PHASE_FIRST;
	evtimer_assign(&connection->timer, shared->base, on_silence, connection);
	if (event_add(&connection->timer, &limit) || await_first(connection)) {
		leave_silently(connection);
		return;
	}
	/* No event tells of what OpenSSL has read along with the handshake. */
	if (side_has_pending(&connection->side))
		event_active(&connection->side.event, EV_READ, 0);
}

/* --- Handshake --- */

static void leave_handshake(struct connection *connection)
{
	TAILQ_REMOVE(&connection->shared->handshaking, connection, handshaking);
	connection->shared->handshakes--;
	connection->counters->handshaking--;
}

/* The kernel takes the records where it can, and OpenSSL's memory goes. */
static int take_over(struct connection *connection, SSL *ssl)
{
	struct rcxlb_tally *sum = &connection->counters->sum;
	struct records *records = OPENSSL_malloc(sizeof(*records));
	struct ktls_result result;
	int fd = connection->side.fd;

	if (!records)
		return -ENOMEM;
	result = ktls_start(ssl, &connection->shared->ktls, records);
	connection->ktls = result.reason;
	sum->kernel_sends += result.sends;
	sum->kernel_receives += result.receives;
	sum->ktls_reasons[result.reason]++;
	sum->handshakes_ok++;
	sum->handshakes_resumed += SSL_session_reused(ssl);
	if (result.reason == KTLS_COMPLETE) {
		SSL_free(ssl);
		side_init_kernel(&connection->side, fd, records);
	} else {
		OPENSSL_free(records);
		side_init_openssl(&connection->side, fd, ssl);
	}
	return 0;
}

static void on_handshake(struct handshake *handshake, enum handshake_end end)
{
	struct connection *connection = container_of(handshake, handshake);
	struct connections *shared = connection->shared;
	struct rcxlb_tally *sum = &connection->counters->sum;
	SSL *ssl = handshake->ssl;

	leave_handshake(connection);
	if (end == HANDSHAKE_OK && take_over(connection, ssl) == 0) {
		admit(connection);
		if (shared->room)
			shared->room(shared->data);
		return;
	}
	if (end == HANDSHAKE_TIMED_OUT)
		sum->handshakes_timed_out++;
	else
		sum->handshakes_failed++;
	SSL_free(end == HANDSHAKE_OK ? ssl : NULL);
	/* Not with a RST: the alert that says why is on its way. */
	side_close(&connection->side);
	remove_connection(connection);
}

static int start_handshake(struct connection *connection, struct tls_context *tls)
{
	struct connections *shared = connection->shared;
	int err;

	connection->phase = PHASE_HANDSHAKE;
	connection->handshake.ended = on_handshake;
	err = handshake_start(&connection->handshake, shared->base, tls, connection->side.fd,
			      shared->limits.handshake_ms);
	if (err)
		return err;
	TAILQ_INSERT_TAIL(&shared->handshaking, connection, handshaking);
	shared->handshakes++;
	connection->counters->handshaking++;
	return 0;
}

static void begin(struct connection *connection)
{
	struct tls_context *tls = connection->service->tls;

	connection->tls = tls;
	if (!tls)
		admit(connection);
	else if (start_handshake(connection, tls))
		refuse(connection);
}

/* --- What a proxy says first --- */

static void on_preface(struct preface *preface, int err, const struct proxy_header *header)
{
	struct connection *connection = container_of(preface, preface);

	if (err) {
		if (err == -ENODATA) /* a check whether somebody accepts */
			connection->counters->sum.silent++;
		else
			connection->counters->sum.headers_refused++;
		refuse(connection);
		return;
	}
	if (header->known)
		connection->client.address = connection->reach.client.address = header->client;
	begin(connection);
}

/* Nobody else is believed, nor asked. */
static bool is_proxy(const struct rcxlb_proxy *proxy, const struct rcxlb_endpoint *address)
{
	return prefix_list_contains(proxy->accept, proxy->accepts, address->address);
}

static void await_preface(struct connection *connection)
{
	struct connections *shared = connection->shared;

	connection->phase = PHASE_PREFACE;
	connection->preface.ended = on_preface;
	if (preface_start(&connection->preface, shared->base, &shared->buffers, connection->side.fd,
			  shared->limits.handshake_ms))
		refuse(connection);
}

/* --- Its beginning --- */

void connection_start(struct connections *connections, struct connection_service *service, int fd,
		      const struct worker_client *client)
{
	struct connection *connection = calloc(1, sizeof(*connection));
	const int one = 1;

	if (!connection) {
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	connection->shared = connections;
	connection->client = *client;
	connection->service = service;
	connection->counters = &service->counters;
	connection->reach = (struct reach){ .shared = connections,
					    .counters = connection->counters,
					    .client = *client,
					    .ended = on_reached,
					    .dial.fd = -1 };
	connection->client_first = service->client_first;
	side_init_plain(&connection->side, fd);
	TAILQ_INSERT_TAIL(&connections->all, connection, all);
	connections->count++;
	service->counters.open++;
	if (is_proxy(&service->proxy, &client->address))
		await_preface(connection);
	else
		begin(connection);
}

/* --- All of them --- */

void connections_init(struct connections *connections)
{
	*connections = (struct connections){ .base = NULL };
	TAILQ_INIT(&connections->all);
	TAILQ_INIT(&connections->handshaking);
	http_room_init(&connections->waiting);
}

void connections_free(struct connections *connections)
{
	struct connection *connection, *next;

	connections->room = NULL;
	for (connection = TAILQ_FIRST(&connections->all); connection; connection = next) {
		next = TAILQ_NEXT(connection, all);
		switch (connection->phase) {
		case PHASE_PREFACE:
			preface_abandon(&connection->preface);
			break;
		case PHASE_HANDSHAKE:
			leave_handshake(connection);
			handshake_abandon(&connection->handshake);
			break;
		case PHASE_FIRST:
			event_del(&connection->timer);
			break;
		case PHASE_REACH:
			reach_abandon(&connection->reach);
			break;
		case PHASE_RELAY:
			relay_abandon(&connection->relay);
			break;
		case PHASE_HTTP:
			http_conversation_abandon(&connection->http);
			break;
		}
		refuse(connection);
	}
	http_exchanges_drain(&connections->exchanges);
	buffers_drain(&connections->buffers);
}

int64_t connections_oldest_handshake(const struct connections *connections)
{
	const struct connection *oldest = TAILQ_FIRST(&connections->handshaking);

	return oldest ? clock_ms() - oldest->handshake.since_ms : -1;
}

void connections_evict(struct connections *connections)
{
	struct connection *oldest = TAILQ_FIRST(&connections->handshaking);

	leave_handshake(oldest);
	handshake_abandon(&oldest->handshake);
	oldest->counters->sum.handshakes_evicted++;
	refuse(oldest);
}

void connections_dismiss(struct connections *connections)
{
	struct http_conversation *first = http_room_first(&connections->waiting);

	if (!first)
		return;
	first->counters->sum.dismissed++;
	http_conversation_dismiss(first);
}
