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
#define RCXLB_LAYOUT 13

#define RCXLB_MAX_BACKENDS   1024
#define RCXLB_MAX_SERVICES   64
#define RCXLB_MAX_LISTEN     16 /* addresses of one service */
#define RCXLB_MAX_WEIGHT     256
#define RCXLB_MAX_INTERFACES 64
#define RCXLB_MAX_WORKERS    64
#define RCXLB_NAME_LEN	     32 /* with the final 0 */
#define RCXLB_TEXT_LEN	     48 /* "[address]:port" with the final 0 */

/* Prime, so that every stride of Maglev's permutations visits every slot; user/core/maglev.c says why not 65537. */
#define RCXLB_TABLE_SIZE 196613

/*
 * Listening sockets of one backend that are kept: an SO_REUSEPORT group has several. `listeners` has this many rows
 * of RCXLB_MAX_BACKENDS: the socket of backend B in row R is entry R * RCXLB_MAX_BACKENDS + B.
 */
#define RCXLB_ROWS 64

/* Event loops of one backend that are watched: processes and threads that share its listening sockets. */
#define RCXLB_LOOPS 4

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
	__u64 revision; /* raised after each change that was published */
};

#define RCXLB_REVISION_GONE (~0ull) /* of maps that an unload took away: who has them open is on his own */

enum rcxlb_hash {
	RCXLB_HASH_TUPLE = 0,  /* address and port of client and service */
	RCXLB_HASH_CLIENT = 1, /* the client's address alone */
};

enum rcxlb_balance {
	RCXLB_BALANCE_CONSISTENT = 0, /* the first in the hash's order that is usable */
	RCXLB_BALANCE_BOUNDED = 1,    /* the first that is also not blocked, within its share and its limit */
	RCXLB_BALANCE_LEAST = 2,      /* the first of these that would accept at once */
};

/* Of a service, where the operator says nothing. choice.h says what they are for, and bpf/README.md how they were
 * found. */
#define RCXLB_LOAD_FACTOR	125 /* percent of the fair share */
#define RCXLB_BLOCKED_MS	5   /* without progress: an event loop is blocked */
#define RCXLB_MAX_LOAD_FACTOR	10000
#define RCXLB_MAX_BLOCKED_MS	60000
#define RCXLB_MAX_SLOW_START_MS 3600000
#define RCXLB_IDLE_MS 3600000 /* as long as quiet WebSockets may be */
#define RCXLB_MAX_IDLE_MS 604800000

enum rcxlb_service_flags {
	RCXLB_SERVICE_OWN_PORT = 1, /* a port that it listens on is a backend's as well: health checks must pass it by */
	RCXLB_SERVICE_PROXIED = 2,  /* clients' connections go to a worker */
	RCXLB_SERVICE_PIERCED = 4,  /* it listens on every address of a port, and another service on one of these */
};

/* Map `services`, by struct rcxlb_endpoint: a service has an entry for each address that it listens on, all alike. */
struct rcxlb_service {
	__u32 id;
	__u8 hash;	     /* enum rcxlb_hash */
	__u8 balance;	     /* enum rcxlb_balance */
	__u16 load_factor;   /* percent */
	__u32 blocked_ms;    /* as RCXLB_BLOCKED_MS */
	__u32 slow_start_ms; /* a backend that came gets its share of new clients after this time; 0: at once */
	__u64 hash_key[2];
	char name[RCXLB_NAME_LEN];
	__u32 flags;   /* enum rcxlb_service_flags */
	__u32 idle_ms; /* then a connection that a worker relays and that is without a byte is ended */
};

/* Map `members`, by service id: a bit for each of its backends. For user space; steer reads the table. */
struct rcxlb_members {
	__u64 backend[RCXLB_MAX_BACKENDS / 64];
};

