// SPDX-License-Identifier: BSD-2-Clause
/* The rules of `balance`: which of three candidates, in the hash's order, and by which sums. */
#include "test.h"

#include "rcxlb/choice.h"

enum { A, B, C, NONE = -1 };

#define CONSISTENT RCXLB_BALANCE_CONSISTENT
#define BOUNDED	   RCXLB_BALANCE_BOUNDED
#define LEAST	   RCXLB_BALANCE_LEAST

#define UP .listens = 1, .takes = 1, .weight = 1
#define IS(...)                                                                                                        \
	{                                                                                                              \
		UP, __VA_ARGS__                                                                                        \
	}
#define FINE IS(0)
#define ABSENT                                                                                                         \
	{                                                                                                              \
		.weight = 1                                                                                            \
	}
#define OTHER_FAMILY                                                                                                   \
	{                                                                                                              \
		.listens = 1, .weight = 1                                                                              \
	}
#define DRAINING IS(.draining = 1)
#define DOWN	 IS(.down = 1)
#define AWAKE	 IS(.loop = RCXLB_LOOP_AWAKE)
#define STOPPED	 IS(.loop = RCXLB_LOOP_STOPPED)
#define LATE	 IS(.loop = RCXLB_LOOP_LATE)
#define FULL	 IS(.active = 5, .max_connections = 5)
#define LOADED	 IS(.active = 60)

enum { STAYS, FAILOVER, SPILLED };

