/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A worker: takes clients' connections from listening sockets, ends TLS, and relays to instances. One event loop, one
 * thread, no file system, nothing of BPF: who chooses instances is behind `struct worker_backends`.
 */
#ifndef PROXY_WORKER_H
#define PROXY_WORKER_H

#include <event2/event.h>
#include <stdint.h>

#include "core/error.h"
#include "proxy/counters.h"
#include "proxy/http_challenges.h"
#include "proxy/http_page.h"
#include "proxy/tls.h"
#include "rcxlb/abi.h"

/* A connection's client, as whoever chooses instances sees it. */
struct worker_client {
	uint32_t service;	       /* its id */
	struct rcxlb_endpoint address; /* the client's */
	struct rcxlb_endpoint dialled; /* where it connected to */
	uint64_t affinity;	       /* what instances are chosen by, instead of the addresses; 0: by those */
};

struct worker_backend {
	uint32_t id;
	struct rcxlb_endpoint endpoint;
	bool send_proxy; /* it wants a header of the PROXY protocol first */
	bool told;	 /* by told(): it is the instance itself that is connected to */
	bool elsewhere;	 /* in another network namespace, or on another host */
};

enum worker_outcome {
	WORKER_ENDED,	       /* the connection was made, and is over */
	WORKER_CONNECT_FAILED, /* there was none: the instance refused, or did not answer; another one may be asked for */
	WORKER_NOT_CONNECTED,  /* there was none, for want of means here */
};

enum worker_answer {
	WORKER_NO_ANSWER,
	WORKER_DIAL,   /* to what *backend is now */
	WORKER_NOBODY, /* no instance can take the client */
};

struct worker_backends {
	void *data;
	/*
	 * The instance for a client. `tried` is the one that could just not be connected to, else NULL. 0, or -errno
	 * when there is none: the client gets a RST.
	 */
	int (*pick)(void *data, const struct worker_client *client, const struct worker_backend *tried,
		    struct worker_backend *ret);
	/* May be NULL. The socket before it connects to the instance: to bind it, or to say whose it is. */
	void (*prepare)(void *data, int fd, const struct worker_client *client, const struct worker_backend *backend);
	/*
	 * May be NULL. The connection to what was picked was refused: was that an answer? With WORKER_DIAL *backend is
	 * what is to be connected to instead, and prepare() is called for it.
	 */
	enum worker_answer (*told)(void *data, const struct worker_client *client, struct worker_backend *backend);
	/*
	 * May be NULL. The head of an answer that came from the instance over the connected socket `fd` was given to a
	 * client of the service: its class is from 0 for 1xx to 4. `by` is 1, or -1 when it is taken back.
	 */
	void (*answered)(void *data, uint32_t service, const struct worker_backend *backend, int fd, unsigned int class,
			 int by);
	/* Once after each successful pick(). */
	void (*ended)(void *data, const struct worker_client *client, const struct worker_backend *backend,
		      enum worker_outcome outcome);
};

struct worker_limits {
	uint32_t connections;  /* clients at once */
	uint32_t handshakes;   /* of these, in their handshake; past it the oldest goes when it has had its second */
	uint32_t handshake_ms; /* how long one may take */
	uint32_t first_ms;     /* for the first byte of a client that speaks first */
	uint32_t connect_ms;   /* to an instance */
	struct relay_limits relay;
};

#define WORKER_LIMITS_DEFAULT                                                                                          \
	((struct worker_limits){ .connections = 32768,                                                                 \
				 .handshakes = 4096,                                                                   \
				 .handshake_ms = 10000,                                                                \
				 .first_ms = 60000,                                                                    \
				 .connect_ms = 3000,                                                                   \
				 .relay = { .idle_ms = 3600000, .half_closed_ms = 60000 } })

struct worker_service {
	uint32_t id;
	const int *listeners; /* listening sockets; the worker's once worker_new() has succeeded */
	unsigned int listeners_count;
	const struct tls_material *tls; /* NULL: plain TCP */
	const char *name;		/* must outlive the worker; only with `http` and `access_log` it is needed */
	int access_log; /* with `http`: a non-blocking pipe's end for a line of each request; the caller's. 0: none */
	const struct rcxlb_http *http;		  /* what is done with requests; NULL: they are not parsed */
	const struct http_challenges *challenges; /* with `http`: must outlive the worker; NULL: there are none */
	const struct http_page *pages; /* with `http`: its error pages, in their order; NULL: there are none */
	/*
	 * Clients speak first, as in HTTP: no instance is chosen and connected to before a byte has come, so that the
	 * idle connections which browsers make in advance cost it nothing.
	 */
	bool client_first;
	uint32_t idle_ms; /* 0: as the limits say */
	const struct rcxlb_proxy *proxy; /* the PROXY protocol; NULL: it is spoken with nobody */
};

struct worker_config {
	struct event_base *base;
	const struct worker_service *services;
	unsigned int services_count;
	struct ticket_keys tickets;
	struct ktls_support ktls; /* from ktls_probe(), by a process that may open sockets */
	struct worker_limits limits;
	struct worker_backends backends;
	/* May be NULL. After worker_drain(), when the last connection has ended. It may free the worker. */
	void (*drained)(void *data);
};

struct worker;

/*
 * Starts to accept, and has the process ignore SIGPIPE. The configuration is copied (PEM bytes and pages are used only
 * in here). Each connection takes two descriptors: limits.connections is lowered to what RLIMIT_NOFILE permits. -errno
 * with a sentence; *warning is what should be mended in a certificate, or empty.
 */
int worker_new(const struct worker_config *config, struct worker **ret, struct error *warning, struct error *error);

/* New handshakes of the service use this from now on; in case of error it stays as it was. -ENOENT: no such service. */
int worker_set_tls(struct worker *worker, uint32_t service, const struct tls_material *tls, struct error *warning,
		   struct error *error);

/* -EINVAL with a sentence, and the old keys stay. */
int worker_set_tickets(struct worker *worker, const struct ticket_keys *keys, struct error *error);

/*
 * Takes those who have connected already, as soon as there is room for them; then stops listening, and ends with the last
 * connection (`drained`).
 */
void worker_drain(struct worker *worker);

/* Of the service in that place of worker_config.services. */
const struct worker_counters *worker_counters(const struct worker *worker, unsigned int service);

/* Clients' connections now, of all services. */
uint32_t worker_open(const struct worker *worker);

/* Cuts what is open with RSTs; `ended` is called for each. NULL is fine. */
void worker_free(struct worker *worker);

#endif
