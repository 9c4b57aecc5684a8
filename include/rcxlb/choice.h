/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The choice of a backend for a new connection, as pure functions: the BPF program and user space include the same
 * ones. A caller asks for the candidates of a hash one after the other, finds out what is known of each, and offers
 * it to the choice until that is made:
 *
 *	struct rcxlb_walk walk = rcxlb_walk(table, hash);
 *	struct rcxlb_choice choice = rcxlb_choice(balance);
 *	for (i = 0; i < RCXLB_CANDIDATES && i < walk.candidates; i++) {
 *		id = rcxlb_candidate(table, &walk, i);
 *		... facts of id ...
 *		if (rcxlb_offer(&choice, id, &facts))
 *			break;
 *	}
 *	... choice.chosen ...
 */
#ifndef RCXLB_CHOICE_H
#define RCXLB_CHOICE_H

#include "abi.h"
#include "siphash.h"

/* Attempts at assigning before a connection is refused: a listener may close between the choice and the assignment. */
#define RCXLB_ATTEMPTS 4

/*
 * Slots of the table that are walked; then every member is asked in turn, so that one usable backend among a thousand
 * absent ones is found by every client.
 */
#define RCXLB_WALK 64
#define RCXLB_CANDIDATES (RCXLB_WALK + RCXLB_MAX_BACKENDS)

/* Keeps the compiler from knowing x, so that a bound stays in the program where the verifier can see it. */
#define RCXLB_OPAQUE(x) __asm__ volatile("" : "+r"(x))

/*
 * The hash of a connection: SipHash-1-3, the variant that hash tables use, of addresses and ports. `service` is the
 * address as it stands in `services`: of a service on the any-address every local address hashes alike.
 */
static inline __attribute__((always_inline)) __u64 rcxlb_hash(const struct rcxlb_service *how,
							      const struct rcxlb_endpoint *client,
							      const struct rcxlb_endpoint *service)
{
	__u64 words[5] = {};

	__builtin_memcpy(&words[0], client->address, 16);
	if (how->hash == RCXLB_HASH_TUPLE) {
		__builtin_memcpy(&words[2], service->address, 16);
		words[4] = (__u64)client->port << 16 | service->port;
	}
	return rcxlb_siphash(how->hash_key, words, 5, 1, 3);
}

/* Where the candidates of a hash stand in a table. */
struct rcxlb_walk {
	__u32 slot;
	__u32 stride;
	__u32 member;
	__u32 members;
	__u32 candidates;
};

static inline __attribute__((always_inline)) struct rcxlb_walk rcxlb_walk(const struct rcxlb_table *table, __u64 hash)
{
	__u32 members = table->members;

	return (struct rcxlb_walk){
		.slot = hash % RCXLB_TABLE_SIZE,
		.stride = (__u32)(hash >> 32) % (RCXLB_TABLE_SIZE - 1) + 1,
		.member = members ? (__u32)(hash >> 32) % members : 0,
		.members = members,
		.candidates = members ? RCXLB_WALK + members : 0,
	};
}

/*
 * Candidate number i, below walk->candidates: the hash's choice first, then further slots at the hash's own stride (so a
 * client's second choice is as stable as its first, and the clients of one backend have all the others as second
 * choices, by their weights), then all members. A backend may come more than once.
 */
static inline __attribute__((always_inline)) __u32 rcxlb_candidate(const struct rcxlb_table *table,
								   const struct rcxlb_walk *walk, __u32 i)
{
	__u32 at;

	if (i < RCXLB_WALK) {
		at = (walk->slot + i * walk->stride) % RCXLB_TABLE_SIZE;
		RCXLB_OPAQUE(at);
		return at < RCXLB_TABLE_SIZE ? table->slot[at] : 0;
	}
	at = walk->member + (i - RCXLB_WALK);
	if (at >= walk->members)
		at -= walk->members;
	RCXLB_OPAQUE(at);
	return at < RCXLB_MAX_BACKENDS ? table->member[at] : 0;
}

/* What is known of a candidate at the moment that a connection arrives. */
struct rcxlb_facts {
	__u8 listens;  /* has a listener */
	__u8 takes;    /* which can take a client of this address family */
	__u8 draining;
	__u8 down; /* by health check, and the check is fresh */
};

static inline __attribute__((always_inline)) enum rcxlb_verdict rcxlb_judge(const struct rcxlb_facts *facts)
{
	if (!facts->listens)
		return RCXLB_ABSENT;
	if (!facts->takes)
		return RCXLB_FAMILY;
	if (facts->draining)
		return RCXLB_DRAINING;
	return facts->down ? RCXLB_DOWN : RCXLB_USABLE;
}

struct rcxlb_choice {
	__u32 chosen;  /* backend id, or RCXLB_NO_BACKEND */
	__u32 verdict; /* on it */
	__u8 balance;
	__u8 failover; /* a candidate before it was passed over because it was not usable */
};

static inline __attribute__((always_inline)) struct rcxlb_choice rcxlb_choice(__u8 balance)
{
	return (struct rcxlb_choice){ .chosen = RCXLB_NO_BACKEND, .balance = balance };
}

/*
 * Offers the next candidate of the hash's order; returns 1 when the choice is made. The one place for the rules of
 * `balance`. When the candidates end before that, the first one that is merely down stands: if the checks of all
 * fail, the fault is more likely the check's (fail-open).
 */
static inline __attribute__((always_inline)) int rcxlb_offer(struct rcxlb_choice *choice, __u32 id,
							     const struct rcxlb_facts *facts)
{
	enum rcxlb_verdict verdict = rcxlb_judge(facts);

	if (verdict == RCXLB_USABLE || (verdict == RCXLB_DOWN && choice->chosen == RCXLB_NO_BACKEND)) {
		choice->chosen = id;
		choice->verdict = verdict;
	}
	if (verdict == RCXLB_USABLE)
		return 1;
	choice->failover = 1;
	return 0;
}

#endif