/* Ninety connections are there, of three backends that weigh the same: a share is 30, and 38 are too many. */
static const struct {
	const char *what;
	int balance;
	struct rcxlb_facts facts[3]; /* of A, B, C, in the hash's order */
	int chosen;
	int how;
} rows[] = {
	{ "the hash's choice is usable", CONSISTENT, { FINE, FINE, FINE }, A, STAYS },
	{ "one that is absent is passed over", CONSISTENT, { ABSENT, FINE, FINE }, B, FAILOVER },
	{ "two that are absent are passed over", CONSISTENT, { ABSENT, ABSENT, FINE }, C, FAILOVER },
	{ "one that is draining is passed over", CONSISTENT, { DRAINING, FINE, FINE }, B, FAILOVER },
	{ "one that is down is passed over", CONSISTENT, { DOWN, FINE, FINE }, B, FAILOVER },
	{ "one of the other address family is passed over", CONSISTENT, { OTHER_FAMILY, FINE, FINE }, B, FAILOVER },
	{ "all absent: nobody", CONSISTENT, { ABSENT, ABSENT, ABSENT }, NONE, FAILOVER },
	{ "all draining: nobody", CONSISTENT, { DRAINING, DRAINING, DRAINING }, NONE, FAILOVER },
	{ "none can take the client: nobody", CONSISTENT, { OTHER_FAMILY, OTHER_FAMILY, ABSENT }, NONE, FAILOVER },
	{ "all down: the hash's choice, as if all were up", CONSISTENT, { DOWN, DOWN, DOWN }, A, STAYS },
	{ "the first absent, the others down: the first that is down",
	  CONSISTENT,
	  { ABSENT, DOWN, DOWN },
	  B,
	  FAILOVER },
	{ "one up behind two down", CONSISTENT, { DOWN, DOWN, FINE }, C, FAILOVER },
	{ "draining is final, down is not", CONSISTENT, { IS(.draining = 1, .down = 1), ABSENT, DOWN }, C, FAILOVER },
	{ "consistent does not look at event loops", CONSISTENT, { STOPPED, FINE, FINE }, A, STAYS },
	{ "consistent does not look at limits", CONSISTENT, { FULL, FINE, FINE }, A, STAYS },
	{ "consistent does not look at shares", CONSISTENT, { LOADED, FINE, FINE }, A, STAYS },

	{ "bounded: the hash's choice", BOUNDED, { FINE, FINE, FINE }, A, STAYS },
	{ "bounded: the hash's choice, though it is awake", BOUNDED, { AWAKE, FINE, FINE }, A, STAYS },
	{ "bounded: the hash's choice, though others are on their way",
	  BOUNDED,
	  { IS(.pending = 9), FINE, FINE },
	  A,
	  STAYS },
	{ "bounded: one that is stopped is passed over", BOUNDED, { STOPPED, FINE, FINE }, B, SPILLED },
	{ "bounded: one that nobody accepts from is passed over", BOUNDED, { LATE, AWAKE, FINE }, B, SPILLED },
	{ "bounded: one that was blocked for long is passed over",
	  BOUNDED,
	  { IS(.suspect = 1), FINE, FINE },
	  B,
	  SPILLED },
	{ "bounded: one with more than its share is passed over", BOUNDED, { LOADED, FINE, FINE }, B, SPILLED },
	{ "bounded: one that is full is passed over", BOUNDED, { FULL, FINE, FINE }, B, SPILLED },
	{ "bounded: one that is warming is passed over", BOUNDED, { IS(.warming = 1), FINE, FINE }, B, SPILLED },
	{ "bounded: absent counts as failover though the next is blocked",
	  BOUNDED,
	  { ABSENT, STOPPED, FINE },
	  C,
	  FAILOVER },
	{ "bounded: all full: nobody", BOUNDED, { FULL, FULL, FULL }, NONE, SPILLED },
	{ "bounded: rather one that was given no CPU than one that got nothing done",
	  BOUNDED,
	  { IS(.loop = RCXLB_LOOP_STILL), IS(.loop = RCXLB_LOOP_STARVED), LATE },
	  B,
	  SPILLED },
	{ "bounded: all stopped: the hash's choice", BOUNDED, { STOPPED, STOPPED, STOPPED }, A, STAYS },
	{ "bounded: all blocked: the least bad", BOUNDED, { STOPPED, IS(.loop = RCXLB_LOOP_STILL), LATE }, C, SPILLED },
	{ "bounded: rather one that warms up than one that is blocked",
	  BOUNDED,
	  { LATE, IS(.warming = 1), LATE },
	  B,
	  SPILLED },
	{ "bounded: rather one above its share than one that warms up",
	  BOUNDED,
	  { IS(.warming = 1), LOADED, STOPPED },
	  B,
	  SPILLED },
	{ "bounded: of two above their shares the less loaded",
	  BOUNDED,
	  { LOADED, IS(.active = 50), STOPPED },
	  B,
	  SPILLED },
	{ "bounded: a blocked one that is up before one that is down", BOUNDED, { DOWN, STOPPED, DOWN }, B, FAILOVER },
	{ "bounded: all down: the one that is not blocked",
	  BOUNDED,
	  { IS(.down = 1, .loop = RCXLB_LOOP_STOPPED), DOWN, ABSENT },
	  B,
	  FAILOVER },

	{ "least: the hash's choice sleeps", LEAST, { FINE, FINE, FINE }, A, STAYS },
	{ "least: the first that sleeps", LEAST, { AWAKE, AWAKE, FINE }, C, SPILLED },
	{ "least: none sleeps: the less loaded of the first two",
	  LEAST,
	  { IS(.loop = RCXLB_LOOP_AWAKE, .active = 9), IS(.loop = RCXLB_LOOP_ALIVE, .active = 8), AWAKE },
	  B,
	  SPILLED },
	{ "least: none sleeps, as many connections: the hash's choice", LEAST, { AWAKE, AWAKE, AWAKE }, A, STAYS },
	{ "least: none can be seen: connections count",
	  LEAST,
	  { IS(.loop = RCXLB_LOOP_UNKNOWN, .active = 2), IS(.loop = RCXLB_LOOP_UNKNOWN, .active = 1), STOPPED },
	  B,
	  SPILLED },
	{ "least: none sleeps: who has a queue counts as more loaded",
	  LEAST,
	  { IS(.loop = RCXLB_LOOP_AWAKE, .active = 1, .queue = 1), IS(.loop = RCXLB_LOOP_AWAKE, .active = 3), AWAKE },
	  B,
	  SPILLED },
	{ "least: none sleeps: by weight",
	  LEAST,
	  { IS(.loop = RCXLB_LOOP_AWAKE, .active = 3),
	    { .listens = 1, .takes = 1, .weight = 4, .loop = RCXLB_LOOP_AWAKE, .active = 8 },
	    AWAKE },
	  B,
	  SPILLED },
	{ "least: asleep above its share before awake", LEAST, { AWAKE, LOADED, AWAKE }, B, SPILLED },
	{ "least: asleep within its share before asleep above it", LEAST, { LOADED, FINE, FINE }, B, SPILLED },
	{ "least: asleep with nobody on the way before asleep with somebody",
	  LEAST,
	  { IS(.pending = 1), FINE, FINE },
	  B,
	  SPILLED },
	{ "least: of two that have others coming, the one with fewer",
	  LEAST,
	  { IS(.pending = 2), IS(.pending = 1), STOPPED },
	  B,
	  SPILLED },
	{ "least: awake before warming", LEAST, { IS(.warming = 1), AWAKE, STOPPED }, B, SPILLED },
	{ "least: awake before one that was blocked for long",
	  LEAST,
	  { IS(.suspect = 1), AWAKE, STOPPED },
	  B,
	  SPILLED },
	{ "least: all stopped: the hash's choice", LEAST, { STOPPED, STOPPED, STOPPED }, A, STAYS },
	{ "least: one that is down is passed over even if it sleeps", LEAST, { DOWN, AWAKE, STOPPED }, B, FAILOVER },
	{ "least: all full: nobody", LEAST, { FULL, FULL, ABSENT }, NONE, SPILLED },
};

