/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every type that the BPF programs and user space share: map keys and values,
 * flags, limits. Addresses are 16 bytes in network order, IPv4 as ::ffff:a.b.c.d;
 * ports and numbers are in host order; times are CLOCK_MONOTONIC nanoseconds.
 */
#ifndef RCXLB_ABI_H
#define RCXLB_ABI_H

#include <linux/types.h>

/* Raised whenever a type below changes; kept in the pinned `meta` map and compared before anything else is read. */
#define RCXLB_LAYOUT 1

#define RCXLB_MAX_BACKENDS 1024
#define RCXLB_MAX_SERVICES 64
#define RCXLB_MAX_LISTEN 16 /* addresses of one service */
#define RCXLB_MAX_WEIGHT 256
#define RCXLB_MAX_INTERFACES 64
#define RCXLB_NAME_LEN 32 /* with the final 0 */
#define RCXLB_TEXT_LEN 48 /* "[address]:port" with the final 0 */

/* Prime, so that every stride of Maglev's permutations visits every slot; user/core/maglev.c says why not 65537. */
#define RCXLB_TABLE_SIZE 196613

/*
 * Listening sockets of one backend that are kept: an SO_REUSEPORT group has several. `listeners` has this many rows
 * of RCXLB_MAX_BACKENDS: the socket of backend B in row R is entry R * RCXLB_MAX_BACKENDS + B.
 */
#define RCXLB_ROWS 64

/* An address and a port. The any-address is :: for IPv6 and ::ffff:0.0.0.0 for IPv4. */
struct rcxlb_endpoint {
	__u8 address[16];
	__u16 port;
	__u16 unused; /* 0: it is part of map keys */
} __attribute__((aligned(4)));

/* Map `meta`, one entry: what the pinned state was made by and for. */
struct rcxlb_meta {
	__u32 layout;
	__u32 unused;
	__u64 build; /* of the BPF programs that are attached */
	__u64 netns_cookie;
	__u64 hash_key[2];
	char version[RCXLB_NAME_LEN];
};

enum rcxlb_hash {
	RCXLB_HASH_TUPLE = 0,  /* address and port of client and service */
	RCXLB_HASH_CLIENT = 1, /* the client's address alone */
};

enum rcxlb_balance {
	RCXLB_BALANCE_CONSISTENT = 0, /* the first in the hash's order that is usable */
};

/* Map `services`, by struct rcxlb_endpoint: a service has an entry for each address that it listens on, all alike. */
struct rcxlb_service {
	__u32 id;
	__u8 hash;    /* enum rcxlb_hash */
	__u8 balance; /* enum rcxlb_balance */
	__u16 flags;
	__u64 hash_key[2];
	char name[RCXLB_NAME_LEN];
};

/* Maps inside `tables`, one entry. Without members there is nothing to choose and no slot is read. */
struct rcxlb_table {
	__u32 members;
	__u16 member[RCXLB_MAX_BACKENDS]; /* backend ids */
	__u16 slot[RCXLB_TABLE_SIZE];     /* backend ids */
	__u16 unused;
};

enum rcxlb_backend_flags {
	RCXLB_BACKEND_USED = 1,     /* the entry holds a backend */
	RCXLB_BACKEND_DRAINING = 2, /* no new connections */
};

/* Map `backends`, by backend id. */
struct rcxlb_backend {
	struct rcxlb_endpoint endpoint;
	__u16 weight;
	__u16 flags;           /* enum rcxlb_backend_flags */
	__u32 max_connections; /* 0: no limit */
	__u32 generation;      /* another number each time that the id is given to another address */
	char text[RCXLB_TEXT_LEN]; /* the endpoint, for people who dump the map */
};

enum rcxlb_health_state {
	RCXLB_HEALTH_UNKNOWN = 0, /* not checked: counts as up */
	RCXLB_HEALTH_UP = 1,
	RCXLB_HEALTH_DOWN = 2,
};

/* Map `health`, by backend id. Counts as up when not renewed for RCXLB_HEALTH_INTERVALS: a dead agent is no outage. */
#define RCXLB_HEALTH_INTERVALS 3
struct rcxlb_health {
	__u32 state; /* enum rcxlb_health_state */
	__u32 interval_ms;
	__u64 since;
	__u64 renewed;
};