enum rcxlb_check_type {
	RCXLB_CHECK_AUTO = 0, /* the best of Rocket.Chat's paths that the instance has, else tcp */
	RCXLB_CHECK_OFF = 1,
	RCXLB_CHECK_TCP = 2,  /* it accepts */
	RCXLB_CHECK_HTTP = 3, /* it answers a GET with a wished status */
};

/* Of a check, where the operator says nothing. */
#define RCXLB_CHECK_INTERVAL_MS 2000
#define RCXLB_CHECK_TIMEOUT_MS	1000
#define RCXLB_CHECK_RISE	2
#define RCXLB_CHECK_FALL	3
#define RCXLB_CHECK_PATH	"/"
#define RCXLB_CHECK_STATUS	200, 399 /* from, to */
#define RCXLB_CHECK_TEXT_LEN	128	 /* with the final 0 */

/* Map `checks`, by service id: how its backends are checked. Empty texts are not there. */
struct rcxlb_check {
	__u32 type; /* enum rcxlb_check_type */
	__u32 interval_ms;
	__u32 timeout_ms;
	__u16 rise; /* good ones in a row until it is up */
	__u16 fall; /* bad ones in a row until it is down */
	__u16 status_from;
	__u16 status_to;
	__u32 unused;
	char path[RCXLB_CHECK_TEXT_LEN];
	char host[RCXLB_CHECK_TEXT_LEN]; /* of the Host field; else the backend's address */
	char body[RCXLB_CHECK_TEXT_LEN]; /* must occur in the answer's body */
};

/* Map `tls`, by service id: certificates of which a client gets the one that it asks for; none: the service has no TLS. */
#define RCXLB_MAX_CERTIFICATES 8
#define RCXLB_PATH_LEN	       192 /* with the final 0 */
struct rcxlb_tls {
	__u32 certificates;
	__u32 unused;
	struct {
		char certificate[RCXLB_PATH_LEN]; /* PEM files: the chain, and its key */
		char key[RCXLB_PATH_LEN];
	} file[RCXLB_MAX_CERTIFICATES];
};

/* A CIDR block; IPv4 as ::ffff:a.b.c.d/96+n, as endpoints have it. */
struct rcxlb_prefix {
	__u8 address[16];
	__u32 length; /* bits, 0 to 128 */
};

enum rcxlb_http_flags {
	RCXLB_HTTP_PARSED = 1,	 /* each request and answer is parsed, and forwarding headers are set */
	RCXLB_HTTP_REDIRECT = 2, /* a request without a route is answered with the https address; no backend is asked */
	RCXLB_HTTP_COOKIE = 4,	 /* a number in a cookie is hashed, instead of the client's address */
};

/* Of a service that parses HTTP, where the operator says nothing. */
#define RCXLB_HTTP_HEAD_BYTES 15360
#define RCXLB_HTTP_FIELDS     128
#define RCXLB_HTTP_HEAD_MS    60000  /* from a request's first byte to the end of its head */
#define RCXLB_HTTP_BODY_MS    60000  /* without a byte of a body; of an answer's the longer one of this and the next */
#define RCXLB_HTTP_ANSWER_MS  300000 /* until the head of the answer */