static struct rcxlb_table table = { .members = 3, .member = { A, B, C }, .slot = { A, B, C } };

static void rules(void **state)
{
	const struct rcxlb_walk walk = { .members = 3, .stride = 1, .candidates = 3 };

	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		struct rcxlb_choice choice;
		struct rcxlb_rule rule = { .balance = rows[r].balance, .load_factor = 125, .active = 90, .weight = 3 };

		rcxlb_begin(&choice, &table, &walk);
		for (uint32_t i = 0; i < 3; i++)
			if (!rcxlb_looked_at(&choice, i, i) && rcxlb_offer(&choice, &rule, i, &rows[r].facts[i]))
				break;
		check((int)choice.chosen == rows[r].chosen, rows[r].what);
		check(rcxlb_is_failover(&choice) == (rows[r].how == FAILOVER), rows[r].what);
		check(rcxlb_is_spilled(&choice) == (rows[r].how == SPILLED), rows[r].what);
	}
}

/* One more connection: is it too many? */
static const struct {
	const char *what;
	uint64_t active; /* of all */
	uint32_t weight; /* of all */
	struct rcxlb_facts facts;
	uint32_t load_factor;
	int loaded;
} bounds[] = {
	{ "nobody has any", 0, 3, { .weight = 1, .active = 0 }, 125, 0 },
	{ "few are chance: 4 above the share are not enough", 8, 3, { .weight = 1, .active = 6 }, 125, 0 },
	{ "few are chance: 5 above the share are", 5, 3, { .weight = 1, .active = 6 }, 125, 1 },
	{ "just within 1.25 times 40", 119, 3, { .weight = 1, .active = 49 }, 125, 0 },
	{ "just at 1.25 times 40: one more is too many", 119, 3, { .weight = 1, .active = 50 }, 125, 1 },
	{ "weight 2 of 4 has half: within", 199, 4, { .weight = 2, .active = 124 }, 125, 0 },
	{ "weight 2 of 4 has half: too many", 199, 4, { .weight = 2, .active = 125 }, 125, 1 },
	{ "weight 1 of 257: within", 256999, 257, { .weight = 1, .active = 1249 }, 125, 0 },
	{ "weight 1 of 257: too many", 256999, 257, { .weight = 1, .active = 1250 }, 125, 1 },
	{ "a factor of 2", 99, 2, { .weight = 1, .active = 99 }, 200, 0 },
	{ "a factor of 2: too many", 99, 2, { .weight = 1, .active = 100 }, 200, 1 },
	{ "that come and go: 3 deviations of 36 are 18", 107, 3, { .weight = 1, .active = 53, .passing = 1 }, 125, 0 },
	{ "that come and go: more than 3 deviations", 107, 3, { .weight = 1, .active = 54, .passing = 1 }, 125, 1 },
	{ "most that there can be",
	  4294967295ull * 1024,
	  1024 * 256,
	  { .weight = 256, .active = 4294967295u },
	  125,
	  0 },
	{ "all at one of 1,024", 4294967295ull, 1024, { .weight = 1, .active = 4294967295u, .passing = 1 }, 10000, 1 },
};

static void shares_are_exact(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(bounds); r++) {
		struct rcxlb_rule rule = { .balance = BOUNDED,
					   .load_factor = bounds[r].load_factor,
					   .active = bounds[r].active,
					   .weight = bounds[r].weight };

		check(rcxlb_is_loaded(&rule, &bounds[r].facts) == bounds[r].loaded, bounds[r].what);
	}
}

static const struct {
	const char *what;
	struct rcxlb_facts facts;
	int taken;
} behind[] = {
	{ "has nothing where a share is 100", IS(.active = 0), 1 },
	{ "has 79 of 100", IS(.active = 79), 1 },
	{ "has 80 of 100: the load factor's inverse", IS(.active = 80), 0 },
	{ "has its share", IS(.active = 100), 0 },
	{ "awake is good enough", IS(.loop = RCXLB_LOOP_AWAKE), 1 },
	{ "blocked is not", IS(.loop = RCXLB_LOOP_LATE), 0 },
	{ "nor warming", IS(.warming = 1), 0 },
	{ "nor suspect", IS(.suspect = 1), 0 },
	{ "nor down", IS(.down = 1), 0 },
	{ "nor draining", IS(.draining = 1), 0 },
	{ "nor absent", ABSENT, 0 },
	{ "nor full", IS(.active = 5, .max_connections = 5), 0 },
};

static void who_is_far_behind_comes_first(void **state)
{
	const struct rcxlb_walk walk = { .members = 3, .stride = 1, .candidates = 3 };
	const struct rcxlb_rule rule = { .balance = LEAST, .load_factor = 125, .active = 300, .weight = 3 };

	(void)state;
	for (size_t r = 0; r < LENGTH(behind); r++) {
		struct rcxlb_choice choice;

		rcxlb_begin(&choice, &table, &walk);
		check(rcxlb_offer_behind(&choice, &rule, C, &behind[r].facts) == behind[r].taken, behind[r].what);
		check((choice.chosen == C) == behind[r].taken, behind[r].what);
	}
}

