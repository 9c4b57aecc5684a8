/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * Every map, once. Each has one writer, so nobody needs a lock against anybody else. Weak, because every program
 * file includes this one and the linker keeps a single definition: two that differ do not link.
 */
#ifndef RCXLB_MAPS_BPF_H
#define RCXLB_MAPS_BPF_H

#include "kernel.bpf.h"
#include "rcxlb/abi.h"

/* Of the network namespace that is loaded for: some hooks see all of the host. */
const volatile __u64 netns_cookie __weak = 0;

#define MAP(name, kind, entries, key_type, value_type, map_flag)                                                       \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_##kind);                                                                     \
		__uint(max_entries, entries);                                                                          \
		__uint(map_flags, map_flag);                                                                           \
		__type(key, key_type);                                                                                 \
		__type(value, value_type);                                                                             \
	} name __weak SEC(".maps")

/* The timer that looks at event loops while connections come. Of the programs alone. */
struct rcxlb_watch {
	struct bpf_timer timer;
	__u64 until; /* it ends at this time unless a connection comes */
	__u32 backends; /* ids below it are looked at */
	__u32 next;  /* of them, when they are too many for one tick */
};

/* Written by the command line. */
MAP(meta, ARRAY, 1, __u32, struct rcxlb_meta, 0);                                           /* read by user space */
MAP(services, HASH, RCXLB_MAX_SERVICES * RCXLB_MAX_LISTEN, struct rcxlb_endpoint, struct rcxlb_service, 0); /* steer */
MAP(backends, ARRAY, RCXLB_MAX_BACKENDS, __u32, struct rcxlb_backend, 0);                   /* steer, register */
MAP(addresses, HASH, RCXLB_MAX_BACKENDS * 2, struct rcxlb_endpoint, __u32, 0);              /* steer, register */
MAP(members, ARRAY, RCXLB_MAX_SERVICES, __u32, struct rcxlb_members, 0);                    /* user space */
MAP(checks, ARRAY, RCXLB_MAX_SERVICES, __u32, struct rcxlb_check, 0);                       /* agent */
MAP(tls, ARRAY, RCXLB_MAX_SERVICES, __u32, struct rcxlb_tls, 0);                             /* agent */
MAP(http, ARRAY, RCXLB_MAX_SERVICES, __u32, struct rcxlb_http, 0);                           /* agent */
MAP(proxy, ARRAY, RCXLB_MAX_SERVICES, __u32, struct rcxlb_proxy, 0);                         /* agent */
MAP(settings, ARRAY, 1, __u32, struct rcxlb_settings, 0);                                   /* agent */
MAP(interfaces, HASH, RCXLB_MAX_INTERFACES, __u32, struct rcxlb_interface, 0);              /* user space */

/*
 * service id → table; a table is never changed, only replaced. By sizes, because clang 14 leaves the value's type out
 * of the BTF of an inner map; the tables that user space makes have it.
 */
struct table_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct rcxlb_table));
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, RCXLB_MAX_SERVICES);
	__type(key, __u32);
	__array(values, struct table_map);
} tables __weak SEC(".maps");

/* Written by the agent. */
MAP(health, ARRAY, RCXLB_MAX_BACKENDS, __u32, struct rcxlb_health, BPF_F_MMAPABLE);         /* steer, user space */
MAP(probes, HASH, RCXLB_MAX_PROBES, struct rcxlb_endpoint, __u32, 0);                       /* steer */
MAP(crew, ARRAY, 1, __u32, struct rcxlb_crew, BPF_F_MMAPABLE);                              /* steer; and by unload */
MAP(workers, SOCKMAP, 2 * RCXLB_MAX_SERVICES * RCXLB_MAX_WORKERS, __u32, __u64, 0);             /* steer */
MAP(audience, ARRAY, 1, __u32, struct rcxlb_audience, 0);                                   /* steer */

/* Written by register. */
MAP(listeners, SOCKMAP, RCXLB_MAX_BACKENDS * RCXLB_ROWS, __u32, __u64, 0);                  /* steer */
MAP(sockets, SK_STORAGE, 0, int, struct rcxlb_socket, BPF_F_NO_PREALLOC | BPF_F_CLONE);     /* register */

/* Written by workers, each his own entries, and steer, which answers there; the supervisor removes those of who was killed. */
MAP(peers, HASH, RCXLB_MAX_PEERS, struct rcxlb_endpoint, struct rcxlb_peer, BPF_F_NO_PREALLOC); /* steer, peername */
MAP(staff, HASH, RCXLB_MAX_STAFF, __u32, struct rcxlb_worker, BPF_F_NO_PREALLOC);           /* user space */

/* Written by workers, any of them. */
MAP(setbacks, ARRAY, RCXLB_MAX_BACKENDS, __u32, struct rcxlb_setback, BPF_F_MMAPABLE);      /* steer, user space */

/* Written by workers: atomic additions. */
MAP(tallies, ARRAY, RCXLB_MAX_SERVICES, __u32, struct rcxlb_tally, BPF_F_MMAPABLE);         /* user space */
MAP(answers, ARRAY, RCXLB_MAX_SERVICES * RCXLB_MAX_BACKENDS, __u32, struct rcxlb_answers, BPF_F_MMAPABLE); /* user space */

/* Written by owners. */
MAP(owners, ARRAY, RCXLB_MAX_BACKENDS, __u32, struct rcxlb_owners, 0);                      /* loops */
MAP(epolls, LRU_HASH, RCXLB_MAX_EPOLLS, __u64, struct rcxlb_thread, 0);                     /* loops */

/* Written by loops. */
MAP(loops, ARRAY, RCXLB_MAX_BACKENDS + RCXLB_MAX_WORKERS, __u32, struct rcxlb_loops, 0);                        /* user space */
MAP(watch, ARRAY, 1, __u32, struct rcxlb_watch, 0);                                         /* nobody else */

/* Written by register (active, rows, refused, since, unassignable) and steer (the counters): atomic additions, no field has two writers. */
MAP(load, ARRAY, RCXLB_MAX_BACKENDS, __u32, struct rcxlb_load, 0);                          /* user space */

/* Written by steer. */
MAP(exits, PERCPU_ARRAY, RCXLB_MAX_SERVICES + 1, __u32, struct rcxlb_exits, 0);             /* user space */
MAP(shares, PERCPU_ARRAY, 2 * RCXLB_MAX_SERVICES, __u32, struct rcxlb_share, 0);            /* nobody else */
MAP(why, ARRAY, 1, __u32, struct rcxlb_why, 0);                                             /* user space */

/* Written by steer and register, a record at a time. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RCXLB_EVENTS_BYTES);
} events __weak SEC(".maps");                                                                /* agent */

/* Written by guard. */
MAP(guard_stats, PERCPU_ARRAY, RCXLB_GUARD_REASONS, __u32, struct rcxlb_guard_stats, 0);    /* user space */

#endif