/* Map `http`, by service id: what becomes of requests; all 0: they are not parsed. Empty texts are not there. */
#define RCXLB_MAX_TRUSTED 32
#define RCXLB_MAX_HEADERS 16
#define RCXLB_MAX_ROUTES  16
#define RCXLB_MAX_ERROR_PAGES 12
#define RCXLB_ERROR_STATUSES  12
struct rcxlb_http {
	__u32 flags; /* enum rcxlb_http_flags */
	__u32 head_bytes;
	__u32 fields;
	__u32 head_ms;
	__u32 body_ms;
	__u32 answer_ms;
	__u64 body_bytes; /* 0: any number */
	__u32 trusted_count;
	struct rcxlb_prefix trusted[RCXLB_MAX_TRUSTED]; /* whose forwarding headers are kept and added to */
	__u32 headers;
	struct {
		char name[64];
		char value[RCXLB_PATH_LEN];
	} header[RCXLB_MAX_HEADERS]; /* set in each request, instead of the client's */
	__u32 routes;
	struct {
		char path[RCXLB_PATH_LEN]; /* a prefix that ends with a segment */
		__u32 service;		   /* id: whose backends answer */
	} route[RCXLB_MAX_ROUTES];
	char access_log[RCXLB_PATH_LEN]; /* a file; "journal"; empty: none */
	__u32 access_log_json;		/* 1: JSON; else the combined format */
	__u32 error_pages;
	struct {
		char file[RCXLB_PATH_LEN];
		__u16 status[RCXLB_ERROR_STATUSES]; /* the worker's own answers that have it as their body; 0: no more */
	} error_page[RCXLB_MAX_ERROR_PAGES];
	char acme[RCXLB_PATH_LEN]; /* a folder with answers to challenges of a certificate authority; empty: none */
	__u32 unused;
};

/* Map `proxy`, by service id: the PROXY protocol. */
#define RCXLB_MAX_PROXIES 32
struct rcxlb_proxy {
	__u32 send; /* 2: connections to backends begin with a header of version 2; 0: with none */
	__u32 accepts;
	struct rcxlb_prefix accept[RCXLB_MAX_PROXIES]; /* from where connections begin with one, of version 1 or 2 */
};

/* Map `settings`, one entry: what the agent is told. */
#define RCXLB_METRICS_LISTEN "127.0.0.1:9465"
struct rcxlb_settings {
	struct rcxlb_endpoint metrics; /* where metrics are served; port 0: nowhere */
	__u32 workers;		       /* processes of the proxied path; 0: one for each core */
};

/* Maps inside `tables`, one entry. Without members there is nothing to choose and no slot is read. */
struct rcxlb_table {
	__u32 members;
	__u16 member[RCXLB_MAX_BACKENDS]; /* backend ids */
	__u16 slot[RCXLB_TABLE_SIZE];	  /* backend ids */
	__u16 unused;
};

enum rcxlb_backend_flags {
	RCXLB_BACKEND_USED = 1,	    /* the entry holds a backend */
	RCXLB_BACKEND_DRAINING = 2, /* no new connections */
	/* Its address is none of this network namespace's: nobody is seen to listen there, and a worker connects to it. */
	RCXLB_BACKEND_ELSEWHERE = 4,
};

/* Map `backends`, by backend id. */
struct rcxlb_backend {
	struct rcxlb_endpoint endpoint;
	__u16 weight;
	__u16 flags;		   /* enum rcxlb_backend_flags */
	__u32 max_connections;	   /* 0: no limit */
	__u32 generation;	   /* another number each time that the id is given to another address */
	__u32 blocked_ms;	   /* the longest of its services: then it is blocked for each of them */
	char text[RCXLB_TEXT_LEN]; /* the endpoint, for people who dump the map */
};

enum rcxlb_health_state {
	RCXLB_HEALTH_UNKNOWN = 0, /* not checked: counts as up */
	RCXLB_HEALTH_UP = 1,
	RCXLB_HEALTH_DOWN = 2,
};

/* Map `health`, by backend id. Counts as up when not renewed for RCXLB_HEALTH_INTERVALS: a dead agent is no outage. */
#define RCXLB_HEALTH_INTERVALS 3
#define RCXLB_REASON_LEN       100 /* with the final 0 */
struct rcxlb_health {
	__u32 state; /* enum rcxlb_health_state */
	__u32 interval_ms;
	__u64 since;
	__u64 renewed;
	char reason[RCXLB_REASON_LEN]; /* why it is down, in words */
	__u32 learned;		       /* for the next agent: what a check of the type auto found out; 0: nothing */
};

