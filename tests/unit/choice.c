// SPDX-License-Identifier: BSD-2-Clause
/* The walk that brings the candidates of a hash: who gets the clients of one that is not there. */
#include "test.h"

#include "core/maglev.h"
#include "rcxlb/choice.h"

static const struct rcxlb_rule consistent = { .balance = RCXLB_BALANCE_CONSISTENT };
static const struct rcxlb_facts usable = { .listens = 1, .takes = 1, .weight = 1 };
static const struct rcxlb_facts absent = { .weight = 1 };

/* The hash of client number i: spread as a good hash is. */
static uint64_t hash_of(uint64_t i)
{
	i = (i ^ i >> 30) * 0xbf58476d1ce4e5b9ull;
	i = (i ^ i >> 27) * 0x94d049bb133111ebull;
	return i ^ i >> 31;
}

#define CLIENTS 100000

static struct rcxlb_table table;

static void make_table(uint32_t count)
{
	struct maglev_member members[RCXLB_MAX_BACKENDS];

	memset(&table, 0, sizeof(table));
	table.members = count;
	for (uint32_t i = 0; i < count; i++) {
		members[i] = (struct maglev_member){ .id = i, .weight = 1, .endpoint.port = i + 1 };
		table.member[i] = i;
	}
	maglev_build(members, count, table.slot);
}

static uint32_t choose(uint64_t hash, const char *absent_ones)
{
	struct rcxlb_walk walk = rcxlb_walk(&table, hash);
	struct rcxlb_choice choice;

	rcxlb_begin(&choice, &table, &walk);
	for (uint32_t i = 0; i < walk.candidates; i++) {
		uint32_t id = rcxlb_candidate(&table, &walk, i);

		if (rcxlb_looked_at(&choice, id, i))
			continue;
		if (rcxlb_offer(&choice, &consistent, id, absent_ones[id] ? &absent : &usable))
			break;
	}
	return choice.chosen;
}

static void one_that_is_absent_moves_only_its_own_clients(void **state)
{
	char none[RCXLB_MAX_BACKENDS] = {}, one[RCXLB_MAX_BACKENDS] = { [3] = 1 };

	(void)state;
	make_table(7);
	for (uint64_t i = 1; i <= CLIENTS; i++) {
		uint32_t before = choose(hash_of(i), none), after = choose(hash_of(i), one);

		if (before == 3)
			assert_int_not_equal(after, 3);
		else
			assert_int_equal(before, after);
	}
}

static void clients_of_an_absent_one_are_spread_over_the_others(void **state)
{
	char none[RCXLB_MAX_BACKENDS] = {}, one[RCXLB_MAX_BACKENDS] = { [3] = 1 };
	uint32_t got[7] = {}, moved = 0;

	(void)state;
	make_table(7);
	for (uint64_t i = 1; i <= CLIENTS; i++)
		if (choose(hash_of(i), none) == 3) {
			got[choose(hash_of(i), one)]++;
			moved++;
		}
	for (int i = 0; i < 7; i++)
		if (i != 3)
			assert_in_range(got[i], moved / 6 * 0.9, moved / 6 * 1.1);
}

static void the_only_one_of_1024_is_found_by_every_client(void **state)
{
	char all_but_one[RCXLB_MAX_BACKENDS];

	(void)state;
	memset(all_but_one, 1, sizeof(all_but_one));
	all_but_one[517] = 0;
	make_table(RCXLB_MAX_BACKENDS);
	for (uint64_t i = 1; i <= CLIENTS / 100; i++)
		assert_int_equal(choose(hash_of(i), all_but_one), 517);
}

static void without_members_there_are_no_candidates(void **state)
{
	(void)state;
	memset(&table, 0, sizeof(table));
	assert_int_equal(rcxlb_walk(&table, 12345).candidates, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_is_absent_moves_only_its_own_clients),
		cmocka_unit_test(clients_of_an_absent_one_are_spread_over_the_others),
		cmocka_unit_test(the_only_one_of_1024_is_found_by_every_client),
		cmocka_unit_test(without_members_there_are_no_candidates),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