/* Map `load`, by backend id. Of the backend only while the generations agree; else it is the id's former owner's. */
struct rcxlb_load {
	__u32 generation;
	__u32 active;    /* established connections accepted from its listeners since they were registered */
	__u64 steered;   /* connections given to it */
	__u64 spilled;   /* of these: its turn came because the hash's choice was too busy */
	__u64 failovers; /* of these: because the hash's choice was absent, down or draining */
	__u32 rows;      /* rows of `listeners` that were ever used: how far to look */
	__u32 refused;   /* errno with which its last listener was refused by the map, 0: none */
};

/* Map `sockets`: what a listening socket and every connection accepted from it know of themselves. */
struct rcxlb_socket {
	__u32 backend;
	__u32 generation;
	__u32 row;
	__u32 counted; /* 1: a connection that is part of `active` */
};

/* Map `exits`, by service id, per CPU: how the steer program ended. Entry RCXLB_MAX_SERVICES: not of any service. */
struct rcxlb_exits {
	__u64 assigned;      /* passed with a listener: steered */
	__u64 not_tcp;       /* passed untouched */
	__u64 no_service;    /* passed untouched */
	__u64 no_backend;    /* dropped, RST: the service has no backend */
	__u64 none_usable;   /* dropped, RST: every backend is absent, draining or cannot take this client */
	__u64 assign_failed; /* dropped, RST: listeners vanished while being chosen, RCXLB_ATTEMPTS times */
};

/* What became of one candidate. */
enum rcxlb_verdict {
	RCXLB_USABLE = 0,
	RCXLB_ABSENT = 1,   /* nobody listens */
	RCXLB_FAMILY = 2,   /* listens, but cannot take a client of this address family */
	RCXLB_DRAINING = 3,
	RCXLB_DOWN = 4, /* by health check */
};

#define RCXLB_NO_BACKEND 0xffffffffu
#define RCXLB_WHY_STEPS 32

/* Map `why`, one entry: how the steer program chose when it was last asked and not steering. */
struct rcxlb_why {
	struct rcxlb_endpoint client;
	struct rcxlb_endpoint service; /* as in `services` */
	__u64 hash;
	__u32 service_id;
	__u32 slot;
	__u32 chosen; /* backend id, or RCXLB_NO_BACKEND */
	__u32 steps;  /* candidates looked at; the first RCXLB_WHY_STEPS are below */
	struct {
		__u16 backend;
		__u16 verdict; /* enum rcxlb_verdict */
	} step[RCXLB_WHY_STEPS];
};

/* What the survey program writes, a record for each listening socket that is registered. */
struct rcxlb_listener {
	__u32 backend;
	__u32 generation;
	__u32 accept_queue;
	__u16 family; /* AF_INET or AF_INET6 */
	__u8 ipv4;    /* takes IPv4 clients */
	__u8 ipv6;    /* takes IPv6 clients */
};

enum rcxlb_xdp_mode {
	RCXLB_XDP_NONE = 0, /* not yet attached, or not wanted */
	RCXLB_XDP_NATIVE = 1,
	RCXLB_XDP_SKB = 2,
};

/* Map `interfaces`, by interface index: where the guard is. Written before it is attached there, and after. */
struct rcxlb_interface {
	char name[16];
	__u32 mode; /* enum rcxlb_xdp_mode */
};

/* Map `guard_stats`, by enum rcxlb_guard_reason, per CPU. */
enum rcxlb_guard_reason {
	RCXLB_GUARD_PASS = 0,
	RCXLB_GUARD_REASONS,
};

struct rcxlb_guard_stats {
	__u64 packets;
	__u64 bytes;
};

#define RCXLB_SIZE(type, bytes) _Static_assert(sizeof(struct type) == (bytes), #type " has another size than the ABI")
RCXLB_SIZE(rcxlb_endpoint, 20);
RCXLB_SIZE(rcxlb_meta, 72);
RCXLB_SIZE(rcxlb_service, 56);
RCXLB_SIZE(rcxlb_table, 395280);
RCXLB_SIZE(rcxlb_backend, 80);
RCXLB_SIZE(rcxlb_health, 24);
RCXLB_SIZE(rcxlb_load, 40);
RCXLB_SIZE(rcxlb_socket, 16);
RCXLB_SIZE(rcxlb_exits, 48);
RCXLB_SIZE(rcxlb_why, 192);
RCXLB_SIZE(rcxlb_listener, 16);
RCXLB_SIZE(rcxlb_interface, 20);
RCXLB_SIZE(rcxlb_guard_stats, 16);

#endif