/* Map `load`, by backend id. Of the backend only while the generations agree; else it is the id's former owner's. */
struct rcxlb_load {
	__u32 generation;
	__u32 active;	 /* established connections accepted from its listeners since they were registered */
	__u64 steered;	 /* connections given to it */
	__u64 spilled;	 /* of these: its turn came because the hash's choice was too busy */
	__u64 failovers; /* of these: because the hash's choice was absent, down or draining */
	__u32 rows;	 /* rows of `listeners` that were ever used: how far to look */
	__u32 refused;	 /* errno with which its last listener was refused by the map, 0: none */
	__u64 since;	 /* when its first listener came; 0: before the load */
	__u32 unassignable; /* listeners that no connection can be assigned to, as MPTCP's: a worker connects to them */
	__u32 unused;
};

/*
 * Map `setbacks`, by backend id: a worker could not connect to it, and it counts as down for a while. Of backends
 * that workers connect to; for as long as RCXLB_SETBACK_MS, and twice as long when it fails again soon.
 */
#define RCXLB_SETBACK_MS      2000
#define RCXLB_SETBACK_MS_MOST 32000
struct rcxlb_setback {
	__u64 until;
	__u32 ms; /* how long it was */
	__u32 generation; /* of the backend */
};

/*
 * How an event loop is doing, from best to worst. From RCXLB_LOOP_STARVED on it is blocked: a connection given to it
 * would wait.
 */
enum rcxlb_loop_state {
	RCXLB_LOOP_ASLEEP = 0,  /* waits for something to do: accepts at once */
	RCXLB_LOOP_ALIVE = 1,   /* works, and got something done a moment ago */
	RCXLB_LOOP_AWAKE = 2,   /* works; since when is not known */
	RCXLB_LOOP_UNKNOWN = 3, /* cannot be seen */
	RCXLB_LOOP_STARVED = 4, /* could work, but has been waiting for a CPU for too long */
	RCXLB_LOOP_LATE = 5,    /* a connection has been waiting in its accept queue for too long */
	RCXLB_LOOP_AWAY = 6,    /* has been computing without a break for too long */
	RCXLB_LOOP_STILL = 7,   /* has got nothing done for too long */
	RCXLB_LOOP_STOPPED = 8, /* by a signal, a debugger or a frozen cgroup */
	RCXLB_LOOP_FULL = 9,    /* its accept queue is full: the kernel would drop the client's SYN */
};

/* A thread as the kernel knows it: the pointer is this thread only while the other two agree. */
struct rcxlb_thread {
	__u64 task;
	__u64 started; /* start_boottime */
	__u32 pid;     /* of the thread, in the first PID namespace */
	__u32 holders; /* processes that hold what it stands for; the thread is of the last one found */
};

/* Map `epolls`, by address: whose an epoll instance is. */
#define RCXLB_MAX_EPOLLS 4096

/* Map `owners`, by backend id: the processes that hold its listeners, each by its first thread. */
#define RCXLB_OWNERS 16
struct rcxlb_owners {
	struct rcxlb_thread thread[RCXLB_OWNERS]; /* the first of them */
	__u32 holders;				  /* how many there are */
	__u32 unused;
};

/* A thread that waits for a backend's listeners: in epoll_wait() on an epoll instance, or in accept() or poll(). */
struct rcxlb_loop {
	/* First what a connection needs that finds it asleep: each line of memory is waited for. */
	__u64 wait;	/* wait queue of a listener that nobody else waits for, 0: not known */
	__u64 waiter;	/* what alone stands in there */
	__u64 epoll;	/* the epoll instance, 0: none */
	__u64 followed; /* at this time the way from the wait queue to the thread was last gone in full */
	__u64 progress; /* at this time or later something certainly got done */
	__u64 still;	/* since then nothing is known to have got done */
	__u64 suspect;	/* until then */
	__u32 seen;	/* by a connection, last: nanoseconds / 2^20, modulo 2^32 */
	__u8 asleep;	/* at the last look */
	__u8 guessed;	/* the thread was never seen in there: it is its process's first one */
	__u8 reads;	/* by read() and write(), which the kernel counts, and not by recv() and send() alone */
	__u8 unused;
	struct rcxlb_thread thread;
	__u64 work;   /* sleeps so far, and below them reads and writes */
	__u64 ready;  /* first of the epoll instance's ready list, 0: it was empty */
	__u64 looked; /* at all of this, last */
};

