/* SPDX-License-Identifier: BSD-2-Clause */
/* A client's way to an instance: one is chosen, connected to, and given back when the connection is over. */
#ifndef PROXY_REACH_H
#define PROXY_REACH_H

#include "proxy/connection.h"
#include "proxy/dial.h"

struct reach {
	struct connections *shared;
	struct worker_counters *counters; /* of the service */
	struct worker_client client; /* its service, whose instances are chosen among, may change while there is none */
	void (*ended)(struct reach *reach, int fd);
	struct worker_backend backend;
	bool picked; /* `backend` is to be given back */
	bool retried;	    /* another one than the first was picked */
	unsigned char told; /* instances that could not be connected to, of those that the worker was told of */
	struct dial dial;
};

/*
 * `shared`, `counters`, `client`, and `ended` are set by the owner. `ended` is called once, perhaps from inside here:
 * with the connected socket, which is the callee's, or with -errno when no instance can be had; one that cannot be
 * connected to has been passed over then: once, and twice of those that the worker was told of.
 */
void reach_start(struct reach *reach);

/* Gives it up without calling `ended`. */
void reach_abandon(struct reach *reach);

/* The connection is over and its socket closed. Fine to call when there was none. */
void reach_give_back(struct reach *reach);

#endif
