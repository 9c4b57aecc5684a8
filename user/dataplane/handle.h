/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of this folder share of an open dataplane. */
#ifndef DATAPLANE_HANDLE_H
#define DATAPLANE_HANDLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/error.h"
#include "dataplane/place.h"
#include "rcxlb/abi.h"

/* Every pinned map. The pin has the map's name. */
#define DATAPLANE_MAPS(X)                                                                                              \
	X(meta) X(services) X(backends) X(addresses) X(members) X(checks) X(tls) X(http) X(proxy) X(settings) X(interfaces) X(tables) X(health)        \
	X(probes) X(crew) X(workers) X(peers) X(staff) X(setbacks) X(tallies) X(answers) X(audience) X(listeners) X(sockets) X(load) X(events)                                                \
	X(owners) X(epolls) X(loops) X(watch) X(shares) X(exits) X(why) X(guard_stats)

enum dataplane_map {
#define X(name) MAP_##name,
	DATAPLANE_MAPS(X)
#undef X
	MAPS,
};

extern const char *const map_names[MAPS];

/* Every pinned link. The pin has the program's name. `steer` is made last and removed first: it is what "loaded" means. */
#define LINK_STEER "steer"

/* The links of programs that are run by reading. */
#define DATAPLANE_ITERATORS(X) X(collect) X(survey) X(waiters) X(holders)

enum dataplane_iterator {
#define X(name) ITERATOR_##name,
	DATAPLANE_ITERATORS(X)
#undef X
	ITERATORS,
};

extern const char *const iterator_names[ITERATORS];

/* What only user space reads of a service, each in a map of its own, by service id: whole members of the model. */
struct note {
	enum dataplane_map map;
	size_t at; /* in struct model_service */
};

#define NOTES 5
extern const struct note notes[NOTES];

struct rcxlb_bpf; /* the programs, as bpftool makes it */

struct dataplane {
	struct place place;
	struct rcxlb_meta meta;
	int lock; /* -1: not held */
	int map[MAPS];
	int iterator[ITERATORS]; /* their links, -1: not open yet */
	const struct rcxlb_answers *answers; /* to look at; NULL: not mapped yet */
};

/* An empty handle for a place. */
struct dataplane handle_none(const struct place *place);

/*
 * A handle for a place, with its lock, held alone: the caller closes it. *ret_loaded: as handle_is_loaded() says when
 * that is held.
 */
int handle_lock(const struct place *place, struct dataplane *ret, int *ret_loaded, struct error *error);

/* Closes the maps and iterators, not the lock. */
void handle_close_maps(struct dataplane *dataplane);

/* Opens all iterators at once: for who cannot open them by path later. */
int handle_open_iterators(struct dataplane *dataplane, struct error *error);

/* Opens the maps pinned in the handle's place; checks the layout, and that they are for this network namespace. */
int handle_open_maps(struct dataplane *dataplane, struct error *error);

/* The number by which the kernel knows this network namespace. */
int handle_netns_cookie(uint64_t *ret, struct error *error);

/* Is there a folder at `path` that rcxlb made, whole or in part? 0 no folder, 1 yes, -EEXIST somebody else's. */
int handle_is_ours(const char *path, struct error *error);

/* Runs an iterator program to its end; what it writes is put into `to`, at most `size` bytes. Returns how many. */
long handle_iterate(struct dataplane *dataplane, enum dataplane_iterator which, void *to, size_t size,
		    struct error *error);

/* Address of a function of the kernel's own, by its name of at most 31 bytes; 0 when it has none, or does not tell. */
uint64_t handle_symbol(const char *name);

/* Tells programs that are open and not loaded yet what they have to know of the running kernel. */
void handle_tell_kernel(struct rcxlb_bpf *skel);

/*
 * The first thing that libbpf or the verifier complained about since handle_forget_complaint(), as one line, or an empty
 * string; with --verbose always that, as it is printed then. For one thread.
 */
const char *handle_complaint(void);
void handle_forget_complaint(void);

/*
 * Puts a crew in charge, unless all have been dismissed: -ESHUTDOWN; or another one is than that with the number *from:
 * -ESTALE. `from` NULL: it takes over from any. Nobody comes in between. `map` is `crew`.
 */
int handle_change_crew(int map, const uint32_t *from, const struct rcxlb_crew *to);

/* 1 when rcxlb is loaded, 0 when not, -errno when that cannot be known. */
int handle_is_loaded(const struct place *place, struct error *error);

/* Has its network namespace ended? That took its interfaces with it, and the kernel detached steer. */
bool handle_is_orphaned(const struct place *place);

#endif