static void few_connections_are_no_reason_to_catch_up(void **state)
{
	const struct rcxlb_rule rule = { .balance = LEAST, .load_factor = 125, .active = 45, .weight = 3 };
	const struct rcxlb_facts none = FINE;

	(void)state;
	assert_false(rcxlb_is_behind(&rule, &none));
}

static void slow_start_takes_its_part_of_the_clients(void **state)
{
	(void)state;
	for (uint32_t age = 0; age <= 1000; age += 100) {
		uint32_t taken = 0;

		for (uint64_t i = 0; i < 65536; i += 64)
			taken += !rcxlb_is_warming(i << 48, age, 1000);
		assert_in_range(taken, age * 1024 / 1000, age * 1024 / 1000 + 1);
	}
	assert_false(rcxlb_is_warming(~0ull, 0, 0));
}

static const struct {
	const char *what;
	int balance;
	struct rcxlb_facts facts; /* of all */
	uint32_t looks;
} lookings[] = {
	{ "least: all awake", LEAST, AWAKE, RCXLB_LOOKS_AWAKE },
	{ "least: all have others coming", LEAST, IS(.pending = 1), RCXLB_LOOKS_AWAKE },
	{ "least: all suspect", LEAST, IS(.suspect = 1), RCXLB_LOOKS },
	{ "least: all stopped", LEAST, STOPPED, RCXLB_LOOKS_BLOCKED },
	{ "bounded: all warming", BOUNDED, IS(.warming = 1), RCXLB_LOOKS },
	{ "bounded: all stopped", BOUNDED, STOPPED, RCXLB_LOOKS_BLOCKED },
	{ "bounded: nothing speaks against the first", BOUNDED, FINE, 1 },
};

static void not_all_of_many_are_looked_at(void **state)
{
	static struct rcxlb_table many = { .members = 1024 };
	const struct rcxlb_walk walk = { .members = 1024, .stride = 1, .candidates = RCXLB_CANDIDATES };

	(void)state;
	for (int i = 0; i < RCXLB_TABLE_SIZE; i++)
		many.slot[i] = i % 1024;
	for (size_t r = 0; r < LENGTH(lookings); r++) {
		const struct rcxlb_rule rule = { .balance = lookings[r].balance, .load_factor = 125 };
		struct rcxlb_choice choice;
		uint32_t looks = 0;

		rcxlb_begin(&choice, &many, &walk);
		for (uint32_t i = 0; i < walk.candidates; i++) {
			uint32_t id = rcxlb_candidate(&many, &walk, i);

			if (rcxlb_looked_at(&choice, id, i))
				continue;
			looks++;
			if (rcxlb_offer(&choice, &rule, id, &lookings[r].facts))
				break;
		}
		check(looks == lookings[r].looks, lookings[r].what);
	}
}

/* Ids of any kind: what addresses come and go leaves them far apart. */
static void members_are_told_apart_by_the_whole_id(void **state)
{
	static struct rcxlb_table two = { .members = 2, .member = { 3, 67 } };
	const struct rcxlb_facts *facts[RCXLB_MAX_BACKENDS] = {
		[3] = &(struct rcxlb_facts)AWAKE, [67] = &(struct rcxlb_facts)FINE
	};
	const struct rcxlb_rule rule = { .balance = LEAST, .load_factor = 125 };

	(void)state;
	for (int i = 0; i < RCXLB_TABLE_SIZE; i++)
		two.slot[i] = i % 2 ? 67 : 3;
	for (uint64_t hash = 0; hash < 100; hash++) {
		struct rcxlb_walk walk = rcxlb_walk(&two, hash * 7919);
		struct rcxlb_choice choice;
		uint32_t i = 0, id;

		rcxlb_begin(&choice, &two, &walk);
		do
			id = rcxlb_candidate(&two, &walk, i);
		while ((rcxlb_looked_at(&choice, id, i) || !rcxlb_offer(&choice, &rule, id, facts[id])) &&
		       ++i < walk.candidates);
		assert_int_equal(choice.chosen, 67);
		assert_true(choice.slots <= RCXLB_WALK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules),
		cmocka_unit_test(shares_are_exact),
		cmocka_unit_test(members_are_told_apart_by_the_whole_id),
		cmocka_unit_test(who_is_far_behind_comes_first),
		cmocka_unit_test(few_connections_are_no_reason_to_catch_up),
		cmocka_unit_test(slow_start_takes_its_part_of_the_clients),
		cmocka_unit_test(not_all_of_many_are_looked_at),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
