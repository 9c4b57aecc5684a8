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
#include "core/state.h"
#include "core/xdp.h"
#include "rcxlb/abi.h"

struct dataplane;

/* The folder for what belongs to a running rcxlb and is no map, in `to` of PATH_MAX bytes. It may not be there. */
int dataplane_run_folder(char *to, struct error *error);

enum dataplane_purpose {
	DATAPLANE_LOOK,
	DATAPLANE_CHANGE,
	DATAPLANE_LOOK_NOW, /* the same, and nobody is waited for: -EAGAIN when somebody else has the lock */
	DATAPLANE_CHANGE_NOW,
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
	bool set_back; /* a worker could not connect to it a moment ago: counts where workers do */
	bool unassignable; /* somebody listens whom only a worker can reach */
	char reason[RCXLB_REASON_LEN]; /* why it is, in words */
};

/* A worker that lives. */
struct worker_facts {
	uint32_t pid;
	uint32_t crew, number;
	uint32_t open; /* clients' connections */
};

#define FACTS_WORKERS RCXLB_MAX_STAFF

struct facts {
	struct backend_facts backend[RCXLB_MAX_BACKENDS];
	struct rcxlb_exits service[RCXLB_MAX_SERVICES + 1]; /* summed over CPUs */
	struct rcxlb_guard_stats guard[RCXLB_GUARD_REASONS];
	struct rcxlb_interface interface[RCXLB_MAX_INTERFACES];
	uint32_t interfaces;
	struct rcxlb_tally tally[RCXLB_MAX_SERVICES];
	const struct rcxlb_answers *answers; /* by RCXLB_ANSWERS_KEY, until the dataplane is closed; NULL: not known */
	struct {
		uint32_t open, handshaking;
	} clients[RCXLB_MAX_SERVICES]; /* of workers, now */
	struct rcxlb_crew crew;	       /* in charge */
	struct worker_facts worker[FACTS_WORKERS]; /* by crew and number */
	uint32_t workers;
};

int dataplane_facts(struct dataplane *dataplane, struct facts *ret, struct error *error);

/*
 * Have workers to do with a service? Of one that is not proxied when they alone reach a backend of it, or took a
 * connection of it once.
 */
bool dataplane_is_worked(const struct model *model, const struct facts *facts, uint32_t service);

/* What is said of a backend by its state; what its service asks of its connections is not in it. */
struct state_input dataplane_state(const struct model *model, const struct facts *facts, uint32_t backend);

/*
 * Asks the loaded program where it would send a client that dials `local` (as it stands in the service's list; an
 * any-address stands for all). -ENOENT when the answer is not about this service: another one has a closer address.
 */
int dataplane_why(struct dataplane *dataplane, const struct rcxlb_endpoint *client, const struct rcxlb_endpoint *local,
		  struct rcxlb_why *ret, struct error *error);

/*
 * Makes model and interfaces what is wished, as one change: the guard is attached where it is not, the model is
 * published, and then the guard is taken off everywhere else. What fails before that is undone. NULL: interfaces stay as
 * they are.
 */
int dataplane_become(struct dataplane *dataplane, const struct model *wished, const struct xdp_wishes *interfaces,
		     struct error *error);

/*
 * Completes the change that a command left when it was killed, if there is one. -EAGAIN when somebody else has the lock:
 * it is that one's, or he sees to it.
 */
int dataplane_complete(struct error *error);

/* Is it an address that this network namespace has not? Nobody can be steered there, and workers connect to it. */
bool dataplane_is_elsewhere(const struct rcxlb_endpoint *endpoint);

/*
 * Publishes what is published, with each backend where its address is by now; opens the dataplane to change it. -EAGAIN
 * when somebody else has the lock: who hangs with it must not hang the caller.
 */
int dataplane_relocate(struct error *error);

/* How many connections a backend has open, with the model just read: cheaper than all facts. */
int dataplane_active(struct dataplane *dataplane, uint32_t backend, uint32_t *ret, struct error *error);

/* Notes which file the state was made from, an absolute path of less than PATH_MAX bytes; until unload. */
int dataplane_remember(struct dataplane *dataplane, const char *file, struct error *error);

/* That file, in `to` of PATH_MAX bytes. -ENOENT without a sentence when there is none. Needs no open dataplane. */
int dataplane_remembered(char *to, struct error *error);

#define LOAD_NEEDS_INTERFACE "load needs an interface; see: rcxlb load --help"

struct load_options {
	const struct xdp_wishes *interfaces; /* NULL: nobody named any, which is enough when rcxlb is loaded already */
	const struct model *model; /* the one to begin with; a hash key of zeros: one is drawn */
	/* When rcxlb is loaded already: the listens of this service replace those of the running one; NULL: none do. */
	const struct model_service *listens;
	bool xdp_said;	    /* the choices of the interfaces were; else those that are noted stay as they are */
	bool programs_only; /* when rcxlb is loaded already, its interfaces and listens stay as they are */
	const char *version;
};

struct load_result {
	bool was_loaded; /* nothing had to be attached */
	bool replaced;   /* programs of another build were */
};

/*
 * Loads, attaches and publishes: when it returns 0, steering works. On failure nothing is left of it, and what was loaded
 * before is as it was, but for programs of another build, which may be replaced by then.
 */
int dataplane_load(const struct load_options *options, struct load_result *ret, struct error *error);

/*
 * May everything be taken away from here? Changes nothing. 1: yes, 0: rcxlb is not loaded, and something is left of it or
 * in its place; -ENOENT: there is nothing.
 */
int dataplane_may_unload(struct error *error);

/*
 * Takes the guard off these interfaces; with none: takes everything away. Connections stay. -ENOENT: not loaded.
 * `keep_run`: what is in the run folder stays, as it is an agent's that watches something else.
 */
int dataplane_unload(const char *const *interfaces, uint32_t count, bool keep_run, struct error *error);

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
