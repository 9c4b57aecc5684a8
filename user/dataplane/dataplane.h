/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The narrow waist: the only part that opens, pins and edits maps and links. Everything above it sees models, facts
 * and sentences.
 *
 * A handle holds a file lock from open to close: shared when it was opened to look, exclusive when it was opened to
 * change. Functions return 0 or -errno, and on failure a sentence in `error`. Not safe for several threads.
 */
#ifndef DATAPLANE_H
#define DATAPLANE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/error.h"
#include "core/model.h"
#include "rcxlb/abi.h"

struct dataplane;

/* The folder for what belongs to a running rcxlb and is no map, in `to` of PATH_MAX bytes. It may not be there. */
int dataplane_run_folder(char *to, struct error *error);

enum dataplane_purpose {
	DATAPLANE_LOOK,
	DATAPLANE_CHANGE,
};

/* -ENOENT when rcxlb is not loaded. *ret is the caller's, for dataplane_close(). */
int dataplane_open(enum dataplane_purpose purpose, struct dataplane **ret, struct error *error);
void dataplane_close(struct dataplane *dataplane);

/* The wished state, as it stands in the maps. `ret` is overwritten. */
int dataplane_read(struct dataplane *dataplane, struct model *ret, struct error *error);

/*
 * Makes the maps equal the model, as one change: when this process dies in the middle, whoever opens the dataplane
 * next completes it; when the kernel refuses a part, what was there before is put back.
 */
int dataplane_publish(struct dataplane *dataplane, const struct model *wished, struct error *error);

/* What the kernel knows at this moment of one backend. */
struct backend_facts {
	bool ipv4, ipv6;       /* somebody listens who takes such clients */
	uint32_t accept_queue; /* connections that wait to be accepted */
	uint8_t loop;          /* enum rcxlb_loop_state of its best listener, when somebody listens */
	struct rcxlb_load load;
	bool down; /* by health check, and the check is fresh */
	char reason[RCXLB_REASON_LEN]; /* why it is, in words */
};

struct facts {
	struct backend_facts backend[RCXLB_MAX_BACKENDS];
	struct rcxlb_exits service[RCXLB_MAX_SERVICES + 1]; /* summed over CPUs */
	struct rcxlb_guard_stats guard[RCXLB_GUARD_REASONS];
	struct rcxlb_interface interface[RCXLB_MAX_INTERFACES];
	uint32_t interfaces;
};

int dataplane_facts(struct dataplane *dataplane, struct facts *ret, struct error *error);

/*
 * Asks the loaded program where it would send a client that dials `local` (as it stands in the service's list; an
 * any-address stands for all). -ENOENT when the answer is not about this service: another one has a closer address.
 */
int dataplane_why(struct dataplane *dataplane, const struct rcxlb_endpoint *client, const struct rcxlb_endpoint *local,
		  struct rcxlb_why *ret, struct error *error);

enum xdp_choice {
	XDP_AUTO,
	XDP_NATIVE,
	XDP_SKB,
	XDP_OFF,
};

struct load_options {
	const char *const *interfaces; /* names; at least one */
	uint32_t interface_count;
	enum xdp_choice xdp;
	struct model_service service; /* the one to begin with; its listens replace those of a running one when `set` */
	bool set;
	const char *version;
};

struct load_result {
	bool was_loaded; /* nothing had to be attached */
	bool replaced;   /* programs of another build were */
};

/* Loads, attaches and publishes: when it returns 0, steering works. On failure nothing is left of it. */
int dataplane_load(const struct load_options *options, struct load_result *ret, struct error *error);

/* Takes the guard off these interfaces; with none: takes everything away. Connections stay. -ENOENT: not loaded. */
int dataplane_unload(const char *const *interfaces, uint32_t count, struct error *error);

/* Something that the dataplane asks of the kernel. Texts are constant. */
struct feature {
	const char *name;
	const char *purpose;
	const char *loss; /* what there is not without it */
	bool needed;      /* to steer at all */
	int err;          /* 0: the kernel has it; else why not */
};

#define FEATURES 18

/* Tries each; changes nothing. Takes about as long as a load. */
void dataplane_probe(struct feature ret[FEATURES]);

/* Shows what libbpf and libxdp say while they work, on standard error. */
void dataplane_verbose(bool on);

#endif