/* The oldest connection in an accept queue, at a look. */
struct rcxlb_oldest {
	__u64 wait; /* wait queue of the listener */
	__u64 request;
	__u64 since; /* it was the oldest at that look already */
	__u32 number; /* that tells it from another at the same address: the first sequence number sent to its client */
	__u32 unused;
};

/* Map `loops`, by backend id; behind them those of the workers. */
struct rcxlb_loops {
	struct rcxlb_loop loop[RCXLB_LOOPS];
	struct rcxlb_oldest oldest[RCXLB_LOOPS]; /* of some of the backend's listeners */
};

/*
 * Map `shares`, by RCXLB_SHARE_KEY, per CPU: what those backends of a service have together that can take clients of an
 * address family: that listen for them, are not draining, not down and not full. Renewed in passes over the members of
 * its table.
 */
#define RCXLB_SHARE_KEY(service, ipv6) ((service)*2 + !!(ipv6))
struct rcxlb_share {
	__u64 active;
	__u32 weight;
	__u32 emptiest; /* which member is far behind, or RCXLB_NO_BACKEND */
	__u64 renewed;	/* 0: never */
	/* the pass that is under way */
	__u64 next_active;
	__u32 next_weight;
	__u32 next_emptiest; /* which member has the fewest connections for its weight so far, or RCXLB_NO_BACKEND */
	__u32 next_least;    /* connections of that one */
	__u32 next_least_weight;
	__u32 next_member;
	__u32 members; /* of the table; when it has others nothing of this holds */
};

/*
 * Map `sockets`: what a listening socket and every connection accepted from it know of themselves; and what a worker
 * says of the connections that it makes to instances elsewhere.
 */
#define RCXLB_NO_ROW 0xffffffffu
struct rcxlb_socket {
	__u32 backend;
	__u32 generation;
	__u32 row;     /* of a listener; RCXLB_NO_ROW: one that no connection can be assigned to */
	__u32 counted; /* 1: a connection that is part of `active` */
};

/* Map `exits`, by service id, per CPU: how the steer program ended. Entry RCXLB_MAX_SERVICES: not of any service. */
struct rcxlb_exits {
	__u64 assigned;	     /* passed with a listener: steered */
	__u64 not_tcp;	     /* passed untouched */
	__u64 no_service;    /* passed untouched */
	__u64 no_backend;    /* dropped, RST: the service has no backend */
	__u64 none_usable;   /* dropped, RST: every backend is absent, draining, full or cannot take this client */
	__u64 assign_failed; /* dropped, RST: listeners vanished while being chosen, RCXLB_ATTEMPTS times */
	__u64 proxied;	     /* passed with a worker's listener */
	__u64 no_worker;     /* dropped, RST: no worker is there */
	__u64 checked;	     /* passed with a listener: a health check of that backend */
	__u64 told;	     /* dropped, RST: a worker was told which backend it is to connect to itself */
	__u64 untold;	     /* no exit: events that had no room in `events` */
};

/* Map `probes`, by the address from which the agent checks: the id of the backend that the check is for. */
#define RCXLB_MAX_PROBES 4096

/*
 * Map `workers`: worker W's listening socket for IPv4 clients of service S is entry RCXLB_WORKER_KEY(S, W, 0), that for
 * IPv6 clients the same with 1: only a socket that listens on every address could take both. Map `crew`, one entry: how
 * many of them there are. It is compared and exchanged as one number by who shares it with the kernel.
 */
