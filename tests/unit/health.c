// SPDX-License-Identifier: BSD-2-Clause
#include "test.h"

#include "core/health.h"

#define UNKNOWN RCXLB_HEALTH_UNKNOWN
#define UP	RCXLB_HEALTH_UP
#define DOWN	RCXLB_HEALTH_DOWN

/* Checks as letters: + good, - bad. After each of them the state as a letter: ?, u, d. */
static const struct {
	const char *what;
	uint32_t begins, rise, fall;
	const char *checks, *states;
} rows[] = {
	{ "the first good one makes it up", UNKNOWN, 2, 3, "+", "u" },
	{ "of what is not known bad ones need their row", UNKNOWN, 2, 3, "---", "??d" },
	{ "a good one ends the row before anything was known", UNKNOWN, 2, 3, "--+--", "??uuu" },
	{ "it falls with the last of the row", UP, 2, 3, "---", "uud" },
	{ "a good one in between begins the row anew", UP, 2, 3, "--+--+---", "uuuuuuuud" },
	{ "it rises with the last of the row", DOWN, 2, 3, "++", "du" },
	{ "a bad one in between begins the row anew", DOWN, 3, 3, "++-++-+++",
	  "dddddddd"
	  "u" },
	{ "rise and fall are told apart", UP, 1, 4, "----+----", "uuuduuuud" },
	{ "with 1 each check counts", UP, 1, 1, "-+-+", "dudu" },
	{ "turn by turn never reaches a row of two", UP, 2, 2, "-+-+-+-+", "uuuuuuuu" },
	{ "nor back", DOWN, 2, 2, "+-+-+-+-", "dddddddd" },
	{ "more bad ones than needed leave it down, and rise begins at 0", DOWN, 2, 2, "-----+-++", "ddddddddu" },
};

static char letter(uint32_t state)
{
	return state == UNKNOWN ? '?' : state == UP ? 'u' : 'd';
}

static void rows_of_checks(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(rows); r++) {
		struct health health = { .state = rows[r].begins };

		check(strlen(rows[r].checks) == strlen(rows[r].states), rows[r].what);
		for (size_t i = 0; rows[r].checks[i]; i++) {
			uint32_t before = health.state;
			bool changed = health_note(&health, rows[r].checks[i] == '+', rows[r].rise, rows[r].fall);

			check(letter(health.state) == rows[r].states[i], rows[r].what);
			check(changed == (health.state != before), rows[r].what);
		}
	}
}

/* However the checks fall: a change needs exactly its row, and the row before it was not longer. */
static void a_change_comes_after_exactly_its_row(void **state)
{
	uint32_t seed = 1;

	(void)state;
	for (uint32_t rise = 1; rise < 5; rise++)
		for (uint32_t fall = 1; fall < 5; fall++) {
			struct health health = { .state = UP };
			uint32_t row = 0; /* checks in a row against the state, counted anew here */

			for (int i = 0; i < 10000; i++) {
				bool good, was_up = health.state == UP, changed;

				seed = seed * 1664525 + 1013904223;
				good = seed >> 31;
				row = good == was_up ? 0 : row + 1;
				changed = health_note(&health, good, rise, fall);
				assert_int_equal(changed, row == (was_up ? fall : rise));
				row = changed ? 0 : row;
			}
		}
}

static void paths_are_tried_best_first(void **state)
{
	(void)state;
	assert_string_equal(health_path(0), "/readyz");
	assert_string_equal(health_path(1), "/livez");
	assert_string_equal(health_path(2), "/health");
	assert_string_equal(health_path(3), "/api/info");
	assert_null(health_path(4));
	assert_null(health_path(UINT32_MAX));
}

static const struct {
	const char *what;
	uint32_t status;
	bool missing;
} statuses[] = {
	{ "fine", 200, false },
	{ "elsewhere", 302, false },
	{ "not found", 404, true },
	{ "not for everybody: it says nothing of health", 401, true },
	{ "forbidden", 403, true },
	{ "another method is wanted", 405, true },
	{ "gone", 410, true },
	{ "it waited for too long: it is there", 408, false },
	{ "asked too often: it is there", 429, false },
	{ "broken", 500, false },
	{ "not ready", 503, false },
	{ "the last that is a client's fault", 499, true },
};

static void a_missing_path_is_no_verdict(void **state)
{
	(void)state;
	for (size_t r = 0; r < LENGTH(statuses); r++)
		check(health_path_is_missing(statuses[r].status) == statuses[r].missing, statuses[r].what);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_of_checks),
		cmocka_unit_test(a_change_comes_after_exactly_its_row),
		cmocka_unit_test(paths_are_tried_best_first),
		cmocka_unit_test(a_missing_path_is_no_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
