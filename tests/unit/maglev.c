// SPDX-License-Identifier: BSD-2-Clause
/* The table: fair by weight, the same for everybody, little moved when a backend leaves, quick to build. */
#include "test.h"

#include <math.h>
#include <time.h>

#include "core/maglev.h"
#include "rcxlb/choice.h"

static struct maglev_member members[RCXLB_MAX_BACKENDS];
static uint16_t table[RCXLB_TABLE_SIZE], other[RCXLB_TABLE_SIZE];

static const struct {
	const char *what;
	uint32_t count;
	uint16_t weights[3]; /* given out in turn */
} rows[] = {
	{ "two alike", 2, { 1, 1, 1 } },      { "three alike", 3, { 1, 1, 1 } },
	{ "seven alike", 7, { 1, 1, 1 } },    { "sixty-four alike", 64, { 1, 1, 1 } },
	{ "two of 1:2", 2, { 1, 2, 5 } },     { "three of 1:2:5", 3, { 1, 2, 5 } },
	{ "seven of 1:2:5", 7, { 1, 2, 5 } }, { "sixty-four of 1:2:5", 64, { 1, 2, 5 } },
};

static void make_members(uint32_t count, const uint16_t *weights)
{
	for (uint32_t i = 0; i < count; i++) {
		members[i] = (struct maglev_member){ .id = i, .weight = weights[i % 3] };
		memcpy(members[i].endpoint.address, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1", 16);
		members[i].endpoint.port = 3001 + i;
	}
}

static double share_of(uint32_t count, const uint16_t *weights, uint32_t which)
{
	double total = 0;

	for (uint32_t i = 0; i < count; i++)
		total += weights[i % 3];
	return weights[which % 3] / total;
}

static void slots_are_within_one_percent_of_the_share(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		uint32_t slots[64] = {};

		make_members(rows[r].count, rows[r].weights);
		maglev_build(members, rows[r].count, table);
		for (uint32_t i = 0; i < RCXLB_TABLE_SIZE; i++)
			slots[table[i]]++;
		for (uint32_t i = 0; i < rows[r].count; i++) {
			double wished = RCXLB_TABLE_SIZE * share_of(rows[r].count, rows[r].weights, i);

			check(fabs(slots[i] - wished) <= 0.01 * wished, rows[r].what);
		}
	}
}

static uint64_t random_state;

static uint64_t draw(void) /* splitmix64 */
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15ull;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return z ^ z >> 31;
}

/* Random clients, and clients as they come: one address after the other, one port after the other. */
static void hashed_clients_are_within_five_standard_deviations(void **state)
{
	const uint32_t clients = 1000000;

	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		struct rcxlb_service service = { .hash_key = { draw(), draw() } };
		struct rcxlb_endpoint client = {}, local = { .port = 3000 };
		uint32_t got[64] = {};

		make_members(rows[r].count, rows[r].weights);
		maglev_build(members, rows[r].count, table);
		memcpy(client.address, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\0", 16);
		for (uint32_t i = 0; i < clients; i++) {
			client.port = 1024 + i % 60000;
			client.address[14] = i / 60000;
			got[table[rcxlb_hash(&service, &client, &local) % RCXLB_TABLE_SIZE]]++;
		}
		for (uint32_t i = 0; i < rows[r].count; i++) {
			double p = share_of(rows[r].count, rows[r].weights, i);

			check(fabs(got[i] - clients * p) <= 5 * sqrt(clients * p * (1 - p)), rows[r].what);
		}
	}
}

static void one_that_leaves_moves_at_most_1_3_times_its_share(void **state)
{
	double worst = 0;

	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++)
		for (uint32_t gone = 0; gone < rows[r].count; gone++) {
			double share = share_of(rows[r].count, rows[r].weights, gone);
			uint32_t moved = 0;

			make_members(rows[r].count, rows[r].weights);
			maglev_build(members, rows[r].count, table);
			memmove(&members[gone], &members[gone + 1], (rows[r].count - gone - 1) * sizeof(members[0]));
			maglev_build(members, rows[r].count - 1, other);
			for (uint32_t i = 0; i < RCXLB_TABLE_SIZE; i++)
				moved += table[i] != other[i];
			if (moved / (share * RCXLB_TABLE_SIZE) > worst)
				worst = moved / (share * RCXLB_TABLE_SIZE);
		}
	print_message("worst: %.3f times the share\n", worst);
	assert_true(worst <= 1.3);
}

static void order_of_members_does_not_matter(void **state)
{
	(void)state;
	make_members(64, rows[7].weights);
	maglev_build(members, 64, table);
	for (int i = 63; i > 0; i--) {
		int k = draw() % (i + 1);
		struct maglev_member swap = members[i];

		members[i] = members[k];
		members[k] = swap;
	}
	maglev_build(members, 64, other);
	assert_memory_equal(table, other, sizeof(table));
}

static double cpu_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

static void sixty_four_take_less_than_20_ms(void **state)
{
	double best = 1e9;

	(void)state;
	if (getenv("RCXLB_TEST_SLOW_MACHINE")) {
		print_message("skipped: this machine is emulated or watched, its times say nothing\n");
		skip();
	}
	/* Others may have the caches for a while. */
	for (int i = 0; i < 50 && best >= 20; i++) {
		double before = cpu_ms();

		make_members(64, rows[7].weights);
		maglev_build(members, 64, table);
		if (cpu_ms() - before < best)
			best = cpu_ms() - before;
	}
	print_message("64 backends of 1:2:5: %.1f ms\n", best);
	assert_true(best < 20);
}

static void every_backend_of_1024_has_a_slot_whatever_its_weight(void **state)
{
	const uint16_t uneven[3] = { 1, 256, 256 };
	uint32_t slots[RCXLB_MAX_BACKENDS] = {};

	(void)state;
	make_members(RCXLB_MAX_BACKENDS, uneven);
	maglev_build(members, RCXLB_MAX_BACKENDS, table);
	for (uint32_t i = 0; i < RCXLB_TABLE_SIZE; i++)
		slots[table[i]]++;
	for (uint32_t i = 0; i < RCXLB_MAX_BACKENDS; i++)
		assert_true(slots[i] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_are_within_one_percent_of_the_share),
		cmocka_unit_test(hashed_clients_are_within_five_standard_deviations),
		cmocka_unit_test(one_that_leaves_moves_at_most_1_3_times_its_share),
		cmocka_unit_test(order_of_members_does_not_matter),
		cmocka_unit_test(sixty_four_take_less_than_20_ms),
		cmocka_unit_test(every_backend_of_1024_has_a_slot_whatever_its_weight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
