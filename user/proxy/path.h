/* SPDX-License-Identifier: BSD-2-Clause */
/* Which path a connection of a worker takes, and why. Pure, and the only place where it is decided. */
#ifndef PROXY_PATH_H
#define PROXY_PATH_H

#include <stdbool.h>

#include "proxy/ktls.h"

enum path {
	PATH_HANDED,  /* the instance gets the client's socket */
	PATH_PROXIED, /* the worker relays */
};

/* What is known of the connection and its instance once the handshake is over and the instance is chosen. */
struct path_facts {
	bool http;	       /* the service parses HTTP: each request passes through the worker */
	bool handoff;	       /* the configuration permits handing */
	bool tls;	       /* the client speaks TLS */
	enum ktls_reason ktls; /* of a TLS connection: what keeps it out of the kernel */
	bool instance_takes;   /* the instance has opened its socket for descriptors */
	bool same_host;	       /* it runs here, in this network namespace */
};

/* The first thing that stands in the way of handing, in the order of enum: what the user decided comes first. */
enum path_reason {
	PATH_REASON_NONE,
	PATH_REASON_HTTP,
	PATH_REASON_OFF,
	PATH_REASON_KTLS,
	PATH_REASON_ELSEWHERE,
	PATH_REASON_INSTANCE,
	PATH_REASONS,
};

struct path_choice {
	enum path path;
	enum path_reason reason;
};

struct path_choice path_choose(const struct path_facts *facts);

/* In words, for people; empty when handed. */
const char *path_reason_text(const struct path_choice *choice, const struct path_facts *facts);

#endif