#define RCXLB_WORKER_KEY(service, worker, ipv6)                                                                        \
	(((ipv6) * RCXLB_MAX_SERVICES + (service)) * RCXLB_MAX_WORKERS + (worker))
struct rcxlb_crew {
	__u32 workers;
	__u32 number; /* another one each time that others take over: who belongs to a former crew ends */
} __attribute__((aligned(8)));
#define RCXLB_CREW_DISMISSED 0xffffffffu /* unloaded: all end, and no other crew will be in charge */

/*
 * A worker reaches an instance by dialling this address, from one in RCXLB_LEG_NET that it has told of in `peers`: steer
 * chooses the instance, as it would for the client itself. Of IPv6 instances that take no IPv4: port RCXLB_LEG_PORT of
 * the loopback address. When steer cannot assign a socket it refuses, and says in `peers` what the worker is to do.
 */
#define RCXLB_LEG_NET	   0x7f530000u /* 127.83.0.0/16 */
#define RCXLB_LEG_NET_MASK 0xffff0000u
#define RCXLB_LEG_ADDRESS  0x7f530001u /* 127.83.0.1 */
#define RCXLB_LEG_PORT	   1

enum {
	RCXLB_ANSWER_NONE,
	RCXLB_ANSWER_HERE,	/* connect to `instance`: it is in this network namespace */
	RCXLB_ANSWER_ELSEWHERE, /* connect to `instance`: it is not */
	RCXLB_ANSWER_IPV6,	/* dial the loopback address of IPv6: who could take the client takes no IPv4 */
	RCXLB_ANSWER_NOBODY,	/* no instance can take the client */
};

/* Map `peers`, by the address from which a worker dials an instance: for whom. */
#define RCXLB_MAX_PEERS 262144
struct rcxlb_peer {
	struct rcxlb_endpoint client;
	struct rcxlb_endpoint service; /* as it stands in `services` */
	__u32 hash[2];		       /* instead of the client's, lower half first; 0: none */
	__u32 worker;		       /* its process id: who is killed leaves entries behind */
	__u32 backend; /* id; written by steer: who was chosen. RCXLB_NO_BACKEND before */
	/* So are these, when it refuses. */
	__u32 generation;
	struct rcxlb_endpoint instance;
	__u32 answer; /* RCXLB_ANSWER_... */
};

/* A worker that asks who is at the other end of its connection to an instance is told RCXLB_LEG_PORT + 1 + its id as
 * the port; RCXLB_LEG_PORT when that is not known. */

/* Map `staff`, by process id: the workers that live, those of former crews too. Each writes its own entry. */
#define RCXLB_MAX_STAFF 16384
struct rcxlb_worker {
	__u64 started; /* as /proc/PID/stat has it: another process with this id is not this worker */
	__u32 crew;
	__u32 number; /* in its crew */
	struct {
		__u32 open;	   /* clients' connections, handshakes included */
		__u32 handshaking; /* of these */
	} service[RCXLB_MAX_SERVICES];
};

/* Why the kernel has not all records of a TLS connection, and how a relay ended; user/proxy names them. */
#define RCXLB_KTLS_REASONS 8
#define RCXLB_RELAY_ENDS   8
/* Statuses that workers give themselves; user/proxy names them as well. */
#define RCXLB_OWN_ANSWERS    16
#define RCXLB_STATUS_CLASSES 5
/* Bounds of the times that requests took, in ms; the last entry is for what took longer. */
#define RCXLB_TOOK_MS	     5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000
#define RCXLB_TOOK	     12

