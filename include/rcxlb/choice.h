/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The choice of a backend for a new connection, as pure functions: the BPF program and user space include the same
 * ones. A caller asks for the candidates of a hash one after the other, finds out what is known of each, and offers
 * it to the choice until that is made:
 *
 *	struct rcxlb_walk walk = rcxlb_walk(table, hash);
 *	struct rcxlb_choice choice;
 *
 *	rcxlb_begin(&choice, table, &walk);
 *	for (i = 0; i < walk.candidates; i++) {
 *		id = rcxlb_candidate(table, &walk, i);
 *		if (rcxlb_looked_at(&choice, id, i))
 *			continue;
 *		... facts of id ...
 *		if (rcxlb_offer(&choice, &rule, id, &facts))
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
#define RCXLB_WALK	 64
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

/*
 * Slots of the table among which a hash's further candidates are: two pages at most of a table that no cache and no TLB
 * holds, and enough of it that neighbours in Maglev's table, which are no strangers to each other, do not matter. A
 * power of two.
 */
#define RCXLB_BLOCK 2048

/* Where the candidates of a hash stand in a table. */
struct rcxlb_walk {
	__u32 slot;
	__u32 block; /* the first slot of its block */
	__u32 stride;
	__u32 member;
	__u32 members;
	__u32 candidates;
};

static inline __attribute__((always_inline)) struct rcxlb_walk rcxlb_walk(const struct rcxlb_table *table, __u64 hash)
{
	__u32 members = table->members, slot = hash % RCXLB_TABLE_SIZE, block = slot / RCXLB_BLOCK * RCXLB_BLOCK;

	return (struct rcxlb_walk){
		.slot = slot,
		.block = block <= RCXLB_TABLE_SIZE - RCXLB_BLOCK ? block : RCXLB_TABLE_SIZE - RCXLB_BLOCK,
		.stride = (__u32)(hash >> 32) | 1,
		.member = members ? (__u32)(hash >> 32) % members : 0,
		.members = members,
		.candidates = members ? RCXLB_WALK + members : 0,
	};
}

/* The backend in slot number i of the walk. */
static inline __attribute__((always_inline)) __u32 rcxlb_slot(const struct rcxlb_table *table,
							      const struct rcxlb_walk *walk, __u32 i)
{
	__u32 at = walk->block + (walk->slot - walk->block + i * walk->stride) % RCXLB_BLOCK;

	RCXLB_OPAQUE(at);
	return at < RCXLB_TABLE_SIZE ? table->slot[at] : 0;
}

/*
 * Candidate number i, below walk->candidates: the hash's choice first, then further slots at the hash's own stride (so
 * a client's second choice is as stable as its first, and the clients of one backend have all the others as second
 * choices, by their weights), then all members. A backend may come more than once.
 */
static inline __attribute__((always_inline)) __u32 rcxlb_candidate(const struct rcxlb_table *table,
								   const struct rcxlb_walk *walk, __u32 i)
{
	__u32 at;

	if (i < RCXLB_WALK)
		return rcxlb_slot(table, walk, i);
	at = walk->member + (i - RCXLB_WALK);
	if (at >= walk->members)
		at -= walk->members;
	RCXLB_OPAQUE(at);
	return at < RCXLB_MAX_BACKENDS ? table->member[at] : 0;
}

/* Slots number i and following of a walk, read together: one wait for memory, and not as many as there are slots. */
#define RCXLB_AHEAD 8
static inline __attribute__((always_inline)) void rcxlb_read_ahead(const struct rcxlb_table *table,
								   const struct rcxlb_walk *walk, __u32 i,
								   __u16 ids[RCXLB_AHEAD])
{
	for (__u32 k = 0; k < RCXLB_AHEAD; k++)
		ids[k] = rcxlb_slot(table, walk, i + k);
}

/*
 * Of the candidates that can take the client, so many are looked at before the best of them is taken: so many when
 * they are awake, so many when one of them is not blocked, so many at all. Sixteen at random, half of all blocked: one client in 65,536 waits.
 */
#define RCXLB_LOOKS_AWAKE   3
#define RCXLB_LOOKS	    8
#define RCXLB_LOOKS_BLOCKED 16

/* Slots looked up, under a rule that compares, once there is a candidate that is not blocked. */
#define RCXLB_COMPARED 24

/*
 * A share is exceeded by at least so many connections: below, counts say more about chance than about load. Of
 * connections that come and go, by three standard deviations as well: tests/model shows a fifth of the clients of
 * short connections moved for nothing without it.
 */
#define RCXLB_SLACK	 4
#define RCXLB_DEVIATIONS 3

/*
 * A backend whose connections are so many below its share, and below it by the load factor, is the first candidate
 * under `least`: one that was restarted gets its part of long-lived connections back from those that come now, as with
 * any rule that counts connections. In the thousands, chance alone leaves nobody so far behind.
 */
#define RCXLB_BEHIND 16

/* What a service demands at the moment that a connection arrives. */
struct rcxlb_rule {
	__u8 balance;
	__u32 load_factor; /* percent */
	__u64 active;	   /* connections of all its backends that listen, are not draining and not down */
	__u32 weight;	   /* of them; 0: not known, and shares are not looked at */
};

/* What is known of a candidate at that moment. */
struct rcxlb_facts {
	__u8 listens; /* has a listener */
	__u8 takes;   /* which can take a client of this address family */
	__u8 draining;
	__u8 down;    /* by health check, and the check is fresh */
	__u8 loop;    /* enum rcxlb_loop_state */
	__u8 suspect; /* its event loop was blocked for long, not long ago */
	__u8 warming; /* slow start: not this client yet */
	__u8 passing; /* its connections come and go */
	__u16 weight;
	__u32 active;  /* connections */
	__u32 queue;   /* of these: not accepted yet */
	__u32 pending; /* connections under way: their handshake is not complete */
	__u32 max_connections;
};

/*
 * Would one more connection put it above its share? Consistent hashing with bounded loads (Mirrokni, Thorup,
 * Zadimoghaddam 2018): at most load_factor times its part, by weight, of all connections with this one.
 */
static inline __attribute__((always_inline)) int rcxlb_is_loaded(const struct rcxlb_rule *rule,
								 const struct rcxlb_facts *facts)
{
	__u64 share = (rule->active + 1) * facts->weight; /* times rule->weight */
	__u64 has = (__u64)facts->active * rule->weight, excess;

	if (has * 100 < share * rule->load_factor || has < share + (__u64)RCXLB_SLACK * rule->weight)
		return 0;
	if (!facts->passing)
		return 1;
	excess = (has - share) / rule->weight;
	return excess * excess >= RCXLB_DEVIATIONS * RCXLB_DEVIATIONS * (share / rule->weight);
}

/* Was a health check renewed so lately that it counts? An older one is a dead agent's. */
static inline __attribute__((always_inline)) int rcxlb_is_fresh(const struct rcxlb_health *health, __u64 now)
{
	return now - health->renewed <= RCXLB_HEALTH_INTERVALS * 1000000ull * health->interval_ms;
}

/* More have come and gone than there are. */
static inline __attribute__((always_inline)) int rcxlb_is_passing(__u64 steered, __u32 active)
{
	return steered / 4 > active;
}

/*
 * Has it so few that the next ones should go there? With those that are under way: else all that come within a round
 * trip would go to the same one.
 */
static inline __attribute__((always_inline)) int rcxlb_is_behind(const struct rcxlb_rule *rule,
								 const struct rcxlb_facts *facts)
{
	__u64 share = rule->active * facts->weight;
	__u64 has = ((__u64)facts->active + facts->pending) * rule->weight;

	return has * rule->load_factor < share * 100 && has + (__u64)RCXLB_BEHIND * rule->weight <= share;
}

/*
 * Slow start, linear: of a backend that has been listening for `age` of `slow_start` milliseconds, that part of the
 * clients is taken. By the hash, so that a client that was taken is taken again.
 */
static inline __attribute__((always_inline)) int rcxlb_is_warming(__u64 hash, __u64 age, __u32 slow_start)
{
	return age < slow_start && (hash >> 48) * slow_start >= age << 16;
}

/* As if no health check said that it is down. */
static inline __attribute__((always_inline)) enum rcxlb_verdict rcxlb_judge_up(const struct rcxlb_rule *rule,
									       const struct rcxlb_facts *facts)
{
	int least = rule->balance == RCXLB_BALANCE_LEAST;

	if (!facts->listens)
		return RCXLB_ABSENT;
	if (!facts->takes)
		return RCXLB_FAMILY;
	if (facts->draining)
		return RCXLB_DRAINING;
	if (rule->balance == RCXLB_BALANCE_CONSISTENT)
		return RCXLB_USABLE;
	if (facts->max_connections && facts->active >= facts->max_connections)
		return RCXLB_FULL;
	if (facts->loop >= RCXLB_LOOP_STARVED)
		return RCXLB_BLOCKED;
	if (facts->suspect)
		return RCXLB_SUSPECT;
	if (facts->warming)
		return RCXLB_WARMING;
	if (rule->weight && rcxlb_is_loaded(rule, facts))
		return RCXLB_LOADED;
	if (least && facts->loop != RCXLB_LOOP_ASLEEP)
		return RCXLB_AWAKE;
	return least && facts->pending ? RCXLB_COMING : RCXLB_USABLE;
}

static inline __attribute__((always_inline)) enum rcxlb_verdict rcxlb_judge(const struct rcxlb_rule *rule,
									    const struct rcxlb_facts *facts)
{
	enum rcxlb_verdict verdict = rcxlb_judge_up(rule, facts);

	return facts->down && (verdict == RCXLB_USABLE || verdict >= RCXLB_FULL) ? RCXLB_DOWN : verdict;
}

/* What speaks against a candidate that can take the client, in order: 0 nothing, at most one of these is taken. */
enum {
	RCXLB_COST_LOADED = 1,
	RCXLB_COST_AWAKE = 2, /* or will be: others are coming */
	RCXLB_COST_LOADED_AWAKE = 3,
	RCXLB_COST_WARMING = 4,
	RCXLB_COST_BLOCKED = 5, /* and how badly */
	RCXLB_COST_DOWN = 16,	/* on top of the others */
	RCXLB_COST_NEVER = 255,
};

static inline __attribute__((always_inline)) __u32 rcxlb_cost(const struct rcxlb_rule *rule,
							      const struct rcxlb_facts *facts)
{
	int awake = rule->balance == RCXLB_BALANCE_LEAST && (facts->loop != RCXLB_LOOP_ASLEEP || facts->pending);
	__u32 down = facts->down ? RCXLB_COST_DOWN : 0;

	switch (rcxlb_judge_up(rule, facts)) {
	case RCXLB_USABLE:
		return down;
	case RCXLB_LOADED:
		return down + (awake ? RCXLB_COST_LOADED_AWAKE : RCXLB_COST_LOADED);
	case RCXLB_AWAKE:
	case RCXLB_COMING:
		return down + RCXLB_COST_AWAKE;
	case RCXLB_SUSPECT:
	case RCXLB_WARMING:
		return down + RCXLB_COST_WARMING;
	case RCXLB_BLOCKED:
		return down + RCXLB_COST_BLOCKED + facts->loop - RCXLB_LOOP_STARVED;
	default:
		return RCXLB_COST_NEVER;
	}
}

struct rcxlb_choice {
	__u32 chosen; /* backend id, or RCXLB_NO_BACKEND */
	__u32 first;  /* the hash's choice */
	__u32 cost;   /* of the chosen one */
	__u32 load;   /* of the chosen one: compared among equals, for its weight */
	__u32 weight;
	__u32 members;
	__u16 slots;	/* asked for */
	__u16 distinct; /* bits set */
	__u16 looks;	/* candidates that can take the client */
	__u8 equals;	/* of these: as good as the chosen one */
	__u8 unusable;	/* the hash's choice was not */
	__u8 foreign;	/* one listens that cannot take this address family; a worker can reach it */
	__u64 seen[RCXLB_MAX_BACKENDS / 64]; /* a bit for each id */
};

static inline __attribute__((always_inline)) void rcxlb_begin(struct rcxlb_choice *choice,
							      const struct rcxlb_table *table,
							      const struct rcxlb_walk *walk)
{
	__builtin_memset(choice, 0, sizeof(*choice));
	choice->chosen = RCXLB_NO_BACKEND;
	choice->first = walk->members ? rcxlb_candidate(table, walk, 0) : RCXLB_NO_BACKEND;
	choice->cost = RCXLB_COST_NEVER;
	choice->members = walk->members;
}

/* Notes that slot number i holds this backend. Was it looked at before? Not asked when all come once more in turn. */
static inline __attribute__((always_inline)) int rcxlb_looked_at(struct rcxlb_choice *choice, __u32 id, __u32 i)
{
	__u64 bit = 1ull << (id % 64), *word = &choice->seen[id / 64 % (RCXLB_MAX_BACKENDS / 64)];

	choice->slots++;
	if (i >= RCXLB_WALK)
		return 0;
	if (*word & bit)
		return 1;
	*word |= bit;
	choice->distinct++;
	return 0;
}

/*
 * What is compared among equals: connections, those that are under way, and what waits to be accepted again, as who has
 * a queue is not accepting at the moment.
 */
static inline __attribute__((always_inline)) __u32 rcxlb_load(const struct rcxlb_facts *facts)
{
	return facts->active + facts->pending + RCXLB_SLACK * facts->queue;
}

/*
 * Is it better than what was chosen so far? Of equals the first in the hash's order; but of two that have others
 * coming, are awake or have more than their share the less loaded: the power of two choices (Mitzenmacher 2001), which
 * counts that are a moment old mislead less than they do the search for the least of all.
 */
static inline __attribute__((always_inline)) int rcxlb_is_better(struct rcxlb_choice *choice, __u32 cost,
								 const struct rcxlb_facts *facts)
{
	if (cost != choice->cost) {
		choice->equals = cost < choice->cost ? 0 : choice->equals;
		return cost < choice->cost;
	}
	if (cost % RCXLB_COST_DOWN == 0 || cost % RCXLB_COST_DOWN >= RCXLB_COST_WARMING || choice->equals++)
		return 0;
	return (__u64)rcxlb_load(facts) * choice->weight < (__u64)choice->load * facts->weight;
}

/*
 * Offers the next candidate of the hash's order; returns 1 when the choice is made. The one place for the rules of
 * `balance`. When nothing speaks for a candidate, the one stands that least speaks against. Of those that are down by
 * health check one stands only when there is no other: if the checks of all fail, the fault is more likely the check's
 * (fail-open).
 */
static inline __attribute__((always_inline)) int rcxlb_offer(struct rcxlb_choice *choice, const struct rcxlb_rule *rule,
							     __u32 id, const struct rcxlb_facts *facts)
{
	__u32 cost = rcxlb_cost(rule, facts);

	if (id == choice->first && (cost >= RCXLB_COST_DOWN && rcxlb_judge_up(rule, facts) != RCXLB_FULL))
		choice->unusable = 1;
	if (facts->listens && !facts->takes && !facts->draining)
		choice->foreign = 1;
	if (cost != RCXLB_COST_NEVER) {
		choice->looks++;
		if (rcxlb_is_better(choice, cost, facts)) {
			choice->chosen = id;
			choice->cost = cost;
			choice->load = rcxlb_load(facts);
			choice->weight = facts->weight;
		}
	}
	if (!choice->cost || choice->distinct == choice->members)
		return 1;
	if (rule->balance == RCXLB_BALANCE_CONSISTENT)
		return 0;
	if (choice->cost == RCXLB_COST_AWAKE && choice->equals >= RCXLB_LOOKS_AWAKE - 1)
		return 1;
	if (choice->cost < RCXLB_COST_BLOCKED)
		return choice->looks >= RCXLB_LOOKS || choice->slots >= RCXLB_COMPARED;
	return choice->cost < RCXLB_COST_DOWN && choice->looks >= RCXLB_LOOKS_BLOCKED;
}

/* The backend that has far less than its share, offered before the hash's order: taken unless it would have to wait. */
static inline __attribute__((always_inline)) int rcxlb_offer_behind(struct rcxlb_choice *choice,
								    const struct rcxlb_rule *rule, __u32 id,
								    const struct rcxlb_facts *facts)
{
	enum rcxlb_verdict verdict = rcxlb_judge(rule, facts);

	if ((verdict != RCXLB_USABLE && verdict != RCXLB_COMING && verdict != RCXLB_AWAKE) ||
	    !rcxlb_is_behind(rule, facts))
		return 0;
	choice->chosen = id;
	choice->cost = 0;
	return 1;
}

/* How the connection came to the chosen one. */
static inline __attribute__((always_inline)) int rcxlb_is_failover(const struct rcxlb_choice *choice)
{
	return choice->unusable && choice->chosen != choice->first;
}

static inline __attribute__((always_inline)) int rcxlb_is_spilled(const struct rcxlb_choice *choice)
{
	return !choice->unusable && choice->chosen != choice->first;
}

#endif
