// SPDX-License-Identifier: BSD-2-Clause
/*
 * Who gets a connection. The rules of choice.h with the facts that choose.bpf.c would have, and the rules of other
 * balancers at their best: they know at once who listens, and their counts are never old.
 */
#include "sim.h"

#include <string.h>

#include "core/maglev.h"

#define SHARE_FRESH_NS MS /* as in shares.bpf.h */

const char *const rule_names[RULES] = {
	[ROUND_ROBIN] = "round robin",
	[RANDOM] = "random",
	[RANDOM_OF_TWO] = "random of two",
	[LEAST_CONNECTIONS] = "least connections",
	[CONSISTENT] = "**consistent**",
	[BOUNDED] = "**bounded**",
	[LEAST] = "**least**",
};

const struct rcxlb_table *rules_table(void)
{
	static struct rcxlb_table table = { .members = INSTANCES };
	struct maglev_member members[INSTANCES] = {};

	for (int i = 0; i < INSTANCES; i++) {
		memcpy(members[i].endpoint.address, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
		members[i].endpoint.port = 3001 + i;
		members[i].weight = 1;
		members[i].id = i;
		table.member[i] = i;
	}
	maglev_build(members, INSTANCES, table.slot);
	return &table;
}

uint32_t rules_first(const struct sim *sim, uint64_t hash)
{
	struct rcxlb_walk walk = rcxlb_walk(sim->table, hash);

	return rcxlb_candidate(sim->table, &walk, 0);
}

static uint32_t pick(struct sim *sim)
{
	uint32_t id;

	do {
		sim->chance = mix(sim->chance + 1);
		id = sim->chance % INSTANCES;
	} while (!sim->instance[id].up);
	return id;
}

/* As HAProxy's random(2): the two may be the same one. */
static uint32_t pick_of_two(struct sim *sim)
{
	uint32_t first = pick(sim), second = pick(sim);

	return sim->instance[first].active < sim->instance[second].active ? first : second;
}

static int next_up(struct sim *sim)
{
	do
		sim->last = (sim->last + 1) % INSTANCES;
	while (!sim->instance[sim->last].up);
	return sim->last;
}

/* Of equals in turn, as HAProxy and nginx do. */
static int least_connections(struct sim *sim)
{
	int best = NOBODY;

	for (int i = 1; i <= INSTANCES; i++) {
		int id = (sim->last + i) % INSTANCES;

		if (sim->instance[id].up && (best == NOBODY || sim->instance[id].active < sim->instance[best].active))
			best = id;
	}
	sim->last = best;
	return best;
}

/* share_of() and share_renew(): all members in one pass, as they are sixteen. */
static uint32_t share_of(struct sim *sim, struct rcxlb_rule *rule)
{
	struct rcxlb_share *share = &sim->share;
	struct rcxlb_facts least = { .weight = 1 };
	uint32_t emptiest = RCXLB_NO_BACKEND;

	if (!share->renewed || sim->now - share->renewed > SHARE_FRESH_NS) {
		share->active = 0;
		share->weight = 0;
		for (int i = 0; i < INSTANCES; i++) {
			if (!sim->instance[i].up)
				continue;
			share->active += sim->instance[i].active;
			share->weight++;
			if (emptiest == RCXLB_NO_BACKEND || sim->instance[i].active < least.active) {
				emptiest = i;
				least.active = sim->instance[i].active;
			}
		}
		share->renewed = sim->now;
		rule->active = share->active;
		rule->weight = share->weight;
		share->emptiest = rcxlb_is_behind(rule, &least) ? emptiest : RCXLB_NO_BACKEND;
	}
	rule->active = share->active;
	rule->weight = share->weight;
	return share->emptiest;
}

/* probe() */
static struct rcxlb_facts facts_of(struct sim *sim, const struct rcxlb_rule *rule, uint32_t id)
{
	struct instance *instance = &sim->instance[id];
	struct rcxlb_facts facts = { .weight = 1, .active = instance->active, .loop = RCXLB_LOOP_UNKNOWN };

	if (!instance->up)
		return facts;
	facts.listens = 1;
	facts.takes = 1;
	facts.queue = instance->queue;
	facts.pending = instance->pending;
	facts.passing = rcxlb_is_passing(instance->steered, instance->active);
	if (rule->balance != RCXLB_BALANCE_CONSISTENT) {
		facts.loop = loops_look(instance, sim->connection, sim->now);
		facts.suspect = is_suspect(instance, sim->now);
	}
	return facts;
}

static bool take_behind(struct sim *sim, struct rcxlb_choice *choice, const struct rcxlb_rule *rule, uint32_t behind)
{
	struct rcxlb_facts facts;

	if (behind == RCXLB_NO_BACKEND)
		return false;
	facts = facts_of(sim, rule, behind);
	return rcxlb_offer_behind(choice, rule, behind, &facts);
}

/* steer(): demand(), choose() and the watch that is kept. */
static int steer(struct sim *sim, uint64_t hash, enum rcxlb_balance balance)
{
	struct rcxlb_rule rule = { .balance = balance, .load_factor = RCXLB_LOAD_FACTOR };
	struct rcxlb_walk walk = rcxlb_walk(sim->table, hash);
	struct rcxlb_choice choice;
	bool looks = balance != RCXLB_BALANCE_CONSISTENT;
	uint32_t behind = looks ? share_of(sim, &rule) : RCXLB_NO_BACKEND;

	rcxlb_begin(&choice, sim->table, &walk);
	if (balance != RCXLB_BALANCE_LEAST || !take_behind(sim, &choice, &rule, behind))
		for (uint32_t i = 0; i < walk.candidates; i++) {
			uint32_t id = rcxlb_candidate(sim->table, &walk, i);
			struct rcxlb_facts facts;

			if (rcxlb_looked_at(&choice, id, i))
				continue;
			facts = facts_of(sim, &rule, id);
			if (rcxlb_offer(&choice, &rule, id, &facts))
				break;
		}
	if (looks)
		loops_watch(sim);
	return choice.chosen == RCXLB_NO_BACKEND ? NOBODY : (int)choice.chosen;
}

int rules_choose(struct sim *sim, uint64_t hash)
{
	switch (sim->rule) {
	case ROUND_ROBIN:
		return next_up(sim);
	case RANDOM:
		return pick(sim);
	case RANDOM_OF_TWO:
		return pick_of_two(sim);
	case LEAST_CONNECTIONS:
		return least_connections(sim);
	case CONSISTENT:
		return steer(sim, hash, RCXLB_BALANCE_CONSISTENT);
	case BOUNDED:
		return steer(sim, hash, RCXLB_BALANCE_BOUNDED);
	case LEAST:
		return steer(sim, hash, RCXLB_BALANCE_LEAST);
	default:
		return NOBODY;
	}
}