/* Map `tallies`, by service id: what all of its workers did, since it was added. All only grow. */
struct rcxlb_tally {
	__u64 accepted;
	__u64 accept_pauses; /* a bound was reached, or descriptors ran out */
	__u64 handshakes_ok;
	__u64 handshakes_resumed; /* of these, without a certificate: by a ticket */
	__u64 handshakes_failed;
	__u64 handshakes_timed_out;
	__u64 handshakes_evicted; /* too many at once: the oldest had to go */
	__u64 kernel_sends;	  /* connections whose records the kernel makes */
	__u64 kernel_receives;	  /* and opens */
	__u64 ktls_reasons[RCXLB_KTLS_REASONS]; /* the first is: both */
	__u64 connects_failed;			/* to instances */
	__u64 connects_retried;			/* at another instance */
	__u64 silent;	/* clients that left before their first byte, and were given no instance */
	__u64 unserved; /* clients for whom there was no instance */
	__u64 headers_refused; /* of proxies, in the PROXY protocol: wrong ones, and those that did not come */
	__u64 relay_ends[RCXLB_RELAY_ENDS];
	__u64 bytes_up, bytes_down; /* to instances, to clients */
	/* Of services that parse HTTP. */
	__u64 dismissed;	/* connections that made room for others: idle, or slow with a request */
	__u64 requests;		/* whose head was accepted */
	__u64 request_retries;	/* of these, sent to an instance a second time */
	__u64 answers[RCXLB_STATUS_CLASSES]; /* heads given to clients; the first is 1xx */
	__u64 own_answers[RCXLB_OWN_ANSWERS]; /* of these, the worker's own, by the order of their status */
	__u64 answers_cut;	/* whose end did not come */
	__u64 took[RCXLB_TOOK];	 /* requests that were answered, by the time from the first byte to the answer's last */
	__u64 took_ms;		 /* of all of them together */
	__u64 access_lines_lost; /* of the access log: there was no room in the pipe */
};

/*
 * Map `answers`: those of backend B to requests that came to service S are entry RCXLB_ANSWERS_KEY(S, B). They only
 * grow while both ids stay given to who has them.
 */
#define RCXLB_ANSWERS_KEY(service, backend) ((service) * RCXLB_MAX_BACKENDS + (backend))
struct rcxlb_answers {
	__u64 by_class[RCXLB_STATUS_CLASSES]; /* heads given to clients; the first is 1xx */
};

/* Map `audience`, one entry: somebody wants to hear of each connection until this time. */
struct rcxlb_audience {
	__u64 until;
};

enum rcxlb_event_kind {
	RCXLB_EVENT_LISTENING = 1,  /* a backend's listener came */
	RCXLB_EVENT_GONE = 2,	    /* one went */
	RCXLB_EVENT_CONNECTION = 3, /* one was steered; told only to an audience */
	RCXLB_EVENT_REFUSED = 4,    /* one was not, for want of a usable backend; told only to an audience */
};

enum rcxlb_event_reason {
	RCXLB_REASON_HASH = 0,	   /* the hash's choice */
	RCXLB_REASON_FAILOVER = 1, /* that is absent, down or draining */
	RCXLB_REASON_SPILLED = 2,  /* that is too busy */
};

/* Map `events`, a ring buffer of RCXLB_EVENTS_BYTES: records of this kind. */
#define RCXLB_EVENTS_BYTES (256 * 1024)
struct rcxlb_event {
	__u64 time;
	__u32 kind;    /* enum rcxlb_event_kind */
	__u32 backend; /* id, or RCXLB_NO_BACKEND */
	__u32 generation;
	__u32 service;		      /* id; of connections */
	struct rcxlb_endpoint client; /* of connections */
	struct rcxlb_endpoint local;  /* what the client dialled; of listeners: where it listens */
	__u32 reason;		      /* enum rcxlb_event_reason */
	__u32 unused;
};

