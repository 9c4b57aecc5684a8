// SPDX-License-Identifier: BSD-2-Clause
/*
 * Maglev hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section
 * 3.4), changed in two points so that fewer slots move when a backend leaves.
 *
 * There, each turn of a backend runs down its permutation to the next free slot, so that the last slots fall to whoever
 * happens to be there, and a small change turns them all over: with 64 backends one that leaves moves up to 1.7 times
 * its share. Here a turn looks at one position, free or not, and a backend takes turns until it has its quota: a slot
 * goes to the backend that prefers it most among those with room. And the table has 196,613 slots instead of 65,537,
 * the rest being less the larger it is. tests/unit/maglev.c measures both.
 */
#include "core/maglev.h"

#include <stdlib.h>
#include <string.h>

#include "core/endpoint.h"
#include "rcxlb/siphash.h"

struct turn {
	uint32_t position; /* of its permutation: the next slot to look at */
	uint32_t stride;
	uint32_t quota; /* slots that it may still take */
	uint32_t credit;
	uint16_t weight;
	uint16_t id;
};

static int by_endpoint(const void *a, const void *b)
{
	const struct maglev_member *left = a, *right = b;

	return endpoint_compare(&left->endpoint, &right->endpoint);
}

static uint64_t hash_of(const struct rcxlb_endpoint *endpoint, __u64 seed)
{
	__u64 key[2] = { seed, 0 }, words[3] = { 0, 0, endpoint->port };

	memcpy(words, endpoint->address, sizeof(endpoint->address));
	return rcxlb_siphash(key, words, 3, 2, 4);
}

/* One slot for each, so that nobody is left out, and shares of the rest by weight, rounded down. */
static void set_quotas(struct turn *turns, uint32_t count, uint64_t total)
{
	uint32_t left = RCXLB_TABLE_SIZE;

	for (uint32_t i = 0; i < count; i++) {
		turns[i].quota = 1 + (uint64_t)(RCXLB_TABLE_SIZE - count) * turns[i].weight / total;
		left -= turns[i].quota;
	}
	for (uint32_t i = 0; i < left; i++)
		turns[i].quota++;
}

/* Looks at one position: takes the slot if it is free. */
static void take_turn(struct turn *turn, uint64_t *taken, uint16_t *slots)
{
	uint32_t slot = turn->position;
	uint64_t bit = 1ull << (slot % 64);

	turn->position += turn->stride;
	if (turn->position >= RCXLB_TABLE_SIZE)
		turn->position -= RCXLB_TABLE_SIZE;
	if (taken[slot / 64] & bit)
		return;
	taken[slot / 64] |= bit;
	slots[slot] = turn->id;
	turn->quota--;
}

/* How many rounds it takes until somebody has a turn. */
static uint32_t rounds_to_turn(const struct turn *turns, uint32_t count, uint32_t heaviest)
{
	uint32_t least = RCXLB_MAX_WEIGHT;

	for (uint32_t i = 0; i < count; i++) {
		uint32_t rounds = (heaviest - turns[i].credit + turns[i].weight - 1) / turns[i].weight;

		if (rounds < least)
			least = rounds;
	}
	return least;
}

void maglev_build(struct maglev_member *members, uint32_t count, uint16_t slots[RCXLB_TABLE_SIZE])
{
	uint64_t taken[RCXLB_TABLE_SIZE / 64 + 1] = {}, total = 0;
	struct turn turns[RCXLB_MAX_BACKENDS];
	uint32_t heaviest = 0, waiting;
	bool idle = false; /* nobody had a turn: those who weigh most are served */

	qsort(members, count, sizeof(*members), by_endpoint);
	for (uint32_t i = 0; i < count; i++) {
		total += members[i].weight;
		if (members[i].weight > heaviest)
			heaviest = members[i].weight;
	}
	if (!total)
		return;
	for (uint32_t i = 0; i < count; i++)
		turns[i] = (struct turn){
			.position = hash_of(&members[i].endpoint, 1) % RCXLB_TABLE_SIZE,
			.stride = hash_of(&members[i].endpoint, 2) % (RCXLB_TABLE_SIZE - 1) + 1,
			.credit = heaviest - members[i].weight, /* everybody has a turn in the first round */
			.weight = members[i].weight,
			.id = members[i].id,
		};
	set_quotas(turns, count, total);

	while (count) { /* a round: a turn for each, the heaviest's every time, others' in proportion */
		uint32_t rounds = idle ? rounds_to_turn(turns, count, heaviest) : 1;

		waiting = 0;
		idle = true;
		for (uint32_t i = 0; i < count; i++) {
			turns[i].credit += turns[i].weight * rounds;
			if (turns[i].quota && turns[i].credit >= heaviest) {
				turns[i].credit -= heaviest;
				take_turn(&turns[i], taken, slots);
				idle = false;
			}
			if (!turns[i].quota)
				continue;
			if (waiting != i)
				turns[waiting] = turns[i];
			waiting++;
		}
		count = waiting;
	}
}
