/* SPDX-License-Identifier: BSD-2-Clause */
/* One client's connection from accept() to its end: handshake, instance, relay. */
#ifndef PROXY_CONNECTION_H
#define PROXY_CONNECTION_H

#include <sys/queue.h>

#include "proxy/buffers.h"
#include "proxy/http_exchange.h"
#include "proxy/http_room.h"
#include "proxy/worker.h"

struct connection;
struct http_service;
TAILQ_HEAD(connection_list, connection);

/* What all connections of a worker share. */
struct connections {
	struct event_base *base;
	struct buffers buffers;
	struct http_exchanges exchanges;
	bool draining; /* no request follows the one that is under way */
	struct ktls_support ktls;
	struct worker_limits limits;
	struct worker_backends backends;
	uint32_t count, handshakes; /* of all services, now: clients; those in their handshake */
	struct connection_list all;
	struct connection_list handshaking; /* oldest first */
	struct http_room waiting; /* conversations that wait for their client */
	/* A connection has ended, or left its handshake: there is room for another. Not with connections_free(). */
	void (*room)(void *data);
	void *data;
};

void connections_init(struct connections *connections);

/* Cuts all. */
void connections_free(struct connections *connections);

/* What the connections of one service share. */
struct connection_service {
	uint32_t id;
	struct tls_context *tls;   /* NULL: plain */
	struct http_service *http; /* NULL: relayed */
	bool client_first;
	uint32_t idle_ms; /* of a relay */
	struct rcxlb_proxy proxy;
	struct worker_counters counters;
};

/*
 * A client was accepted; its non-blocking socket is the connection's. The service lives as long as the connections.
 * Without memory the client gets a RST.
 */
void connection_start(struct connections *connections, struct connection_service *service, int fd,
		      const struct worker_client *client);

/* How long the oldest handshake is under way, in ms; -1: there is none. */
int64_t connections_oldest_handshake(const struct connections *connections);

/* Ends the oldest handshake. */
void connections_evict(struct connections *connections);

/* Ends a connection that waits for its client, if any does for more than a moment: http_room.h. */
void connections_dismiss(struct connections *connections);

#endif