/* What became of one candidate. */
enum rcxlb_verdict {
	RCXLB_USABLE = 0,
	RCXLB_ABSENT = 1, /* nobody listens */
	RCXLB_FAMILY = 2, /* listens, but cannot take a client of this address family */
	RCXLB_DRAINING = 3,
	RCXLB_DOWN = 4,	   /* by health check */
	RCXLB_FULL = 5,	   /* has max_connections */
	RCXLB_BLOCKED = 6, /* its event loop is */
	RCXLB_SUSPECT = 7, /* its event loop was, for long, a moment ago */
	RCXLB_WARMING = 8, /* slow start: not this client yet */
	RCXLB_LOADED = 9,  /* has more than its share of the connections */
	RCXLB_AWAKE = 10,  /* its event loop is busy with something else */
	RCXLB_COMING = 11, /* its event loop sleeps, but other connections are on their way to it */
	RCXLB_VERDICTS,
};

#define RCXLB_NO_BACKEND 0xffffffffu
#define RCXLB_WHY_STEPS	 32

/* Map `why`, one entry: how the steer program chose when it was last asked and not steering. */
struct rcxlb_why {
	struct rcxlb_endpoint client;
	struct rcxlb_endpoint service; /* as in `services` */
	__u64 hash;
	__u32 service_id;
	__u32 slot;
	__u32 chosen;	/* backend id, or RCXLB_NO_BACKEND */
	__u32 steps;	/* candidates looked at; the first RCXLB_WHY_STEPS are below */
	__u64 active;	/* connections of all backends that listen; with weight, 0 when the rule does not ask */
	__u32 weight;	/* of them */
	__u32 emptiest; /* backend that was asked first because it has far less than its share, or RCXLB_NO_BACKEND */
	__u32 worker;	/* 1: a worker takes the client: to the chosen one, or to one of the other address family */
	__u32 unused;
	struct {
		__u16 backend;
		__u8 verdict; /* enum rcxlb_verdict */
		__u8 loop;    /* enum rcxlb_loop_state */
		__u32 active;
		__u32 queue;
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
	__u8 loop; /* enum rcxlb_loop_state, by the backend's blocked_ms */
	__u8 unassignable;
	__u8 unused[2];
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
RCXLB_SIZE(rcxlb_meta, 80);
RCXLB_SIZE(rcxlb_service, 72);
RCXLB_SIZE(rcxlb_members, 128);
RCXLB_SIZE(rcxlb_check, 408);
RCXLB_SIZE(rcxlb_settings, 24);
RCXLB_SIZE(rcxlb_tls, 3080);
RCXLB_SIZE(rcxlb_http, 10904);
RCXLB_SIZE(rcxlb_prefix, 20);
RCXLB_SIZE(rcxlb_table, 395280);
RCXLB_SIZE(rcxlb_backend, 84);
RCXLB_SIZE(rcxlb_health, 128);
RCXLB_SIZE(rcxlb_load, 56);
RCXLB_SIZE(rcxlb_setback, 16);
RCXLB_SIZE(rcxlb_thread, 24);
RCXLB_SIZE(rcxlb_owners, 392);
RCXLB_SIZE(rcxlb_oldest, 32);
RCXLB_SIZE(rcxlb_loop, 112);
RCXLB_SIZE(rcxlb_loops, 576);
RCXLB_SIZE(rcxlb_share, 56);
RCXLB_SIZE(rcxlb_socket, 16);
RCXLB_SIZE(rcxlb_exits, 88);
RCXLB_SIZE(rcxlb_event, 72);
RCXLB_SIZE(rcxlb_audience, 8);
RCXLB_SIZE(rcxlb_crew, 8);
RCXLB_SIZE(rcxlb_peer, 84);
RCXLB_SIZE(rcxlb_answers, 40);
RCXLB_SIZE(rcxlb_worker, 528);
RCXLB_SIZE(rcxlb_tally, 568);
RCXLB_SIZE(rcxlb_proxy, 648);
RCXLB_SIZE(rcxlb_why, 472);
RCXLB_SIZE(rcxlb_listener, 20);
RCXLB_SIZE(rcxlb_interface, 20);
RCXLB_SIZE(rcxlb_guard_stats, 16);

#endif
