/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/* Which backend gets a connection; choose.bpf.c says how. */
#ifndef RCXLB_CHOOSE_BPF_H
#define RCXLB_CHOOSE_BPF_H

#include "kernel.bpf.h"
#include "rcxlb/choice.h"

/* In the place of a listener's key: there is none; none is needed, as a worker connects to it. */
#define KEY_NONE    -1
#define KEY_RELAYED -2

/*
 * A connection on its way to a backend. In a map because the stacks of all that look at it together have 512 bytes; a
 * CPU steers one connection at a time.
 */
struct request {
	struct rcxlb_endpoint client;
	struct rcxlb_endpoint local; /* as it stands in `services` */
	struct rcxlb_endpoint any;   /* of its port; `unused` is never written */
	struct rcxlb_endpoint leg;   /* where a worker dials from, for that client */
	struct rcxlb_walk walk;
	struct rcxlb_choice choice;
	struct rcxlb_rule rule;
	struct rcxlb_facts facts; /* of the candidate that is looked at */
	__u64 hash;
	__u64 now;
	__u32 family;
	__u32 ingress;	  /* index of the interface that it comes in by; 0: not known */
	__u32 asks;	  /* 1: a worker does, for this client */
	__u32 relayed;	  /* 1: who can be reached by a worker alone counts as well */
	__u32 blocked_ms; /* 0: the rule does not ask for event loops */
	__u32 slow_start_ms;
	__u32 behind;		  /* backend that has far less than its share, or RCXLB_NO_BACKEND */
	__u32 highest;		  /* id that was looked at */
	int key;		  /* of the chosen backend's listener, or KEY_NONE, KEY_RELAYED */
	__u16 ahead[RCXLB_AHEAD]; /* slots of the walk that were read: those that the next candidate stands among */
};

/* The same with what has to stay a pointer for the verifier. */
struct search {
	struct request *request;
	const struct rcxlb_table *table;
	struct rcxlb_why *record; /* where to explain, or NULL */
};

/*
 * Facts about one candidate, into request->facts; returns the key of a listener of it in `listeners`, or KEY_RELAYED.
 * With request->blocked_ms 0 event loops are not looked at.
 */
int probe(__u32 id, struct request *request);

/*
 * Walks the candidates of request->hash, and leaves who was chosen in request->choice and request->key; each step in
 * `record`, unless that is NULL. A global function, as probe() is: verified once, not once per attempt.
 */
int choose(struct request *request, const struct rcxlb_table *table, struct rcxlb_why *record);

#endif
