/* SPDX-License-Identifier: BSD-2-Clause */
/* What workers count of a service, by name: for metrics, JSON and people alike. Pure. */
#ifndef AGENT_TALLY_H
#define AGENT_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "rcxlb/abi.h"

/* One of the numbers into which something is divided. Texts are constant. */
struct tally_part {
	const char *name; /* as a label's value or a key of JSON */
	uint64_t number;
	const char *text; /* in words, where the name is not enough; else NULL */
};

#define TALLY_PARTS RCXLB_OWN_ANSWERS /* the most that one of these fills in; each returns how many */

/* How handshakes ended: full, resumed, failed, timed_out, evicted. */
size_t tally_handshakes(const struct rcxlb_tally *tally, struct tally_part *to);

/* Which records of these connections the kernel has: both, sends, receives, neither. */
size_t tally_kernel(const struct rcxlb_tally *tally, struct tally_part *to);

/* Why not both. */
size_t tally_reasons(const struct rcxlb_tally *tally, struct tally_part *to);

/* How relayed connections ended. */
size_t tally_ends(const struct rcxlb_tally *tally, struct tally_part *to);

/* Clients that got no instance: silent (they left before their first byte), no_instance, bad_header (of a proxy). */
size_t tally_unserved(const struct rcxlb_tally *tally, struct tally_part *to);

/* Connects to instances that failed: retried (at another one), given_up. */
size_t tally_connects(const struct rcxlb_tally *tally, struct tally_part *to);

/* Bytes: to_instances, to_clients. */
size_t tally_bytes(const struct rcxlb_tally *tally, struct tally_part *to);

/* Answers to requests, by the class of their status: 1xx to 5xx. */
size_t tally_answers(const struct rcxlb_tally *tally, struct tally_part *to);

/* Of these, those of the workers themselves, by status. */
size_t tally_own(const struct rcxlb_tally *tally, struct tally_part *to);

#endif
