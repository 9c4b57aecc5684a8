/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A model of a host with single-threaded instances, in discrete events: what the rules of choice.h and those of other
 * balancers make of the same clients. Times are nanoseconds of the model; chance is the same for every rule.
 *
 * sim.c is the machine, loops.c what the BPF programs see of it, rules.c who gets a connection, and balance.c has the
 * workloads and what must hold.
 */
#ifndef MODEL_SIM_H
#define MODEL_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rcxlb/choice.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

#define INSTANCES 16
#define FAULTY	  5 /* the instance that has the workload's fault */
#define NOBODY	  -1
#define MS	  1000000ull
#define SECOND	  (1000 * MS)
#define WORK_MS	  2.0 /* of a new connection, on average: 1 to 3, to accept it and to answer its first request */

enum rule { ROUND_ROBIN, RANDOM, RANDOM_OF_TWO, LEAST_CONNECTIONS, CONSISTENT, BOUNDED, LEAST, RULES };

enum fault {
	NO_FAULT,
	FAULT_STALL,   /* its loop computes for 200 ms of every 250, until the end */
	FAULT_STOP,    /* it is stopped for 5 s */
	FAULT_RESTART, /* it dies and listens again after 2 s */
};

struct workload {
	const char *name;
	double seconds;
	double rtt_ms;	/* on average: each connection's is within half of that */
	double load;	/* connections with one request each: part of what the instances can do */
	double clients; /* or so many that stay, in the first fill_s seconds */
	double fill_s;
	double lifetime_s; /* on average, each followed by a new client; 0: they stay until the end */
	enum fault fault;
	double fault_s;
	double reconnect_s[2]; /* who lost its connection comes again after this time, from and to */
};

struct item {
	uint64_t work;
	uint32_t connection;
	bool accepts; /* the first of its connection: until then it is in the accept queue */
	bool silent;  /* without read() and write() */
};

/* Work that is ready, in order. */
struct fifo {
	struct item *item;
	uint32_t head;
	uint32_t count;
	uint32_t room; /* a power of two */
};

/* What loops.bpf.c remembers of a loop: struct rcxlb_loop. */
struct seen {
	uint64_t work;
	uint64_t still;
	uint64_t progress;
	uint64_t looked;
	uint64_t suspect; /* until then */
	bool asleep;
};

struct instance {
	bool up;
	bool busy;
	bool stopped;
	uint32_t life; /* another number after each restart */
	uint32_t run;  /* another number each time that the end of the current item is no longer when it was to be */
	struct item current;
	uint64_t ends;	/* the current item; when stopped: what is left of it */
	uint64_t woke;	/* from its last sleep */
	uint64_t work;	/* sleeps, reads and writes so far, as the kernel counts them */
	uint64_t reads; /* of these: not sleeps */
	struct fifo ready;
	uint32_t queue;	  /* of these: connections that are not accepted */
	uint32_t active;  /* connections, as the balancer counts them */
	uint32_t pending; /* SYNs given to it whose handshake is not complete */
	uint64_t steered; /* connections given to it, by this one and those that listened before */
	double area;	  /* active × time */
	uint64_t changed;
	struct seen seen;
};

struct connection {
	uint64_t hash;
	uint64_t rtt;
	uint64_t established;
	uint32_t draws;
	uint32_t attempt;
	int instance;
	uint32_t life; /* of the instance */
	bool open;
	bool answered;
};

struct event {
	uint64_t at;
	uint64_t order; /* of two at the same time the first that was foreseen */
	uint32_t kind;
	uint32_t id;
	uint32_t run; /* counts only while its instance, connection or timer has the same */
};

struct numbers {
	double *value;
	size_t count, room;
};

struct sim {
	const struct workload *workload;
	enum rule rule;
	uint64_t now, end, order, arrivals;
	struct instance instance[INSTANCES];
	struct connection *connection;
	uint32_t connections, connections_room;
	struct event *event;
	uint32_t events, events_room;
	/* the balancer */
	const struct rcxlb_table *table;
	struct rcxlb_service service;
	struct rcxlb_share share;
	uint64_t chance;
	int last; /* round robin, and least connections among equals */
	uint64_t watch_until;
	uint32_t watch_run;
	/* what came of it */
	struct numbers waits, answers; /* ms */
	uint64_t chosen, hashed;
	uint64_t moved; /* although its hash's choice was up */
	uint64_t to_absent;
};

/* sim.c */
void sim_run(struct sim *sim);
void sim_free(struct sim *sim);
void sim_tick_at(struct sim *sim, uint64_t at);
uint64_t mix(uint64_t x);

/* loops.c */
bool is_asleep(const struct instance *instance);
bool is_suspect(const struct instance *instance, uint64_t now);
enum rcxlb_loop_state loops_look(struct instance *instance, const struct connection *connections, uint64_t now);
void loops_watch(struct sim *sim);
void loops_tick(struct sim *sim);

/* rules.c */
extern const char *const rule_names[RULES];
const struct rcxlb_table *rules_table(void);
uint32_t rules_first(const struct sim *sim, uint64_t hash);
int rules_choose(struct sim *sim, uint64_t hash);

/* Of the rules of choice.h: chosen when the SYN comes. A proxy chooses when it has the client's connection. */
static inline bool is_ours(enum rule rule)
{
	return rule >= CONSISTENT;
}

#endif
